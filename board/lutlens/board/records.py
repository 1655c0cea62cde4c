"""Result records, as the core writes them into its ring."""

from __future__ import annotations

import numpy as np
from lutlens.board.manifest import record_bytes

FLAG_READ_ERROR = 1


def record_dtype(classes: int) -> np.dtype[np.void]:
    """One record, little endian: sequence (the frame's number since reset), answer, flags, margin,
    scores `[classes]`, and zeros up to `record_bytes(classes)`.
    """
    return np.dtype(
        {
            "names": ["sequence", "answer", "flags", "margin", "scores"],
            "formats": ["<u4", "u1", "u1", "<u2", ("<u2", (classes,))],
            "offsets": [0, 4, 5, 6, 8],
            "itemsize": record_bytes(classes),
        }
    )
