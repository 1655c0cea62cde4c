"""Whole frames through the whole programmable logic of scan builds, bit for bit as the C says."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.host.devices.ddr import Ddr
from lutlens.host.devices.measure_scan import scan_times
from lutlens.host.devices.rtl import STALLS, Rtl, compile_pl
from lutlens.host.registers import Scan, registers
from lutlens.host.rtl import Build
from support.networks import random_lutnet
from support.scan_core import ScanCore

pytestmark = pytest.mark.rtl

# Windows of 11 x 10 pixels with strides, 5 classes, 2 encoder bits; few windows, so that many more
# are found than listed, or too many for the first look at them.
LUTNET = random_lutnet(1, stages=2, encoder_bits=2, classes=5, degenerate=0.1)
SCAN = Scan(max_positions=600, max_windows=7)
MANY = Scan(max_positions=4608, max_windows=250)
SIZES = ((11, 64), (20, 128), (32, 64))


def open_core(
    pixels_per_clock: int, seed: int = 1, sizes: Sequence[tuple[int, int]] = SIZES
) -> ScanCore:
    scan = MANY if pixels_per_clock == 2 else SCAN
    build = Build(max_width=128, pixels_per_clock=pixels_per_clock, scan=scan)
    ddr = Ddr()
    logic = Rtl(compile_pl(LUTNET, build), ddr, STALLS["heavy"], seed)
    return ScanCore(logic, LUTNET, scan, ddr, sizes)


@pytest.fixture(params=[1, 2, 4, 8])
def core(request: pytest.FixtureRequest) -> Iterator[ScanCore]:
    core = open_core(request.param)
    yield core
    core.logic.close()


@pytest.fixture
def fast_core() -> Iterator[ScanCore]:
    core = open_core(8)
    core.configure(LUTNET.thresholds[1])
    yield core
    core.logic.close()


def levels(k: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(k).integers(0, 255, (k, LUTNET.encoder_bits), np.uint8)


def test_frames_of_several_sizes(core: ScanCore) -> None:
    for k, background, min_margin, packed in (
        (1, None, 0, False),
        (3, 2, 2, False),
        (1, 0, 1, True),
        (3, None, 1, True),
    ):
        core.configure(levels(k), background=background, min_margin=min_margin, packed=packed)
        core.run(4)
    assert core.logic.read(reg.FRAMES_OUT) == 16
    assert core.logic.read(reg.STATUS) == 0


def test_what_was_built_can_be_read(fast_core: ScanCore) -> None:
    logic = fast_core.logic
    assert logic.read(reg.FEATURES) == reg.FEATURES_SCAN | 8 << 8
    assert logic.read(reg.MAX_WIDTH) == 128
    assert logic.read(reg.MAX_POSITIONS) == SCAN.max_positions
    assert logic.read(reg.MAX_WINDOWS) == SCAN.max_windows
    assert logic.read(reg.RECORD_BYTES) == 0
    for register in registers():
        if register.access == "rw" and register.name != "CONTROL":
            mask = sum(field.mask for field in register.fields)
            if register.name.startswith("THRESHOLD"):
                mask &= (1 << 8 * LUTNET.encoder_bits) - 1
            logic.write(register.offset, 0xA5A5_5A5A)
            assert logic.read(register.offset) == 0xA5A5_5A5A & mask, register.name


def test_a_full_result_ring_loses_nothing(fast_core: ScanCore) -> None:
    """The core waits for room before a frame's first write, and the watchdog does not mind."""
    logic = fast_core.logic
    logic.write(reg.WATCHDOG_CYCLES, 20_000)
    waiting = fast_core.put(4)
    logic.advance(60_000)
    assert logic.read(reg.RESULT_HEAD) == logic.read(reg.FRAME_TAIL) == 2
    assert logic.read(reg.STATUS) == reg.STATUS_BUSY
    for i, frame in enumerate(waiting):
        fast_core.check(frame)
        logic.write(reg.RESULT_TAIL, i + 1)
        logic.advance(20_000)
    assert logic.read(reg.WATCHDOG_TIMEOUTS) == 0


def test_read_errors_are_flagged(fast_core: ScanCore) -> None:
    logic = fast_core.logic
    logic.write(reg.FRAME_STRIDE, 1 << 30)  # frame 1 lies where no memory answers
    fast_core.put(1)
    fast_core.put(1)
    fast_core.wait_idle()
    flags = [fast_core.results[i, 5] for i in range(2)]
    assert flags == [0, 1]
    beats = SIZES[1][0] * SIZES[1][1] // 8
    assert logic.read(reg.READ_ERRORS) == beats
    assert logic.read(reg.STATUS) == reg.STATUS_READ_ERROR
    logic.write(reg.FRAME_STRIDE, fast_core.frames.shape[1])
    fast_core.reset()
    assert logic.read(reg.STATUS) == 0
    fast_core.run(4)


def test_a_result_that_cannot_be_written_is_dropped(fast_core: ScanCore) -> None:
    """Its slot goes to the next frame; the counters add up."""
    logic = fast_core.logic
    stride = fast_core.results.shape[1]
    logic.write(reg.RESULT_STRIDE, 1 << 30)  # result 1 has no memory
    fast_core.put(3)
    fast_core.wait_idle()
    assert logic.read(reg.RESULT_HEAD) == 1
    assert logic.read(reg.FRAMES_DROPPED) == 2
    assert logic.read(reg.WRITE_ERRORS) > 2
    assert logic.read(reg.FRAMES_IN) == logic.read(reg.FRAME_TAIL) == 3
    logic.write(reg.RESULT_STRIDE, stride)
    fast_core.reset()
    fast_core.run(4)


