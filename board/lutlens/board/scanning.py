"""The result of scanning one frame, as the core writes it into a slot of its ring.

    header (32 bytes) | MAX_WINDOWS windows (8 bytes each) | map: one cell (4 bytes) a position, row by row

All little endian. A position's cell holds its class, that class's score added over the passes, and the
margin over the second best. The strength of a position is its margin, or 0 if its class is the
background. A window is listed for every peak of a row: a position whose strength is at least
MIN_MARGIN and 1, more than that of the position to its left, and no less than that of the one to its
right; beyond the row strengths are 0. Of more than MAX_WINDOWS windows the strongest are listed, of
equally strong ones those that come first in the map; the others are only counted. Windows are listed
in the order of the map, row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BACKGROUND_LABEL = "background"
"""The class of windows that show nothing to be found, where a network has one."""
NO_BACKGROUND = 0x1FF
"""What the register BACKGROUND holds for a network without that class."""
MAX_SCALES = 8
MAX_CLASSES = 255
MAX_SCORE = 0xFFF
"""The highest score, and margin, that a cell holds."""
WIDTH_STEP = 8
"""Frames are so many pixels wide, or a multiple: whole beats of memory."""

HEADER = np.dtype(
    {
        "names": ["sequence", "scale", "flags", "windows", "columns", "rows", "found"],
        "formats": ["<u4", "u1", "u1", "<u2", "<u2", "<u2", "<u2"],
        "offsets": [0, 4, 5, 6, 8, 10, 12],
        "itemsize": 32,
    }
)
"""sequence: the frame's number since reset. scale: `sequence` modulo SCALES. flags: as of records.
windows: listed; found: all, at most 65,535. columns, rows: of the map."""
WINDOW = np.dtype([("column", "<u2"), ("row", "<u2"), ("cell", "<u4")])
CELL_BYTES = 4
SLOT_STEP = 32
"""Slots begin at multiples of so many bytes."""

Cells = npt.NDArray[np.uint32]
_CLASS, _MARGIN = 24, 12


def cells(
    classes: npt.NDArray[np.integer[Any]],
    margins: npt.NDArray[np.integer[Any]],
    scores: npt.NDArray[np.integer[Any]],
) -> Cells:
    """uint32 of any shape: class in the top byte, then 12 bits of margin and 12 of score."""
    return np.asarray(
        classes.astype(np.uint32) << _CLASS
        | margins.astype(np.uint32) << _MARGIN
        | scores.astype(np.uint32),
        np.uint32,
    )


def cell_class(found: Cells) -> npt.NDArray[np.uint8]:
    return (found >> _CLASS).astype(np.uint8)


def cell_margin(found: Cells) -> npt.NDArray[np.uint16]:
    return (found >> _MARGIN & MAX_SCORE).astype(np.uint16)


def cell_score(found: Cells) -> npt.NDArray[np.uint16]:
    return (found & MAX_SCORE).astype(np.uint16)


def peaks(found: Cells, background: int, min_margin: int) -> npt.NDArray[np.void]:
    """The windows, `WINDOW` `[n]`, of a map `[rows, columns]`: all of them."""
    strength = np.where(cell_class(found) == background, 0, cell_margin(found)).astype(np.int32)
    padded = np.pad(strength, ((0, 0), (1, 1)))
    peak = strength >= max(1, min_margin)
    peak &= (strength > padded[:, :-2]) & (strength >= padded[:, 2:])
    rows, columns = np.nonzero(peak)
    windows = np.empty(len(rows), WINDOW)
    windows["column"], windows["row"], windows["cell"] = columns, rows, found[rows, columns]
    return windows


def listed(windows: npt.NDArray[np.void], max_windows: int) -> npt.NDArray[np.void]:
    """Those of all windows of a map, in its order, that its result lists."""
    margins = cell_margin(windows["cell"]).astype(np.int32)
    strongest = np.argsort(-margins, kind="stable")[:max_windows]
    kept: npt.NDArray[np.void] = windows[np.sort(strongest)]
    return kept


def map_offset(max_windows: int) -> int:
    """Bytes from a slot's begin to its map."""
    return HEADER.itemsize + max_windows * WINDOW.itemsize


def slot_bytes(positions: int, max_windows: int) -> int:
    """Bytes of a slot for maps of at most so many positions."""
    return -(-(map_offset(max_windows) + positions * CELL_BYTES) // SLOT_STEP) * SLOT_STEP
