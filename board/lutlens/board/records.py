"""Result records, as the core writes them into its ring, and what scores say; results of scans begin the same way."""

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

    Of more than 256 outputs, which are numbers then, the answer is the lowest byte of the highest one's index.
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


def answers(
    scores: npt.NDArray[np.integer[Any]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Class and margin of each score vector.

    scores: integer `[..., classes]`.
    Returns two int64 arrays `[...]`: the class of the highest score, the lowest one if several are
    equal; and the distance from the highest score to the second highest, 0 if they are equal. Where
    there is one score only, the distance is that score.
    """
    signed = np.asarray(scores).astype(np.int64)
    if signed.shape[-1] == 1:
        return np.zeros(signed.shape[:-1], np.int64), signed[..., 0]
    top = np.partition(signed, signed.shape[-1] - 2, axis=-1)[..., -2:]
    return signed.argmax(axis=-1), top[..., 1] - top[..., 0]
