"""What the core makes of regions of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from lutlens.board.sources.base import Box

if TYPE_CHECKING:
    from lutlens.board.overlay import Classifier


@dataclass(frozen=True, eq=False)
class Detection:
    """One region, recognised.

    digit, label: index and name of the class of the highest score.
    margin: distance of that score to the second.
    scores: of all classes, added over passes.
    view: uint8 `[28, 28]`, what the network saw.
    """

    box: Box
    digit: int
    label: str
    margin: int
    scores: tuple[int, ...]
    view: npt.NDArray[np.uint8]


def detect(
    classifier: Classifier, boxes: Sequence[Box], views: npt.NDArray[np.uint8], k: int
) -> list[Detection]:
    """Classify the views, uint8 `[n, 28, 28]`, of n boxes, in one batch. Raises CoreError."""
    if not boxes:
        return []
    results = classifier.classify(views, k)
    names = classifier.manifest.geometry.classes
    return [
        Detection(box, digit, names[digit], margin, tuple(scores), view)
        for box, digit, margin, scores, view in zip(
            boxes,
            results.classes.tolist(),
            results.margins.tolist(),
            results.scores.tolist(),
            views,
            strict=True,
        )
    ]
