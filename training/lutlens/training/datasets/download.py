"""Fetching a data set's files: from the first mirror that has them, checked, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

import platformdirs
from lutlens.board.files import write_atomically
from lutlens.training.data import DataError
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

SILENCE_S = 6.0
"""A mirror that sends nothing for this long is given up."""
FILE_LIMIT_S = 900.0
MAX_FILE_BYTES = 256 << 20


class DownloadError(OSError):
    """No mirror gave the file; the message says what each of them did."""


def given(*names: str) -> list[Path]:
    """The folders of these names below LUTLENS_DATA; none unless that is set."""
    folder = os.environ.get("LUTLENS_DATA")
    return [Path(folder, name) for name in names] if folder else []


def cache(name: str) -> Path:
    """Where downloads of this data set are kept."""
    return Path(platformdirs.user_cache_dir("lutlens"), name)


def download(
    folder: Path,
    mirrors: Sequence[str],
    files: Mapping[str, Callable[[str, bytes], None]],
    console: Console,
) -> None:
    """Fetch those files that the folder does not have. Raises DownloadError, or OSError if they cannot be kept.

    mirrors: addresses that a file's name is put behind.
    files: their names, with what checks their content (told where it is from) by raising DataError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        for name, check in files.items():
            if (folder / name).is_file():
                continue
            failures = []
            for mirror in mirrors:
                try:
                    content = _fetch(f"{mirror}{name}", progress)
                    check(f"{mirror}{name}", content)
                except (OSError, HTTPException, EOFError, zlib.error, DataError) as error:
                    failures.append(f"{mirror}: {error}")
                    continue
                write_atomically(folder / name, content)
                break
            else:
                raise DownloadError(f"{name} could not be downloaded; " + "; ".join(failures))


def check_sha256(where: str, content: bytes, expected: str, owner: str) -> None:
    """Raises DataError that says where the wrong content is from, and whose file it should be."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(f"{where}: not {owner}'s file, its SHA-256 is {found}, must be {expected}")


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
