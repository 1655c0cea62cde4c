"""A function of two variables, sampled: the "peaks" that plotting programs draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board.values import Values
from lutlens.training.data import DataSet, Labelled, assemble
from lutlens.training.datasets.variables import image
from rich.console import Console

NAMES = ("z",)
RANGE = Values(low=-7.0, high=9.0)
SAMPLES = 20000, 4000
_SEED = 20190908

Floats = npt.NDArray[np.floating[Any]]


def peaks(x: Floats, y: Floats) -> Floats:
    """`3 (1 - x)^2 exp(-x^2 - (y + 1)^2) - 10 (x/5 - x^3 - y^5) exp(-x^2 - y^2) - exp(-(x + 1)^2 - y^2) / 3`, which is
    worth looking at from -3 to 3.
    """
    hills: Floats = 3 * (1 - x) ** 2 * np.exp(-(x**2) - (y + 1) ** 2)
    hills = hills - 10 * (x / 5 - x**3 - y**5) * np.exp(-(x**2) - y**2)
    return hills - np.exp(-((x + 1) ** 2) - y**2) / 3


def load(console: Console) -> DataSet:
    """18,000 points for training, 2,000 for validation and 4,000 for test, uniformly at random from -3 to 3."""
    random = np.random.default_rng(_SEED)

    def part(count: int) -> Labelled:
        shares = random.random((count, 2))
        x, y = 6 * shares.T - 3
        return Labelled(image(shares), peaks(x, y).astype(np.float32)[:, None])

    train, test = (part(count) for count in SAMPLES)
    return assemble("surface", NAMES, train, test, values=RANGE)
