"""`lutlens build` and `lutlens package-ip`. Docstrings are manual pages."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from lutlens.host import boards, hwh, toolchains
from lutlens.host.commands import JsonOption
from lutlens.host.toolchains.base import Places
from rich.console import Console
from rich.status import Status
from rich.table import Table

AUTO = "auto"

OverlayArgument = Annotated[
    Path, typer.Argument(metavar="OVERLAY", help="The overlay directory.", exists=True)
]
BoardOption = Annotated[
    str, typer.Option(metavar="NAME", help=f"One of: {', '.join(boards.names())}.")
]
ToolsOption = Annotated[
    Path | None,
    typer.Option(metavar="DIRECTORY", help="Where the tools are, before PATH.", show_default=False),
]
TimeoutOption = Annotated[
    float, typer.Option(min=0.01, max=10_000, help="Minutes that one tool may take.")
]


class Progress:
    """Steps on the standard error: the one that lasts with what its tool said, those done with their time."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status = Status("", console=console)
        self.name = ""
        self.started = time.monotonic()

    def __enter__(self) -> Progress:
        self.status.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._finish()
        self.status.stop()

    def step(self, name: str) -> None:
        self._finish()
        self.name, self.started = name, time.monotonic()
        self.status.update(name)

    def line(self, text: str) -> None:
        width = max(20, self.console.width - len(self.name) - 6)
        self.status.update(f"{self.name}  [dim]{text.replace('[', '(')[:width]}")

    def _finish(self) -> None:
        if self.name:
            seconds = time.monotonic() - self.started
            self.console.print(f"{self.name}  [dim]{seconds:.0f} s", highlight=False)
            self.name = ""


def build(
    directory: OverlayArgument,
    toolchain: Annotated[
        str, typer.Option(metavar="NAME", help=f"One of: {', '.join(toolchains.names())}.")
    ],
    board: BoardOption = boards.DEFAULT_BOARD,
    clock: Annotated[
        str | None,
        typer.Option(
            metavar=f"MHZ|{AUTO}",
            help="FCLK0, by default the overlay's. `auto` lowers that to what was reached.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=1 << 30, help="Varies place and route.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="For sources, scripts, reports and log. Default: build/OVERLAY/TOOLCHAIN.",
            show_default=False,
        ),
    ] = None,
    tools: ToolsOption = None,
    chipdb: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", envvar="CHIPDB", help="openxc7: the database of the part, or its place."
        ),
    ] = None,
    prjxray_db: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY", envvar="PRJXRAY_DB_DIR", help="openxc7: prjxray's database."
        ),
    ] = None,
    timeout: TimeoutOption = 60.0,
    json_output: JsonOption = False,
) -> None:
    """Build an overlay's bitstream, with Vivado or with the open flow.

    The bitstream, its clock and what place and route reached go into the overlay; a build that
    misses its clock fails and leaves the overlay as it was, unless `--clock auto` lowers FCLK0.
    Everything that the tools said is in `build.log`.

    Toolchains: `vivado`, 2020.1 or later (not yet run here: its scripts are tested with stand-ins);
    `openxc7`, which is Yosys, nextpnr-xilinx and prjxray, and whose clock is an estimate.

        lutlens build overlays/digits --toolchain openxc7 --clock auto
    """
    from lutlens.host.toolchains import build as builder

    target = boards.load(board)
    wanted, lower = _clock(clock)
    folder = out or Path("build", directory.resolve().name, toolchain)
    found = toolchains.load(toolchain).find(Places(tools, chipdb, prjxray_db), target)
    with Progress(Console(stderr=True)) as progress:
        built = builder.build(
            directory,
            found,
            target,
            folder,
            progress,
            clock_mhz=wanted,
            lower_clock=lower,
            seed=seed,
            timeout_s=60 * timeout,
        )
    if json_output:
        print(json.dumps(_describe(built)))
    else:
        Console().print(_summary(built, target))


def package_ip(
    directory: OverlayArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="For the IP and all that is written on the way. Default: build/OVERLAY/ip.",
            show_default=False,
        ),
    ] = None,
    board: BoardOption = boards.DEFAULT_BOARD,
    tools: ToolsOption = None,
    timeout: TimeoutOption = 30.0,
    json_output: JsonOption = False,
) -> None:
    """Package an overlay's core as an IP for a block design of your own, with Vivado.

    Encoder, network and scorer, with AXI4-Stream for pixels and for results: `rtl/README.md` tells
    what the streams carry. Add the directory that is printed to the IP repositories of a project.
    Not yet run in Vivado: the script is tested with stand-ins for its commands.

        lutlens package-ip overlays/digits
    """
    from lutlens.host.toolchains.package_ip import package
    from lutlens.host.toolchains.vivado import Vivado

    target = boards.load(board)
    tool = Vivado.find(Places(tools))
    folder = out or Path("build", directory.resolve().name, "ip")
    with Progress(Console(stderr=True)) as progress:
        repository = package(directory, tool, target, folder, progress, 60 * timeout)
    print(json.dumps({"ip_repository": str(repository)}) if json_output else repository)


def _clock(text: str | None) -> tuple[float | None, bool]:
    """MHz, if some were given, and whether FCLK0 may be lowered."""
    if text is None or text == AUTO:
        return None, text == AUTO
    try:
        return hwh.clock(float(text)).mhz, False
    except ValueError as error:  # ClockError is one
        raise typer.BadParameter(f"--clock {text}: must be MHz or {AUTO}; {error}") from error


def _describe(built: Any) -> dict[str, Any]:
    return {
        "bitstream": built.manifest.bitstream.model_dump(),
        "clock_mhz": built.clock_mhz,
        "lowered": built.lowered,
        "worst_slack_ns": round(built.slack_ns, 3),
        "hold_slack_ns": built.outcome.hold_slack_ns,
        "cells": asdict(built.outcome.cells),
        "seconds": round(built.seconds, 1),
        "log": str(built.log),
    }


def _summary(built: Any, board: boards.Board) -> Table:
    outcome = built.outcome
    table = Table(show_header=False, title=f"{built.manifest.name} for {board.title}")
    for _ in range(3):
        table.add_column(overflow="fold")
    for name, used, there in (
        ("LUT", outcome.cells.lut, board.cells.lut),
        ("FF", outcome.cells.ff, board.cells.ff),
        ("BRAM36", outcome.cells.bram36, board.cells.bram36),
    ):
        table.add_row(name, f"{used:g}", f"{100 * used / there:.1f} % of {there}")
    table.add_row("FCLK0", f"{built.clock_mhz:g} MHz", "lowered to this" if built.lowered else "")
    table.add_row("worst slack", f"{built.slack_ns:.3f} ns", "")
    estimate = "an estimate: not every path is timed" if outcome.estimated else ""
    table.add_row("Fmax", f"{outcome.fmax_mhz:.1f} MHz", estimate)
    table.add_row("time", f"{built.seconds:.0f} s", outcome.tool)
    table.add_row("log", str(built.log), "")
    return table
