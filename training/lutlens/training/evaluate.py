"""How well a network recognises: accuracy, confusion, and the choice of its thresholds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lutlens.board.records import answers
from lutlens.training.data import Labelled
from lutlens.training.network import Network

Scores = npt.NDArray[np.integer[Any]]
Thresholds = npt.NDArray[np.uint8]
ScoresOf = Callable[[npt.NDArray[np.uint8], Thresholds], Scores]
"""Images uint8 `[n, height, width(, 3)]`, thresholds uint8 `[K, z]` to integer scores `[n, classes]`."""

LOWS = (0, 16, 32, 48, 64)
HIGHS = (96, 112, 128, 144, 160, 176, 192, 208, 224, 240)
GRID = 8
"""Ramps are rounded to multiples of this, so that they share passes."""
BATCH = 1000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a data set's images got.

    confusion: int64 `[true class, answer]`, counts of images.
    """

    confusion: npt.NDArray[np.int64]
    seconds: float

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return float(self.confusion.trace() / self.images)

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds


def evaluate(
    scores_of: ScoresOf,
    data: Labelled,
    thresholds: Thresholds,
    report: Callable[[int], None] = lambda images: None,
    batch_size: int = BATCH,
) -> Evaluation:
    """Classify the data under K passes of thresholds; `report` is told the images done so far."""
    confusion: npt.NDArray[np.int64] | None = None
    start = time.perf_counter()
    for first in range(0, len(data), batch_size):
        part = data.take(slice(first, first + batch_size))
        scores = scores_of(part.images, thresholds)
        if confusion is None:
            confusion = np.zeros((scores.shape[1], scores.shape[1]), np.int64)
        np.add.at(confusion, (part.labels, answers(scores)[0]), 1)
        report(first + len(part))
    assert confusion is not None, "a data set is never empty"
    return Evaluation(confusion, time.perf_counter() - start)


def torch_scores(network: Network) -> ScoresOf:
    """PyTorch's hard forward."""

    def scores_of(images: npt.NDArray[np.uint8], thresholds: Thresholds) -> Scores:
        pixels = torch.from_numpy(images).to(network.device)
        scores: Scores = network.scores(pixels, thresholds).cpu().numpy()
        return scores

    return scores_of


def ramp(k: int, bits: int, low: int, high: int) -> Thresholds:
    """uint8 `[k, bits]`: k * bits thresholds evenly from low to high, one pass taking every k-th.

    With one bit it is the seed's threshold ramp, K frames under K thresholds.
    """
    levels = low + (high - low) * (np.arange(k * bits) + 0.5) / (k * bits)
    rounded: Thresholds = np.clip(np.round(levels / GRID) * GRID, 0, 254).astype(np.uint8)
    return rounded.reshape(bits, k).T.copy()


def rank_thresholds(
    scores_of: ScoresOf, data: Labelled, bits: int, passes: Iterable[int]
) -> dict[int, list[tuple[Thresholds, float]]]:
    """For every K the ramps, those that recognise most of the data first, with their accuracies.

    Ramps of equal accuracy are told apart by the mean margin of the true class over the others.
    Call it with validation images.
    """
    known: dict[bytes, Scores] = {}

    def one_pass(thresholds: Thresholds) -> Scores:
        key = thresholds.tobytes()
        if key not in known:
            parts = [
                scores_of(data.images[first : first + BATCH], thresholds[None])
                for first in range(0, len(data), BATCH)
            ]
            known[key] = np.concatenate(parts).astype(np.int32)
        return known[key]

    ranked = {}
    for k in passes:
        tried: list[tuple[float, float, Thresholds]] = []
        for thresholds in _distinct(ramp(k, bits, low, high) for low in LOWS for high in HIGHS):
            scores = np.sum([one_pass(t) for t in thresholds], axis=0)
            tried.append((*accuracy_and_margin(scores, data.labels), thresholds))
        tried.sort(key=lambda one: one[:2], reverse=True)
        ranked[k] = [(thresholds, accuracy) for accuracy, _, thresholds in tried]
    return ranked


def _distinct(ramps: Iterable[Thresholds]) -> Iterable[Thresholds]:
    return {thresholds.tobytes(): thresholds for thresholds in ramps}.values()


def accuracy_and_margin(scores: Scores, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    images = np.arange(len(labels))
    others = scores.copy()
    true = scores[images, labels]
    others[images, labels] = -1
    return float((answers(scores)[0] == labels).mean()), float((true - others.max(axis=1)).mean())
