"""Precision, recall and mean average precision of detections against the truth.

As PASCAL VOC counts (Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015): in
the order of their confidence, detections of a class take the truth of that class that they overlap most; it counts if
the overlap is at least 0.5 and no more confident detection has taken it. Average precision is the whole area under the
curve of precision over recall, made monotone ("all points", VOC since 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lutlens.board.windows import Boxes, Detections, overlaps
from lutlens.training.data import Int64

MIN_OVERLAP = 0.5
"""Intersection over union."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tally:
    """All detections of a set of scenes, by falling confidence.

    confidences: float32 `[n]`, `windows.FOUND`'s support. digits: int64 `[n]`. hits: bool `[n]`.
    truths: int64 `[classes]`, how many there are to be found.
    """

    confidences: npt.NDArray[np.float32]
    digits: Int64
    hits: Bools
    truths: Int64

    def average_precisions(self) -> npt.NDArray[np.float64]:
        """Of each class, `[classes]`; NaN where there is nothing to be found."""
        return np.array(
            [
                average_precision(self.hits[self.digits == c], int(count)) if count else np.nan
                for c, count in enumerate(self.truths)
            ]
        )

    @property
    def mean_average_precision(self) -> float:
        """The mean over the classes of which there is something to be found."""
        return float(np.nanmean(self.average_precisions()))

    def precision(self, least: float) -> float:
        """Of detections of at least that confidence, the share that is right; 1 if there are none."""
        hits = self.hits[self.confidences >= least]
        return float(hits.mean()) if len(hits) else 1.0

    def recall(self, least: float) -> float:
        """Share of the truth that detections of at least that confidence find."""
        return float(self.hits[self.confidences >= least].sum() / self.truths.sum())

    def best_confidence(self) -> float:
        """The least confidence with the highest F1, the harmonic mean of precision and recall."""
        levels = np.unique(self.confidences)
        if not len(levels):
            return 1.0
        found = np.array([(self.confidences >= level).sum() for level in levels])
        right = np.array([self.hits[self.confidences >= level].sum() for level in levels])
        return float(levels[np.argmax(2 * right / (found + self.truths.sum()))])


def tally(
    found: Sequence[Detections], boxes: Sequence[Boxes], labels: Sequence[Int64], classes: int
) -> Tally:
    """Hold what was found in each scene against its truth.

    found: `windows.FOUND` `[n]`. boxes: float32 `[m, 4]`. labels: `[m]`. classes: without background.
    """
    hits = [
        match(one, truth, digits) for one, truth, digits in zip(found, boxes, labels, strict=True)
    ]
    everything = np.concatenate(found)
    order = np.argsort(-everything["support"], kind="stable")
    return Tally(
        confidences=everything["support"][order],
        digits=everything["digit"].astype(np.int64)[order],
        hits=np.concatenate(hits)[order],
        truths=np.bincount(np.concatenate(labels), minlength=classes),
    )


def match(found: Detections, boxes: Boxes, labels: Int64) -> Bools:
    """Which detections of a scene are right, bool `[n]`. Arguments as of `tally`."""
    hits = np.zeros(len(found), bool)
    taken = np.zeros(len(labels), bool)
    for i in np.argsort(-found["support"], kind="stable"):
        shares = np.where(labels == found["digit"][i], overlaps(found["box"][i], boxes), 0)
        best = int(shares.argmax()) if len(labels) else -1
        if best >= 0 and shares[best] >= MIN_OVERLAP and not taken[best]:
            hits[i] = taken[best] = True
    return hits


def average_precision(hits: Bools, truths: int) -> float:
    """Area under the monotone curve of precision over recall.

    hits: bool `[n]`, by falling confidence. truths: how many there are to be found, at least 1.
    """
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    # The best precision at this recall or any higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hits].sum() / truths)
