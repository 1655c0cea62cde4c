"""Results of recognition: one, those that a subscriber has not taken yet, and those of the last seconds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lutlens.board.detection import ClassMap, Detection
from lutlens.board.sources.base import Box

HISTORY_S = 2.0
HISTORY_FRAMES = 4000
HISTORY_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class FrameResult:
    """A recognised frame.

    sequence: number of the frame as captured; of a replay, as given to the core.
    captured_at: `time.monotonic()` when it was captured; of a replay, about when the core had it.
    latency_ms: from then until it was recognised; of a replay, the core's own from first pixel to result.
    image: BGR uint8 `[h, w, 3]`; not to be written to.
    truth: see `Frame`.
    class_map: None where the core takes single images.
    """

    sequence: int
    captured_at: float
    latency_ms: float
    image: npt.NDArray[np.uint8]
    detections: tuple[Detection, ...]
    truth: tuple[tuple[Box, int], ...] | None
    class_map: ClassMap | None = None


class Subscription:
    """The results from now on, newest kept: what does not fit pushes the oldest out. `dropped` counts those."""

    def __init__(self, maxlen: int, close: Callable[[Subscription], None]) -> None:
        self.dropped = 0
        self._close = close
        self._results: deque[FrameResult] = deque(maxlen=maxlen)
        self._arrived = threading.Condition()

    def get(self, timeout: float | None = None) -> FrameResult | None:
        """The oldest result in the box; None if none comes within `timeout` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._results), timeout)
            return self._results.popleft() if self._results else None

    def close(self) -> None:
        self._close(self)

    def put(self, result: FrameResult) -> None:
        with self._arrived:
            if len(self._results) == self._results.maxlen:
                self.dropped += 1
            self._results.append(result)
            self._arrived.notify()


@dataclass(frozen=True, eq=False)
class Recorded:
    """A frame of the last seconds.

    sequence, captured_at: as of `FrameResult`.
    result: makes the rest, which for frames that were never shown is work: milliseconds each. Its detections have
        the numbers of those of the frame that was shown next, no more: finding and following a dozen digits takes a
        processor of a desk machine 4 ms a frame, and a replay has a frame a millisecond.
    """

    sequence: int
    captured_at: float
    result: Callable[[], FrameResult]


class History:
    """The last two seconds, at the core's rate; bounded in frames and in bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: deque[tuple[Sequence[Recorded], int]] = deque()
        self._frames = self._bytes = 0

    def add(self, batch: Sequence[Recorded], size: int) -> None:
        """Frames in order, newer than those before. size: bytes that they hold on to."""
        if not batch:
            return
        with self._lock:
            self._batches.append((batch, size))
            self._frames += len(batch)
            self._bytes += size
            while len(self._batches) > 1 and (
                self._batches[0][0][-1].captured_at < batch[-1].captured_at - HISTORY_S
                or self._frames > HISTORY_FRAMES
                or self._bytes > HISTORY_BYTES
            ):
                old, freed = self._batches.popleft()
                self._frames -= len(old)
                self._bytes -= freed

    def clear(self) -> None:
        with self._lock:
            self._batches.clear()
            self._frames = self._bytes = 0

    def snapshot(self) -> list[Recorded]:
        """Its frames, the oldest first; what they hold stays as long as the list does."""
        with self._lock:
            return [frame for batch, _ in self._batches for frame in batch]
