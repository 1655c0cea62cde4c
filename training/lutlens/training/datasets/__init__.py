"""Data sets by name. A new one is a file beside this one and a line in `DATA_SETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from lutlens.training.data import DataError, DataSet
from lutlens.training.datasets import cifar10, diabetes, fashion_mnist, housing, mnist, surface
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


def load(name: str, console: Console | None = None) -> DataSet:
    """A data set by its name. Raises DataError."""
    check_name(name)
    found = DATA_SETS[name].load(console or Console(stderr=True))
    return replace(found, key=name)


def check_name(name: str) -> None:
    """Raises DataError unless there is a data set of this name."""
    if name not in DATA_SETS:
        raise DataError(f"{name}: no such data set; there is {', '.join(DATA_SETS)}")
