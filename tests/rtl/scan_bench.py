"""What cocotb tests of a scan build add to `pl_bench`: frames of several sizes, results held to the C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from cocotb.triggers import ClockCycles
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.host.c import Executor
from lutlens.host.devices.measure_scan import check_result
from lutlens.host.registers import Scan
from lutlens.host.rtl import Build
from lutlens.host.scores import cells
from pl_bench import FRAME_RING, RESULT_RING, Bench
from support.networks import random_lutnet

# Windows of 11 x 10 pixels with strides; few windows, so that more are found than listed.
LUTNET = random_lutnet(1, stages=2, encoder_bits=2, classes=5, degenerate=0.1)
SCAN = Scan(max_positions=300, max_windows=5)
BUILD = Build(max_width=64, pixels_per_clock=8, scan=SCAN)
SIZES = ((11, 64), (20, 24))
"""Height and width of each scale."""
FRAME_SLOTS, RESULT_SLOTS = 4, 2

Frame = npt.NDArray[np.uint8]


class ScanBench(Bench):
    """`bench = await ScanBench.start(dut, seed)`, then `set_up` and `scan`."""

    async def set_up(
        self,
        k: int,
        *,
        sizes: Sequence[tuple[int, int]] = SIZES,
        background: int = scanning.NO_BACKGROUND,
        min_margin: int = 1,
        packed: bool = False,
    ) -> None:
        self.sizes, self.packed = sizes, packed
        self.background, self.min_margin = background, min_margin
        self.executor = Executor(LUTNET)
        self.collected = 0
        frame_bytes = max(height * width for height, width in sizes)
        maps = [self.right(np.zeros(size, np.uint8), np.zeros((1, 2), np.uint8)) for size in sizes]
        # Slots that begin anywhere in a burst's 128 bytes.
        self.frame_stride = frame_bytes + 24
        self.result_stride = scanning.slot_bytes(max(map(np.size, maps)), SCAN.max_windows) + 32
        for i, (height, width) in enumerate(sizes):
            await self.write(reg.FRAME_SIZE + i * reg.FRAME_SIZE_STRIDE, height << 16 | width)
        for offset, value in (
            (reg.SCALES, len(sizes)),
            (reg.BACKGROUND, background),
            (reg.MIN_MARGIN, min_margin),
            (reg.FORMAT, int(packed)),
            (reg.FRAME_BASE, FRAME_RING),
            (reg.FRAME_STRIDE, self.frame_stride),
            (reg.FRAME_SLOTS, FRAME_SLOTS),
            (reg.RESULT_BASE, RESULT_RING),
            (reg.RESULT_STRIDE, self.result_stride),
            (reg.RESULT_SLOTS, RESULT_SLOTS),
        ):
            await self.write(offset, value)
        await self.set_passes(k)
        await self.write(reg.CONTROL, reg.CONTROL_ENABLE)

    def right(self, frame: Frame, thresholds: Frame | None = None) -> scanning.Cells:
        """The map of a frame, as the C executor has it."""
        levels = self.thresholds if thresholds is None else thresholds
        return cells(self.executor.scores(frame[np.newaxis], thresholds=levels))[0]

    def frame(self) -> Frame:
        """A random frame of the size whose turn it is: sparse or dense, so that rows have many peaks or few."""
        size = self.sizes[len(self.frames) % len(self.sizes)]
        frame = self.numbers.integers(0, 256, size, np.uint8)
        frame[self.numbers.random(size) < self.rng.choice([0.0, 0.5, 0.97])] = 0
        return np.where(frame > 127, 255, 0).astype(np.uint8) if self.packed else frame

    async def submit(self, count: int) -> None:
        """So many frames into the ring, which must have room."""
        for _ in range(count):
            frame = self.frame()
            data = np.packbits(frame > 0, bitorder="little") if self.packed else frame
            address = FRAME_RING + len(self.frames) % FRAME_SLOTS * self.frame_stride
            self.memory.bytes[address : address + data.size] = data.tobytes()
            self.frames.append(frame)
        await self.write(reg.FRAME_HEAD, len(self.frames))

    async def take(self, numbers: Sequence[int], flagged: Sequence[int] = ()) -> None:
        """The next results have to be those of the frames with these numbers."""
        for number in numbers:
            await self.wait_until(reg.RESULT_HEAD, self.collected + 1)
            start = RESULT_RING + self.collected % RESULT_SLOTS * self.result_stride
            check_result(
                bytes(self.memory.bytes[start : start + self.result_stride]),
                self.right(self.frames[number]),
                SCAN,
                sequence=number,
                scale=number % len(self.sizes),
                flags=int(number in flagged),
                background=self.background,
                min_margin=self.min_margin,
            )
            self.collected += 1
            await self.write(reg.RESULT_TAIL, self.collected)

    async def scan(self, count: int) -> None:
        """So many frames, as there is room; every result is checked."""
        done = len(self.frames) + count
        while self.collected < done:
            room = FRAME_SLOTS - (len(self.frames) - self.collected)
            await self.submit(min(room, done - len(self.frames)))
            await ClockCycles(self.dut.aclk, self.rng.choice([1, 200, 2000]))
            await self.take([self.collected])

    async def wait_until(self, offset: int, least: int) -> None:
        """Until a register has at least a value."""
        for _ in range(2000):
            if await self.read(offset) >= least:
                return
            await ClockCycles(self.dut.aclk, 20)
        raise AssertionError(f"register 0x{offset:03x} stays below {least}")

    async def reset(self) -> None:
        """CONTROL.reset: the rings are empty, settings stay."""
        await self.write(reg.CONTROL, reg.CONTROL_RESET | reg.CONTROL_ENABLE)
        await self.wait_for(reg.STATUS, 0)
        self.frames.clear()
        self.collected = 0
