"""Data sets by name, or a user's own images. A new one is a file beside this one and a line in `DATA_SETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from lutlens.training.data import DataError, DataSet, Shape
from lutlens.training.datasets import (
    cifar10,
    diabetes,
    fashion_mnist,
    housing,
    mnist,
    own_images,
    surface,
)
from rich.console import Console


class Registered(NamedTuple):
    """What is known of a data set before it is loaded.

    load: finds the images on this machine or fetches them, and tells the console what is out of the ordinary.
    classes: their names, or those of its numbers.
    """

    load: Callable[[Console], DataSet]
    classes: tuple[str, ...]


DATA_SETS = {
    "mnist": Registered(mnist.load, mnist.DIGITS),
    "fashion-mnist": Registered(fashion_mnist.load, fashion_mnist.CLASSES),
    "cifar10": Registered(cifar10.load, cifar10.CLASSES),
    "diabetes": Registered(diabetes.load, diabetes.NAMES),
    "housing": Registered(housing.load, housing.NAMES),
    "surface": Registered(surface.load, surface.NAMES),
}
OF_NUMBERS = ("diabetes", "housing", "surface")


def load(path: Path | None = None, shape: Shape | None = None, *, name: str = "mnist") -> DataSet:
    """The data set registered as `name`, or the data at `path`: an .npz file, or a folder of images.

    An .npz holds `images` uint8 `[n, height, width]` or `[n, height, width, 3]` and `labels` (integers from 0),
    optionally `test_images` and `test_labels`, and `classes` (names). A folder holds one folder of images for
    each class, or two such folders, `train` and `test`. Without test images of its own, a seventh
    of the images becomes the test set.

    shape: what images of `path` are brought to, see `own_images.fitted`; by its channels they become grey or coloured.
        Without it they stay as large as they are, and all have to be the same; those of a folder become grey.

    Raises DataError.
    """
    if path is not None:
        return own_images.load(path, shape)
    check_name(name)
    return replace(DATA_SETS[name].load(Console(stderr=True)), key=name)


def check_name(name: str) -> None:
    """Raises DataError unless there is a data set of this name."""
    if name not in DATA_SETS:
        raise DataError(f"{name}: no such data set; there is {', '.join(DATA_SETS)}")
