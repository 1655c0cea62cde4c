"""A network that tells which colour a picture has most of, made by hand."""

from __future__ import annotations

import numpy as np
from lutlens.host.lutnet import Layer, Lutnet, Stage

SIDE = 8
CLASSES = ("mostly red", "mostly green", "mostly blue")


def colours_lutnet() -> Lutnet:
    """Each bit of a class is that colour of a pixel, every second one of the picture's."""
    pixels = np.arange(0, SIDE * SIDE, 2)
    bits = np.concatenate([3 * pixels + colour for colour in range(3)])
    layer = Layer(np.full(len(bits), 0b10, np.uint64), bits.astype(np.int32)[:, np.newaxis])
    levels = {1: np.full((1, 1), 128, np.uint8), 3: np.array([[64], [128], [192]], np.uint8)}
    return Lutnet((SIDE, SIDE, 3), 1, levels, (Stage((SIDE, SIDE), (layer,)),), CLASSES)
