"""Data sets by name. A new one is a file beside this one and a line in `DATA_SETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lutlens.training.data import DataError, DataSet
from lutlens.training.datasets import cifar10, fashion_mnist, mnist
from rich.console import Console

DATA_SETS: dict[str, Callable[[Console], DataSet]] = {
    "mnist": mnist.load,
    "fashion-mnist": fashion_mnist.load,
    "cifar10": cifar10.load,
}
"""Each finds its images on this machine or fetches them, and tells the console what is out of the ordinary."""


def load(name: str, console: Console | None = None) -> DataSet:
    """A data set by its name. Raises DataError."""
    check_name(name)
    found = DATA_SETS[name](console or Console(stderr=True))
    return replace(found, key=name)


def check_name(name: str) -> None:
    """Raises DataError unless there is a data set of this name."""
    if name not in DATA_SETS:
        raise DataError(f"{name}: no such data set; there is {', '.join(DATA_SETS)}")
