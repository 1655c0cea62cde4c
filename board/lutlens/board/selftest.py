"""Golden vectors: what the network answered when the overlay was made, and has to answer again."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.driver import PATIENCE_S
from lutlens.board.manifest import VECTORS_NAME
from lutlens.board.scanner import Scanner

Integers = npt.NDArray[np.int64]
ALL = slice(None)


class SelfTestError(RuntimeError):
    """The device does not answer as the golden vectors say; the message names the first difference."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Golden inputs with the answers to them.

    inputs: uint8 `[n, h, w(, channels)]`.
    answers: by K; scores, uint16 `[n, classes]`, where the overlay takes single images; cells, uint32
        `[n, rows, columns]`, where it scans.
    """

    path: Path
    inputs: npt.NDArray[np.uint8]
    answers: dict[int, npt.NDArray[Any]]
    scans: bool

    @classmethod
    def load(cls, directory: str | os.PathLike[str], *, scans: bool) -> Vectors:
        """`vectors.npz` holds k int32 `[m]`, the inputs as images or frames, the answers as scores_K or cells_K.

        Raises SelfTestError.
        """
        path = Path(directory) / VECTORS_NAME
        inputs, outputs = ("frames", "cells") if scans else ("images", "scores")
        try:
            with np.load(path, allow_pickle=False) as vectors:
                images = vectors[inputs]
                answers = {int(k): vectors[f"{outputs}_{k}"] for k in vectors["k"]}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise SelfTestError(f"{path}: {error}") from error
        if not answers or not len(images):
            raise SelfTestError(f"{path}: holds no vectors, must hold {inputs} and at least one K")
        return cls(path, images, answers, scans)

    def ask(
        self,
        overlay: LoadedOverlay,
        k: int,
        chosen: slice | Integers = ALL,
        patience_s: float = PATIENCE_S,
    ) -> int:
        """Put some of them through the core, and compare; how many that were. Raises SelfTestError."""
        right = self.answers[k][chosen]
        found = _answers(overlay, self.inputs[chosen], k, patience_s)
        axes = ("frame", "row", "column") if self.scans else ("image", "class")
        compare(f"{self.path}: {'cells' if self.scans else 'scores'}_{k}", found, right, axes)
        return len(right)


def replay(overlay: LoadedOverlay, directory: str | os.PathLike[str]) -> int:
    """Put every golden image through the core at every K and compare all answers.

    Returns the number of images compared, over all K. Raises SelfTestError.
    """
    vectors = Vectors.load(directory, scans=isinstance(overlay, Scanner))
    return sum(vectors.ask(overlay, k) for k in vectors.answers)


def _answers(
    overlay: LoadedOverlay, images: npt.NDArray[np.uint8], k: int, patience_s: float
) -> npt.NDArray[Any]:
    if isinstance(overlay, Scanner):
        return overlay.scan(images, k, patience_s)
    scores = overlay.classify(images, k, patience_s).scores
    assert scores is not None
    return scores


def compare(
    where: str, found: npt.NDArray[Any], right: npt.NDArray[Any], axes: Sequence[str]
) -> None:
    """Raises SelfTestError, which names the first place where arrays of the same axes differ."""
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
