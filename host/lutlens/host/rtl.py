"""The SystemVerilog around the generated network: file name to text, in a compiler's order.

The network and its package come first: `network_sources(lutnet, build) | pl_sources(build)` is
everything of the module `lutlens_pl`, `network_sources(...) | core_sources(build)` of the core alone.
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

BATCH_CORE = "lutlens_core"
SCAN_CORE = "lutlens_scan_core"
_CORES = {
    BATCH_CORE: ("lutlens_modulator", "lutlens_encoder", "lutlens_lines", "lutlens_scorer"),
    SCAN_CORE: (
        "lutlens_encoder",
        "lutlens_top_two",
        "lutlens_scan_sums",
        "lutlens_scan_scorer",
        "lutlens_scan_peaks",
    ),
}


@dataclass(frozen=True)
class Build:
    """What the logic around a network is built for.

    max_width: columns of the widest frame.
    scan: None for batch mode.
    cores: to which images are dealt out in turn; batch mode only.
    lut_ram_beats: a network's memories of lines are in LUTs if a line has at most so many beats.
    """

    max_width: int = DEFAULT_MAX_WIDTH
    pixels_per_clock: int = 1
    scan: Scan | None = None
    cores: int = 1
    lut_ram_beats: int = 0

    @property
    def core(self) -> str:
        """The module that joins encoder, network and scorer."""
        return SCAN_CORE if self.scan else BATCH_CORE

    @classmethod
    def for_images(cls, lutnet: Lutnet, pixels_per_clock: int = 1) -> Build:
        """For single images, and nothing wider."""
        return cls(image_lines(lutnet.input_shape[1], pixels_per_clock), pixels_per_clock)

    @classmethod
    def of(cls, geometry: Geometry) -> Build:
        """What an overlay's manifest says."""
        scan = geometry.scan
        return cls(
            geometry.max_width,
            geometry.pixels_per_clock,
            Scan(scan.max_positions, scan.max_windows) if scan else None,
            geometry.cores,
            geometry.lut_ram_beats,
        )


DEFAULT_BUILD = Build()


def image_lines(width: int, pixels_per_clock: int) -> int:
    """Columns of lines that hold an image of `width`, in whole beats."""
    return -(-width // pixels_per_clock) * pixels_per_clock


def why_no_scan(lutnet: Lutnet) -> str | None:
    """What keeps a network from scanning frames, as an error's message; None if nothing does."""
    if lutnet.recurrent:
        return "scan: a recurrent network reads whole rows of images as wide as its own; a batch build runs it"
    if lutnet.modulator:
        return "scan: a network with a modulator reads single images; a batch build runs it"
    return None


def network_sources(lutnet: Lutnet, build: Build) -> dict[str, str]:
    """The simplified network of a lutnet.

    Raises GenerationError of `lutlens.host.systemverilog`.
    """
    if build.scan and (why := why_no_scan(lutnet)):
        raise systemverilog.GenerationError(why)
    netlist, _ = simplify(Netlist.from_lutnet(lutnet))
    return systemverilog.sources(
        netlist,
        build_id=lutnet.build_id,
        max_width=build.max_width,
        pixels_per_clock=build.pixels_per_clock,
        lut_ram_beats=build.lut_ram_beats,
        modulation=lutnet.modulation,
    )


@cache
def core_sources(build: Build = DEFAULT_BUILD) -> dict[str, str]:
    """Encoder, scorer, and the core that joins them with the network: module `build.core`."""
    modules = (*_CORES[build.core], build.core)
    return {f"{name}.sv": (RTL_DIRECTORY / f"{name}.sv").read_text() for name in modules}


@cache
def pl_sources(build: Build) -> dict[str, str]:
    """The whole PL but the network: registers, rings, core."""
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
        block = write_rtl(folder, build.scan, build.cores)
        registers = {path.name: path.read_text() for path in block}
    paths = sorted(RTL_DIRECTORY.glob("*.sv"), key=lambda path: (path.stem[-4:] != "_pkg", path))
    modules = {
        path.name: path.read_text()
        for path in paths
        if build.scan or not path.name.startswith("lutlens_scan")
    }
    return {**registers, **modules}
