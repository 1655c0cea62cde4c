"""Vivado, driven by Tcl without a project. Its commands are those of 2020.1; not run in Vivado yet."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jinja2
from lutlens.host.boards import Board, constraints
from lutlens.host.paths import RTL_DIRECTORY
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

OLDEST = (2020, 1)
# Vivado has no seed; what varies its result is how it is told to place.
DIRECTIVES = (
    *("Explore", "Default", "ExtraTimingOpt", "ExtraPostPlacementOpt"),
    *("AltSpreadLogic_high", "AltSpreadLogic_medium", "AltSpreadLogic_low"),
    *("ExtraNetDelay_high", "ExtraNetDelay_low", "WLDrivenBlockPlacement"),
)
_INSTALLATIONS = ("/tools/Xilinx", "/opt/Xilinx", "/opt/xilinx")
_STEP = "lutlens: step: "
_PHASE = re.compile(r"(Phase [\d.]+ |Starting .* Task|(Start|Finished) (RTL|Technology|Timing))")
_ROWS = {"lut": "Slice LUTs", "ff": "Slice Registers", "bram36": "Block RAM Tile"}


@dataclass(frozen=True)
class Vivado(Toolchain):
    """An executable that exists."""

    executable: Path

    name: ClassVar[str] = "vivado"

    @classmethod
    def find(cls, places: Places, board: Board | None = None) -> Vivado:
        """In `places`, on PATH, where XILINX_VIVADO says, or where it is usually installed."""
        found = places.executable("vivado")
        if found is None:
            found = next((path for path in _installed() if os.access(path, os.X_OK)), None)
        if found is None:
            raise ToolchainMissing(
                "vivado: not on PATH, nor in XILINX_VIVADO, "
                f"{', '.join(_INSTALLATIONS)}. Source its settings64.sh, or give --tools DIRECTORY"
            )
        return cls(found)

    def version(self) -> str:
        """Raises ToolError, for one that is too old too."""
        answer = ask([self.executable, "-version"])
        found = re.search(r"[Vv]ivado v(\d+)\.(\d+)", answer)
        if found is None:
            raise ToolError(f"{self.executable} -version: no version in {answer[:200]!r}")
        if (int(found[1]), int(found[2])) < OLDEST:
            raise ToolError(f"{self.executable}: {found[0]}, must be 2020.1 or later")
        return f"Vivado {found[1]}.{found[2]}"

    def build(self, job: Job, report: Reporter) -> Outcome:
        tool = self.version()
        files = sources(job.sources)
        for name, text in files.items():
            (job.folder / name).write_text(text, encoding="utf-8")
        (job.folder / "pins.xdc").write_text(constraints.pins(job.board))
        (job.folder / "timing.xdc").write_text(constraints.timing(job.clock_mhz))
        script = render(
            "build.tcl.jinja",
            name=job.name,
            top=job.top,
            board=job.board,
            sources=files,
            directive=DIRECTIVES[job.seed % len(DIRECTIVES)],
        )
        self.run("build.tcl", script, job, report)
        bitstream = job.folder / f"{job.name}.bit"
        if not bitstream.is_file():
            raise ToolError(f"Vivado wrote no {bitstream.name}. Its log: {job.log}")
        slack = _results(job.folder / "results.txt")
        return Outcome(
            bitstream,
            tool,
            fmax_mhz=1000 / (1000 / job.clock_mhz - slack["setup"]),
            estimated=False,
            cells=utilisation((job.folder / "utilization.rpt").read_text()),
            hold_slack_ns=slack["hold"],
        )

    def run(self, name: str, script: str, job: Job, report: Reporter) -> None:
        """Run a script of ours in the job's folder. Raises ToolError."""
        (job.folder / name).write_text(script, encoding="utf-8")

        def watch(line: str) -> None:
            if line.startswith(_STEP):
                report.step(f"{line.removeprefix(_STEP)}: Vivado")
            elif _PHASE.match(line):
                report.line(line)

        run_tool(
            [
                self.executable,
                "-mode",
                "batch",
                "-nojournal",
                "-nolog",
                "-notrace",
                "-source",
                name,
            ],
            job,
            watch,
        )


def sources(generic: Mapping[str, str]) -> dict[str, str]:
    """The same files for Vivado: a node is exactly one LUT primitive, which it knows."""
    twin = RTL_DIRECTORY / "network/xilinx/lutlens_lut.sv"
    return {**generic, twin.name: twin.read_text()}


def utilisation(report: str) -> Cells:
    """The figures of `report_utilization`. Raises ToolError for a report without them."""
    used: dict[str, float] = {}
    for field, row in _ROWS.items():
        found = re.search(rf"^\|\s*{row}\*?\s*\|\s*([\d.]+)\s*\|", report, re.M)
        if found is None:
            raise ToolError(f"utilization.rpt: no row {row!r}")
        used[field] = float(found[1])
    return Cells(int(used["lut"]), int(used["ff"]), used["bram36"])


def render(template: str, **values: Any) -> str:
    """A script, from a template beside this module."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lutlens.host.toolchains"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["tcl"] = quote
    return environment.get_template(template).render(**values)


def quote(text: str) -> str:
    """One word of Tcl, whatever is in it."""
    special = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
    escaped = re.sub(r'[\\"$\[\]{}]', lambda match: "\\" + match[0], text)
    return '"' + "".join(special.get(letter, letter) for letter in escaped) + '"'


def _installed() -> list[Path]:
    """Where Vivado may be, newest first."""
    folders = [Path(os.environ["XILINX_VIVADO"])] if os.environ.get("XILINX_VIVADO") else []
    for root in map(Path, _INSTALLATIONS):
        # Until 2024.2 Vivado/VERSION, from 2025.1 on VERSION/Vivado.
        found = [*root.glob("Vivado/20*"), *root.glob("20*/Vivado")]
        folders += sorted(
            found, key=lambda path: re.findall(r"20\d\d\.\d", str(path)), reverse=True
        )
    return [folder / "bin/vivado" for folder in folders]


def _results(path: Path) -> dict[str, float]:
    try:
        words = dict(line.split() for line in path.read_text().splitlines())
        return {kind: float(words[kind]) for kind in ("setup", "hold")}
    except (OSError, ValueError, KeyError) as error:
        raise ToolError(f"{path}: must hold the slack of setup and hold paths ({error})") from error
