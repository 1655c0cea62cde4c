"""`lutlens_modulator` alone, with random pauses on both sides: every pixel of every pass is the definition's."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from support.modulated import modulated

PASSES = (3, 1)
IMAGES = 2
"""For each number of passes, one behind the other."""


def pauses(seed: int, share: float) -> Iterator[bool]:
    drawn = random.Random(seed)
    while True:
        yield drawn.random() < share


@cocotb.test()
@cocotb.parametrize(busy=[(0.5, 0.1), (0.1, 0.6)])
async def pixels(dut: object, busy: tuple[float, float]) -> None:
    net = modulated(os.environ["MODULATOR"])
    modulation = net.modulation
    assert modulation is not None
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
    dut.aresetn.value = 0
    dut.thresholds_i.value = int.from_bytes(modulation.thresholds.tobytes(), "little")
    dut.last_pass_i.value = 0
    reset = {"reset": dut.aresetn, "reset_active_level": False, "byte_size": 8}
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **reset)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset)
    source.set_pause_generator(pauses(1, busy[0]))
    sink.set_pause_generator(pauses(2, busy[1]))
    await ClockCycles(dut.aclk, 4)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)

    height, width, _ = net.input_shape
    ends = ([0] * (width - 1) + [1]) * height  # of lines
    rng = np.random.default_rng(3)
    for passes in PASSES:
        dut.last_pass_i.value = passes - 1
        images = rng.integers(0, 256, (IMAGES, height, width, 1), dtype=np.uint8)
        for image in images:
            for _ in range(passes):
                await source.send(AxiStreamFrame(image.tobytes(), tuser=list(ends)))
        for image in images:
            for k in range(passes):
                frame = await with_timeout(sink.recv(compact=False), 200, "us")
                right = modulation.apply(image[np.newaxis], k)
                assert bytes(frame.tdata) == right.tobytes(), (passes, k)
                assert [int(end) for end in frame.tuser][width - 1 :: width] == [1] * height
                assert dut.thresholds_o.value.to_unsigned() == int(dut.thresholds_i.value)
    assert sink.empty()
