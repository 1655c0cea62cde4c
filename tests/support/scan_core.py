"""A scanning core at its registers, for tests: rings in a simulated memory, results held to the C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.host.c import Executor
from lutlens.host.devices.ddr import Ddr
from lutlens.host.devices.measure_scan import check_result
from lutlens.host.devices.rtl import Rtl
from lutlens.host.lutnet import Lutnet
from lutlens.host.registers import Scan
from lutlens.host.scores import cells

Frame = npt.NDArray[np.uint8]

FRAME_SLOTS, RESULT_SLOTS = 4, 2
LIMIT = 2_000_000
"""Clocks to wait for anything."""


class ScanCore:
    """sizes: (height, width) of each scale. Rings are small, so that they wrap."""

    def __init__(
        self, logic: Rtl, lutnet: Lutnet, scan: Scan, ddr: Ddr, sizes: Sequence[tuple[int, int]]
    ) -> None:
        self.logic, self.scan, self.sizes = logic, scan, sizes
        self.executor = Executor(lutnet)
        self.rng = np.random.default_rng(0)
        self.background: int | None = None
        self.min_margin = 1
        self.packed = False
        self.thresholds = lutnet.thresholds[1]
        self.head = self.collected = 0
        maps = [self.executor.scores(np.zeros((1, *size), np.uint8))[0, :, :, 0] for size in sizes]
        stride = max(height * width for height, width in sizes)
        slot = scanning.slot_bytes(max(found.size for found in maps), scan.max_windows)
        self.frames = ddr.allocate((FRAME_SLOTS, stride), np.uint8, None)
        self.results = ddr.allocate((RESULT_SLOTS, slot), np.uint8, None)
        logic.write(reg.SCALES, len(sizes))
        for i, (height, width) in enumerate(sizes):
            logic.write(reg.FRAME_SIZE + i * reg.FRAME_SIZE_STRIDE, height << 16 | width)
        logic.write(reg.FRAME_BASE, self.frames.device_address)
        logic.write(reg.FRAME_STRIDE, stride)
        logic.write(reg.FRAME_SLOTS, FRAME_SLOTS)
        logic.write(reg.RESULT_BASE, self.results.device_address)
        logic.write(reg.RESULT_STRIDE, slot)
        logic.write(reg.RESULT_SLOTS, RESULT_SLOTS)

    def configure(
        self,
        thresholds: Frame,
        *,
        background: int | None = None,
        min_margin: int = 1,
        packed: bool = False,
    ) -> None:
        """Settings for the frames to come; the core must be idle."""
        self.thresholds, self.packed = thresholds, packed
        self.background, self.min_margin = background, min_margin
        write = self.logic.write
        write(reg.PASSES, len(thresholds))
        for i, levels in enumerate(thresholds):
            word = int.from_bytes(levels.tobytes(), "little")
            write(reg.THRESHOLD + i * reg.THRESHOLD_STRIDE, word)
        write(reg.BACKGROUND, scanning.NO_BACKGROUND if background is None else background)
        write(reg.MIN_MARGIN, min_margin)
        write(reg.FORMAT, int(packed))
        write(reg.CONTROL, reg.CONTROL_ENABLE)

    def run(self, count: int) -> None:
        """So many random frames, in the sizes whose turn it is; every result is checked."""
        waiting: list[Frame] = []
        done = self.head + count
        while self.collected < done:
            while self.head < done and self.head - self.collected < FRAME_SLOTS:
                waiting.append(self._put())
            self.logic.write(reg.FRAME_HEAD, self.head)
            self._wait(reg.RESULT_HEAD, self.collected + 1)
            self.check(waiting.pop(0))
            self.logic.write(reg.RESULT_TAIL, self.collected)

    def _put(self) -> Frame:
        size = self.sizes[self.head % len(self.sizes)]
        # Sparse and dense frames: rows of equal scores, and rows of many peaks.
        frame = self.rng.integers(0, 256, size, np.uint8)
        frame[self.rng.random(size) < self.rng.choice([0.0, 0.5, 0.97])] = 0
        data = frame.ravel()
        if self.packed:
            frame = np.where(frame > 127, 255, 0).astype(np.uint8)
            data = np.packbits(frame.ravel() > 0, bitorder="little")
        self.frames[self.head % FRAME_SLOTS, : data.size] = data
        self.head += 1
        return frame

    def check(self, frame: Frame) -> None:
        """The next result has to be that of this frame."""
        slot = bytes(self.results[self.collected % RESULT_SLOTS])
        check_result(
            slot,
            self.right(frame),
            self.scan,
            sequence=self.collected,
            scale=self.collected % len(self.sizes),
            background=self.background,
            min_margin=self.min_margin,
        )
        self.collected += 1

    def right(self, frame: Frame) -> scanning.Cells:
        """The map of a frame, as the C executor has it."""
        return cells(self.executor.scores(frame[np.newaxis], thresholds=self.thresholds))[0]

    def put(self, count: int) -> list[Frame]:
        """So many random frames into the ring, which must have room, without a look at results."""
        frames = [self._put() for _ in range(count)]
        self.logic.write(reg.FRAME_HEAD, self.head)
        return frames

    def reset(self) -> None:
        """CONTROL.reset: the rings are empty, settings stay."""
        self.logic.write(reg.CONTROL, reg.CONTROL_RESET | reg.CONTROL_ENABLE)
        self.wait_idle()
        self.head = self.collected = 0

    def wait_idle(self) -> None:
        start = self.logic.clocks
        while self.logic.read(reg.STATUS) & reg.STATUS_BUSY:
            assert self.logic.clocks - start < LIMIT, "STATUS.busy stays 1"

    def _wait(self, offset: int, least: int) -> None:
        start = self.logic.clocks
        while (held := self.logic.read(offset)) < least:
            assert self.logic.clocks - start < LIMIT, f"register {offset:#x} stays {held}"
