"""The SystemVerilog around the generated network: file name to text, in a compiler's order.

The network and its package come first: `network_sources(lutnet, build) | pl_sources(build)` is
everything of the module `lutlens_pl`, `network_sources(...) | core_sources()` of `lutlens_core`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache

from lutlens.board.manifest import Geometry
from lutlens.host import systemverilog
from lutlens.host.lutnet import Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.paths import RTL_DIRECTORY
from lutlens.host.registers import Scan, write_rtl
from lutlens.host.simplify import simplify
from lutlens.host.systemverilog import DEFAULT_MAX_WIDTH

_CORE = ("lutlens_encoder", "lutlens_scorer", "lutlens_core")


@dataclass(frozen=True)
class Build:
    """What the logic around a network is built for.

    max_width: columns of the widest frame.
    scan: None for batch mode.
    """

    max_width: int = DEFAULT_MAX_WIDTH
    pixels_per_clock: int = 1
    scan: Scan | None = None

    @classmethod
    def of(cls, geometry: Geometry) -> Build:
        """What an overlay's manifest says."""
        scan = geometry.scan
        return cls(
            geometry.max_width,
            geometry.pixels_per_clock,
            Scan(scan.max_positions, scan.max_windows) if scan else None,
        )


def network_sources(lutnet: Lutnet, build: Build) -> dict[str, str]:
    """The simplified network of a lutnet.

    Raises GenerationError of `lutlens.host.systemverilog`.
    """
    netlist, _ = simplify(Netlist.from_lutnet(lutnet))
    return systemverilog.sources(
        netlist,
        build_id=lutnet.build_id,
        max_width=build.max_width,
        pixels_per_clock=build.pixels_per_clock,
    )


@cache
def core_sources() -> dict[str, str]:
    """Encoder, scorer, and the core that joins them with the network."""
    return {f"{name}.sv": (RTL_DIRECTORY / f"{name}.sv").read_text() for name in _CORE}


@cache
def pl_sources(build: Build) -> dict[str, str]:
    """The whole PL but the network: registers, rings, core."""
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
        registers = {path.name: path.read_text() for path in write_rtl(folder, build.scan)}
    paths = sorted(RTL_DIRECTORY.glob("*.sv"), key=lambda path: (path.stem[-4:] != "_pkg", path))
    modules = {
        path.name: path.read_text()
        for path in paths
        if build.scan or not path.name.startswith("lutlens_scan")
    }
    return {**registers, **modules}
