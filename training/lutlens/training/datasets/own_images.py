"""A user's own images: an .npz file, or a folder of images for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from lutlens.training.data import (
    DataError,
    DataSet,
    Labelled,
    Shape,
    UInt8,
    assemble,
    check,
    decoded,
)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".tif", ".tiff")


def load(path: Path, shape: Shape | None) -> DataSet:
    """Arguments as of `datasets.load`. Raises DataError."""
    if shape and shape[2] not in (1, 3):
        raise DataError(f"{path}: images have 1 channel or 3, not {shape[2]}")
    if path.is_dir():
        return _from_folder(path, shape)
    if path.suffix == ".npz" and path.is_file():
        return _from_npz(path, shape)
    raise DataError(f"{path}: neither a folder with a folder of images for each class nor an .npz")


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
        check(str(path), found, int(found.labels.max(initial=0)) + 1)
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


def _in_channels(image: UInt8, channels: int) -> UInt8:
    """An image made grey, or coloured."""
    if image.ndim == 3 and channels == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 and channels == 3 else image
