"""Runs the PL's cocotb tests under Verilator: batch builds around a stand-in network, a scan build."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from lutlens.host.rtl import Build, network_sources, pl_sources
from support.simulation import simulate

HERE = Path(__file__).parent
BENCH = HERE / "sv"
STAND_IN = ("lutlens_network_pkg.sv", "lutlens_network.sv")
# Images that end inside a beat, records of two bursts, a last beat of scores with unused lanes: what
# the sizes of the shipped network, which the tests of the simulated device have, do not show.
NETWORK = {
    "PIXEL_BITS": 3,
    "CLASSES": 61,
    "SCORE_BITS": 4,
    "UNITS": 4,
    "IMAGE_WIDTH": 19,
    "IMAGE_HEIGHT": 13,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all builds: the simulator's own parts are compiled once."""
    return tmp_path_factory.mktemp("pl")


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner hands its path on to the simulator."""
    monkeypatch.syspath_prepend(str(HERE))


@pytest.mark.rtl
@pytest.mark.timeout(1800)  # some 70 s of one free core
def test_pl(folder: Path) -> None:
    network = {name: (BENCH / name).read_text() for name in STAND_IN}
    run(folder, network | pl_sources(Build()), "cocotb_pl", NETWORK)


@pytest.mark.rtl
@pytest.mark.timeout(1800)
def test_scan_pl(folder: Path) -> None:
    import scan_bench

    network = network_sources(scan_bench.LUTNET, scan_bench.BUILD)
    run(folder, network | pl_sources(scan_bench.BUILD), "cocotb_scan", {})


def run(folder: Path, logic: Mapping[str, str], module: str, defines: Mapping[str, int]) -> None:
    """The tests of a module, on `lutlens_pl` with processor and memory played by cocotb."""
    parts = ("axi_checker.sv", "testbench.sv")
    logic = logic | {name: (BENCH / name).read_text() for name in parts}
    simulate(folder, logic, "testbench", module, defines=defines)
