"""From a netlist to the network core in SystemVerilog, in three steps: validate, scan, render.

`generate` gives the network's own modules; `sources` all that they are made of, ready for a
simulator or for synthesis. What is the same for every network is written by hand, in rtl/network.
"""

from __future__ import annotations

from lutlens.host.modulation import Modulation
from lutlens.host.netlist import Netlist
from lutlens.host.paths import RTL_DIRECTORY
from lutlens.host.systemverilog.network import NetworkModule
from lutlens.host.systemverilog.validation import GenerationError, validate

__all__ = ["DEFAULT_MAX_WIDTH", "GenerationError", "NetworkModule", "generate", "sources"]

DEFAULT_MAX_WIDTH = 640


def generate(
    netlist: Netlist,
    *,
    build_id: int,
    max_width: int = DEFAULT_MAX_WIDTH,
    pixels_per_clock: int = 1,
    lut_ram_beats: int = 0,
    modulation: Modulation | None = None,
) -> dict[str, str]:
    """Package `lutlens_network_pkg` and module `lutlens_network` with what only this network has.

    netlist: simplified or not.
    build_id: of the lutnet, 64 bits.
    max_width: columns of the widest frame.
    pixels_per_clock: 1, 2, 4 or 8 horizontal neighbours; a frame's width is a multiple of it.
    lut_ram_beats: memories of lines are in LUTs if a line has at most so many beats, else in block RAM.
    modulation: what makes passes differ if thresholds do not.

    Returns file name to text, packages before their users. Raises GenerationError.
    """
    validate(netlist, build_id, max_width, pixels_per_clock, modulation)
    return NetworkModule(
        netlist, build_id, max_width, pixels_per_clock, lut_ram_beats, modulation
    ).render()


def sources(
    netlist: Netlist,
    *,
    build_id: int,
    max_width: int = DEFAULT_MAX_WIDTH,
    pixels_per_clock: int = 1,
    lut_ram_beats: int = 0,
    modulation: Modulation | None = None,
) -> dict[str, str]:
    """All of the network core: what `generate` gives, and the modules that every network uses."""
    generated = generate(
        netlist,
        build_id=build_id,
        max_width=max_width,
        pixels_per_clock=pixels_per_clock,
        lut_ram_beats=lut_ram_beats,
        modulation=modulation,
    )
    common = sorted((RTL_DIRECTORY / "network").glob("*.sv"))
    # The package, which comes first, stays first.
    return generated | {path.name: path.read_text() for path in common}
