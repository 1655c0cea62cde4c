"""Streams of frames through a core that scans: put into a ring, taken out as results, with no frame unaccounted for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.board.driver import PATIENCE_S, WATCHDOG_MARGIN, CoreError, CoreTimeout, LutlensDriver
from lutlens.board.records import FLAG_READ_ERROR, sequence
from lutlens.board.rings import COUNT_MASK, FrameRing, ResultRing, distance

Size = tuple[int, int]
"""Width and height, pixels."""
Frames = npt.NDArray[np.uint8]

POLL_S = 0.5e-3

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Scans:
    """Results of m frames, in order.

    sequence: int64 `[m]`; the frames' numbers since the stream was opened.
    slot: int64 `[m]`; where in the ring the frame lay.
    raw: uint8 `[m, bytes]`; the results as they were in memory: see `lutlens.board.scanning`.
    """

    sequence: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int64]
    raw: npt.NDArray[np.uint8]
    max_windows: int

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def headers(self) -> npt.NDArray[np.void]:
        """`scanning.HEADER` `[m]`."""
        header = np.ascontiguousarray(self.raw[:, : scanning.HEADER.itemsize])
        return header.view(scanning.HEADER)[:, 0]

    def windows(self, i: int) -> npt.NDArray[np.void]:
        """The peaks that result i lists, `scanning.WINDOW` `[n]`."""
        row = self.raw[i]
        (header,) = row[: scanning.HEADER.itemsize].view(scanning.HEADER)
        listed: npt.NDArray[np.void] = row[
            scanning.HEADER.itemsize : scanning.map_offset(self.max_windows)
        ].view(scanning.WINDOW)
        return listed[: header["windows"]]

    def cells(self, i: int) -> scanning.Cells:
        """The map of result i, uint32 `[rows, columns]`."""
        row = self.raw[i]
        (header,) = row[: scanning.HEADER.itemsize].view(scanning.HEADER)
        rows, columns = int(header["rows"]), int(header["columns"])
        start = scanning.map_offset(self.max_windows)
        found: scanning.Cells = row[start : start + scanning.CELL_BYTES * rows * columns].view(
            "<u4"
        )
        return found.reshape(rows, columns)


class Core:
    """Which stream a driver works for. `lock` is held by whoever talks to the core."""

    def __init__(self, driver: LutlensDriver, lock: threading.RLock) -> None:
        self.driver, self.lock = driver, lock
        self.active: Stream | None = None
        self.streams: list[Stream] = []

    def close(self) -> None:
        """Close all streams."""
        for stream in list(self.streams):
            stream.close()


class Stream:
    """Frames of some sizes in turn. Its methods may be called from any thread.

    submitted: frames given to the core.
    finished: of these, those with a result or dropped; the others are pending.
    dropped: finished without a result: the core gave up, or was begun anew meanwhile.
    refused: frames that were never given to the core, for lack of room.
    """

    def __init__(
        self,
        core: Core,
        sizes: Sequence[Size],
        levels: npt.NDArray[np.uint8],
        *,
        slots: int,
        max_windows: int,
        result_bytes: int,
        settings: Mapping[int, int],
    ) -> None:
        self.sizes = tuple(sizes)
        self.submitted = self.finished = self.dropped = self.refused = 0
        self._core, self._levels, self._max_windows = core, levels, max_windows
        pixels = max(width * height for width, height in sizes)
        device = core.driver.device
        self._frames = FrameRing(slots, pixels, device)
        self._results = ResultRing(slots, result_bytes, device)
        self._settings = {
            **settings,
            reg.SCALES: len(sizes),
            reg.RESULT_STRIDE: self._results.stride,
            reg.WATCHDOG_CYCLES: min(COUNT_MASK, WATCHDOG_MARGIN * pixels * len(levels)),
        }
        for i, (width, height) in enumerate(sizes):
            self._settings[reg.FRAME_SIZE + i * reg.FRAME_SIZE_STRIDE] = height << 16 | width
        self._begun = 0  # `submitted` when the core began with this stream's rings
        self._taken: list[Scans] = []
        self._progress_at = 0.0
        self._open = True
        core.streams.append(self)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def slots(self) -> int:
        """Frames that have room."""
        return self._frames.slots

    @property
    def pending(self) -> int:
        """Frames that are given to the core and not finished."""
        return self.submitted - self.finished

    def submit(self, frames: Sequence[Frames]) -> int | None:
        """Give the core one frame set, a frame uint8 `[h, w]` for each size.

        Returns its number; its frames have those from `number * len(sizes)` on. None if there is no room: the whole
        set is refused then, and counted.
        """
        shapes = [frame.shape[::-1] for frame in frames]
        if shapes != list(self.sizes):
            raise ValueError(f"frames: width and height {shapes}, must be {list(self.sizes)}")
        with self._core.lock:
            driver = self._activate()
            if driver.room < len(frames):
                self.refused += len(frames)
                return None
            for i, frame in enumerate(frames):
                driver.put(frame[np.newaxis], skip=i)
            self._advance(len(frames))
            return self.submitted // len(frames) - 1

    def fill(self, frames: Frames) -> None:
        """Lay a sequence that is to be replayed into the ring, uint8 `[slots, h, w]`, one frame a slot."""
        shape = (self.slots, *self.sizes[0][::-1])
        if len(self.sizes) != 1 or frames.shape != shape:
            raise ValueError(f"frames: {list(frames.shape)}, must be {list(shape)}, of one scale")
        with self._core.lock:
            self._frames.write(0, frames)

    def replay(self, count: int) -> int:
        """Let the core take what already lies in the next `count` slots; returns how many there was room for."""
        with self._core.lock:
            count = min(count, self._activate().room)
            self._advance(count)
            return count

    def collect(self, wait_s: float = 0.0) -> Scans:
        """Everything that was finished since the last call.

        wait_s: if nothing was, and frames are pending, wait so long for something.
        Raises CoreTimeout if frames are pending and none was finished for `PATIENCE_S`; they count as dropped then.
        """
        deadline = time.monotonic() + wait_s
        while True:
            with self._core.lock:
                if self._core.active is self:
                    self._take()
                taken, self._taken = self._taken, []
                if self._hangs():
                    held = self._core.driver.tail
                    message = (
                        f"register FRAME_TAIL holds {held:#x}, {self.pending} frames pending for "
                        f"{PATIENCE_S:g} s; {self._core.driver.errors()}"
                    )
                    self._abandon()
                    raise CoreTimeout(message)
            if taken or not self.pending or time.monotonic() >= deadline:
                return self._joined(taken)
            time.sleep(POLL_S)

    def scan(self, frames: Sequence[Frames]) -> Scans:
        """One frame set through a stream in which nothing else is pending: the results of all its frames.

        Raises CoreTimeout, or CoreError if one was dropped or read with errors.
        """
        if self.submit(frames) is None:
            raise CoreError(f"no room for {len(frames)} frames, {self.pending} are pending")
        parts = [self.collect(wait_s=PATIENCE_S)]
        while self.pending:
            parts.append(self.collect(wait_s=PATIENCE_S))
        scans = self._joined(parts)
        damaged = int(np.count_nonzero(scans.headers["flags"] & FLAG_READ_ERROR))
        if len(scans) != len(frames) or damaged:
            with self._core.lock:
                errors = self._core.driver.errors()
            raise CoreError(
                f"of {len(frames)} frames {len(frames) - len(scans)} were dropped and {damaged} read "
                f"with errors: {errors}"
            )
        return scans

    def run(self, frames: Frames, patience_s: float) -> npt.NDArray[np.uint8]:
        """All of these frames, uint8 `[n, h, w]`, of the one size: their results as they were in memory.

        Raises CoreError, CoreTimeout.
        """
        with self._core.lock:
            return self._activate().run(frames, patience_s)

    def close(self) -> None:
        """Free the rings. What is pending counts as dropped."""
        with self._core.lock:
            if not self._open:
                return
            self._open = False
            self._abandon()
            self._core.streams.remove(self)
            self._frames.close()
            self._results.close()

    def _activate(self) -> LutlensDriver:
        """Make the core work on this stream's rings, after it has finished what it works on."""
        core = self._core
        if not self._open:
            raise CoreError("the stream was closed")
        if core.active is not self:
            if core.active is not None:
                core.active._drain()
            core.driver.set_thresholds(self._levels)
            core.driver.begin(self._frames, self._results, self._settings)
            core.active, self._begun = self, self.submitted
        return core.driver

    def _advance(self, count: int) -> None:
        if not self.pending:
            self._progress_at = time.monotonic()
        self.submitted += count
        self._core.driver.advance(count)

    def _drain(self) -> None:
        """Wait until nothing is pending; a core that hangs drops it."""
        while self.pending:
            self._take()
            if self._hangs():
                log.warning("%d frames dropped: %s", self.pending, self._core.driver.errors())
                self._abandon()
            elif self.pending:
                time.sleep(POLL_S)

    def _take(self) -> None:
        """Take what the core has finished. Raises CoreError if results are not in order."""
        driver, begun_at = self._core.driver, (self.finished - self._begun) & COUNT_MASK
        done = self.finished + distance(driver.tail, begun_at)  # read first: results come before it
        raw = driver.take()
        numbers = self.finished + (sequence(raw).astype(np.int64) - begun_at & COUNT_MASK)
        if (np.diff(numbers, append=self.submitted) <= 0).any():
            self._abandon()
            raise CoreError(
                f"results carry the numbers {sequence(raw).tolist()}, must ascend from {begun_at}"
            )
        if len(numbers):
            done = max(done, int(numbers[-1]) + 1)
            slots = (numbers - self._begun) % self._frames.slots
            self._taken.append(Scans(numbers, slots, raw, self._max_windows))
        if done > self.finished:
            self._progress_at = time.monotonic()
        self.dropped += done - self.finished - len(numbers)
        self.finished = done

    def _hangs(self) -> bool:
        return self.pending > 0 and time.monotonic() > self._progress_at + PATIENCE_S

    def _abandon(self) -> None:
        """What is pending counts as dropped; the next frame begins the core anew."""
        self.dropped += self.pending
        self.finished = self.submitted
        if self._core.active is self:
            self._core.active = None
            self._core.driver.halt()

    def _joined(self, taken: Sequence[Scans]) -> Scans:
        if len(taken) == 1:
            return taken[0]
        none = np.empty(0, np.int64)
        raw = np.empty((0, self._results.stride), np.uint8)
        return Scans(
            np.concatenate([none, *(scans.sequence for scans in taken)]),
            np.concatenate([none, *(scans.slot for scans in taken)]),
            np.concatenate([raw, *(scans.raw for scans in taken)]),
            self._max_windows,
        )
