"""Runs the PL's cocotb tests under Verilator: batch builds around a stand-in network, a scan build."""

import os
from collections.abc import Mapping
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from cocotb_tools.runner import Verilator
from lutlens.host.rtl import Build, network_sources, pl_sources
from lutlens.host.verilator import environment

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


class PortsOnly(Verilator):
    """Shows cocotb the top's ports, not every signal: a quarter of the code to compile, and faster."""

    def _build_command(self) -> list[list[str]]:
        shown = {"--public-flat-rw": ["--public-depth", "1"]}
        return [
            [word for old in command for word in shown.get(old, [old])]
            for command in super()._build_command()
        ]


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
    sources = []
    for name, text in logic.items():
        (folder / name).write_text(text)
        sources.append(folder / name)
    sources += [BENCH / name for name in ("axi_checker.sv", "testbench.sv")]
    with mock.patch.dict(os.environ, environment()):
        runner = PortsOnly()
        runner.build(
            sources=sources,
            hdl_toplevel="testbench",
            defines=defines,
            build_args=["--x-assign", "unique", "--x-initial", "unique", "-O3", "--assert"],
            build_dir=folder / "build",
            timescale=("1ns", "1ps"),
            log_file=folder / f"{module}_build.log",
        )
        results = runner.test(
            hdl_toplevel="testbench",
            test_module=module,
            build_dir=folder / "build",
            test_dir=folder,
            plusargs=["+verilator+rand+reset+2", "+verilator+seed+1"],
            extra_env={"COCOTB_LOG_LEVEL": "WARNING"},
            log_file=folder / f"{module}.log",
        )
    cases = list(ElementTree.parse(results).iter("testcase"))
    failures = {case.get("name"): case.find("failure") for case in cases}
    failed = {
        name: failure.get("error_msg") for name, failure in failures.items() if failure is not None
    }
    assert cases
    assert not failed, f"{failed}\n{(folder / f'{module}.log').read_text()[-20000:]}"
