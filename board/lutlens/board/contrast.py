"""Local contrast: what stands out from its surroundings, lighter or darker, as strong here as there.

Networks that scan frames are trained on this, not on grey levels: ink on paper of any brightness, and paper on ink,
look the same to an encoder whose thresholds are the same for all pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

CELL = 4
"""Surroundings are looked at in a copy smaller by this factor."""
MEDIAN_CELLS = 11
"""Side of the neighbourhood whose median is the ground: more than twice as large as a digit that fits a window."""
STRENGTH_CELLS = 9
"""Side of the neighbourhood over which contrast is levelled, as large as a window or a little larger."""
FLOOR, SHARE = 30.0, 0.4
"""Contrast c becomes 255 * c / (c + FLOOR + SHARE * r), r the root of its mean square nearby. Strong ink saturates, so
that weak ink beside it is seen; a sensor's noise stays small."""


def normalise(grey: Grey) -> Grey:
    """Local contrast, uint8 `[h, w]`, of a picture uint8 `[h, w]`: 0 is ground, ink about 140 to 220.

    To be applied at the scale at which windows are looked at: neighbourhoods are fixed in pixels.
    """
    height, width = grey.shape
    small = max(1, width // CELL), max(1, height // CELL)
    cells = np.asarray(cv2.resize(grey, small, interpolation=cv2.INTER_AREA), np.uint8)
    ground = cv2.resize(cv2.medianBlur(cells, MEDIAN_CELLS), (width, height))
    # One array of each type for all that is as large as the picture: fresh ones cost more than what is done in them.
    ink = cv2.absdiff(grey, ground, dst=ground)
    full = cv2.multiply(ink, ink, dtype=cv2.CV_32F)
    nearby = cv2.resize(full, small, interpolation=cv2.INTER_AREA)
    mean = cv2.blur(nearby, (STRENGTH_CELLS, STRENGTH_CELLS), borderType=cv2.BORDER_REPLICATE)
    half = (FLOOR + SHARE * np.sqrt(mean)).astype(np.float32)
    cv2.resize(half, (width, height), dst=full)
    cv2.add(full, ink, dst=full, dtype=cv2.CV_32F)
    return np.asarray(cv2.divide(ink, full, dst=ink, scale=255.0, dtype=cv2.CV_8U), np.uint8)
