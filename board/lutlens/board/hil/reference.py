"""Test images with what the network answers to them, worked out by the generated C: what the core is held to.

A board has neither the images nor a compiler: `lutlens hil` sends it this as a file.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board.classifier import LoadedOverlay, Results
from lutlens.board.driver import PATIENCE_S
from lutlens.board.selftest import compare

Integers = npt.NDArray[np.int64]
_FIELDS = ("classes", "margins", "best", "scores")


class BadReference(ValueError):
    """A file of test images that cannot be used; the message names it."""


@dataclass(frozen=True, eq=False)
class Reference:
    """n images, and the right answers.

    images: uint8 `[n, h, w]`. labels: int64 `[n]`.
    answers: by K; without `scores` for overlays that scan.
    name: of the data set; sha256: of its images and labels, as provenance has it; of: images in its test set.
    """

    images: npt.NDArray[np.uint8]
    labels: Integers
    answers: dict[int, Results]
    name: str
    sha256: str
    of: int

    def __len__(self) -> int:
        return len(self.images)

    def save(self, path: str | os.PathLike[str]) -> None:
        """An .npz of the same arrays: images, labels, k, and for each K classes_K, margins_K, best_K, scores_K."""
        arrays = {
            f"{field}_{k}": getattr(results, field)
            for k, results in self.answers.items()
            for field in _FIELDS
            if getattr(results, field) is not None
        }
        about: dict[str, npt.NDArray[Any]] = {
            "name": np.array(self.name),
            "sha256": np.array(self.sha256),
            "of": np.array(self.of),
        }
        ks = np.array(sorted(self.answers), np.int32)
        with open(path, "wb") as file:
            np.savez_compressed(
                file, images=self.images, labels=self.labels, k=ks, **arrays, **about
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """Raises BadReference."""
        try:
            with np.load(Path(path), allow_pickle=False) as file:
                answers = {int(k): _results(file, int(k)) for k in file["k"]}
                return cls(
                    images=file["images"],
                    labels=file["labels"],
                    answers=answers,
                    name=str(file["name"]),
                    sha256=str(file["sha256"]),
                    of=int(file["of"]),
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise BadReference(f"{os.fspath(path)}: {error}") from error

    def ask(
        self,
        overlay: LoadedOverlay,
        k: int,
        chosen: slice | Integers,
        patience_s: float = PATIENCE_S,
    ) -> Results:
        """Put some of the images through the core; what it answered. Raises SelfTestError where that is not right."""
        found, right = overlay.classify(self.images[chosen], k, patience_s), self.answers[k]
        for field in _FIELDS:
            held, expected = getattr(found, field), getattr(right, field)
            if held is not None and expected is not None:
                axes = ("image", "class") if field == "scores" else ("image",)
                where = f"{self.name}, {field} at K = {k}"
                compare(where, held, expected[chosen], axes)
        return found


def _results(file: Any, k: int) -> Results:
    scores = file[f"scores_{k}"] if f"scores_{k}" in file.files else None
    return Results(file[f"classes_{k}"], file[f"margins_{k}"], file[f"best_{k}"], scores)
