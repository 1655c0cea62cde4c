"""Variables as pixels: what a network's inputs are where its data are no images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.training.data import UInt8

PARTS = 4


def image(shares: npt.NDArray[np.floating[Any]]) -> UInt8:
    """Variables `[n, variables]`, 0 to 1, as images uint8 `[n, variables, PARTS]`: a row a variable, whose range is cut
    into parts. A pixel tells of a part: 0 below it, 255 above, and in it how far.
    """
    parts = PARTS * shares[:, :, None] - np.arange(PARTS)
    return (255 * np.clip(parts, 0, 1)).round().astype(np.uint8)
