"""The core's driver: what `pynq` binds to it when an overlay is loaded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pynq
from lutlens.board import registers as reg
from lutlens.board.manifest import Manifest
from lutlens.board.records import FLAG_READ_ERROR, FLAGS_BYTE, sequence
from lutlens.board.rings import COUNT_MASK, FrameRing, ResultRing, distance

VLNV = "lutlens:core:lutlens_pl:1.0"
"""Vendor, library, name, version: how the `.hwh` names the core, and pynq finds this driver."""

SLOTS = 256
PATIENCE_S = 10.0
WATCHDOG_MARGIN = 64
"""A frame may take so many times the clocks that its pixels need before the watchdog ends it."""

_POLL_S = (20e-6, 1e-3)


class CoreError(RuntimeError):
    """The core is not what was expected, or does not do what it should; the message names the register."""


class CoreTimeout(CoreError):
    """A register did not come to hold what was waited for."""


@dataclass(frozen=True)
class HardwareCounters:
    """The counter registers, which rtl/REGISTERS.md explains; clock cycles, frames, beats."""

    frames_in: int
    frames_out: int
    frames_dropped: int
    cycles: int
    frame_cycles: int
    latency_last: int
    latency_max: int
    read_errors: int
    write_errors: int
    watchdog_timeouts: int


_ADDED = (
    "frames_in",
    "frames_out",
    "frames_dropped",
    "read_errors",
    "write_errors",
    "watchdog_timeouts",
)
"""Counters that go on where they were when the core is reset."""


class LutlensDriver(pynq.DefaultIP):  # type: ignore[misc]
    """Rings, registers and waits. One thread at a time.

    device: where rings are allocated.
    """

    bindto: ClassVar = [VLNV]

    def __init__(self, description: dict[str, Any]) -> None:
        super().__init__(description=description)
        self.device = description["device"]
        self._frames: FrameRing | None = None
        self._results: ResultRing | None = None
        self._head = self._tail = 0
        self._loaded: npt.NDArray[np.uint8] | None = None
        self._former = dict.fromkeys(_ADDED, 0)

    def check(self, manifest: Manifest) -> None:
        """Compare what was built with what the manifest says. Raises CoreError."""
        geometry, scan = manifest.geometry, manifest.geometry.scan
        major = self._read("VERSION") & reg.VERSION_MAJOR
        expected_major = reg.RESET[reg.VERSION] & reg.VERSION_MAJOR
        build_id = self._read("BUILD_ID_HIGH") << 32 | self._read("BUILD_ID_LOW")
        for name, held, expected in (
            ("MAGIC", self._read("MAGIC"), reg.RESET[reg.MAGIC]),
            ("VERSION", major, expected_major),
            ("BUILD_ID", build_id, int(manifest.build_id, 16)),
            ("FEATURES", self._read("FEATURES"), geometry.features),
            ("IMAGE_WIDTH", self._read("IMAGE_WIDTH"), geometry.image_width),
            ("IMAGE_HEIGHT", self._read("IMAGE_HEIGHT"), geometry.image_height),
            ("CLASSES", self._read("CLASSES"), len(geometry.classes)),
            ("ENCODER_BITS", self._read("ENCODER_BITS"), geometry.encoder_bits),
            ("MAX_PASSES", self._read("MAX_PASSES"), geometry.max_passes),
            ("MAX_WIDTH", self._read("MAX_WIDTH"), geometry.max_width),
            ("RECORD_BYTES", self._read("RECORD_BYTES"), 0 if scan else geometry.record_bytes),
            ("MAX_POSITIONS", self._read("MAX_POSITIONS"), scan.max_positions if scan else 0),
            ("MAX_WINDOWS", self._read("MAX_WINDOWS"), scan.max_windows if scan else 0),
        ):
            if held != expected:
                raise CoreError(
                    f"register {name} holds {held:#x}, overlay {manifest.name} has {expected:#x}: "
                    "the core is of another build"
                )

    def begin(self, frames: FrameRing, results: ResultRing, settings: Mapping[int, int]) -> None:
        """Work on these rings from now on, from frame 0; what was at work is abandoned.

        settings: further registers, by address. Raises CoreTimeout.
        """
        self.halt()
        self._frames, self._results = frames, results
        rings = {
            reg.FRAME_BASE: frames.address,
            reg.FRAME_STRIDE: frames.stride,
            reg.FRAME_SLOTS: frames.slots,
            reg.RESULT_BASE: results.address,
            reg.RESULT_SLOTS: results.slots,
        }
        for offset, value in (rings | dict(settings)).items():
            self.write(offset, value)
        self._write("CONTROL", reg.CONTROL_ENABLE)

    def halt(self) -> None:
        """Abandon what is at work; the rings are empty then, and their memory may go. Raises CoreTimeout."""
        self._former = self._totals()
        self._write("CONTROL", reg.CONTROL_RESET)
        self._wait("STATUS", 0, PATIENCE_S, mask=reg.STATUS_BUSY)
        self._head = self._tail = 0
        self._frames = self._results = None

    def set_thresholds(self, thresholds: npt.NDArray[np.uint8]) -> None:
        """Thresholds of K passes, uint8 `[K, z]`; to be called while no frame is at work.

        Raises ValueError for more passes than the core has.
        """
        if len(thresholds) > reg.THRESHOLD_COUNT:
            raise ValueError(
                f"thresholds: of {len(thresholds)} passes, the core has {reg.THRESHOLD_COUNT}"
            )
        if self._loaded is not None and np.array_equal(self._loaded, thresholds):
            return
        self._wait("STATUS", 0, PATIENCE_S, mask=reg.STATUS_BUSY)
        words = np.zeros((len(thresholds), reg.THRESHOLD_STRIDE), np.uint8)
        words[:, : thresholds.shape[1]] = thresholds
        for i, word in enumerate(words.view("<u4")[:, 0]):
            self.write(reg.THRESHOLD + reg.THRESHOLD_STRIDE * i, int(word))
        self._write("PASSES", len(thresholds))
        self._loaded = thresholds.copy()

    @property
    def room(self) -> int:
        """Free slots of the ring of frames."""
        assert self._frames is not None
        return self._frames.slots - distance(self._head, self.tail)

    @property
    def tail(self) -> int:
        """Frames that the core is done with since `begin`, modulo 2**32."""
        return self._read("FRAME_TAIL")

    def put(self, frames: npt.NDArray[np.uint8], skip: int = 0) -> None:
        """Lay frames, uint8 `[n, ...]`, into the slots that are `skip` after those the core knows of."""
        assert self._frames is not None
        self._frames.write(self._head + skip & COUNT_MASK, frames)

    def advance(self, count: int) -> None:
        """Let the core take the next `count` slots, of which there must be so many free."""
        self._head = (self._head + count) & COUNT_MASK
        self._write("FRAME_HEAD", self._head)

    def take(self) -> npt.NDArray[np.uint8]:
        """All results that are there, uint8 `[n, bytes of a slot]`; their slots are free then."""
        assert self._results is not None
        written = distance(self._read("RESULT_HEAD"), self._tail)
        results = self._results.read(self._tail, written)
        self._tail = (self._tail + written) & COUNT_MASK
        self._write("RESULT_TAIL", self._tail)
        return results

    def run(self, frames: npt.NDArray[np.uint8], patience_s: float) -> npt.NDArray[np.uint8]:
        """Put frames through the core, and return their results in order.

        frames: uint8 `[n, ...]`, of one size.
        patience_s: how long to wait without a single frame being finished.

        Raises CoreTimeout, or CoreError if a frame was dropped or read with errors. The core is begun
        anew then, and ready for the next call.
        """
        assert self._frames is not None
        assert self._results is not None
        step = min(self._frames.slots, self._results.slots)
        try:
            found = [
                self._run_some(frames[i : i + step], patience_s)
                for i in range(0, len(frames), step)
            ]
        except CoreError:
            self.begin(self._frames, self._results, {})
            raise
        return np.concatenate([np.empty((0, self._results.stride), np.uint8), *found])

    def counters(self) -> HardwareCounters:
        """The counters now; those of frames and errors count on when the core is begun anew."""
        held = {f.name: self._read(f.name.upper()) for f in fields(HardwareCounters)}
        return HardwareCounters(**held | self._totals(held))

    def _totals(self, held: Mapping[str, int] | None = None) -> dict[str, int]:
        return {
            name: former + (self._read(name.upper()) if held is None else held[name])
            for name, former in self._former.items()
        }

    def _run_some(self, frames: npt.NDArray[np.uint8], patience_s: float) -> npt.NDArray[np.uint8]:
        """As `run`, for at most as many frames as the rings have slots; both are empty before and after."""
        expected = (self._tail + np.arange(len(frames))) & COUNT_MASK
        self.put(frames)
        self.advance(len(frames))
        self._wait("FRAME_TAIL", self._head, patience_s)
        results = self.take()
        damaged = int(np.count_nonzero(results[:, FLAGS_BYTE] & FLAG_READ_ERROR))
        if len(results) != len(frames) or damaged:
            raise CoreError(
                f"of {len(frames)} frames {len(frames) - len(results)} were dropped and {damaged} read "
                f"with errors: {self.errors()}"
            )
        numbers = sequence(results)
        if not np.array_equal(numbers, expected):
            raise CoreError(
                f"results carry the numbers {numbers.tolist()}, must be {expected.tolist()}"
            )
        return results

    def errors(self) -> str:
        """The registers that tell of errors, for a message."""
        names = ("READ_ERRORS", "WRITE_ERRORS", "WATCHDOG_TIMEOUTS")
        held = ", ".join(f"{name} {self._read(name)}" for name in names)
        return f"register STATUS holds {self._read('STATUS'):#x}, {held}"

    def _wait(self, name: str, expected: int, patience_s: float, mask: int = COUNT_MASK) -> None:
        """Poll a register, the longer the more seldom; patience starts again whenever its value changes."""
        shortest, longest = _POLL_S
        pause, before, deadline = shortest, None, 0.0
        while (held := self._read(name) & mask) != expected:
            now = time.monotonic()
            if held != before:
                before, deadline = held, now + patience_s
            elif now > deadline:
                raise CoreTimeout(
                    f"register {name} holds {held:#x}, waited {patience_s:g} s for {expected:#x}; "
                    f"STATUS holds {self._read('STATUS'):#x}"
                )
            time.sleep(pause)
            pause = min(longest, 2 * pause)

    def _read(self, name: str) -> int:
        return int(self.read(getattr(reg, name)))

    def _write(self, name: str, value: int) -> None:
        self.write(getattr(reg, name), value)
