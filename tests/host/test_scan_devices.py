"""A simulated device with a core that scans, register by register."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pynq
import pytest
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.board.records import FLAG_READ_ERROR
from lutlens.board.streams import Scans
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.hwh import ADDRESS_RANGE, BASE_ADDRESS
from lutlens.host.lutnet import Lutnet
from lutlens.host.registers import registers
from lutlens.host.scores import cells
from support.networks import random_lutnet

SIZES = [(64, 96), (32, 28), (64, 20)]
SLOTS = 8
NOWHERE = 0x0800_0000  # below the memory

Frames = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def lutnet() -> Lutnet:
    return random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1)  # 11 rows, 10 columns


@pytest.fixture(scope="module")
def directory(lutnet: Lutnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlays")
    lutnet.save(folder / "small.lutnet")
    overlay.generate(folder / "small.lutnet", folder / "small", scan=True, max_width=64)
    return folder / "small"


class Core:
    """The core at its registers, with rings set up for all of `SIZES` in turn."""

    def __init__(self, device: Any, lutnet: Lutnet, max_windows: int) -> None:
        self.mmio = pynq.MMIO(BASE_ADDRESS, ADDRESS_RANGE, device=device)
        self.lutnet, self.max_windows, self.head = lutnet, max_windows, 0
        positions = max(np.prod(lutnet.output_size(h, w)) for w, h in SIZES)
        pixels = max(w * h for w, h in SIZES)
        self.frames = pynq.allocate((SLOTS, pixels), "u1", target=device)
        stride = scanning.slot_bytes(int(positions), max_windows)
        self.results = pynq.allocate((SLOTS, stride), "u1", target=device)
        self.thresholds = np.random.default_rng(0).integers(0, 256, (2, 2), np.uint8)
        for offset, value in (
            (reg.FRAME_BASE, self.frames.device_address),
            (reg.FRAME_STRIDE, pixels),
            (reg.FRAME_SLOTS, SLOTS),
            (reg.RESULT_BASE, self.results.device_address),
            (reg.RESULT_STRIDE, stride),
            (reg.RESULT_SLOTS, SLOTS),
            (reg.SCALES, len(SIZES)),
            (reg.PASSES, len(self.thresholds)),
        ):
            self.write(offset, value)
        for i, (width, height) in enumerate(SIZES):
            self.write(reg.FRAME_SIZE + i * reg.FRAME_SIZE_STRIDE, height << 16 | width)
        for i, levels in enumerate(self.thresholds):
            word = int.from_bytes(levels.tobytes(), "little")
            self.write(reg.THRESHOLD + i * reg.THRESHOLD_STRIDE, word)
        self.write(reg.CONTROL, reg.CONTROL_ENABLE)

    def read(self, offset: int) -> int:
        return int(self.mmio.read(offset))

    def write(self, offset: int, value: int) -> None:
        self.mmio.write(offset, int(value))

    def submit(self, frames: list[Frames]) -> None:
        for frame in frames:
            self.frames[self.head % SLOTS, : frame.size] = frame.ravel()
            self.head += 1
        self.write(reg.FRAME_HEAD, self.head)

    def collect(self) -> Scans:
        tail, head = self.read(reg.RESULT_TAIL), self.read(reg.RESULT_HEAD)
        slots = np.arange(tail, head) % SLOTS
        self.write(reg.RESULT_TAIL, head)
        raw = np.asarray(self.results)[slots]
        return Scans(np.arange(tail, head), slots, raw, self.max_windows)

    def right(self, frame: Frames) -> scanning.Cells:
        executor = Executor(self.lutnet)
        found: scanning.Cells = cells(
            executor.scores(frame[np.newaxis], thresholds=self.thresholds)
        )[0]
        return found


@pytest.fixture
def core(directory: Path, lutnet: Lutnet) -> Iterator[Core]:
    with open_device("model") as device:
        pynq.Overlay(str(directory / "small.hwh"), device=device)
        yield Core(device, lutnet, 64)


def frames_of(seed: int = 0) -> list[Frames]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (height, width), np.uint8) for width, height in SIZES]


def test_what_was_built(directory: Path, lutnet: Lutnet) -> None:
    with open_device("model") as device:
        pynq.Overlay(str(directory / "small.hwh"), device=device)
        mmio = pynq.MMIO(BASE_ADDRESS, ADDRESS_RANGE, device=device)
        for offset, value in reg.SCAN_RESET.items():
            assert mmio.read(offset) == value, hex(offset)
        assert mmio.read(reg.FEATURES) == 0x101
        assert mmio.read(reg.MAX_WIDTH) == 64
        assert mmio.read(reg.MAX_POSITIONS) == 4608
        assert mmio.read(reg.MAX_WINDOWS) == 64
        assert mmio.read(reg.RECORD_BYTES) == 0
        for register in registers():
            if not register.scan_only:
                continue
            held = mmio.read(register.offset)
            writable = sum(field.mask for field in register.fields if field.access == "rw")
            mmio.write(register.offset, 0xFFFF_FFFF)
            assert mmio.read(register.offset) == (writable or held), register.name


def test_sizes_come_in_turn_and_rings_wrap(core: Core) -> None:
    number = 0
    for n in range(4):
        frames = frames_of(n)
        core.submit(frames)
        scans = core.collect()
        assert scans.headers["sequence"].tolist() == [number, number + 1, number + 2]
        assert scans.headers["scale"].tolist() == [0, 1, 2]
        assert not scans.headers["flags"].any()
        for i, frame in enumerate(frames):
            right = core.right(frame)
            assert np.array_equal(scans.cells(i), right)
            peaks = scanning.peaks(right, scanning.NO_BACKGROUND, 1)
            assert scans.headers["found"][i] == len(peaks)
            assert scans.windows(i).tolist() == scanning.listed(peaks, 64).tolist()
        number += 3
    assert core.read(reg.FRAMES_IN) == core.read(reg.FRAMES_OUT) == number
    assert core.read(reg.LATENCY_MAX) == 2 * max(w * h for w, h in SIZES)
    assert core.read(reg.STATUS) == 0


def test_of_more_peaks_than_a_result_lists_the_strongest_are_listed(core: Core) -> None:
    counts = []
    for n in range(8):
        frames = frames_of(n)
        core.submit(frames)
        scans = core.collect()
        assert (scans.headers["windows"] == np.minimum(scans.headers["found"], 64)).all()
        counts += scans.headers["found"].tolist()
        for i, frame in enumerate(frames):
            peaks = scanning.peaks(core.right(frame), scanning.NO_BACKGROUND, 1).tolist()
            ranks = sorted((-(cell >> 12 & 0xFFF), n) for n, (_, _, cell) in enumerate(peaks))
            listed = sorted(n for _, n in ranks[:64])
            assert scans.windows(i).tolist() == [peaks[n] for n in listed]
    assert max(counts) > 64


@pytest.mark.parametrize("background", [0, 1, scanning.NO_BACKGROUND])
def test_peaks_are_of_enough_margin_and_not_of_the_background(core: Core, background: int) -> None:
    core.write(reg.BACKGROUND, background)
    core.write(reg.MIN_MARGIN, 2)
    frames = frames_of(5)
    core.submit(frames)
    scans = core.collect()
    listed = 0
    for i, frame in enumerate(frames):
        windows = scans.windows(i)
        assert (scanning.cell_margin(windows["cell"]) >= 2).all()
        assert (scanning.cell_class(windows["cell"]) != background).all()
        right = scanning.peaks(core.right(frame), background, 2)
        assert windows.tolist() == scanning.listed(right, 64).tolist()
        listed += len(windows)
    assert listed > 0


def test_packed_pixels_read_as_black_and_white(core: Core) -> None:
    core.write(reg.FORMAT, 1)
    core.write(reg.SCALES, 1)
    core.write(reg.FRAME_SIZE, 20 << 16 | 64)
    bits = np.random.default_rng(1).integers(0, 2, (20, 64), np.uint8)
    core.submit([np.packbits(bits, bitorder="little")])
    assert np.array_equal(core.collect().cells(0), core.right(bits * np.uint8(255)))
    core.write(reg.FRAME_SIZE, 20 << 16 | 48)
    core.submit([np.packbits(bits, bitorder="little")])
    assert core.read(reg.STATUS) == reg.STATUS_FRAME_SIZE


@pytest.mark.parametrize(("scales", "acts_as"), [(0, 1), (9, 8)])
def test_scales_out_of_range(core: Core, scales: int, acts_as: int) -> None:
    core.write(reg.SCALES, scales)
    width, height = SIZES[0]
    for i in range(8):
        core.write(reg.FRAME_SIZE + i * reg.FRAME_SIZE_STRIDE, height << 16 | width)
    found = []
    for n in range(10):
        core.submit(frames_of(n)[:1])
        found += core.collect().headers["scale"].tolist()
    assert found == [n % acts_as for n in range(10)]


# The last one has 330 rows of 14 positions, more than can be added.
@pytest.mark.parametrize("size", [(0, 0), (8, 40), (72, 40), (44, 40), (48, 10), (64, 1327)])
def test_frames_of_a_wrong_size_are_dropped(core: Core, size: tuple[int, int]) -> None:
    core.write(reg.FRAME_SIZE, size[1] << 16 | size[0])
    frames = frames_of()
    core.submit(frames)
    assert core.read(reg.STATUS) == reg.STATUS_FRAME_SIZE
    assert core.read(reg.IRQ_STATUS) == reg.IRQ_STATUS_RESULT | reg.IRQ_STATUS_ERROR
    assert core.read(reg.FRAMES_DROPPED) == 1
    assert core.read(reg.FRAMES_IN) == core.read(reg.FRAME_TAIL) == 3
    scans = core.collect()
    assert scans.headers["sequence"].tolist() == [1, 2]
    assert np.array_equal(scans.cells(0), core.right(frames[1]))


def test_read_errors_are_flagged(core: Core) -> None:
    core.write(reg.FRAME_BASE, NOWHERE)
    core.submit(frames_of()[:1])
    scans = core.collect()
    assert scans.headers["flags"].tolist() == [FLAG_READ_ERROR]
    assert np.array_equal(scans.cells(0), core.right(np.zeros(SIZES[0][::-1], np.uint8)))
    assert core.read(reg.READ_ERRORS) == 2 * SIZES[0][0] * SIZES[0][1] // 8


def test_write_errors_drop_the_frame(core: Core) -> None:
    core.write(reg.RESULT_BASE, NOWHERE)
    core.submit(frames_of()[:2])
    assert core.read(reg.RESULT_HEAD) == 0
    assert core.read(reg.WRITE_ERRORS) == core.read(reg.FRAMES_DROPPED) == 2
    core.write(reg.RESULT_BASE, core.results.device_address)
    core.submit(frames_of()[2:])
    assert core.collect().headers["sequence"].tolist() == [2]


def test_the_watchdog_drops_the_frames_that_take_too_long(core: Core) -> None:
    core.write(reg.WATCHDOG_CYCLES, 2 * SIZES[2][0] * SIZES[2][1])
    core.submit(frames_of() + frames_of())
    assert core.collect().headers["sequence"].tolist() == [1, 2, 4, 5]
    assert core.read(reg.WATCHDOG_TIMEOUTS) == core.read(reg.FRAMES_DROPPED) == 2
    assert core.read(reg.FRAMES_IN) == 6


def test_several_pixels_a_clock_take_fewer_clocks(lutnet: Lutnet, tmp_path: Path) -> None:
    lutnet.save(tmp_path / "n.lutnet")
    overlay.generate(
        tmp_path / "n.lutnet", tmp_path / "n", scan=True, pixels_per_clock=4, max_width=64
    )
    with open_device("model") as device:
        pynq.Overlay(str(tmp_path / "n" / "n.hwh"), device=device)
        core = Core(device, lutnet, 64)
        assert core.read(reg.FEATURES) == 0x401
        core.submit(frames_of()[:1])
        assert core.read(reg.FRAME_CYCLES) == 2 * SIZES[0][0] * SIZES[0][1] // 4
