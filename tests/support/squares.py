"""A network that finds bright squares, made by hand, and pictures with squares in them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from lutlens.board.scanning import BACKGROUND_LABEL
from lutlens.board.sources import Frame, Source, SourceSpec
from lutlens.board.sources.base import Pace
from lutlens.host.lutnet import Layer, Lutnet, Stage

WINDOW, SIDE, STEP = 14, 10, 2
"""Pixels of a window, of the square in its middle, and from one window to the next."""
CLASSES = (BACKGROUND_LABEL, "square")
NEEDED = 32
"""Score of the background, whatever is in the window."""

Box = tuple[int, int, int, int]


def squares_lutnet() -> Lutnet:
    """Each bit of the square's class is a pixel that is as it is around and inside a square."""
    square = np.zeros((WINDOW, WINDOW), bool)
    edge = (WINDOW - SIDE) // 2
    square[edge:-edge, edge:-edge] = True
    probed = np.zeros_like(square)
    probed[edge + 2 : -edge - 2 : 2, edge + 2 : -edge - 2] = True  # 18 inside
    probed[0, ::2] = probed[-1, ::2] = probed[1:-1:4, 0] = probed[1:-1:4, -1] = True  # 20 outside
    pixels = np.flatnonzero(probed)
    buffer, inverter = 0b10, 0b01
    tables = np.where(square.ravel()[pixels], buffer, inverter)
    constants = np.where(np.arange(len(pixels)) < NEEDED, 0b11, 0b00)
    layer = Layer(
        np.concatenate([constants, tables]).astype(np.uint64),
        np.concatenate([np.zeros_like(pixels), pixels]).astype(np.int32)[:, np.newaxis],
    )
    return Lutnet(
        (WINDOW, WINDOW, 1),
        1,
        {1: np.array([[128]], np.uint8), 2: np.array([[112], [144]], np.uint8)},
        (Stage((WINDOW, WINDOW), (layer,), (STEP, STEP)),),
        CLASSES,
    )


def picture(width: int, height: int, boxes: list[Box], seed: int = 0) -> npt.NDArray[np.uint8]:
    """BGR uint8 `[height, width, 3]`, dark with noise, and a bright square in every box."""
    image = np.random.default_rng(seed).integers(20, 50, (height, width, 1)).astype(np.uint8)
    for x, y, wide, high in boxes:
        image[y : y + high, x : x + wide] = 220
    return np.repeat(image, 3, axis=2)


class Squares(Source):
    """A square that moves, forty times a second or as often as is asked."""

    def __init__(self, spec: SquaresSpec) -> None:
        self._spec, self._pace, self._n = spec, Pace(spec.fps), 0

    def read(self) -> Frame:
        self._pace.wait()
        self._n += 1
        box: Box = (20 + abs(self._n % 180 - 90), 40, 24, 24)
        return Frame(picture(160, 120, [box], self._n), ((box, 1),))


class SquaresSpec(SourceSpec):
    kind: Literal["squares"] = "squares"
    fps: float = 40

    @property
    def description(self) -> str:
        return "A square"

    def open(self) -> Source:
        return Squares(self)
