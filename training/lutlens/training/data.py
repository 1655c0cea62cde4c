"""Data sets: registered ones by their names, or a user's own images.

Whatever the source, a fixed part of the training images is held out as *validation*: every choice
(thresholds, best model, recipe) is made on it. The test images are only for the figure at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.values import Values

HELD_OUT_IMAGES = 5000
HELD_OUT_SEED = 20190908
MIN_IMAGES = 20
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".tif", ".tiff")

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
Shape = tuple[int, int, int]
"""Height, width, channels: 1 where images are grey, 3 where they are red, green and blue."""


class DataError(ValueError):
    """Data that cannot be used; the message names the file or array, and what would be right."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images with labels: int64 `[n]`, indices into the set's classes, or of a set of numbers these, `[n, outputs]`.

    images: uint8 `[n, height, width]` where they are grey, `[n, height, width, 3]` where they are red, green and blue.
    """

    images: UInt8
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Int64 | slice) -> Labelled:
        """The images of an index."""
        return Labelled(self.images[index], self.labels[index])


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set ready for training.

    sha256: of all images and labels as they were read, before validation was split off.
    key: the name by which `load` finds it; None for a user's own images.
    values: the range of its numbers, whose names `classes` are then; None where they are classes.
    """

    name: str
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled
    test: Labelled
    sha256: str
    key: str | None = None
    values: Values | None = None

    @property
    def image_shape(self) -> Shape:
        """Height, width and channels of every image."""
        return shape_of(self.train.images)


def shape_of(images: UInt8) -> Shape:
    """Height, width and channels of images, uint8 `[n, h, w]` or `[n, h, w, channels]`."""
    _, height, width, *channels = images.shape
    return height, width, channels[0] if channels else 1


def pixels(shape: Shape) -> str:
    """A shape in words: `32x32 pixels of 3 colours`."""
    height, width, channels = shape
    return f"{width}x{height} pixels" + (f" of {channels} colours" if channels > 1 else "")


def load(path: Path | None = None, shape: Shape | None = None, *, name: str = "mnist") -> DataSet:
    """The data set registered as `name` (`lutlens.training.datasets`), or the data at `path`: an .npz file, or a
    folder of images.

    An .npz holds `images` uint8 `[n, height, width]` or `[n, height, width, 3]` and `labels` (integers from 0),
    optionally `test_images` and `test_labels`, and `classes` (names). A folder holds one folder of images for
    each class, or two such folders, `train` and `test`. Without test images of its own, a seventh
    of the images becomes the test set.

    shape: what images of `path` are brought to, see `fitted`; by its channels they become grey or coloured. Without it
        they stay as large as they are, and all have to be the same; those of a folder become grey.

    Raises DataError.
    """
    if path is None:
        from lutlens.training import datasets

        return datasets.load(name)
    if shape and shape[2] not in (1, 3):
        raise DataError(f"{path}: images have 1 channel or 3, not {shape[2]}")
    if path.is_dir():
        return _from_folder(path, shape)
    if path.suffix == ".npz" and path.is_file():
        return _from_npz(path, shape)
    raise DataError(f"{path}: neither a folder with a folder of images for each class nor an .npz")


def fitted(image: UInt8, size: tuple[int, int]) -> UInt8:
    """An image, uint8 `[h, w]` or `[h, w, 3]`, resampled to `size` (height, width): as large as fits in, its shape
    kept, in the middle, on the median of its border.
    """
    if image.shape[:2] == size:
        return image
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    field = np.empty((*size, *image.shape[2:]), np.uint8)
    field[:] = np.median(border, axis=0)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    inside = cv2.resize(image, (width, height), interpolation=how)
    field[top : top + height, left : left + width] = inside
    return field


def decoded(where: str, content: bytes, channels: int) -> UInt8:
    """An image file's content, uint8 `[h, w]` of one channel, or `[h, w, 3]`. Raises DataError that says `where`."""
    encoded = np.frombuffer(content, np.uint8)
    how = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    # OpenCV raises for nothing at all, where for anything else that is no image it returns None.
    read = cv2.imdecode(encoded, how) if len(encoded) else None
    if read is None:
        raise DataError(f"{where}: not a readable image")
    image = np.asarray(read, np.uint8)
    return image if channels == 1 else np.ascontiguousarray(image[:, :, ::-1])


def _in_channels(image: UInt8, channels: int) -> UInt8:
    """An image made grey, or coloured."""
    if image.ndim == 3 and channels == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 and channels == 3 else image


