"""The SystemVerilog around the generated network: file name to text, in a compiler's order.

The network and its package come first: `network_sources(...) | pl_sources()` is everything of the
module `lutlens_pl`, `network_sources(...) | core_sources()` of `lutlens_core`.
"""

from __future__ import annotations

import tempfile
from functools import cache

from lutlens.host import systemverilog
from lutlens.host.lutnet import Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.paths import RTL_DIRECTORY
from lutlens.host.registers import write_rtl
from lutlens.host.simplify import simplify

_CORE = ("lutlens_encoder", "lutlens_scorer", "lutlens_core")


def network_sources(lutnet: Lutnet, max_width: int) -> dict[str, str]:
    """The simplified network of a lutnet, for frames up to `max_width` columns.

    Raises GenerationError of `lutlens.host.systemverilog`.
    """
    netlist, _ = simplify(Netlist.from_lutnet(lutnet))
    return systemverilog.sources(netlist, build_id=lutnet.build_id, max_width=max_width)


@cache
def core_sources() -> dict[str, str]:
    """Encoder, scorer, and the core that joins them with the network."""
    return {f"{name}.sv": (RTL_DIRECTORY / f"{name}.sv").read_text() for name in _CORE}


@cache
def pl_sources() -> dict[str, str]:
    """The whole PL but the network: registers, rings, core."""
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
        registers = {path.name: path.read_text() for path in write_rtl(folder)}
    modules = {path.name: path.read_text() for path in sorted(RTL_DIRECTORY.glob("*.sv"))}
    return {**registers, **modules}
