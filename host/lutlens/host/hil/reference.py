"""The test images of an overlay, with what the generated C answers to them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from lutlens.board.classifier import Results
from lutlens.board.hil.reference import BadReference, Reference
from lutlens.board.manifest import Manifest
from lutlens.board.records import answers
from lutlens.host.c import Executor
from lutlens.host.lutnet import Lutnet

IMAGES_S = 1800.0
"""To read the data set, or download it, or compose its scenes."""


def make(
    directory: Path, manifest: Manifest, *, data: Path | None = None, limit: int | None = None
) -> Reference:
    """The test images that the overlay's accuracy is of, and the answers at the fewest and the most passes.

    data: a user's own images instead of MNIST. limit: only the first so many.
    Raises BadReference if the data cannot be used, or the training room is not installed, which reads them.
    """
    path = directory / manifest.lutnet_name
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
        out = Path(folder, "test.npz")
        _export([str(path), str(out), *(["--data", str(data)] if data else [])])
        return with_answers(out, Lutnet.load(path), manifest, limit)


def _export(arguments: list[str]) -> None:
    """Run `lutlens.training.test_set`, in a process of its own: this room imports no PyTorch. Raises BadReference."""
    command = [sys.executable, "-m", "lutlens.training.test_set", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=IMAGES_S)
    except subprocess.TimeoutExpired as error:
        raise BadReference(f"test images: not read within {IMAGES_S:g} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise BadReference(f"test images: {lines[-1] if lines else 'cannot be read'}")
    sys.stderr.write(done.stderr)  # where other images take MNIST's place, that is said there


def with_answers(
    path: Path, lutnet: Lutnet, manifest: Manifest, limit: int | None = None
) -> Reference:
    """Images as `lutlens.training.test_set` writes them, and what the network answers. Raises BadReference."""
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
            name, sha256 = str(file["name"]), str(file["sha256"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadReference(f"{path}: {error}") from error
    of, shown = len(images), images[:limit]
    executor = Executor(lutnet)
    found = {}
    for k in sorted({min(manifest.thresholds), max(manifest.thresholds)}):
        scores = executor.scores(shown, k=k)[:, 0, 0]
        classes, margins = answers(scores)
        found[k] = Results(
            classes.astype(np.uint8),
            margins.astype(np.uint16),
            scores.max(axis=1).astype(np.uint16),
            None if manifest.geometry.scan else scores.astype(np.uint16),
        )
    return Reference(shown, labels[:limit], found, name, sha256, of)
