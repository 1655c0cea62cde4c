"""From scores to the answer: the one place that says how."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board import scanning


def answers(
    scores: npt.NDArray[np.integer[Any]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Class and margin of each score vector.

    scores: integer `[..., classes]`, at least two classes.
    Returns two int64 arrays `[...]`: the class of the highest score, the lowest one if several are
    equal; and the distance from the highest score to the second highest, 0 if they are equal.
    """
    signed = np.asarray(scores).astype(np.int64)
    top = np.partition(signed, signed.shape[-1] - 2, axis=-1)[..., -2:]
    return signed.argmax(axis=-1), top[..., 1] - top[..., 0]


def cells(scores: npt.NDArray[np.integer[Any]]) -> scanning.Cells:
    """The cells of a scan, uint32 `[...]`: class, margin and score, from scores `[..., classes]`."""
    classes, margins = answers(scores)
    return scanning.cells(classes, margins, np.asarray(scores).max(axis=-1))
