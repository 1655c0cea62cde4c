"""Result records, as the core writes them into its ring; results of scans begin the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board.manifest import record_bytes

FLAG_READ_ERROR = 1
FLAGS_BYTE = 5


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


def sequence(results: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """The frames' numbers, uint32 `[n]`, of results as they lie in memory, uint8 `[n, bytes]`."""
    numbers: npt.NDArray[Any] = np.ascontiguousarray(results[:, :4]).view("<u4")[:, 0]
    return numbers
