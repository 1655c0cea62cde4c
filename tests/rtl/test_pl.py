"""Runs the PL's cocotb tests under Verilator, around two stand-in networks."""

import os
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from cocotb_tools.runner import get_runner
from lutlens.host.rtl import pl_sources
from lutlens.host.verilator import environment

HERE = Path(__file__).parent
# `digits` has the sizes of the shipped network. `awkward` has images that end inside a beat, records of two
# bursts, a beat with unused lanes, and results that take longer than images.
BUILDS = {
    "digits": {
        "PIXEL_BITS": 1, "CLASSES": 10, "SCORE_BITS": 7, "UNITS": 1,
        "IMAGE_WIDTH": 28, "IMAGE_HEIGHT": 28,
    },
    "awkward": {
        "PIXEL_BITS": 3, "CLASSES": 70, "SCORE_BITS": 3, "UNITS": 4,
        "IMAGE_WIDTH": 13, "IMAGE_HEIGHT": 9,
    },
}
# The larger images are only for what the smaller ones cannot show.
TESTS = {"digits": "records.*k=1|steady_state|extreme", "awkward": None}


@pytest.mark.rtl
@pytest.mark.parametrize("build", BUILDS)
def test_pl(build: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))  # the runner hands its path on to the simulator
    network = sorted((HERE / "sv").glob("lutlens_network*.sv"), reverse=True)
    sources = [path for path in network if path.stem.endswith("_pkg")]
    for name, text in pl_sources().items():
        (tmp_path / name).write_text(text)
        sources.append(tmp_path / name)
    sources += [path for path in sorted((HERE / "sv").glob("*.sv")) if path not in sources]
    with mock.patch.dict(os.environ, environment()):
        runner = get_runner("verilator")
        runner.build(
            sources=sources,
            hdl_toplevel="testbench",
            defines=BUILDS[build],
            build_args=["--x-assign", "unique", "--x-initial", "unique", "-O3", "--assert"],
            build_dir=tmp_path / "build",
            timescale=("1ns", "1ps"),
            log_file=tmp_path / "build.log",
        )
        results = runner.test(
            hdl_toplevel="testbench",
            test_module="cocotb_pl",
            test_filter=TESTS[build],
            build_dir=tmp_path / "build",
            test_dir=tmp_path,
            plusargs=["+verilator+rand+reset+2", "+verilator+seed+1"],
            extra_env={"COCOTB_LOG_LEVEL": "WARNING"},
            log_file=tmp_path / "test.log",
        )
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert cases
    assert not failed, f"{failed}\n{(tmp_path / 'test.log').read_text()[-20000:]}"
