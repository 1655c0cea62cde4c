"""A network whose outputs are its input's pixels, inverted; made by hand."""

from __future__ import annotations

import numpy as np
from lutlens.board.values import Values
from lutlens.host.lutnet import Layer, Lutnet, Stage

SIDE = 8


def inverting_lutnet() -> Lutnet:
    """Every pixel of 8x8 is 255 in as many of the K passes as its value is not above the threshold."""
    pixels = np.arange(SIDE * SIDE, dtype=np.int32)
    layer = Layer(np.full(len(pixels), 0b01, np.uint64), pixels[:, np.newaxis])
    levels = {1: np.full((1, 1), 128, np.uint8), 3: np.array([[64], [128], [192]], np.uint8)}
    names = tuple(f"pixel {i}" for i in pixels)
    values = Values(low=0, high=255, shape=(SIDE, SIDE, 1))
    return Lutnet(
        (SIDE, SIDE, 1), 1, levels, (Stage((SIDE, SIDE), (layer,)),), names, values=values
    )
