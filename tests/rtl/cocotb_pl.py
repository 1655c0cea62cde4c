"""The whole PL around a stand-in network, seen from the processor and the memory."""

from __future__ import annotations

import cocotb
import pl_bench
from cocotb.triggers import ClockCycles
from lutlens.board import registers as reg
from lutlens.host.registers import registers
from pl_bench import Bench

LIMIT = {"timeout_time": 2, "timeout_unit": "ms"}  # of simulated time: 200,000 clocks


@cocotb.test(**LIMIT)
async def reset_values(dut: object) -> None:
    """Every register after the hardware reset has the value that the register map gives it."""
    bench = await Bench.start(dut, seed=1)
    used = (1 << (8 * bench.bits)) - 1
    for register in registers():
        value = await bench.read(register.offset)
        if register.scan_only:
            assert value == 0, register.name
        elif register.reset is not None:
            assert value == register.reset, register.name
    assert await bench.read(reg.BUILD_ID_LOW) == 0x89AB_CDEF
    assert await bench.read(reg.BUILD_ID_HIGH) == 0x0123_4567
    for offset in (reg.STATUS, reg.FRAME_TAIL, reg.RESULT_HEAD, reg.FRAMES_IN, reg.LATENCY_MAX):
        assert await bench.read(offset) == 0
    assert await bench.read(reg.CYCLES) > 0
    # What can be written can be read, and only its own bits.
    for register in registers():
        if register.access == "rw" and register.name != "CONTROL":
            mask = sum(field.mask for field in register.fields)
            mask &= used if register.name.startswith("THRESHOLD") else mask
            mask &= 0 if register.scan_only else mask
            value = bench.rng.getrandbits(32)
            await bench.write(register.offset, value)
            assert await bench.read(register.offset) == value & mask, register.name
    # Where there is no register, reads give zero and writes nothing.
    for offset in (0x03C, 0x1A0, 0x200 + reg.PASSES, 0x8000 + reg.MAGIC, 0xFFFC):
        await bench.write(offset, 0xFFFF_FFFF)
        assert await bench.read(offset) == 0
    await bench.finish()


