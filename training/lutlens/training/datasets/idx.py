"""Data sets of four IDX files, the format of MNIST: images and labels, for training and for testing."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from lutlens.training.data import DataError, DataSet, Labelled, assemble
from lutlens.training.datasets.download import cache, check_sha256, download, given
from rich.console import Console


@dataclass(frozen=True)
class IdxFiles:
    """The four files, and where they may be.

    title: what the data set is called.
    folders: names that its folder may have below LUTLENS_DATA; the first one is that in the user's cache, too.
    sha256: of the uncompressed files, by name: training images and labels, test images and labels.
    mirrors: addresses that the names with `.gz` are put behind.
    elsewhere: further folders where a system may have put them.
    """

    title: str
    folders: tuple[str, ...]
    sha256: Mapping[str, str]
    mirrors: tuple[str, ...]
    elsewhere: tuple[Path, ...] = ()

    def find(self) -> Path | None:
        """The first folder that holds all four files, compressed or not; None if there is none."""
        for folder in (*given(*self.folders), *self.elsewhere, cache(self.folders[0])):
            if all(_path(folder, name) for name in self.sha256):
                return folder
        return None

    def download(self, folder: Path, console: Console) -> None:
        """Fetch the files that are not there yet. Raises DownloadError."""
        missing = {
            f"{name}.gz": partial(self._check_compressed, name)
            for name in self.sha256
            if not _path(folder, name)
        }
        download(folder, self.mirrors, missing, console)

    def load(self, classes: tuple[str, ...], console: Console) -> DataSet:
        """The data set, downloaded into the cache if it is nowhere else.

        Raises DataError for files that are there but are not this data set's; OSError where they cannot be fetched.
        """
        folder = self.find()
        if folder is None:
            folder = cache(self.folders[0])
            self.download(folder, console)
        train, train_labels, test, test_labels = (self._read(folder, name) for name in self.sha256)
        return assemble(
            self.title,
            classes,
            Labelled(train, train_labels.astype(np.int64)),
            Labelled(test, test_labels.astype(np.int64)),
        )

    def _read(self, folder: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        path = _path(folder, name)
        assert path is not None
        try:
            data = path.read_bytes()
            if path.suffix == ".gz":
                data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); delete it to get it anew"
            ) from error
        check_sha256(str(path), data, self.sha256[name], self.title)
        dimensions = data[3]
        shape = struct.unpack_from(f">{dimensions}I", data, 4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()

    def _check_compressed(self, name: str, where: str, content: bytes) -> None:
        check_sha256(where, gzip.decompress(content), self.sha256[name], self.title)


def _path(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None
