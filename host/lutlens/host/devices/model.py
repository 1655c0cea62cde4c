"""The `model` device: the programmable logic's registers and rings in software, the network in C.

Everything that software can see behaves as in the RTL, frame by frame; only time is made up: the
network takes its pixels clock by clock without a pause, and all waiting frames are done when the
register write that made them ready returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board.manifest import Geometry, Manifest
from lutlens.host.c import Executor
from lutlens.host.devices.base import SimulatedDevice
from lutlens.host.devices.ddr import Ddr
from lutlens.host.devices.results import Batch, Bytes, Images, Kind, Scans
from lutlens.host.lutnet import CORE_PASSES, Lutnet
from lutlens.host.registers import registers

WORD = 0xFFFF_FFFF
BEAT = 8
BATCH_PIXELS = 8 << 20
"""Of the frames that are scored at once, at most; one frame may have more."""

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


class _Frame(NamedTuple):
    """number: since reset. size: height and width. clocks: that it takes."""

    number: int
    size: tuple[int, int]
    clocks: int


class ModelDevice(SimulatedDevice):
    """Fast enough for a live view."""

    kind = "model"

    def __init__(self) -> None:
        super().__init__()
        self._executor: tuple[int, Executor] | None = None

    def configure(self, lutnet: Lutnet, manifest: Manifest) -> Model:
        # Generating the C takes a second, and the overlay is often the one that was there before.
        if self._executor is None or self._executor[0] != lutnet.build_id:
            self._executor = lutnet.build_id, Executor(lutnet)
        _, executor = self._executor
        return Model(lutnet, executor, manifest.geometry, self.ddr, lambda: self.fclk0_mhz)


class Model:
    """The core as software sees it.

    lutnet: the network; executor: it in C.
    geometry: what the core was built for.
    ddr: the memory that holds the rings.
    clock_mhz: gives the frequency at which CYCLES counts.
    """

    def __init__(
        self,
        lutnet: Lutnet,
        executor: Executor,
        geometry: Geometry,
        ddr: Ddr,
        clock_mhz: Callable[[], float],
    ) -> None:
        scan = geometry.scan
        self._kind: Kind = (
            Scans(lutnet, executor, scan, geometry.max_width) if scan else Images(lutnet, executor)
        )
        self._ddr = ddr
        self._pixels_per_clock, self._cores = geometry.pixels_per_clock, geometry.cores
        self._clock_mhz = clock_mhz
        self._since = time.monotonic()
        self._encoder_bits, self._channels = lutnet.encoder_bits, lutnet.input_shape[2]
        built = [register for register in registers() if scan or not register.scan_only]
        self._writable = {
            register.offset: sum(field.mask for field in register.fields if field.access == "rw")
            for register in built
        }
        levels = (
            1 << 8 * lutnet.encoder_bits
        ) - 1  # thresholds of bits that there are not read as 0
        for i in range(reg.THRESHOLD_COUNT):
            self._writable[reg.THRESHOLD + i * reg.THRESHOLD_STRIDE] &= levels
        self._values = {register.offset: register.reset or 0 for register in built}
        self._values |= {
            reg.BUILD_ID_LOW: lutnet.build_id & WORD,
            reg.BUILD_ID_HIGH: lutnet.build_id >> 32,
            reg.IMAGE_WIDTH: lutnet.input_shape[1],
            reg.IMAGE_HEIGHT: lutnet.input_shape[0],
            reg.CLASSES: len(lutnet.classes),
            reg.ENCODER_BITS: lutnet.encoder_bits,
            reg.FEATURES: geometry.features,
            reg.MAX_WIDTH: geometry.max_width,
            **self._kind.constants,
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
        writable = self._writable.get(offset, 0)
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
        return min(max(self._values[reg.PASSES], 1), CORE_PASSES)

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
        """Work until nothing waits or the ring of results is full."""
        while frames := self._next():
            self._recognise(frames)

    def _next(self) -> list[_Frame]:
        """The frames to work on now; those that are dropped are dropped on the way."""
        frames: list[_Frame] = []
        pixels = 0
        limit = self._values[reg.WATCHDOG_CYCLES]
        while len(frames) < min(self._ready, self._room) and pixels < BATCH_PIXELS:
            number = self._values[reg.FRAME_TAIL] + len(frames) & WORD
            size = self._kind.size(self._values, number)
            height, width = size or (0, 0)
            clocks = self._passes * self._clocks(height, width)
            late = limit and clocks > limit
            if size and not late:
                frames.append(_Frame(number, size, clocks))
                pixels += height * width
            elif frames:
                break
            elif late:
                self._drop(reg.STATUS_WATCHDOG, reg.WATCHDOG_TIMEOUTS)
            else:
                self._drop(reg.STATUS_FRAME_SIZE)
        return frames

    def _clocks(self, height: int, width: int) -> int:
        """That one pass of a frame takes: those of its pixels, or of its values where they come more slowly."""
        values = height * width * self._channels
        return max(height * -(-width // self._pixels_per_clock), -(-values // BEAT))

    def _drop(self, status: int, *counters: int) -> None:
        for offset in (reg.FRAME_TAIL, reg.FRAMES_IN, reg.FRAMES_DROPPED, *counters):
            self._add(offset, 1)
        self._values[reg.STATUS] |= status
        self._values[reg.IRQ_STATUS] |= reg.IRQ_STATUS_ERROR

    def _recognise(self, frames: list[_Frame]) -> None:
        thresholds = np.array(
            [
                list(self._values[reg.THRESHOLD + i * reg.THRESHOLD_STRIDE].to_bytes(4, "little"))
                for i in range(self._passes)
            ],
            np.uint8,
        )[:, : self._encoder_bits]
        results: dict[int, list[tuple[int, Bytes]]] = {}
        for size in dict.fromkeys(frame.size for frame in frames):
            same = [frame for frame in frames if frame.size == size]
            pixels, bad_beats = self._fetch(same)
            if bad_beats.any():
                # Several cores keep a frame for its passes.
                reads = self._passes if self._cores == 1 else 1
                self._add(reg.READ_ERRORS, int(bad_beats.sum()) * reads)
                self._values[reg.STATUS] |= reg.STATUS_READ_ERROR
                self._values[reg.IRQ_STATUS] |= reg.IRQ_STATUS_ERROR
            numbers = np.array([frame.number for frame in same])
            batch = Batch(pixels, numbers, bad_beats > 0, thresholds)
            found = self._kind.results(self._values, batch)
            results |= dict(zip(numbers.tolist(), found, strict=True))
        for frame in frames:
            self._store(results[frame.number], frame.clocks)

    def _fetch(self, frames: list[_Frame]) -> tuple[Bytes, npt.NDArray[np.int64]]:
        """Frames of one size, uint8 `[n, height, width(, channels)]`, and how many beats of each are in error.

        Such a beat reads as zeros.
        """
        height, width = frames[0].size
        packed = self._values[reg.FORMAT]
        values = height * width * self._channels
        shape = (-1, height, width, self._channels)[: 3 if self._channels == 1 else 4]
        size = -(-values // 8) if packed else values
        whole = -(-size // BEAT) * BEAT  # whole beats are read
        slots = max(1, self._values[reg.FRAME_SLOTS])
        found = np.zeros((len(frames), whole), np.uint8)
        bad_beats = np.zeros(len(frames), np.int64)
        for i, frame in enumerate(frames):
            address = self._values[reg.FRAME_BASE]
            address += frame.number % slots * self._values[reg.FRAME_STRIDE]
            if self._ddr.is_mapped(address, whole):
                found[i] = self._ddr.view(address, whole)
            else:
                bad_beats[i] = self._fetch_beats(address, found[i])
        if packed:
            bits = np.unpackbits(found, axis=1, bitorder="little", count=values)
            return (bits * np.uint8(255)).reshape(shape), bad_beats
        return found[:, :size].reshape(shape), bad_beats

    def _fetch_beats(self, address: int, frame: Bytes) -> int:
        """A frame that lies outside of allocated memory in part; return its beats in error."""
        bad = 0
        for start in range(0, frame.size, BEAT):
            if self._ddr.is_mapped(address + start, BEAT):
                frame[start : start + BEAT] = self._ddr.view(address + start, BEAT)
            else:
                bad += 1
        return bad

    def _store(self, result: list[tuple[int, Bytes]], clocks: int) -> None:
        """Write one result, and count its frame."""
        stride = self._kind.stride(self._values)
        slot = self._values[reg.RESULT_HEAD] % max(1, self._values[reg.RESULT_SLOTS])
        align = self._kind.alignment
        address = self._values[reg.RESULT_BASE] // align * align + slot * stride
        if not all(self._ddr.is_mapped(address + start, max(1, len(d))) for start, d in result):
            self._drop(reg.STATUS_WRITE_ERROR, reg.WRITE_ERRORS)
            return
        for start, data in result:
            if len(data):
                self._ddr.view(address + start, len(data))[:] = data
        for offset in (reg.RESULT_HEAD, reg.FRAME_TAIL, reg.FRAMES_IN, reg.FRAMES_OUT):
            self._add(offset, 1)
        self._values[reg.FRAME_CYCLES] = -(-clocks // self._cores)
        self._values[reg.LATENCY_LAST] = clocks
        self._values[reg.LATENCY_MAX] = max(self._values[reg.LATENCY_MAX], clocks)
        self._values[reg.IRQ_STATUS] |= reg.IRQ_STATUS_RESULT

    def _add(self, offset: int, count: int) -> None:
        self._values[offset] = (self._values[offset] + count) & WORD
