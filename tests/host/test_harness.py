"""The RTL device's harness sees breaches of the AXI rules: on a logic that was made to commit them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board import registers as reg
from lutlens.host import verilator
from lutlens.host.devices import rtl
from lutlens.host.devices.ddr import PAGE, Ddr, DeviceError
from lutlens.host.rtl import network_sources, pl_sources
from support.networks import random_lutnet

pytestmark = pytest.mark.rtl

# A bit of WATCHDOG_CYCLES commits each; the values are too long to be waited for.
SELECT = "registers_out.WATCHDOG_CYCLES.value.value[{bit}]"
FAULTS = {
    28: ("m_axi_wid", "6'd1", "WID is not the burst's AWID"),
    29: ("m_axi_awsize", "3'd2", "AWSIZE"),
    30: ("m_axi_arburst", "2'b00", "ARBURST"),
    31: ("m_axi_arid", "cycles[5:0]", "AR: changed while waiting"),
}


@pytest.fixture(scope="module")
def library() -> Path:
    lutnet = random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1)  # 14 beats an image
    sources = network_sources(lutnet, 640) | pl_sources()
    top = sources["lutlens_pl.sv"]
    for bit, (signal, wrong, _) in FAULTS.items():
        start = top.index(f"assign {signal} ")
        end = top.index(";", start)
        right = top[start:end].partition("=")[2]
        choice = f"assign {signal} = {SELECT.format(bit=bit)} ? {wrong} :{right}"
        top = top[:start] + choice + top[end:]
    reader = sources["lutlens_frame_reader.sv"]
    aligned = "assign boundary = ~address_q[3:0];"
    assert aligned in reader
    sources["lutlens_pl.sv"] = top
    sources["lutlens_frame_reader.sv"] = reader.replace(aligned, "assign boundary = 4'd15;")
    harness = rtl.HARNESS.read_text()
    return verilator.build(sources, "lutlens_pl", harness, wall=False, optimise="-O1")


@pytest.fixture
def ddr() -> Ddr:
    return Ddr()


@pytest.fixture
def logic(library: Path, ddr: Ddr) -> Iterator[rtl.Rtl]:
    logic = rtl.Rtl(library, ddr, rtl.STALLS["busy"], seed=1)
    yield logic
    logic.close()


def run(logic: rtl.Rtl, ddr: Ddr, offset: int = 0) -> Any:
    """One frame, which lies `offset` bytes from the beginning of its memory."""
    frames = ddr.allocate(2 * PAGE, np.uint8, None)
    records = ddr.allocate(PAGE, np.uint8, None)
    logic.write(reg.FRAME_BASE, frames.device_address + offset)
    logic.write(reg.FRAME_STRIDE, PAGE)
    logic.write(reg.RESULT_BASE, records.device_address)
    logic.write(reg.CONTROL, reg.CONTROL_ENABLE)
    logic.write(reg.FRAME_HEAD, 1)
    logic.advance(5000)
    return logic.read(reg.RESULT_HEAD)


def test_the_logic_without_a_fault_is_fine(logic: rtl.Rtl, ddr: Ddr) -> None:
    assert run(logic, ddr) == 1


@pytest.mark.parametrize("bit", FAULTS)
def test_a_fault_is_seen(logic: rtl.Rtl, ddr: Ddr, bit: int) -> None:
    logic.write(reg.WATCHDOG_CYCLES, 1 << bit)
    with pytest.raises(DeviceError, match=FAULTS[bit][2]):
        run(logic, ddr)


def test_a_burst_across_4_kib_is_seen(logic: rtl.Rtl, ddr: Ddr) -> None:
    with pytest.raises(DeviceError, match="crosses 4 KiB"):
        run(logic, ddr, offset=PAGE - 8)


def test_the_interrupt_line_follows_its_status(logic: rtl.Rtl, ddr: Ddr) -> None:
    assert not logic.interrupt
    run(logic, ddr)
    assert not logic.interrupt
    logic.write(reg.IRQ_ENABLE, reg.IRQ_ENABLE_RESULT)
    assert logic.interrupt
    logic.write(reg.IRQ_STATUS, reg.IRQ_STATUS_RESULT)
    assert not logic.interrupt
