"""The core's driver: what `pynq` binds to it when an overlay is loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pynq
from lutlens.board import registers as reg
from lutlens.board.manifest import Manifest
from lutlens.board.records import FLAG_READ_ERROR, record_dtype
from lutlens.board.rings import COUNT_MASK, FrameRing, RecordRing, distance

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


class LutlensDriver(pynq.DefaultIP):  # type: ignore[misc]
    """Rings, registers and waits. One thread at a time."""

    bindto: ClassVar = [VLNV]

    def __init__(self, description: dict[str, Any]) -> None:
        super().__init__(description=description)
        self._device = description["device"]
        self._frames: FrameRing | None = None
        self._records: RecordRing | None = None
        self._head = self._tail = 0
        self._loaded: npt.NDArray[np.uint8] | None = None

    def check(self, manifest: Manifest) -> None:
        """Compare what was built with what the manifest says. Raises CoreError."""
        geometry = manifest.geometry
        major = self._read("VERSION") & reg.VERSION_MAJOR
        expected_major = reg.RESET[reg.VERSION] & reg.VERSION_MAJOR
        build_id = self._read("BUILD_ID_HIGH") << 32 | self._read("BUILD_ID_LOW")
        for name, held, expected in (
            ("MAGIC", self._read("MAGIC"), reg.RESET[reg.MAGIC]),
            ("VERSION", major, expected_major),
            ("BUILD_ID", build_id, int(manifest.build_id, 16)),
            ("IMAGE_WIDTH", self._read("IMAGE_WIDTH"), geometry.image_width),
            ("IMAGE_HEIGHT", self._read("IMAGE_HEIGHT"), geometry.image_height),
            ("CLASSES", self._read("CLASSES"), len(geometry.classes)),
            ("ENCODER_BITS", self._read("ENCODER_BITS"), geometry.encoder_bits),
            ("MAX_PASSES", self._read("MAX_PASSES"), geometry.max_passes),
            ("RECORD_BYTES", self._read("RECORD_BYTES"), geometry.record_bytes),
        ):
            if held != expected:
                raise CoreError(
                    f"register {name} holds {held:#x}, overlay {manifest.name} has {expected:#x}: "
                    "the core is of another build"
                )

    def open(self, manifest: Manifest) -> None:
        """Check the core, give it rings, and let it run. Raises CoreError."""
        self.check(manifest)
        geometry = manifest.geometry
        image_bytes = geometry.image_width * geometry.image_height * geometry.channels
        self._frames = FrameRing(SLOTS, image_bytes, self._device)
        self._records = RecordRing(SLOTS, record_dtype(len(geometry.classes)), self._device)
        self.reset()
        for name, value in (
            ("FRAME_BASE", self._frames.address),
            ("FRAME_STRIDE", self._frames.stride),
            ("FRAME_SLOTS", SLOTS),
            ("RESULT_BASE", self._records.address),
            ("RESULT_SLOTS", SLOTS),
            ("WATCHDOG_CYCLES", WATCHDOG_MARGIN * image_bytes * geometry.max_passes),
        ):
            self._write(name, value)

    def close(self) -> None:
        """Stop the core, and free the rings once it is at rest."""
        if self._frames is None or self._records is None:
            return
        self._write("CONTROL", reg.CONTROL_RESET)
        self._wait("STATUS", 0, PATIENCE_S, mask=reg.STATUS_BUSY)
        self._frames.close()
        self._records.close()
        self._frames = self._records = None

    def reset(self) -> None:
        """Abandon what is at work, empty the rings, clear counters and errors. Raises CoreTimeout."""
        self._write("CONTROL", reg.CONTROL_RESET)
        self._wait("STATUS", 0, PATIENCE_S, mask=reg.STATUS_BUSY)
        self._head = self._tail = 0
        self._write("CONTROL", reg.CONTROL_ENABLE)

    def set_thresholds(self, thresholds: npt.NDArray[np.uint8]) -> None:
        """Thresholds of K passes, uint8 `[K, z]`; to be called while no frame is at work."""
        if self._loaded is not None and np.array_equal(self._loaded, thresholds):
            return
        self._wait("STATUS", 0, PATIENCE_S, mask=reg.STATUS_BUSY)
        words = np.zeros((len(thresholds), reg.THRESHOLD_STRIDE), np.uint8)
        words[:, : thresholds.shape[1]] = thresholds
        for i, word in enumerate(words.view("<u4")[:, 0]):
            self.write(reg.THRESHOLD + reg.THRESHOLD_STRIDE * i, int(word))
        self._write("PASSES", len(thresholds))
        self._loaded = thresholds.copy()

    def run(self, images: npt.NDArray[np.uint8], patience_s: float) -> npt.NDArray[np.void]:
        """Put images through the core, and return their records in order.

        images: uint8 `[n, height, width]`.
        patience_s: how long to wait without a single frame being finished.

        Raises CoreTimeout, or CoreError if a frame was dropped or read with errors. The core is reset
        then, and ready for the next call.
        """
        assert self._frames is not None
        assert self._records is not None
        try:
            found = [
                self._run_batch(images[i : i + SLOTS], patience_s)
                for i in range(0, len(images), SLOTS)
            ]
        except CoreError:
            self.reset()
            raise
        empty = np.empty(0, self._records.dtype)
        return np.concatenate([empty, *found])

    def counters(self) -> HardwareCounters:
        return HardwareCounters(
            **{f.name: self._read(f.name.upper()) for f in fields(HardwareCounters)}
        )

    def _run_batch(self, images: npt.NDArray[np.uint8], patience_s: float) -> npt.NDArray[np.void]:
        """As `run`, for at most as many images as the rings have slots; both are empty before and after."""
        assert self._frames is not None
        assert self._records is not None
        self._frames.write(self._head, images)
        self._head = (self._head + len(images)) & COUNT_MASK
        self._write("FRAME_HEAD", self._head)
        self._wait("FRAME_TAIL", self._head, patience_s)
        written = distance(self._read("RESULT_HEAD"), self._tail)
        records = self._records.read(self._tail, written)
        self._tail = (self._tail + written) & COUNT_MASK
        self._write("RESULT_TAIL", self._tail)
        damaged = int(np.count_nonzero(records["flags"] & FLAG_READ_ERROR))
        if written != len(images) or damaged:
            raise CoreError(
                f"of {len(images)} frames {len(images) - written} were dropped and {damaged} read with "
                f"errors: register STATUS holds {self._read('STATUS'):#x}, READ_ERRORS "
                f"{self._read('READ_ERRORS')}, WRITE_ERRORS {self._read('WRITE_ERRORS')}, "
                f"WATCHDOG_TIMEOUTS {self._read('WATCHDOG_TIMEOUTS')}"
            )
        return records

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
