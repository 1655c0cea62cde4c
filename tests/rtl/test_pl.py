"""Runs the PL's cocotb tests under Verilator, around a stand-in network."""

import os
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from cocotb_tools.runner import get_runner
from lutlens.host.rtl import Build, pl_sources
from lutlens.host.verilator import environment

HERE = Path(__file__).parent
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


@pytest.mark.rtl
@pytest.mark.timeout(1800)  # some 70 s of one free core
def test_pl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))  # the runner hands its path on to the simulator
    network = sorted((HERE / "sv").glob("lutlens_network*.sv"), reverse=True)
    sources = [path for path in network if path.stem.endswith("_pkg")]
    for name, text in pl_sources(Build()).items():
        (tmp_path / name).write_text(text)
        sources.append(tmp_path / name)
    sources += [path for path in sorted((HERE / "sv").glob("*.sv")) if path not in sources]
    with mock.patch.dict(os.environ, environment()):
        runner = get_runner("verilator")
        runner.build(
            sources=sources,
            hdl_toplevel="testbench",
            defines=NETWORK,
            build_args=["--x-assign", "unique", "--x-initial", "unique", "-O3", "--assert"],
            build_dir=tmp_path / "build",
            timescale=("1ns", "1ps"),
            log_file=tmp_path / "build.log",
        )
        results = runner.test(
            hdl_toplevel="testbench",
            test_module="cocotb_pl",
            build_dir=tmp_path / "build",
            test_dir=tmp_path,
            plusargs=["+verilator+rand+reset+2", "+verilator+seed+1"],
            extra_env={"COCOTB_LOG_LEVEL": "WARNING"},
            log_file=tmp_path / "test.log",
        )
    cases = list(ElementTree.parse(results).iter("testcase"))
    failures = {case.get("name"): case.find("failure") for case in cases}
    failed = {
        name: failure.get("error_msg") for name, failure in failures.items() if failure is not None
    }
    assert cases
    assert not failed, f"{failed}\n{(tmp_path / 'test.log').read_text()[-20000:]}"
