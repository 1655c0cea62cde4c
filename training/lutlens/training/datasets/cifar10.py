"""CIFAR-10 (Krizhevsky, 2009): small colour photographs of ten classes, the original or a copy as JPEG files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from lutlens.training.data import DataError, DataSet, Labelled, assemble, decoded
from lutlens.training.datasets import archive
from lutlens.training.datasets.download import cache, check_sha256, download, given
from rich.console import Console

FOLDER = "cifar10"
"""Below LUTLENS_DATA, and in the user's cache."""
COPY = "cifar10-jpeg.tar.xz"
"""`train/CLASS/NNNN.jpg` and `test/CLASS/NNNN.jpg`, encoded anew by whoever made it: near the original, not equal."""
ORIGINAL = "cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SIDE = 32


def load(console: Console) -> DataSet:
    """CIFAR-10: 45,000 training, 5,000 validation and 10,000 test images of 32x32, red, green and blue.

    The original (its version for C programs) from the folder `cifar10` below LUTLENS_DATA or the user's cache; else the
    JPEG copy from there, whose name says that it is one; else the original is downloaded into the cache.

    Raises DataError where none of that is possible, or a file is not what it should be.
    """
    folders = [*given(FOLDER), cache(FOLDER)]
    for name, read in ((ORIGINAL, read_original), (COPY, read_copy)):
        for folder in folders:
            if (folder / name).is_file():
                return read(folder / name)
    try:
        check = partial(check_sha256, expected=SHA256, owner="CIFAR-10")
        download(folders[-1], MIRRORS, {ORIGINAL: check}, console)
    except OSError as error:
        raise DataError(
            f"CIFAR-10: not here, and {error}; put {ORIGINAL} or {COPY} into a folder `{FOLDER}` and name the folder "
            "above in LUTLENS_DATA"
        ) from error
    return read_original(folders[-1] / ORIGINAL)


def read_original(path: Path) -> DataSet:
    """The archive of CIFAR-10's version for C programs: a byte for the class, then a plane of each colour."""
    check_sha256(str(path), path.read_bytes(), SHA256, "CIFAR-10")
    parts = {
        Path(name).name: np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * SIDE * SIDE)
        for name, content in archive.files(path)
        if name.endswith(".bin")
    }

    def labelled(*names: str) -> Labelled:
        records = np.concatenate([parts[name] for name in names])
        planes = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
        images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        return Labelled(images, records[:, 0].astype(np.int64))

    train = labelled(*(f"data_batch_{i}.bin" for i in range(1, 6)))
    return assemble("CIFAR-10", CLASSES, train, labelled("test_batch.bin"))


def read_copy(path: Path) -> DataSet:
    """An archive of JPEG files, a folder for each class."""
    read: dict[str, list[tuple[str, bytes]]] = {"train": [], "test": []}
    for name, content in archive.files(path):
        part, *between, _ = Path(name).parts
        if part not in read or len(between) != 1 or between[0] not in CLASSES:
            raise DataError(f"{path}: {name} is not below train/CLASS or test/CLASS")
        read[part].append((name, content))

    def labelled(part: str) -> Labelled:
        images = np.empty((len(read[part]), SIDE, SIDE, 3), np.uint8)
        labels = np.empty(len(images), np.int64)
        # In the order of names, whatever the archive's.
        for i, (name, content) in enumerate(sorted(read[part])):
            image = decoded(f"{path}: {name}", content, 3)
            if image.shape != images.shape[1:]:
                raise DataError(
                    f"{path}: {name} has {image.shape[1]}x{image.shape[0]} pixels, must have {SIDE}x{SIDE}"
                )
            images[i], labels[i] = image, CLASSES.index(Path(name).parts[1])
        return Labelled(images, labels)

    return assemble("CIFAR-10 (JPEG copy)", CLASSES, labelled("train"), labelled("test"))
