"""From a picture to what is found in it: one way for overlays that take single images, one for those that scan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lutlens.board import contrast, pictures, regions, scanning
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.sources.base import Box

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Detection:
    """A digit, or whatever else the network's classes are.

    digit, label: index and name of the class of the highest score.
    margin: distance of that score to the second.
    scores: of all classes, added over passes; None where the core keeps the best only.
    view: what the network saw, uint8 `[h, w]`, or `[h, w, 3]` of red, green and blue.
    track: the digit's number, the same from frame to frame; None where digits are not followed.
    output: what the network gives again of the view, uint8 `[h, w]` or `[h, w, 3]`, of one that gives
        images. Class, label, margin and scores are 0, empty, 0 and None then.
    """

    box: Box
    digit: int
    label: str
    margin: int
    scores: tuple[int, ...] | None
    view: Image
    track: int | None = None
    output: Image | None = None


@dataclass(frozen=True, eq=False)
class ClassMap:
    """What the core says of every window of a frame, at the finest scale.

    cells: uint32 `[rows, columns]`, as `lutlens.board.scanning` defines them.
    origin: x, y of the first window's centre in the picture, pixels. pitch: from one to the next.
    background: the class of windows that show nothing; None if the network has none.
    """

    cells: scanning.Cells
    origin: tuple[float, float]
    pitch: tuple[float, float]
    background: int | None


@dataclass(frozen=True, eq=False)
class Found:
    """What is in a picture. class_map: None where the core takes single images."""

    detections: tuple[Detection, ...]
    class_map: ClassMap | None = None


class Detector(ABC):
    """Finds digits in pictures with the loaded overlay. One thread at a time."""

    @abstractmethod
    def detect(self, image: Image, sequence: int, k: int, min_margin: int) -> Found:
        """Of one frame of a source.

        image: BGR uint8 `[h, w, 3]`. sequence: the frame's number, which grows.
        k: passes. min_margin: weaker detections are left out.
        Raises CoreError.
        """

    def close(self) -> None:  # noqa: B027, most hold nothing
        """Free what it holds, and forget the digits that it followed; it may be used again."""


class RegionDetector(Detector):
    """Cuts out what may be a digit, and has the core classify it.

    centre_box: also look at the middle of the picture as a whole.
    """

    def __init__(self, overlay: LoadedOverlay, *, centre_box: bool = False) -> None:
        self._overlay, self._centre_box = overlay, centre_box

    def detect(self, image: Image, sequence: int, k: int, min_margin: int) -> Found:
        boxes, views = regions.propose(image, centre_box=self._centre_box)
        return Found(_sure(recognise(self._overlay, boxes, views, k), min_margin))


class PictureDetector(Detector):
    """Has the core classify the middle of a picture: one detection, if its margin is large enough."""

    def __init__(self, overlay: LoadedOverlay) -> None:
        self._overlay = overlay

    def detect(self, image: Image, sequence: int, k: int, min_margin: int) -> Found:
        box, view = pictures.middle(image, self._overlay.manifest.geometry)
        return Found(_sure(recognise(self._overlay, [box], view[np.newaxis], k), min_margin))


def _sure(found: Iterable[Detection], min_margin: int) -> tuple[Detection, ...]:
    """Those whose margin is large enough; an image that is given again has none."""
    return tuple(d for d in found if d.output is not None or d.margin >= min_margin)


def recognise(
    overlay: LoadedOverlay, boxes: Sequence[Box], views: Image, k: int
) -> list[Detection]:
    """Show the core the views, uint8 `[n, h, w]` or `[n, h, w, 3]`, of n boxes, in one batch. Raises CoreError."""
    if not boxes:
        return []
    geometry = overlay.manifest.geometry
    views = np.stack([pictures.resampled(view, geometry) for view in views])
    if geometry.scan:  # such networks know pictures by their local contrast
        views = np.stack([contrast.normalise(view) for view in views])
    results = overlay.classify(views, k)
    if geometry.values:
        assert results.scores is not None  # a core of single images
        outputs = geometry.values.images(results.scores, k * geometry.bits_per_class)
        return [
            Detection(box, 0, "", 0, None, views[i], output=outputs[i])
            for i, box in enumerate(boxes)
        ]
    names = geometry.classes
    scores = results.scores
    return [
        Detection(
            box=box,
            digit=int(results.classes[i]),
            label=names[results.classes[i]],
            margin=int(results.margins[i]),
            scores=None if scores is None else tuple(scores[i].tolist()),
            view=views[i],
        )
        for i, box in enumerate(boxes)
    ]
