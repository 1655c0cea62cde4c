"""Diabetes (Efron, Hastie, Johnstone and Tibshirani, 2004), which ships with scikit-learn: ten measures of each of 442
patients, and how far the disease had gone a year later.
"""

from __future__ import annotations

import numpy as np
from lutlens.board.values import Values
from lutlens.training.data import HELD_OUT_SEED, DataSet, Int64, Labelled, assemble
from rich.console import Console

NAMES = ("progression",)
RANGE = Values(low=25.0, high=346.0)


def load(console: Console) -> DataSet:
    """342 patients for training, 37 for validation, 63 for test. An image is a row of the ten measures, each brought
    from its range among those that are not for test to 0 to 255.
    """
    from sklearn.datasets import load_diabetes

    table = load_diabetes(scaled=False)
    measures, progression = table.data, table.target.astype(np.float32)[:, None]
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(measures))
    test, known = order[: len(order) // 7], order[len(order) // 7 :]
    low, high = measures[known].min(axis=0), measures[known].max(axis=0)
    pixels = np.clip(255 * (measures - low) / (high - low), 0, 255).round().astype(np.uint8)

    def part(index: Int64) -> Labelled:
        return Labelled(pixels[index][:, None, :], progression[index])

    return assemble("diabetes", NAMES, part(known), part(test), values=RANGE)
