"""The whole PL of a scan build, with random stalls on every channel, seen from processor and memory."""

from __future__ import annotations

import cocotb
from cocotb.triggers import ClockCycles
from lutlens.board import registers as reg
from pl_bench import FRAME_RING, RESULT_RING
from scan_bench import SIZES, ScanBench

LIMIT = {"timeout_time": 2, "timeout_unit": "ms"}  # of simulated time: 200,000 clocks


@cocotb.test(**LIMIT)
@cocotb.parametrize(seed=[0, 1, 2])
async def frames(dut: object, seed: int) -> None:
    """Two scales in turn, rings that wrap, random thresholds: every bit of every result is the C's."""
    bench = await ScanBench.start(dut, seed=seed)
    k, background = ((3, 0x1FF), (1, 2), (1, 0))[seed]
    packed = {"packed": True, "sizes": ((12, 64),)} if seed == 2 else {}
    await bench.set_up(k, background=background, min_margin=seed, **packed)
    await bench.scan(6)
    assert await bench.read(reg.FRAMES_OUT) == 6
    assert await bench.read(reg.STATUS) == 0
    await bench.finish()


@cocotb.test(**LIMIT)
async def errors(dut: object) -> None:
    """A read error is flagged; a result that cannot be written is dropped, as is a frame of a wrong size."""
    bench = await ScanBench.start(dut, seed=10)
    await bench.set_up(3)
    bad = FRAME_RING + bench.frame_stride + 8 * 5
    bench.memory.bad_reads = {bad, bad + 8}
    await bench.submit(3)
    bench.frames[1].ravel()[40:56] = 0  # what the memory gives with an error
    await bench.take([0, 1, 2], flagged=[1])
    assert await bench.read(reg.READ_ERRORS) == 2 * 3  # in each of three passes
    assert await bench.read(reg.STATUS) == reg.STATUS_READ_ERROR
    bench.memory.bad_reads = set()

    # The fourth result's slot is the second one.
    bench.memory.bad_writes = {RESULT_RING + bench.result_stride + 32 + 8 * 5 + 16}
    await bench.submit(1)
    await bench.wait_for(reg.FRAMES_DROPPED, 1)
    assert await bench.read(reg.WRITE_ERRORS) >= 1
    bench.memory.bad_writes = set()
    await bench.submit(2)
    await bench.take([4, 5])
    await bench.reset()

    size = SIZES[1]
    await bench.write(reg.FRAME_SIZE + reg.FRAME_SIZE_STRIDE, size[0] << 16 | size[1] + 4)
    await bench.submit(3)
    await bench.take([0, 2])
    assert await bench.read(reg.STATUS) == reg.STATUS_FRAME_SIZE
    assert await bench.read(reg.FRAMES_DROPPED) == 1
    await bench.finish()


@cocotb.test(**LIMIT)
async def a_memory_that_hangs(dut: object) -> None:
    """The watchdog drops the frame, late data are thrown away, and the next frames are right."""
    bench = await ScanBench.start(dut, seed=11)
    await bench.set_up(1)
    await bench.scan(1)
    await bench.write(reg.WATCHDOG_CYCLES, 6000)
    bench.memory.hang()
    await bench.submit(3)
    await bench.wait_for(reg.STATUS, reg.STATUS_WATCHDOG, mask=reg.STATUS_WATCHDOG)
    await ClockCycles(dut.aclk, 2000)
    # The reads are still owed, so nothing can go on.
    assert await bench.read(reg.STATUS) & reg.STATUS_BUSY
    bench.memory.wake()
    await bench.take([2, 3])
    assert await bench.read(reg.WATCHDOG_TIMEOUTS) == await bench.read(reg.FRAMES_DROPPED) == 1
    await bench.finish()


@cocotb.test(**LIMIT)
@cocotb.parametrize(seed=[20, 21])
async def reset_at_work(dut: object, seed: int) -> None:
    """A reset at any moment leaves the bus in order; the next frames are right."""
    bench = await ScanBench.start(dut, seed=seed)
    await bench.set_up(bench.rng.choice([1, 3]))
    await bench.submit(4)
    await ClockCycles(dut.aclk, bench.rng.randint(1, 4000))
    await bench.reset()
    await bench.scan(2)
    await bench.finish()
