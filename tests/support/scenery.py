"""Digits, photographs and a small scanning recipe for tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
from lutlens.board import handwriting
from lutlens.training.data import DataSet, Labelled, assemble
from lutlens.training.network import LayerSpec, StageSpec
from lutlens.training.recipes import ScanRecipe, Schedule
from lutlens.training.scenery import Scenery

SMALL = ScanRecipe(
    name="small-scan",
    description="a small scanning network, for tests",
    input_shape=(28, 28, 1),
    encoder_bits=2,
    stages=(StageSpec(window=(4, 4), stride=(4, 4), layers=(LayerSpec(nodes=24),)),),
    bits_per_class=12,
    passes=(1, 2),
    schedule=Schedule(batch_size=24),
    scenery=Scenery(steps=6, pool=6, fresh=2, review_every=2, frames=1, keep=60),
)


def drawn_digits(n: int, seed: int) -> Labelled:
    """Digits drawn by a program."""
    return Labelled(*handwriting.images(n, seed))


def drawn_data() -> DataSet:
    return assemble("drawn", "0123456789", drawn_digits(200, 1), drawn_digits(60, 2))


def write_photographs(path: Path, n: int = 6) -> None:
    """An archive as that of CIFAR-10: JPEG files of 32x32 pixels below test/ and train/."""
    random = np.random.default_rng(n)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as archive:
        for i in range(2 * n):
            coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            _, data = cv2.imencode(".jpg", cv2.resize(coarse, (32, 32)))
            member = tarfile.TarInfo(f"{'test' if i < n else 'train'}/cat/{i:04}.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data.tobytes()))
