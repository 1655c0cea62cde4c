"""Generated C99, compiled and run here by every C compiler there is."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lutlens.host.process import run

COMPILERS = ("gcc", "clang")
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
SANITIZERS = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
TIMEOUT_S = 600.0
LINES = 20
"""Of what a program printed, at most so many are told."""


@dataclass(frozen=True)
class Checked:
    """What one compiler made of the sources.

    seconds: that it took with -O2, all warnings being errors.
    failure: what went wrong, None if all scores were right, with -O2 and with sanitizers.
    """

    compiler: str
    seconds: float
    failure: str | None


def check(sources: Mapping[str, str]) -> list[Checked]:
    """By gcc and clang, those that are installed."""
    return [_check(compiler, sources) for compiler in COMPILERS if shutil.which(compiler)]


def _check(compiler: str, sources: Mapping[str, str]) -> Checked:
    seconds = 0.0
    with tempfile.TemporaryDirectory(prefix="lutlens-") as name:
        folder = Path(name)
        for file, text in sources.items():
            (folder / file).write_text(text, encoding="utf-8")
        units = [file for file in sources if file.endswith(".c")]
        for flags in (("-O2",), SANITIZERS):
            start = time.monotonic()
            try:
                _run([compiler, *WARNINGS, *flags, *units, "-o", "test_lutnet"], folder)
                seconds = seconds or time.monotonic() - start
                _run([folder / "test_lutnet"], folder)
            except (_Failed, TimeoutError, OSError) as error:
                return Checked(compiler, seconds, f"{' '.join(flags)}: {error}")
    return Checked(compiler, seconds, None)


class _Failed(Exception):
    """A program's status was not 0; the message is what it printed."""


def _run(command: Sequence[str | os.PathLike[str]], folder: Path) -> None:
    lines: list[str] = []
    if run(command, folder, TIMEOUT_S, lines.append) != 0:
        raise _Failed("\n".join(lines[:LINES]))
