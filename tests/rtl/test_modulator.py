"""Runs the modulator's cocotb tests under Verilator."""

from __future__ import annotations

from pathlib import Path

import pytest
from lutlens.host.paths import RTL_DIRECTORY
from lutlens.host.rtl import Build, network_sources
from support.modulated import modulated
from support.simulation import simulate

HERE = Path(__file__).parent
PACKAGE, MODULE, TOP = "lutlens_network_pkg.sv", "lutlens_modulator.sv", "modulator_testbench"


@pytest.mark.rtl
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "pixels"),
    [("lfsr", 8), ("ordered", 8), ("delta-sigma-2", 2)],
)
def test_modulator(kind: str, pixels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))  # the runner hands its path on to the simulator
    logic = {
        PACKAGE: network_sources(modulated(kind), Build(24, pixels))[PACKAGE],
        MODULE: (RTL_DIRECTORY / MODULE).read_text(),
        f"{TOP}.sv": (HERE / "sv" / f"{TOP}.sv").read_text(),
    }
    simulate(tmp_path, logic, TOP, "cocotb_modulator", environ={"MODULATOR": kind})
