"""The top of a board's programmable logic: file name to SystemVerilog text, in a compiler's order."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lutlens.host.paths import RTL_DIRECTORY
from lutlens.host.rtl import Build, pl_sources

TOP = "lutlens_zynq7"
CELLS = ("PS7", "BUFG")
"""Cells of the part that the top is built on. Vivado knows them, others need declarations."""


@cache
def board_sources(build: Build) -> dict[str, str]:
    """All hand-written RTL: after `network_sources(...)` everything of the module `TOP`."""
    folder = RTL_DIRECTORY / "boards"
    return {
        **pl_sources(build),
        **{path.name: path.read_text() for path in sorted(folder.glob("*.sv"))},
    }


@cache
def cell_declarations(cells: tuple[str, ...] = CELLS) -> dict[str, str]:
    """Black boxes with the ports of the part's cells, as Yosys' library declares them.

    Raises LookupError for a cell that the library does not have.
    """
    package = find_spec("pyosys")
    if package is None or package.origin is None:
        raise LookupError("pyosys is missing: pip install 'lutlens[host]' brings it")
    library = Path(package.origin).parent / "share/xilinx"
    text = "".join((library / file).read_text() for file in ("cells_sim.v", "cells_xtra.v"))
    return {f"{cell}.v": _declaration(text, cell) for cell in cells}


def _declaration(library: str, cell: str) -> str:
    """The cell without its contents: Verilog-2001 with port directions in the head or below it."""
    found = re.search(rf"^module {cell}\s*\((.*?)\);\n(.*?)^endmodule", library, re.S | re.M)
    if found is None:
        raise LookupError(f"Yosys' library of Xilinx cells has no {cell}")
    head, body = found.groups()
    ports = re.findall(r"^\s*(?:\(\*.*?\*\)\s*)*((?:input|output|inout)\b[^;]*;)", body, re.M)
    return "\n".join(
        ["(* blackbox *) (* keep *)", f"module {cell}({head});", *ports, "endmodule", ""]
    )
