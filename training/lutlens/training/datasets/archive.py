"""Files out of tar archives, read without unpacking them."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from lutlens.training.data import DataError


def files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an archive's files, in its order, unpacked as they are asked for. Raises DataError."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name, file.read()
    except (OSError, tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: not a readable archive ({error})") from error