def assemble(
    name: str,
    classes: Sequence[str],
    train: Labelled,
    test: Labelled | None,
    held_out: int = HELD_OUT_IMAGES,
    values: Values | None = None,
) -> DataSet:
    """Check the arrays; split validation (and test, where there is none) off the training images.

    Validation gets `held_out` images, at most a tenth. values: the range of labels that are numbers.
    Raises DataError.
    """
    for part, labelled in (("training", train), ("test", test)):
        if labelled is not None:
            _check(f"{name}: {part}", labelled, len(classes), values)
    if len(classes) < 2 and values is None:
        raise DataError(f"{name}: {len(classes)} class, at least 2 are needed")
    if len(train) < MIN_IMAGES:
        raise DataError(f"{name}: {len(train)} images, at least {MIN_IMAGES} are needed")
    digest = hashlib.sha256()
    for labelled in (train, test):
        if labelled is not None:
            digest.update(labelled.images.tobytes())
            digest.update(labelled.labels.tobytes())
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(train))
    if test is None:
        cut = len(train) // 7
        test, order = train.take(order[:cut]), order[cut:]
    elif test.images.shape[1:] != train.images.shape[1:]:
        raise DataError(
            f"{name}: test images of {pixels(shape_of(test.images))} beside training images of "
            f"{pixels(shape_of(train.images))}"
        )
    cut = min(held_out, max(1, len(order) // 10))
    return DataSet(
        name=name,
        classes=tuple(classes),
        train=train.take(order[cut:]),
        validation=train.take(order[:cut]),
        test=test,
        sha256=digest.hexdigest(),
        values=values,
    )


def _check(where: str, labelled: Labelled, classes: int, values: Values | None = None) -> None:
    images, labels = labelled.images, labelled.labels
    colours = images.ndim == 4 and images.shape[3] == 3
    if images.dtype != np.uint8 or not (images.ndim == 3 or colours):
        raise DataError(
            f"{where} images: {images.dtype} {list(images.shape)}, must be uint8 [n, height, width] "
            "or [n, height, width, 3]"
        )
    if values is not None:
        if labels.shape != (len(images), classes):
            raise DataError(
                f"{where} labels: {list(labels.shape)} for {len(images)} images and {classes} numbers"
            )
        if not ((values.low <= labels) & (labels <= values.high)).all():
            raise DataError(
                f"{where} labels: {labels.min()} to {labels.max()}, must be {values.low} to {values.high}"
            )
        return
    if labels.shape != images.shape[:1]:
        raise DataError(f"{where} labels: {list(labels.shape)} for {len(images)} images")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise DataError(
            f"{where} labels: {labels.min()} to {labels.max()}, must be 0 to {classes - 1}"
        )


def _from_npz(path: Path, shape: Shape | None) -> DataSet:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{path}: not a readable .npz ({error})") from error

    def labelled(prefix: str) -> Labelled:
        for key in (f"{prefix}images", f"{prefix}labels"):
            if key not in arrays:
                raise DataError(f"{path}: no array `{key}`; it holds {sorted(arrays)}")
        labels = arrays[f"{prefix}labels"]
        if not np.issubdtype(labels.dtype, np.integer):
            raise DataError(f"{path}: {prefix}labels are {labels.dtype}, must be integers")
        images = arrays[f"{prefix}images"]
        found = Labelled(images, labels.astype(np.int64))
        if not shape:
            return found
        _check(str(path), found, int(found.labels.max(initial=0)) + 1)
        fit = [_in_channels(fitted(image, shape[:2]), shape[2]) for image in images]
        return Labelled(np.stack(fit) if fit else images, found.labels)

    train = labelled("")
    test = labelled("test_") if "test_images" in arrays else None
    names = arrays.get("classes", np.arange(train.labels.max(initial=0) + 1))
    return assemble(path.stem, [str(name) for name in names], train, test)


def _from_folder(path: Path, shape: Shape | None) -> DataSet:
    if (path / "train").is_dir():
        classes = _class_folders(path / "train")
        train = _read_folder(path / "train", classes, shape)
        test = _read_folder(path / "test", classes, shape) if (path / "test").is_dir() else None
    else:
        classes = _class_folders(path)
        train, test = _read_folder(path, classes, shape), None
    return assemble(path.resolve().name, classes, train, test)


def _class_folders(path: Path) -> list[str]:
    names = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise DataError(f"{path}: no folders in it; one folder of images for each class is needed")
    return names


def _read_folder(path: Path, classes: Sequence[str], shape: Shape | None) -> Labelled:
    unknown = set(_class_folders(path)) - set(classes)
    if unknown:
        raise DataError(f"{path}: {sorted(unknown)[0]} is not among the classes {list(classes)}")
    images: list[UInt8] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(p for p in (path / name).glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise DataError(f"{path / name}: no images ({', '.join(IMAGE_SUFFIXES)})")
        for file in files:
            image = decoded(str(file), file.read_bytes(), shape[2] if shape else 1)
            if shape:
                image = fitted(image, shape[:2])
            if images and image.shape != images[0].shape:
                raise DataError(
                    f"{file}: {image.shape[1]}x{image.shape[0]} pixels, the others have "
                    f"{images[0].shape[1]}x{images[0].shape[0]}"
                )
            images.append(image)
            labels.append(label)
    return Labelled(np.stack(images), np.array(labels, np.int64))
