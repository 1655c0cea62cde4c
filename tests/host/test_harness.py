"""The RTL device's harness sees breaches of the AXI rules: on a logic that was made to commit them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lutlens.board import registers as reg
from lutlens.host import verilator
from lutlens.host.devices import rtl
from lutlens.host.devices.ddr import PAGE, Ddr, DeviceError
from lutlens.host.rtl import Build, network_sources, pl_sources
from support.networks import random_lutnet

pytestmark = pytest.mark.rtl

# Written to an address without a register, a number commits a fault: signal, wrong value, message.
FAULT_ADDRESS = 0x7F0
FAULTS = {
    1: ("m_axi_wid", "right_wid ^ 6'd1", "WID is not the burst's AWID"),
    2: ("m_axi_awsize", "3'd2", "AWSIZE"),
    3: ("m_axi_arburst", "2'b00", "ARBURST"),
    4: ("m_axi_arid", "count", "AR: changed while waiting"),
    5: ("m_axi_araddr", "right_araddr | 32'hff8", "crosses 4 KiB"),
    6: ("m_axi_wlast", "1'b0", "WLAST is missing"),
}


def faulty(ports: str) -> str:
    """A module around lutlens_pl, with the same ports, that spoils what it drives."""
    lines = [f"module faulty_pl ({ports});", "logic [5:0] count; logic [31:0] fault;"]
    for number, (signal, wrong, _) in FAULTS.items():
        right = signal.replace("m_axi", "right")
        lines.append(f"logic [$bits({signal})-1:0] {right};")
        lines.append(f"assign {signal} = fault == {number} ? {wrong} : {right};")
    spoilt = ", ".join(f".{s}({s.replace('m_axi', 'right')})" for s, _, _ in FAULTS.values())
    lines += [
        f"lutlens_pl u_pl (.*, {spoilt});",
        "always_ff @(posedge aclk) begin",
        "  count <= count + 1'b1;",
        "  if (!aresetn) fault <= '0;",
        "  else if (s_axil_wvalid && s_axil_wready && "
        f"s_axil_awaddr == 16'd{FAULT_ADDRESS}) fault <= s_axil_wdata;",
        "end",
        "endmodule",
    ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def library() -> Path:
    lutnet = random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1)  # 14 beats an image
    sources = network_sources(lutnet, Build()) | pl_sources(Build())
    ports = sources["lutlens_pl.sv"].partition("\n(\n")[2].partition("\n);")[0]
    sources["faulty_pl.sv"] = faulty(ports)
    harness = rtl.HARNESS.read_text()
    return verilator.build(sources, "faulty_pl", harness, wall=False, optimise="-O1")


@pytest.fixture
def ddr() -> Ddr:
    return Ddr()


@pytest.fixture
def logic(library: Path, ddr: Ddr) -> Iterator[rtl.Rtl]:
    logic = rtl.Rtl(library, ddr, rtl.STALLS["heavy"], seed=1)
    yield logic
    logic.close()


def run(logic: rtl.Rtl, ddr: Ddr) -> int:
    """Records after one frame."""
    frames = ddr.allocate(2 * PAGE, np.uint8, None)
    records = ddr.allocate(PAGE, np.uint8, None)
    logic.write(reg.FRAME_BASE, frames.device_address)
    logic.write(reg.FRAME_STRIDE, PAGE)
    logic.write(reg.RESULT_BASE, records.device_address)
    logic.write(reg.CONTROL, reg.CONTROL_ENABLE)
    logic.write(reg.FRAME_HEAD, 1)
    logic.advance(5000)
    return logic.read(reg.RESULT_HEAD)


def test_the_logic_without_a_fault_is_fine(logic: rtl.Rtl, ddr: Ddr) -> None:
    assert run(logic, ddr) == 1


@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_is_seen(logic: rtl.Rtl, ddr: Ddr, number: int) -> None:
    logic.write(FAULT_ADDRESS, number)
    with pytest.raises(DeviceError, match=FAULTS[number][2]):
        run(logic, ddr)


def test_the_interrupt_line_follows_its_status(logic: rtl.Rtl, ddr: Ddr) -> None:
    assert not logic.interrupt
    run(logic, ddr)
    assert not logic.interrupt
    logic.write(reg.IRQ_ENABLE, reg.IRQ_ENABLE_RESULT)
    assert logic.interrupt
    logic.write(reg.IRQ_STATUS, reg.IRQ_STATUS_RESULT)
    assert not logic.interrupt
