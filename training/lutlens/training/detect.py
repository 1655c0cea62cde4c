"""Digits in whole scenes: the network scans every scale, or classifies regions, as core and driver do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from lutlens.board import contrast, scanning, windows
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.detection import RegionDetector
from lutlens.board.records import answers
from lutlens.board.windows import Detections
from lutlens.training.augment import ScoreFrame
from lutlens.training.backgrounds import Background, Grey
from lutlens.training.crops import Pool
from lutlens.training.data import Labelled
from lutlens.training.scenes import Composition, Scene

SIDES = (20.0, 60.0)
"""Pixels of the digits in frames, smallest and largest."""
LARGEST = 1.1 * SIDES[1]
"""Pixels of the largest digits looked for: slant and stretch make some longer than they are drawn."""
FRAMES = (Composition((132, 640), (6, 10), SIDES), Composition((240, 320), (6, 10), SIDES))
"""Frames as a camera's; those of a set are of these sizes in turn."""
MISTAKES = 40
"""Of a scale of a frame, at most."""


class Finder(Protocol):
    """Finds digits in frames."""

    @property
    def classes(self) -> int:
        """How many kinds of digits there are."""

    def detect(self, image: Grey) -> Detections:
        """What is found in a frame uint8 `[height, width]`: `windows.FOUND` `[n]`."""


class Regions:
    """Regions that may be a digit, cut out and classified: what the board does where a core does not scan."""

    def __init__(self, overlay: LoadedOverlay, k: int) -> None:
        self._detector, self._k = RegionDetector(overlay), k
        self.classes = len(overlay.manifest.geometry.classes)

    def detect(self, image: Grey) -> Detections:
        """As `Finder`; a box is the square of the longer side around the ink's middle, as in `Scene.boxes`."""
        picture = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
        seen = self._detector.detect(picture, 0, self._k, 0).detections
        found = np.zeros(len(seen), windows.FOUND)
        for row, one in zip(found, seen, strict=True):
            x, y, width, height = one.box
            side = max(width, height)
            row["box"] = x + (width - side) / 2, y + (height - side) / 2, side, side
            row["digit"], row["margin"], row["support"] = one.digit, one.margin, one.margin
        return found


@dataclass(frozen=True)
class Scan:
    """How frames are scanned.

    score: executes the network on local contrast (`lutlens.board.contrast`).
    window: height and width of windows; step: pixels from one to the next, y and x.
    background: the class of windows that show nothing.
    """

    score: ScoreFrame
    window: tuple[int, int]
    step: tuple[int, int]
    background: int

    @property
    def classes(self) -> int:
        return self.background

    def pyramid(self, image: Grey) -> list[tuple[int, int]]:
        height, width = image.shape
        return windows.pyramid(width, height, image=self.window, largest=LARGEST)

    def detect(self, image: Grey, min_margin: int = 1) -> Detections:
        """As `Finder`, at all scales."""
        sizes = self.pyramid(image)
        listed = [
            scanning.peaks(self._class_map(copy), self.background, min_margin)
            for copy in windows.copies(image, sizes)
        ]
        factors = windows.factors(sizes[0], sizes)
        return windows.detections(listed, factors, self.step, self.window, min_margin=min_margin)

    def _class_map(self, image: Grey) -> scanning.Cells:
        scores = self.score(contrast.normalise(image))
        classes, margins = answers(scores)
        best = np.take_along_axis(scores, classes[..., None], -1)[..., 0]
        return scanning.cells(classes, margins, best)

    def mistakes(self, scene: Scene) -> Iterator[Grey]:
        """Background that is taken for digits, the worst of each scale: uint8 `[n, height, width]`."""
        height, width = scene.image.shape
        for image in windows.copies(scene.image, self.pyramid(scene.image)):
            size = image.shape[1], image.shape[0]
            shrunk = np.tile(np.divide(size, (width, height), dtype=np.float32), 2)
            copy = replace(
                scene,
                image=image,
                boxes=scene.boxes * shrunk,
                ink=scene.ink * shrunk,
            )
            pool = Pool([copy])
            classes, margins = answers(self.score(pool.images[0]))
            here = np.s_[0, :: self.step[0], :: self.step[1]]
            wrong = pool.background[here] & (classes != self.background)
            rows, columns = np.nonzero(wrong)
            worst = np.argsort(-margins[rows, columns], kind="stable")[:MISTAKES]
            yield pool.windows[here][rows[worst], columns[worst]]


def frames(digits: Labelled, background: Background, seed: tuple[int, ...], n: int) -> list[Scene]:
    """`n` frames, the same for the same arguments."""
    return [FRAMES[i % len(FRAMES)].scene(digits, background, (*seed, i)) for i in range(n)]