def test_the_watchdog_drops_frames_whatever_they_are_at(fast_core: ScanCore) -> None:
    """Read, scored, half written: dropped once each, and the next ones are right."""
    logic = fast_core.logic
    dropped = 0
    for cycles in (40, 300, 600, 900, 1200, 1600, 2000, 2400):
        logic.write(reg.WATCHDOG_CYCLES, cycles)
        before = logic.read(reg.RESULT_HEAD)
        fast_core.put(2)  # as many as there is room for
        fast_core.wait_idle()
        assert logic.read(reg.FRAME_TAIL) == fast_core.head
        out = logic.read(reg.RESULT_HEAD)
        dropped += 2 - (out - before)
        assert logic.read(reg.FRAMES_DROPPED) == logic.read(reg.WATCHDOG_TIMEOUTS) == dropped
        logic.write(reg.RESULT_TAIL, out)
    assert dropped >= 6
    logic.write(reg.WATCHDOG_CYCLES, 0)
    fast_core.reset()
    fast_core.run(4)


def test_frames_of_a_wrong_size_are_dropped_unread(fast_core: ScanCore) -> None:
    """Of every kind of wrong size; those of the other scales are scanned, in order."""
    logic = fast_core.logic
    right = SIZES[1][0] << 16 | SIZES[1][1]
    for packed, wrong in (
        *((False, size) for size in ((0, 0), (20, 8), (20, 136), (20, 60), (10, 64), (20, 65528))),
        (True, (20, 72)),
    ):
        fast_core.configure(LUTNET.thresholds[1], packed=packed)
        logic.write(reg.FRAME_SIZE + reg.FRAME_SIZE_STRIDE, wrong[0] << 16 | wrong[1])
        frames = fast_core.put(3)
        fast_core.wait_idle()
        assert logic.read(reg.STATUS) == reg.STATUS_FRAME_SIZE, wrong
        assert logic.read(reg.FRAME_TAIL) == logic.read(reg.FRAMES_IN) == 3
        assert logic.read(reg.FRAMES_DROPPED) == 1
        assert logic.read(reg.WATCHDOG_TIMEOUTS) == 0
        assert logic.read(reg.RESULT_HEAD) == 2
        assert [int(slot[0]) for slot in fast_core.results] == [0, 2]
        fast_core.check(frames[0])
        logic.write(reg.FRAME_SIZE + reg.FRAME_SIZE_STRIDE, right)
        fast_core.reset()
    fast_core.run(4)


def test_frames_of_more_positions_than_can_be_added_are_dropped() -> None:
    """Neither one of just as many nor those behind it lose a bit; a single pass takes any number."""
    sizes = ((90, 128), (92, 128), (11, 64))
    assert [np.prod(LUTNET.output_size(*size)) for size in sizes] == [600, 630, 14]
    core = open_core(8, sizes=sizes)
    logic = core.logic
    core.configure(levels(3))
    frames = core.put(3)
    core.wait_idle()
    assert logic.read(reg.STATUS) == reg.STATUS_FRAME_SIZE
    assert logic.read(reg.FRAME_TAIL) == logic.read(reg.FRAMES_IN) == 3
    assert logic.read(reg.FRAMES_DROPPED) == 1
    assert [int(slot[0]) for slot in core.results] == [0, 2]
    core.check(frames[0])
    core.reset()
    core.configure(levels(1))
    core.run(3)
    assert logic.read(reg.STATUS) == 0
    logic.close()


def test_the_strongest_of_many_windows_are_listed() -> None:
    """More come than are kept between two looks at which of them still count."""
    core = open_core(2, sizes=((600, 128), (20, 64)))
    core.configure(levels(6))
    (frame, _), kept = core.put(2), 0
    core.wait_idle()
    windows = scanning.peaks(core.right(frame), scanning.NO_BACKGROUND, 1)
    strongest: list[int] = []
    for margin in scanning.cell_margin(windows["cell"]).tolist():
        if len(strongest) < MANY.max_windows:
            heapq.heappush(strongest, margin)
        elif margin > strongest[0]:
            heapq.heapreplace(strongest, margin)
        else:
            continue
        kept += 1
    assert kept > 512
    core.check(frame)
    core.logic.close()


@pytest.mark.parametrize("clocks", [50, 700, 1500, 3100])
def test_a_reset_at_any_moment(fast_core: ScanCore, clocks: int) -> None:
    logic = fast_core.logic
    fast_core.configure(levels(3))
    fast_core.put(4)
    logic.advance(clocks)
    fast_core.reset()
    for offset in (reg.FRAME_HEAD, reg.FRAME_TAIL, reg.RESULT_HEAD, reg.FRAMES_IN):
        assert logic.read(offset) == 0
    fast_core.run(4)


def test_the_times_are_those_of_right_results() -> None:
    """Frames follow each other without a gap where the memory has none."""
    build = Build(max_width=128, pixels_per_clock=4, scan=SCAN)
    found = scan_times(LUTNET, build, k=1, size=(32, 128), frames=2, stalls=STALLS["none"])
    assert 1010 <= found.clocks_per_frame <= 1040
    assert found.latency_max < 700
    with pytest.raises(ValueError, match="900 positions, must be at most 600 at K = 10"):
        scan_times(LUTNET, build, k=10, size=(128, 128), frames=1, stalls=STALLS["none"])
