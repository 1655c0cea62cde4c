"""The `model` device: the programmable logic's registers and rings in software, the network in C.

Everything that software can see behaves as in the RTL, frame by frame; only time is made up: a
frame takes as many cycles as it has pixels, times the passes, and all waiting frames are done when
the register write that made them ready returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board.manifest import Manifest, record_bytes
from lutlens.host.c import Executor
from lutlens.host.devices.base import SimulatedDevice
from lutlens.host.devices.ddr import Ddr
from lutlens.host.lutnet import MAX_PASSES, Lutnet
from lutlens.host.registers import registers
from lutlens.host.scores import answers

WORD = 0xFFFF_FFFF
BEAT = 8
BATCH = 1024
"""Frames that are scored at once."""

_WRITABLE = {
    register.offset: sum(field.mask for field in register.fields if field.access == "rw")
    for register in registers()
}
_COUNTERS = (
    reg.FRAMES_IN,
    reg.FRAMES_OUT,
    reg.FRAMES_DROPPED,
    reg.FRAME_CYCLES,
    reg.LATENCY_LAST,
    reg.LATENCY_MAX,
    reg.READ_ERRORS,
    reg.WRITE_ERRORS,
    reg.WATCHDOG_TIMEOUTS,
)
_RINGS = (reg.FRAME_HEAD, reg.FRAME_TAIL, reg.RESULT_HEAD, reg.RESULT_TAIL)


class ModelDevice(SimulatedDevice):
    """Fast enough for a live view."""

    kind = "model"

    def configure(self, lutnet: Lutnet, manifest: Manifest) -> Model:
        return Model(lutnet, self.ddr, lambda: self.fclk0_mhz)


class Model:
    """The core as software sees it.

    lutnet: the network.
    ddr: the memory that holds the rings.
    clock_mhz: gives the frequency at which CYCLES counts.
    """

    def __init__(self, lutnet: Lutnet, ddr: Ddr, clock_mhz: Callable[[], float]) -> None:
        self._executor = Executor(lutnet)
        self._ddr = ddr
        self._clock_mhz = clock_mhz
        self._since = time.monotonic()
        self._height, self._width, _ = lutnet.input_shape
        self._encoder_bits = lutnet.encoder_bits
        self._classes = len(lutnet.classes)
        self._record_bytes = record_bytes(self._classes)
        self._values = {register.offset: register.reset or 0 for register in registers()}
        self._values |= {
            reg.BUILD_ID_LOW: lutnet.build_id & WORD,
            reg.BUILD_ID_HIGH: lutnet.build_id >> 32,
            reg.IMAGE_WIDTH: self._width,
            reg.IMAGE_HEIGHT: self._height,
            reg.CLASSES: self._classes,
            reg.ENCODER_BITS: self._encoder_bits,
            reg.RECORD_BYTES: self._record_bytes,
        }

    def close(self) -> None:
        pass

    def read(self, offset: int) -> int:
        if offset == reg.CYCLES:
            return int((time.monotonic() - self._since) * self._clock_mhz() * 1e6) & WORD
        if offset == reg.STATUS:
            return self._values[offset] | (reg.STATUS_BUSY if self._stalled else 0)
        if offset == reg.FRAMES_IN and self._stalled:
            return (self._values[offset] + 1) & WORD
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == reg.IRQ_STATUS:
            self._values[offset] &= ~value
            return
        writable = _WRITABLE.get(offset, 0)
        if writable:
            self._values[offset] = value & writable
        if offset == reg.CONTROL:
            self._pulses(value)
        self._run()

    @property
    def _stalled(self) -> bool:
        """A frame is at work, waiting for room in the ring of records."""
        return self._ready > 0 and self._room == 0

    @property
    def _ready(self) -> int:
        """Frames that wait."""
        if not self._values[reg.CONTROL] & reg.CONTROL_ENABLE:
            return 0
        return (self._values[reg.FRAME_HEAD] - self._values[reg.FRAME_TAIL]) & WORD

    @property
    def _room(self) -> int:
        """Free slots of the ring of records."""
        unread = (self._values[reg.RESULT_HEAD] - self._values[reg.RESULT_TAIL]) & WORD
        return max(0, self._values[reg.RESULT_SLOTS] - unread)

    @property
    def _passes(self) -> int:
        return min(max(self._values[reg.PASSES], 1), MAX_PASSES)

    @property
    def _frame_cycles(self) -> int:
        return self._passes * self._height * self._width

    def _pulses(self, value: int) -> None:
        if value & reg.CONTROL_RESET:
            for offset in (*_RINGS, *_COUNTERS, reg.STATUS, reg.IRQ_STATUS):
                self._values[offset] = 0
        if value & reg.CONTROL_CLEAR_ERRORS:
            self._values[reg.STATUS] = 0
        if value & reg.CONTROL_CLEAR_COUNTERS:
            for offset in _COUNTERS:
                self._values[offset] = 0

    def _run(self) -> None:
        """Work until nothing waits or the ring of records is full."""
        while count := min(self._ready, self._room, BATCH):
            limit = self._values[reg.WATCHDOG_CYCLES]
            if limit and self._frame_cycles > limit:
                self._drop(count, reg.WATCHDOG_TIMEOUTS, reg.STATUS_WATCHDOG)
            else:
                self._recognise(count)

    def _drop(self, count: int, counter: int, status: int) -> None:
        for offset in (reg.FRAME_TAIL, reg.FRAMES_IN, reg.FRAMES_DROPPED, counter):
            self._add(offset, count)
        self._values[reg.STATUS] |= status
        self._values[reg.IRQ_STATUS] |= reg.IRQ_STATUS_ERROR

    def _recognise(self, count: int) -> None:
        frames, bad_beats = self._fetch(count)
        if bad_beats.any():
            self._add(reg.READ_ERRORS, int(bad_beats.sum()) * self._passes)
            self._values[reg.STATUS] |= reg.STATUS_READ_ERROR
            self._values[reg.IRQ_STATUS] |= reg.IRQ_STATUS_ERROR
        thresholds = np.array(
            [
                list(self._values[reg.THRESHOLD + i * reg.THRESHOLD_STRIDE].to_bytes(4, "little"))
                for i in range(self._passes)
            ],
            np.uint8,
        )[:, : self._encoder_bits]
        scores = self._executor.scores(frames, thresholds=thresholds)[:, 0, 0, :]
        for record in self._records(scores, bad_beats > 0):
            self._store(record)

    def _fetch(self, count: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The next frames, uint8 `[count, height, width]`, and how many beats of each are in error.

        Such a beat reads as zeros.
        """
        size = -(-self._height * self._width // BEAT) * BEAT  # whole beats are read
        slots = max(1, self._values[reg.FRAME_SLOTS])
        stride = self._values[reg.FRAME_STRIDE]
        frames = np.zeros((count, size), np.uint8)
        bad_beats = np.zeros(count, np.int64)
        for i in range(count):
            slot = (self._values[reg.FRAME_TAIL] + i) % slots
            address = self._values[reg.FRAME_BASE] + slot * stride
            if self._ddr.is_mapped(address, size):
                frames[i] = self._ddr.view(address, size)
            else:
                bad_beats[i] = self._fetch_beats(address, frames[i])
        pixels = frames[:, : self._height * self._width]
        return pixels.reshape(count, self._height, self._width), bad_beats

    def _fetch_beats(self, address: int, frame: npt.NDArray[np.uint8]) -> int:
        """A frame that lies outside of allocated memory in part; return its beats in error."""
        bad = 0
        for start in range(0, frame.size, BEAT):
            if self._ddr.is_mapped(address + start, BEAT):
                frame[start : start + BEAT] = self._ddr.view(address + start, BEAT)
            else:
                bad += 1
        return bad

    def _records(
        self, scores: npt.NDArray[np.uint16], flags: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.uint8]:
        """uint8 `[n, record_bytes]`."""
        classes, margins = answers(scores)
        count = len(scores)
        records = np.zeros((count, self._record_bytes), np.uint8)
        sequence = self._values[reg.FRAME_TAIL] + np.arange(count, dtype=np.int64)
        records[:, 0:4] = (sequence & WORD).astype("<u4")[:, None].view(np.uint8)
        records[:, 4] = classes
        records[:, 5] = flags
        records[:, 6:8] = margins.astype("<u2")[:, None].view(np.uint8)
        records[:, 8 : 8 + 2 * self._classes] = scores.astype("<u2").view(np.uint8)
        return records

    def _store(self, record: npt.NDArray[np.uint8]) -> None:
        """Write one record, and count its frame."""
        slot = self._values[reg.RESULT_HEAD] % max(1, self._values[reg.RESULT_SLOTS])
        address = self._values[reg.RESULT_BASE] // self._record_bytes * self._record_bytes
        address += slot * self._record_bytes
        if not self._ddr.is_mapped(address, self._record_bytes):
            self._drop(1, reg.WRITE_ERRORS, reg.STATUS_WRITE_ERROR)
            return
        self._ddr.view(address, self._record_bytes)[:] = record
        for offset in (reg.RESULT_HEAD, reg.FRAME_TAIL, reg.FRAMES_IN, reg.FRAMES_OUT):
            self._add(offset, 1)
        for offset in (reg.FRAME_CYCLES, reg.LATENCY_LAST, reg.LATENCY_MAX):
            self._values[offset] = self._frame_cycles
        self._values[reg.IRQ_STATUS] |= reg.IRQ_STATUS_RESULT

    def _add(self, offset: int, count: int) -> None:
        self._values[offset] = (self._values[offset] + count) & WORD
