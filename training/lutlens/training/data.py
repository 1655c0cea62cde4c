"""Data sets, however they are come by (`lutlens.training.datasets`).

Whatever the source, a fixed part of the training images is held out as *validation*: every choice
(thresholds, best model, recipe) is made on it. The test images are only for the figure at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.values import Values

HELD_OUT_IMAGES = 5000
HELD_OUT_SEED = 20190908
MIN_IMAGES = 20

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
    key: the name by which `datasets.load` finds it; None for a user's own images.
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
            check(f"{name}: {part}", labelled, len(classes), values)
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


def check(where: str, labelled: Labelled, classes: int, values: Values | None = None) -> None:
    """Raises DataError that says `where` unless these are images and their labels; arguments as of `assemble`."""
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
