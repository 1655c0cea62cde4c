"""Golden vectors: what the network answered when the overlay was made, and has to answer again."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from lutlens.board.manifest import VECTORS_NAME

if TYPE_CHECKING:
    from lutlens.board.overlay import Classifier


class SelfTestError(RuntimeError):
    """The device does not answer as the golden vectors say; the message names the first difference."""


def replay(classifier: Classifier, directory: str | os.PathLike[str]) -> int:
    """Classify every golden image at every K and compare all scores. Returns the number of comparisons.

    `vectors.npz`: images uint8 `[n, h, w]`, k int32 `[m]`, and for each K scores_K uint16 `[n, classes]`.
    Raises SelfTestError.
    """
    path = Path(directory) / VECTORS_NAME
    compared = 0
    try:
        with np.load(path, allow_pickle=False) as vectors:
            images, expected = (
                vectors["images"],
                {int(k): vectors[f"scores_{k}"] for k in vectors["k"]},
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SelfTestError(f"{path}: {error}") from error
    if not expected or not len(images):
        raise SelfTestError(f"{path}: holds no vectors, must hold images and at least one K")
    for k, scores in expected.items():
        answers = classifier.classify(images, k).scores
        if scores.shape != answers.shape:
            raise SelfTestError(
                f"{path}: scores_{k} is {list(scores.shape)}, must be {list(answers.shape)}"
            )
        different = np.argwhere(scores != answers)
        if len(different):
            image, label = different[0]
            raise SelfTestError(
                f"{path}: K = {k}, image {image}, class {label}: the device scores "
                f"{answers[image, label]}, must be {scores[image, label]} "
                f"({len(different)} of {scores.size} scores differ)"
            )
        compared += len(images)
    return compared
