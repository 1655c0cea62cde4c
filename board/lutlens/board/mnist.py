"""Ink to a 28x28 image, the way MNIST was made.

LeCun, Cortes, Burges, "The MNIST database of handwritten digits": the digit's box is scaled to fit 20x20 pixels, aspect
ratio kept, with anti-aliasing grey levels; the result is put into a 28x28 field so that its centre of mass is the
field's centre.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 28
BOX = 20

Image = npt.NDArray[np.uint8]


def normalise(ink: Image) -> Image:
    """uint8 `[h, w]`, 0 = paper, 255 = ink, of any size -> uint8 `[28, 28]`. No ink gives an empty image."""
    x, y, width, height = cv2.boundingRect(ink)
    if width == 0 or height == 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    ink = ink[y : y + height, x : x + width]
    scale = BOX / max(width, height)
    # INTER_AREA averages when it shrinks, which is the anti-aliasing; it does nothing of use when it enlarges.
    box = cv2.resize(
        ink,
        (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )
    moments = cv2.moments(box)
    centre_x = moments["m10"] / moments["m00"] if moments["m00"] else (box.shape[1] - 1) / 2
    centre_y = moments["m01"] / moments["m00"] if moments["m00"] else (box.shape[0] - 1) / 2
    left = _place(box.shape[1], centre_x)
    top = _place(box.shape[0], centre_y)
    field = np.zeros((SIDE, SIDE), np.uint8)
    field[top : top + box.shape[0], left : left + box.shape[1]] = box
    return field


def _place(length: int, centre: float) -> int:
    """First pixel of a box of `length` whose `centre` of mass comes to lie on the middle, kept inside the field."""
    return min(max(round((SIDE - 1) / 2 - centre), 0), SIDE - length)
