"""The top of the boards: simulated around a stand-in for the PS7, linted, synthesised."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from cocotb_tools.runner import get_runner
from lutlens.host import verilator
from lutlens.host.boards.rtl import TOP, board_sources, cell_declarations
from lutlens.host.rtl import Build, network_sources

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from cocotb_zynq7 import LED_PERIOD, network  # noqa: E402

BUILD = Build(max_width=32)
BUFG = "module BUFG (output O, input I);\n  assign O = I;\nendmodule\n"
QUIET = "/* verilator lint_off UNUSEDSIGNAL */ /* verilator lint_off UNDRIVEN */\n"


@pytest.mark.rtl
def test_verilator_wall() -> None:
    cells = {name: QUIET + text for name, text in cell_declarations().items()}
    design = network_sources(network(), BUILD) | board_sources(BUILD)
    verilator.lint(cells | design, TOP)


@pytest.mark.rtl
def test_top_with_processor_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.syspath_prepend(str(HERE.parent))
    behaviour = (HERE / "zynq7/ps7_behaviour.sv").read_text()
    ps7 = cell_declarations()["PS7.v"].replace("endmodule", behaviour + "endmodule")
    design = {
        "PS7.sv": ps7.replace("output ", "output logic "),
        "BUFG.v": BUFG,
        **network_sources(network(), BUILD),
        **board_sources(BUILD),
    }
    for name, text in design.items():
        (tmp_path / name).write_text(text)
    environment = verilator.environment()
    environment["MAKEFLAGS"] += (
        " OPT_FAST=-O0 OPT_GLOBAL=-O0 VM_PARALLEL_BUILDS=0"  # compiling takes longer than running
    )
    with mock.patch.dict(os.environ, environment), contextlib.suppress(SystemExit):
        runner = get_runner("verilator")
        runner.build(
            sources=[tmp_path / name for name in design],
            hdl_toplevel=TOP,
            parameters={"LedPeriodBits": LED_PERIOD.bit_length() - 1},
            build_args=["--x-assign", "unique", "--x-initial", "unique", "-Wno-fatal", "-O3"],
            build_dir=tmp_path / "build",
            timescale=("1ns", "1ps"),
            log_file=tmp_path / "build.log",
        )
        runner.test(
            hdl_toplevel=TOP,
            test_module="cocotb_zynq7",
            build_dir=tmp_path / "build",
            test_dir=tmp_path,
            plusargs=["+verilator+rand+reset+2", "+verilator+seed+1"],
            extra_env={"COCOTB_LOG_LEVEL": "WARNING"},
            log_file=tmp_path / "test.log",
            results_xml=tmp_path / "results.xml",
        )
    cases = list(ElementTree.parse(tmp_path / "results.xml").iter("testcase"))
    failed = {
        case.get("name"): failure.get("error_msg")
        for case in cases
        if (failure := case.find("failure")) is not None
    }
    assert cases
    assert not failed, f"{failed}\n{(tmp_path / 'test.log').read_text()[-20000:]}"
