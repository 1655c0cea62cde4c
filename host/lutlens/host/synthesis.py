"""What a design takes on the chip: Yosys for the 7 series, and a count of its cells."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lutlens.host import process
from lutlens.host.paths import RTL_DIRECTORY

TIMEOUT_S = 3600.0  # a network of 12,000 nodes takes a quarter of an hour of a processor

# LUT sites that a cell occupies. Place and route makes LUTs of the inverters that Yosys leaves.
_LUT_SITES = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    "INV": 1,
    **dict.fromkeys(("SRL16E", "SRLC32E", "RAM32X1S", "RAM64X1S"), 1),
    **dict.fromkeys(("RAM32X1D", "RAM64X1D", "RAM128X1S"), 2),
    **dict.fromkeys(("RAM32M", "RAM64M", "RAM128X1D", "RAM256X1S"), 4),
}
_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
_BRAM36 = {"RAMB36E1": 1.0, "RAMB18E1": 0.5}
# Cells that signals go through without a clock, and what each adds to the logic depth.
_LEVELS = {**_LUT_SITES, "CARRY4": 0, "MUXF7": 0, "MUXF8": 0}
_LEVELS = {cell: min(1, level) for cell, level in _LEVELS.items()}

_RUN = "import sys; from pyosys import libyosys; libyosys.run_pass(sys.argv[1], libyosys.Design())"


class SynthesisError(RuntimeError):
    """Yosys refused the design, or took too long; the message holds what it said last."""


@dataclass(frozen=True)
class Resources:
    """Cells of the xc7z020 that a design takes, without pairing small LUTs in one site.

    lut: LUTs, inverters, and the sites of shift registers and of LUT-RAM.
    ff: flip-flops.
    bram36: block RAMs; two of 18 Kbit are one.
    carry4: carry cells of four bits.
    depth: LUTs, one behind the other, on the longest way between two flip-flops (or RAMs or ports).
    """

    lut: int
    ff: int
    bram36: float
    carry4: int
    depth: int


def synthesise(
    sources: Mapping[str, str],
    top: str,
    *,
    block_ram: bool = True,
    pads: bool = False,
    netlist: Path | None = None,
    netlist_json: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    on_line: Callable[[str], None] = lambda line: None,
) -> Resources:
    """Synthesise module `top`, without clock buffers of its own.

    sources: file name to SystemVerilog text, packages before their users.
    block_ram: False to make all memory of LUT-RAM.
    pads: of a top whose ports are pins.
    netlist, netlist_json: where to write the result as Verilog and for place and route, if wanted.
    on_line: is given everything that Yosys says, line by line.

    Raises SynthesisError.
    """
    with tempfile.TemporaryDirectory(prefix="lutlens-") as name:
        folder = Path(name)
        files = {**sources, **_xilinx_sources()}
        _write(folder, files)
        script = [
            f"read_slang --top {top} {' '.join(files)}",
            *([] if block_ram else ["setattr -unset ram_style */m:*"]),
            # No shift registers: the open flow cannot route both kinds, and flip-flops abound.
            f"synth_xilinx -family xc7 -flatten -nosrl -nowidelut -noclkbuf"
            f"{'' if pads else ' -noiopad'}{'' if block_ram else ' -nobram'} -top {top}",
            "delete */t:$scopeinfo",
            "write_json netlist.json",
        ]
        if netlist is not None:
            script.append("write_verilog -noattr netlist.v")
        (folder / "synth.ys").write_text("\n".join(script), encoding="utf-8")
        _yosys(folder, timeout_s, on_line)
        if netlist is not None:
            (folder / "netlist.v").replace(netlist)
        text = (folder / "netlist.json").read_text()
    if netlist_json is not None:
        netlist_json.write_text(text)
    design = json.loads(text)
    return count(design["modules"][top])


def elaborate(sources: Mapping[str, str], top: str) -> str:
    """Modules and their ports as Yosys' JSON, not synthesised. Raises SynthesisError."""
    with tempfile.TemporaryDirectory(prefix="lutlens-") as name:
        folder = Path(name)
        files = {**sources, **_xilinx_sources()}
        _write(folder, files)
        script = f"read_slang --top {top} {' '.join(files)}"
        (folder / "synth.ys").write_text(f"{script}\nwrite_json ports.json\n", encoding="utf-8")
        _yosys(folder, TIMEOUT_S, lambda line: None)
        return (folder / "ports.json").read_text()


def count(module: Mapping[str, Any]) -> Resources:
    """Resources of a synthesised module, as Yosys writes it in JSON."""
    cells = Counter(cell["type"] for cell in module["cells"].values())
    return Resources(
        lut=sum(sites * cells[cell] for cell, sites in _LUT_SITES.items()),
        ff=sum(cells[cell] for cell in _FLIP_FLOPS),
        bram36=sum(share * cells[cell] for cell, share in _BRAM36.items()),
        carry4=cells["CARRY4"],
        depth=_depth(module),
    )


def tool() -> str:
    """Name and version of what synthesises."""
    return f"Yosys {version('pyosys')}"


def _depth(module: Mapping[str, Any]) -> int:
    driver: dict[int, str] = {}  # net to the unclocked cell that drives it
    reads: dict[str, list[int]] = {}
    for name, cell in module["cells"].items():
        if cell["type"] not in _LEVELS:
            continue
        directions = cell["port_directions"]
        reads[name] = []
        for port, nets in cell["connections"].items():
            nets = [net for net in nets if isinstance(net, int)]
            if directions[port] == "output":
                driver.update(dict.fromkeys(nets, name))
            # What is written to a LUT-RAM waits for the clock; its address does not.
            elif not (cell["type"].startswith("RAM") and port.startswith(("DI", "WE", "WCLK"))):
                reads[name] += nets
    levels: dict[str, int] = {}
    # Depth first without recursion: a cell is done when all that it reads from is.
    for start in reads:
        stack = [start]
        while stack:
            name = stack[-1]
            before = {driver[net] for net in reads[name] if net in driver}
            missing = [other for other in before if other not in levels]
            if name in levels:
                stack.pop()
            elif missing:
                stack += missing
            else:
                own = _LEVELS[module["cells"][name]["type"]]
                levels[name] = own + max((levels[other] for other in before), default=0)
                stack.pop()
    return max(levels.values(), default=0)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")


def _xilinx_sources() -> dict[str, str]:
    """What takes the place of technology-independent modules."""
    return {
        path.name: path.read_text()
        for path in sorted((RTL_DIRECTORY / "network/xilinx").glob("*.sv"))
    }


def _yosys(folder: Path, timeout_s: float, on_line: Callable[[str], None]) -> None:
    """Run synth.ys in `folder`, in a process of its own: Yosys ends its process on errors."""
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        on_line(line)

    try:
        status = process.run(
            [sys.executable, "-c", _RUN, "script synth.ys"], folder, timeout_s, take
        )
    except TimeoutError:
        raise SynthesisError(f"Yosys took more than {timeout_s:.0f} s") from None
    if status:
        errors = [line for line in lines if "ERROR" in line or "error:" in line]
        raise SynthesisError("Yosys refused the design:\n" + "\n".join(errors[:10] or lines[-10:]))
