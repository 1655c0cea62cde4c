"""The open flow: Yosys, nextpnr-xilinx, and prjxray's fasm2frames and xc7frames2bit.

Its maximum clock is an estimate: flip-flops are timed optimistically, paths of block RAM and of the
processing system not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lutlens.host import synthesis
from lutlens.host.boards import Board, constraints
from lutlens.host.boards.rtl import cell_declarations
from lutlens.host.toolchains.base import (
    Cells,
    Job,
    Outcome,
    Places,
    Reporter,
    Toolchain,
    ToolchainMissing,
    ToolError,
    ask,
    run_tool,
)

_FREQUENCY = re.compile(r"Max frequency for clock\s+'?([^':]+)'?:\s*([0-9.]+) MHz")
_PHASE = re.compile(
    r"Info: (Packing|Placed|Creating|Running|Routing|Setting up|Generating|Annotating|Checking|\s+at iter)"
)


@dataclass(frozen=True)
class OpenXC7(Toolchain):
    """Executables and databases, all of which exist."""

    nextpnr: Path
    fasm2frames: Path
    frames2bit: Path
    chipdb: Path
    prjxray_db: Path

    name: ClassVar[str] = "openxc7"

    @classmethod
    def find(cls, places: Places, board: Board) -> OpenXC7:
        """Raises ToolchainMissing, which names everything that is missing."""
        missing: list[str] = []

        def tool(*candidates: str) -> Path:
            found = places.executable(*candidates)
            if found is None:
                missing.append(f"{candidates[0]} (on PATH, or --tools DIRECTORY)")
            return found or Path()

        def data(path: Path | None, inside: str, option: str) -> Path:
            for candidate in (path, path and path / inside):
                if candidate and (candidate.is_file() or (candidate / part).is_file()):
                    return candidate.absolute()  # the tools run elsewhere
            where = f": not in {path}" if path else ""
            missing.append(f"{inside} ({option}){where}")
            return Path()

        part = f"{board.part}/part.yaml"
        found = cls(
            nextpnr=tool("nextpnr-xilinx"),
            fasm2frames=tool("fasm2frames", "fasm2frames.py"),
            frames2bit=tool("xc7frames2bit"),
            chipdb=data(places.chipdb, f"{board.device}{board.package}.bin", "--chipdb"),
            prjxray_db=data(places.prjxray_db, "zynq7", "--prjxray-db"),
        )
        if missing:
            raise ToolchainMissing(
                "openxc7: missing " + "; ".join(missing) + ". "
                "The openXC7 project's installer brings all of them."
            )
        return found

    def version(self) -> str:
        answer = re.search(r"[Vv]ersion ([^\s)]+)", ask([self.nextpnr, "--version"]))
        return f"{synthesis.tool()}, nextpnr-xilinx {answer[1] if answer else '(unknown)'}"

    def build(self, job: Job, report: Reporter) -> Outcome:
        tool = self.version()
        report.step("synthesis: Yosys")
        cells = self._synthesise(job, report.line)
        xdc = job.folder / "pins.xdc"
        xdc.write_text(constraints.pins(job.board))

        report.step("place and route: nextpnr-xilinx")
        clocks: dict[str, float] = {}

        def watch(line: str) -> None:
            if found := _FREQUENCY.search(line):
                # Printed after placement too: the last one counts.
                clocks[found[1]] = float(found[2])
            if found or _PHASE.search(line):
                report.line(line.removeprefix("Info:").strip())

        run_tool(
            [
                *(self.nextpnr, "--chipdb", self.chipdb, "--xdc", xdc.name),
                *("--json", "top.json", "--write", "routed.json", "--fasm", "top.fasm"),
                *("--freq", f"{job.clock_mhz:g}", "--seed", str(job.seed)),
                "--timing-allow-fail",  # how fast it is decides the caller, from what it reached
            ],
            job,
            watch,
        )
        if not clocks:
            raise ToolError(f"nextpnr-xilinx reported no maximum frequency. Its log: {job.log}")

        part = job.board.part
        report.step("bitstream: fasm2frames")
        run_tool(
            [
                *(self.fasm2frames, "--db-root", self.prjxray_db, "--part", part),
                *("top.fasm", "top.frames"),
            ],
            job,
        )
        report.step("bitstream: xc7frames2bit")
        bitstream = job.folder / f"{job.name}.bit"
        run_tool(
            [
                *(self.frames2bit, "--part_file", self.prjxray_db / part / "part.yaml"),
                *("--part_name", part, "--frm_file", "top.frames"),
                *("--output_file", bitstream.name),
            ],
            job,
        )
        if not bitstream.is_file():
            raise ToolError(f"xc7frames2bit wrote no {bitstream.name}. Its log: {job.log}")
        return Outcome(bitstream, tool, min(clocks.values()), estimated=True, cells=cells)

    @staticmethod
    def _synthesise(job: Job, on_line: Callable[[str], None]) -> Cells:
        with job.log.open("a", encoding="utf-8") as log:

            def take(line: str) -> None:
                print(line, file=log)
                if re.match(r"\d+(\.\d+)*\. Executing", line):
                    on_line(line)

            try:
                resources = synthesis.synthesise(
                    {**cell_declarations(), **job.sources},
                    job.top,
                    pads=True,
                    netlist_json=job.folder / "top.json",
                    timeout_s=job.timeout_s,
                    on_line=take,
                )
            except synthesis.SynthesisError as error:
                raise ToolError(f"{error}\n{job.log}") from error
        return Cells(resources.lut, resources.ff, resources.bram36)