@cocotb.test(**LIMIT)
@cocotb.parametrize(k=[1, 2, 3, 16])
async def records(dut: object, k: int) -> None:
    """Random images and thresholds, random stalls everywhere: every record is the model's."""
    bench = await Bench.start(dut, seed=100 + k)
    await bench.configure(k, frame_slots=4, result_slots=8)
    await bench.run(bench.images(24 // k + 2))
    assert bench.records == [bench.expected(i) for i in range(len(bench.frames))]
    assert await bench.read(reg.FRAMES_OUT) == len(bench.frames)
    assert await bench.read(reg.STATUS) == 0
    await bench.finish()


@cocotb.test(**LIMIT)
async def extreme_scores(dut: object) -> None:
    """Blank images tie in all classes; white ones reach the highest scores of 16 passes."""
    bench = await Bench.start(dut, seed=4)
    await bench.configure(16)
    images = bench.images(3)
    images[0], images[1] = 0, 255
    bench.thresholds[:] = bench.thresholds.clip(0, 254)
    for p, row in enumerate(bench.thresholds):
        value = sum(int(t) << (8 * i) for i, t in enumerate(row))
        await bench.write(reg.THRESHOLD + p * reg.THRESHOLD_STRIDE, value)
    await bench.run(images)
    assert bench.records[0].label == bench.records[0].margin == 0
    assert bench.records == [bench.expected(i) for i in range(3)]
    await bench.finish()


@cocotb.test(**LIMIT)
async def passes_change(dut: object) -> None:
    """A new K is taken up between frames, and the frame that waits for it is not lost."""
    bench = await Bench.start(dut, seed=5)
    await bench.configure(2)
    await bench.run(bench.images(2))
    await bench.set_passes(5)
    await bench.run(bench.images(2))
    assert bench.records[2:] == [bench.expected(i) for i in (2, 3)]
    # In the middle of work: frames that have begun keep their K, the others get the new one.
    await bench.put(bench.images(4))
    await bench.write(reg.PASSES, 1)
    await bench.wait_for(reg.FRAME_TAIL, 8)
    await bench.collect()
    with_five = [bench.expected(i) for i in range(8)]
    bench.thresholds = bench.thresholds[:1]
    with_one = [bench.expected(i) for i in range(8)]
    changed = next(i for i in range(4, 9) if i == 8 or bench.records[i] == with_one[i])
    assert bench.records[4:] == with_five[4:changed] + with_one[changed:]
    # Out of range: 0 acts as 1.
    await bench.write(reg.PASSES, 0)
    await bench.run(bench.images(1))
    assert bench.records[-1] == bench.expected(8)
    await bench.finish()


@cocotb.test(**LIMIT)
async def full_result_ring(dut: object) -> None:
    """The core waits for room for a record, loses nothing, and the watchdog does not mind."""
    bench = await Bench.start(dut, seed=6)
    await bench.configure(1, frame_slots=16, result_slots=2, stride=512)
    await bench.write(reg.WATCHDOG_CYCLES, 3000)
    await bench.put(bench.images(12))
    await bench.wait_for(reg.RESULT_HEAD, 2)
    await ClockCycles(dut.aclk, 8000)
    assert await bench.read(reg.RESULT_HEAD) == 2
    assert await bench.read(reg.FRAME_TAIL) == 2
    assert await bench.read(reg.STATUS) == reg.STATUS_BUSY
    await bench.run(bench.images(3))
    assert bench.records == [bench.expected(i) for i in range(15)]
    assert await bench.read(reg.WATCHDOG_TIMEOUTS) == 0
    await bench.finish()


@cocotb.test(**LIMIT)
async def long_rings(dut: object) -> None:
    """Slots far up a ring are found; the count goes round it."""
    bench = await Bench.start(dut, seed=7, pauses=False)
    await bench.configure(1, frame_slots=64, result_slots=1)
    await bench.run(bench.images(70))
    assert bench.records == [bench.expected(i) for i in range(70)]
    await bench.finish()


@cocotb.test(**LIMIT)
async def read_error(dut: object) -> None:
    """Counted, reported, in the record's flags, raised, and cleared by a register write."""
    bench = await Bench.start(dut, seed=8)
    await bench.configure(2)
    await bench.write(reg.IRQ_ENABLE, reg.IRQ_ENABLE_ERROR)
    bad = pl_bench.FRAME_RING + bench.stride + 8 * 3
    bench.memory.bad_reads = {bad, bad + 8}
    images = bench.images(3)
    await bench.run(images)
    good = [bench.expected(0), bench.expected(1, flags=1), bench.expected(2)]
    assert [r.flags for r in bench.records] == [0, 1, 0]
    assert [bench.records[0], bench.records[2]] == [good[0], good[2]]
    assert await bench.read(reg.READ_ERRORS) == 4  # two beats in each of two passes
    assert await bench.read(reg.STATUS) == reg.STATUS_READ_ERROR
    assert int(dut.irq.value) == 1
    await bench.write(reg.CONTROL, reg.CONTROL_ENABLE | reg.CONTROL_CLEAR_ERRORS)
    await bench.write(reg.IRQ_STATUS, reg.IRQ_STATUS_ERROR)
    assert await bench.read(reg.STATUS) == 0
    assert int(dut.irq.value) == 0
    bench.memory.bad_reads = set()
    await bench.run(bench.images(6))
    assert bench.records[3:] == [bench.expected(i) for i in range(3, 9)]
    assert await bench.read(reg.READ_ERRORS) == 4
    await bench.finish()


@cocotb.test(**LIMIT)
async def write_error(dut: object) -> None:
    """A frame whose record cannot be written is dropped; its slot goes to the next one."""
    bench = await Bench.start(dut, seed=9)
    await bench.configure(1)
    bench.memory.bad_writes = {pl_bench.RESULT_RING + bench.record_bytes}
    await bench.put(bench.images(2))
    await bench.wait_for(reg.FRAMES_DROPPED, 1)
    assert await bench.read(reg.STATUS) == reg.STATUS_WRITE_ERROR
    assert await bench.read(reg.WRITE_ERRORS) == 1
    bench.memory.bad_writes = set()
    await bench.write(reg.CONTROL, reg.CONTROL_ENABLE | reg.CONTROL_CLEAR_ERRORS)
    await bench.run(bench.images(3))
    assert bench.records == [bench.expected(i) for i in (0, 2, 3, 4)]
    assert await bench.read(reg.STATUS) == 0
    await bench.finish()


@cocotb.test(**LIMIT)
async def watchdog(dut: object) -> None:
    """A frame that the memory stalls is dropped, its late data thrown away; the next is right."""
    bench = await Bench.start(dut, seed=10)
    await bench.configure(2)
    await bench.write(reg.IRQ_ENABLE, reg.IRQ_ENABLE_ERROR)
    await bench.run(bench.images(2))
    await bench.write(reg.WATCHDOG_CYCLES, 4000)
    bench.memory.hang()
    await bench.put(bench.images(4))
    await bench.wait_for(reg.STATUS, reg.STATUS_WATCHDOG, mask=reg.STATUS_WATCHDOG)
    assert await bench.read(reg.FRAMES_DROPPED) == 1
    # The reads are still owed, so nothing can go on.
    await ClockCycles(dut.aclk, 10_000)
    assert await bench.read(reg.STATUS) & reg.STATUS_BUSY
    assert await bench.read(reg.WATCHDOG_TIMEOUTS) == 1
    bench.memory.wake()
    await bench.run(bench.images(2))
    assert [r.sequence for r in bench.records] == [0, 1, 3, 4, 5, 6, 7]
    assert bench.records[2:] == [bench.expected(i) for i in range(3, 8)]
    assert await bench.read(reg.WATCHDOG_TIMEOUTS) == 1
    assert int(dut.irq.value) == 1
    await bench.finish()


@cocotb.test(**LIMIT)
async def watchdog_again_and_again(dut: object) -> None:
    """A limit that no frame can keep drops every frame, each one once, and loses count of none."""
    bench = await Bench.start(dut, seed=11)
    await bench.configure(1)
    await bench.write(reg.WATCHDOG_CYCLES, 60)
    await bench.run(bench.images(12))
    assert await bench.read(reg.FRAMES_DROPPED) == 12
    assert await bench.read(reg.WATCHDOG_TIMEOUTS) == 12
    assert bench.records == []
    await bench.write(reg.WATCHDOG_CYCLES, 0)
    await bench.run(bench.images(3))
    assert bench.records == [bench.expected(i) for i in (12, 13, 14)]
    await bench.finish()


@cocotb.test(**LIMIT)
async def disable(dut: object) -> None:
    """Disabled: what has begun is finished, what waits stays; enabled again, it is done."""
    bench = await Bench.start(dut, seed=12)
    await bench.configure(1, enable=False)
    await bench.put(bench.images(2))
    await ClockCycles(dut.aclk, 2000)
    assert await bench.read(reg.FRAMES_IN) == 0
    assert await bench.read(reg.STATUS) == 0
    await bench.write(reg.CONTROL, reg.CONTROL_ENABLE)
    await bench.put(bench.images(6))
    await bench.wait_for(reg.RESULT_HEAD, 1)
    await bench.write(reg.CONTROL, 0)
    await bench.wait_for(reg.STATUS, 0)
    done = await bench.read(reg.FRAME_TAIL)
    assert 1 <= done <= 8
    assert await bench.read(reg.RESULT_HEAD) == done
    await bench.write(reg.CONTROL, reg.CONTROL_ENABLE)
    await bench.run(bench.images(1))
    assert bench.records == [bench.expected(i) for i in range(9)]
    await bench.finish()


@cocotb.test(**LIMIT)
@cocotb.parametrize(seed=range(20, 26))
async def reset_at_work(dut: object, seed: int) -> None:
    """A reset at any moment empties the rings and leaves the bus in order; the next is right."""
    bench = await Bench.start(dut, seed=seed)
    await bench.configure(bench.rng.choice([1, 3]), result_slots=bench.rng.choice([1, 8]))
    await bench.put(bench.images(8))
    await ClockCycles(dut.aclk, bench.rng.randint(1, 1200))
    await bench.write(reg.CONTROL, reg.CONTROL_RESET | reg.CONTROL_ENABLE)
    await bench.wait_for(reg.STATUS, 0)
    for offset in (reg.FRAME_HEAD, reg.FRAME_TAIL, reg.RESULT_HEAD, reg.RESULT_TAIL, reg.FRAMES_IN):
        assert await bench.read(offset) == 0
    bench.frames.clear()
    bench.records.clear()
    await bench.run(bench.images(3))
    assert bench.records == [bench.expected(i) for i in range(3)]
    await bench.finish()


@cocotb.test(**LIMIT)
async def interrupt_and_counters(dut: object) -> None:
    """The result interrupt, and counters that agree with the bench's own clock."""
    bench = await Bench.start(dut, seed=13, pauses=False)
    await bench.configure(1)
    await bench.run(bench.images(1))
    assert await bench.read(reg.IRQ_STATUS) == reg.IRQ_STATUS_RESULT
    assert int(dut.irq.value) == 0
    await bench.write(reg.IRQ_ENABLE, reg.IRQ_ENABLE_RESULT)
    assert int(dut.irq.value) == 1
    await bench.write(reg.IRQ_STATUS, reg.IRQ_STATUS_RESULT)
    assert int(dut.irq.value) == 0
    await bench.put(bench.images(8))
    await bench.wait_for(reg.RESULT_HEAD, 9)
    assert int(dut.irq.value) == 1
    pixels = bench.width * bench.height
    last, longest = await bench.read(reg.LATENCY_LAST), await bench.read(reg.LATENCY_MAX)
    assert pixels < last <= longest < 10 * pixels
    assert pixels <= await bench.read(reg.FRAME_CYCLES) < 10 * pixels
    before = await bench.read(reg.CYCLES)
    await ClockCycles(dut.aclk, 500)
    assert 500 <= await bench.read(reg.CYCLES) - before < 600
    await bench.collect()
    # Cleared in the middle of work, they go on from the frame at work.
    await bench.put(bench.images(8))
    await bench.wait_for(reg.RESULT_HEAD, 12)
    await bench.write(reg.CONTROL, reg.CONTROL_ENABLE | reg.CONTROL_CLEAR_COUNTERS)
    assert await bench.read(reg.FRAMES_OUT) < 6
    await bench.wait_for(reg.FRAME_TAIL, 17)
    assert await bench.read(reg.CYCLES) > before
    await bench.finish()


@cocotb.test(**LIMIT)
async def steady_state(dut: object) -> None:
    """The next frame is read while one is at work: passes and frames follow without a gap."""
    bench = await Bench.start(dut, seed=14, pauses=False)
    bench.memory.latency = 60
    for k, images in ((1, 12), (3, 8)):
        await bench.configure(k, frame_slots=16, result_slots=16)
        start = len(bench.frames)
        await bench.put(bench.images(images))
        await bench.wait_for(reg.FRAME_TAIL, start + images)
        await bench.collect()
        clocks = await bench.read(reg.FRAME_CYCLES)
        assert bench.records[start:] == [bench.expected(i) for i in range(start, start + images)]
        # At K = 1 scoring so many classes takes longer than so few pixels.
        pixels = bench.width * bench.height
        scoring = 4 * bench.classes + 5 * bench.record_bytes // 8 + 60
        assert clocks <= (scoring if k == 1 else k * pixels + 8), clocks
    assert int(dut.most_reads_outstanding.value) >= 3
    await bench.finish()
