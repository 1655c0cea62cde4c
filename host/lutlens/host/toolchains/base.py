"""What a toolchain is given, what it gives back, and what all of them share."""

from __future__ import annotations

import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from lutlens.host import process
from lutlens.host.boards import Board

_LAST_LINES = 8


class ToolError(RuntimeError):
    """A tool that failed or took too long; the message holds its last words and names the log."""


class ToolchainMissing(ValueError):
    """Tools that are not here; the message says which, and what option or package would help."""


class Reporter(Protocol):
    """Who is told how a build goes on."""

    def step(self, name: str) -> None:
        """A step begins, and the one before it is done."""

    def line(self, text: str) -> None:
        """Something worth showing while the step lasts."""


@dataclass(frozen=True)
class Places:
    """Where tools lie, if not on PATH. Which of these a toolchain needs is its own business.

    tools: a directory that has the executables, or a `bin` that has them.
    chipdb: nextpnr-xilinx's database of the part, or the directory that holds it.
    prjxray_db: prjxray's database, the directory that holds `zynq7`.
    """

    tools: Path | None = None
    chipdb: Path | None = None
    prjxray_db: Path | None = None

    def executable(self, *candidates: str) -> Path | None:
        """The first of `candidates` that can be run: in `tools`, then on PATH."""
        here = [str(folder) for folder in (self.tools, self.tools and self.tools / "bin") if folder]
        path = os.pathsep.join([*here, os.environ.get("PATH", "")])
        found = (shutil.which(name, path=path) for name in candidates)
        return next((Path(name).absolute() for name in found if name), None)


@dataclass(frozen=True)
class Job:
    """A bitstream that is wanted.

    name: of the overlay. clock_mhz: of FCLK0, which place and route aims at.
    sources: file name to SystemVerilog text of the module `top`, packages before their users.
    folder: where everything lies that is written on the way; it exists.
    timeout_s: for each tool.
    """

    name: str
    top: str
    board: Board
    clock_mhz: float
    sources: Mapping[str, str]
    folder: Path
    seed: int = 1
    timeout_s: float = 3600.0

    @property
    def log(self) -> Path:
        """Everything that the tools said."""
        return self.folder / "build.log"


@dataclass(frozen=True)
class Cells:
    """What the whole design takes of the part. bram36: two BRAM18 are one."""

    lut: int
    ff: int
    bram36: float


@dataclass(frozen=True)
class Outcome:
    """A bitstream that was made, whether or not it keeps its clock.

    bitstream: the `.bit` file. tool: name and version.
    fmax_mhz: what place and route reached. estimated: that not every path was timed.
    hold_slack_ns: of the worst path; None where the tool does not say. No clock mends it.
    """

    bitstream: Path
    tool: str
    fmax_mhz: float
    estimated: bool
    cells: Cells
    hold_slack_ns: float | None = None

    def slack_ns(self, clock_mhz: float) -> float:
        """Time left on the slowest path at a clock; below zero if it is missed."""
        return 1000 / clock_mhz - 1000 / self.fmax_mhz


class Toolchain(ABC):
    """Tools that make a bitstream. `Toolchain.find(places)` has looked for all of them."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def find(cls, places: Places, board: Board) -> Toolchain:
        """The tools, ready to build for the board. Raises ToolchainMissing."""

    @abstractmethod
    def version(self) -> str:
        """What the tools call themselves. Raises ToolError."""

    @abstractmethod
    def build(self, job: Job, report: Reporter) -> Outcome:
        """Make the bitstream. Raises ToolError."""


def run_tool(
    command: list[str | os.PathLike[str]],
    job: Job,
    on_line: Callable[[str], None] = lambda line: None,
) -> None:
    """Run a tool in the job's folder; what it says goes to the log and, line by line, to `on_line`.

    Raises ToolError.
    """
    name = Path(command[0]).name
    last: list[str] = []
    with job.log.open("a", encoding="utf-8") as log:
        print(f"$ {' '.join(map(str, command))}", file=log, flush=True)

        def take(line: str) -> None:
            print(line, file=log, flush=True)
            if line.strip():
                last.append(line)
                del last[:-_LAST_LINES]
            on_line(line)

        start = time.monotonic()
        try:
            status = process.run(command, job.folder, job.timeout_s, take)
        except TimeoutError as error:
            raise ToolError(f"{error}; it was stopped. Its log: {job.log}") from error
        except OSError as error:
            raise ToolError(f"{command[0]}: {error.strerror or error}") from error
        print(f"# {name}: status {status}, {time.monotonic() - start:.1f} s", file=log)
    if status:
        raise ToolError("\n".join([f"{name} failed with status {status}:", *last, str(job.log)]))


def ask(command: list[str | os.PathLike[str]], timeout_s: float = 60.0) -> str:
    """What a tool prints, for asking its version. Raises ToolError."""
    lines: list[str] = []
    try:
        process.run(command, Path.cwd(), timeout_s, lines.append)
    except (OSError, TimeoutError) as error:
        raise ToolError(f"{' '.join(map(str, command))}: {error}") from error
    return "\n".join(lines)
