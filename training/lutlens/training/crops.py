"""Windows cut from composed scenes: what a network that scans frames is trained and chosen on.

A window shows a digit if the digit's middle is near the window's and its size fits; it shows background if no digit of
about the right size is near its middle. Windows in between are neither, and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lutlens.board import contrast, mnist
from lutlens.training.backgrounds import Grey
from lutlens.training.data import Int64, Labelled
from lutlens.training.scenes import Scene

Float = npt.NDArray[np.float64]

CENTRED = 2.3
"""Pixels along each axis that a digit's middle may be off a window's: half the step between windows, and some."""
OFF_CENTRE = 4.5
"""Pixels along either axis from which on a digit is not the window's."""
FITTING = (0.84, 1.19)
"""Sides of digits that fit a window, as shares of the side that fills its field."""
UNFIT = (0.68, 1.5)
"""Sides beyond these are background, however well centred."""
NEAR = 13
"""Pixels off a digit's middle up to which a window shows part of it."""
SIDE = mnist.SIDE


@dataclass(frozen=True)
class Mixture:
    """What windows are drawn; the rest show background, anywhere.

    digits: share of windows that show a digit.
    partial: share that shows a digit off the middle, or of an unfit size.
    """

    digits: float = 0.5
    partial: float = 0.2


class Pool:
    """Some scenes of one size, and what their windows show.

    images: uint8 `[n, height, width]`, local contrast (`lutlens.board.contrast`).
    windows: uint8 `[n, rows, columns, 28, 28]`, a view: the window at every pixel.
    background: bool `[n, rows, columns]`: whether it shows background.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        """scenes: at least one, with at least one fitting digit among them."""
        self.images: Grey = np.stack([contrast.normalise(scene.image) for scene in scenes])
        self.windows = np.lib.stride_tricks.sliding_window_view(self.images, (1, SIDE, SIDE))[
            :, :, :, 0
        ]
        counts = [len(scene.labels) for scene in scenes]
        boxes = np.concatenate([scene.boxes for scene in scenes]).astype(np.float64)
        self._scene = np.repeat(np.arange(len(scenes)), counts)
        self._labels = np.concatenate([scene.labels for scene in scenes])
        # Corners, y and x, of the windows whose middles the digits are.
        self._corners: Float = (boxes[:, :2] + boxes[:, 2:] / 2 - SIDE / 2)[:, ::-1]
        share = boxes[:, 2] / mnist.BOX
        self._fitting = np.flatnonzero((share >= FITTING[0]) & (share <= FITTING[1]))
        self.background = np.ones(self.windows.shape[:3], bool)
        for i in np.flatnonzero((share > UNFIT[0]) & (share < UNFIT[1])):
            low = np.maximum(0, np.floor(self._corners[i] - OFF_CENTRE).astype(int) + 1)
            high = np.maximum(0, np.ceil(self._corners[i] + OFF_CENTRE).astype(int))
            self.background[self._scene[i], low[0] : high[0], low[1] : high[1]] = False

    def draw(self, n: int, mixture: Mixture, label: int, random: np.random.Generator) -> Labelled:
        """`n` windows: first those that show a digit, then background, whose label is `label`."""
        digits, partial = (round(share * n) for share in (mixture.digits, mixture.partial))
        chosen = random.choice(self._fitting, digits)
        shown = self.windows[self._at(chosen, CENTRED, random)]
        background = [self._partial(partial, random), self._anywhere(n - digits - partial, random)]
        return Labelled(
            np.concatenate([shown, *background]),
            np.concatenate([self._labels[chosen], np.full(n - digits, label)]),
        )

    def _partial(self, n: int, random: np.random.Generator) -> Grey:
        near = random.integers(0, len(self._labels), 3 * n)
        return self._background(n, self._at(near, NEAR, random))

    def _anywhere(self, n: int, random: np.random.Generator) -> Grey:
        scene, y, x = (random.integers(0, length, 2 * n) for length in self.background.shape)
        return self._background(n, (scene, y, x))

    def _at(
        self, digits: Int64, off: float, random: np.random.Generator
    ) -> tuple[Int64, Int64, Int64]:
        """Scenes and corners of windows at most so many pixels off these digits' middles."""
        corners = self._corners[digits] + random.uniform(-off, off, (len(digits), 2))
        last = np.array(self.background.shape[1:]) - 1
        y, x = np.clip(np.round(corners), 0, last).astype(np.int64).T
        return self._scene[digits], y, x

    def _background(self, n: int, at: tuple[Int64, Int64, Int64]) -> Grey:
        """The first `n` of these windows that show background; where they are too few, some twice."""
        right = np.resize(np.flatnonzero(self.background[at]), n)
        scene, y, x = (index[right] for index in at)
        shown: Grey = self.windows[scene, y, x]
        return shown
