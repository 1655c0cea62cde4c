"""How well a network does: the share of images that it recognises, or how near its numbers are to the right ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board.values import Values
from lutlens.training.data import Labelled
from lutlens.training.evaluate import BATCH, Scores, ScoresOf, Thresholds, evaluate


@dataclass(frozen=True, eq=False)
class Measured:
    """What a data set's images gave.

    numbers: float32 `[n, outputs]`, in their own unit.
    squared_error: mean over images and outputs, as a share of the range's square; of pixels of 255's.
    r2: the coefficient of determination, 1 - squared error / variance about each output's mean, both summed over all
        outputs.
    """

    numbers: npt.NDArray[np.float32]
    squared_error: float
    r2: float
    seconds: float


def measure(
    scores_of: ScoresOf,
    data: Labelled,
    thresholds: Thresholds,
    values: Values,
    highest: int,
    report: Callable[[int], None] = lambda images: None,
    batch_size: int = BATCH,
) -> Measured:
    """Run the data's images under K passes of thresholds.

    highest: score that there can be in one pass. report: told the images done so far.
    """
    parts = []
    start = time.perf_counter()
    for first in range(0, len(data), batch_size):
        scores = scores_of(data.images[first : first + batch_size], thresholds)
        parts.append(values.numbers(scores, highest * len(thresholds)).astype(np.float32))
        report(min(first + batch_size, len(data)))
    seconds = time.perf_counter() - start
    numbers = np.concatenate(parts)
    squared = float(np.square(numbers - data.labels, dtype=np.float64).mean())
    scale = (255 if values.shape else values.high - values.low) ** 2
    return Measured(numbers, squared / scale, explained(numbers, data.labels), seconds)


def explained(numbers: npt.NDArray[Any], right: npt.NDArray[Any]) -> float:
    """R2, as of `Measured`, of numbers `[n, outputs]`."""
    squared = np.square(numbers - right, dtype=np.float64).mean()
    return float(1 - squared / right.var(axis=0, dtype=np.float64).mean())


def fitted_range(scores: Scores, labels: npt.NDArray[Any], highest: int) -> tuple[float, float]:
    """The ends of the range for which scores come nearest to labels, both `[n, outputs]`, by least squares.

    highest: score that there can be.
    """
    shares, right = scores.ravel() / highest, labels.ravel().astype(np.float64)
    slope = float(np.cov(shares, right)[0, 1] / shares.var(ddof=1))
    low = float(right.mean() - slope * shares.mean())
    return low, low + slope


def quality(
    scores_of: ScoresOf,
    data: Labelled,
    thresholds: Thresholds,
    values: Values | None,
    highest: int = 0,
) -> float:
    """The accuracy, or R2 where outputs are numbers."""
    if values is None:
        return evaluate(scores_of, data, thresholds).accuracy
    return measure(scores_of, data, thresholds, values, highest).r2
