"""Golden vectors: what the network answered when the overlay was made, and has to answer again."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.manifest import VECTORS_NAME
from lutlens.board.scanner import Scanner


class SelfTestError(RuntimeError):
    """The device does not answer as the golden vectors say; the message names the first difference."""


def replay(overlay: LoadedOverlay, directory: str | os.PathLike[str]) -> int:
    """Put every golden image through the core at every K and compare all answers.

    `vectors.npz` holds k int32 `[m]`; of an overlay that takes single images, images uint8 `[n, h, w]`, and for each K
    scores_K uint16 `[n, classes]`; of one that scans, frames uint8 `[n, h, w]` and cells_K uint32 `[n, rows, columns]`.

    Returns the number of images compared, over all K. Raises SelfTestError.
    """
    path = Path(directory) / VECTORS_NAME
    scans = isinstance(overlay, Scanner)
    inputs, outputs = ("frames", "cells") if scans else ("images", "scores")
    axes = ("frame", "row", "column") if scans else ("image", "class")
    try:
        with np.load(path, allow_pickle=False) as vectors:
            images = vectors[inputs]
            expected = {int(k): vectors[f"{outputs}_{k}"] for k in vectors["k"]}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SelfTestError(f"{path}: {error}") from error
    if not expected or not len(images):
        raise SelfTestError(f"{path}: holds no vectors, must hold {inputs} and at least one K")
    for k, right in expected.items():
        _compare(f"{path}: {outputs}_{k}", _answers(overlay, images, k), right, axes)
    return len(images) * len(expected)


def _answers(overlay: LoadedOverlay, images: npt.NDArray[np.uint8], k: int) -> npt.NDArray[Any]:
    if isinstance(overlay, Scanner):
        return overlay.scan(images, k)
    scores = overlay.classify(images, k).scores
    assert scores is not None
    return scores


def _compare(
    where: str, found: npt.NDArray[Any], right: npt.NDArray[Any], axes: Sequence[str]
) -> None:
    if right.shape != found.shape:
        raise SelfTestError(f"{where} is {list(right.shape)}, must be {list(found.shape)}")
    different = np.argwhere(right != found)
    if len(different):
        at = tuple(different[0])
        place = ", ".join(f"{axis} {index}" for axis, index in zip(axes, at, strict=True))
        raise SelfTestError(
            f"{where}, {place}: the device gives {found[at]:#x}, must be {right[at]:#x} "
            f"({len(different)} of {right.size} differ)"
        )
