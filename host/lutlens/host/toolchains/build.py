"""From an overlay to its bitstream, and back into the overlay what was built and how fast it is."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lutlens.board.manifest import Bitstream, Manifest
from lutlens.host import hwh, overlay
from lutlens.host.bitfile import Bitfile, BitfileError
from lutlens.host.boards import Board
from lutlens.host.boards.rtl import TOP, board_sources
from lutlens.host.rtl import Build, network_sources
from lutlens.host.toolchains.base import Job, Outcome, Reporter, Toolchain, ToolError


class TimingError(RuntimeError):
    """A design that does not keep its clock; the overlay is as it was."""


@dataclass(frozen=True)
class Built:
    """What was built. clock_mhz: FCLK0 as the overlay now has it; lowered: from what it was to be."""

    manifest: Manifest
    outcome: Outcome
    clock_mhz: float
    lowered: bool
    seconds: float
    log: Path

    @property
    def slack_ns(self) -> float:
        return self.outcome.slack_ns(self.clock_mhz)


def build(
    directory: Path,
    toolchain: Toolchain,
    board: Board,
    folder: Path,
    report: Reporter,
    *,
    clock_mhz: float | None = None,
    lower_clock: bool = False,
    seed: int = 1,
    timeout_s: float = 3600.0,
) -> Built:
    """Build an overlay's bitstream and put it into the overlay.

    folder: for everything that is written on the way; what it held of an earlier build goes.
    clock_mhz: of FCLK0, by default the overlay's. It becomes the next one that the board can make.
    lower_clock: take the clock that was reached if it is lower, instead of failing.

    Raises TimingError, ToolError, and what reading the overlay raises.
    """
    start = time.monotonic()
    lutnet, manifest = overlay.read(directory)
    if manifest is None:
        raise overlay.OverlayError(f"{directory}: must be an overlay directory")
    wanted = hwh.clock(clock_mhz or manifest.clock_mhz).mhz
    logic = Build.of(manifest.geometry)
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "build.log").is_file():
            raise overlay.OverlayError(f"{folder}: holds other files than a build's; not replaced")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    job = Job(
        name=manifest.name,
        top=TOP,
        board=board,
        clock_mhz=wanted,
        sources=network_sources(lutnet, logic) | board_sources(logic),
        folder=folder.resolve(),
        seed=seed,
        timeout_s=timeout_s,
    )
    outcome = toolchain.build(job, report)
    clock = _clock(outcome, wanted, lower_clock)
    data = outcome.bitstream.read_bytes()
    try:
        bitfile = Bitfile.from_bytes(data)
    except BitfileError as error:
        raise ToolError(f"{outcome.bitstream}: {error}") from error
    if not bitfile.is_for(board.device, board.package):
        raise ToolError(f"{outcome.bitstream}: is for {bitfile.part}, must be for {board.part}")
    bitstream = Bitstream(
        toolchain=outcome.tool,
        # Not rounded up: the clock of the overlay must stay below it.
        fmax_mhz=math.floor(outcome.fmax_mhz * 100) / 100,
        estimated=outcome.estimated,
        board=board.name,
        seed=seed,
        lut=outcome.cells.lut,
        ff=outcome.cells.ff,
        bram36=outcome.cells.bram36,
    )
    written = overlay.set_bitstream(directory, data, bitstream, clock, board)
    seconds = time.monotonic() - start
    return Built(written, outcome, clock, clock < wanted, seconds, job.log)


def _clock(outcome: Outcome, wanted: float, lower: bool) -> float:
    """The clock that the design keeps. Raises TimingError."""
    if outcome.hold_slack_ns is not None and outcome.hold_slack_ns < 0:
        raise TimingError(
            f"hold time is missed by {-outcome.hold_slack_ns:.3f} ns, which no clock mends; "
            "try another --seed"
        )
    if outcome.slack_ns(wanted) >= 0:
        return wanted
    if lower:
        return hwh.clock(outcome.fmax_mhz).mhz
    raise TimingError(
        f"{wanted:g} MHz is missed: {outcome.fmax_mhz:.1f} MHz reached, worst slack "
        f"{outcome.slack_ns(wanted):.3f} ns. Try --clock auto, which lowers FCLK0, or another --seed"
    )
