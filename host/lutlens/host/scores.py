"""From scores to the cells of a scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board import scanning
from lutlens.board.records import answers


def cells(scores: npt.NDArray[np.integer[Any]]) -> scanning.Cells:
    """The cells of a scan, uint32 `[...]`: class, margin and score, from scores `[..., classes]`."""
    classes, margins = answers(scores)
    return scanning.cells(classes, margins, np.asarray(scores).max(axis=-1))
