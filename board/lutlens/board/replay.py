"""A pattern replayed from memory: the core goes at its own rate, and software looks in some tens of times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
from lutlens.board import contrast
from lutlens.board.results import FrameResult, Recorded
from lutlens.board.scan_detection import Band, Layout, Scanned, found
from lutlens.board.scanner import Scanner
from lutlens.board.sources.pattern import Pattern, PatternSpec, draw
from lutlens.board.streams import Scans
from lutlens.board.tracking import Tracker

TICK_S = 1 / 40
"""From one look at the results to the next."""


@dataclass(frozen=True, eq=False)
class Look:
    """What one look at the core gave.

    given, recognised, dropped: frames since the look before.
    recorded: those that were recognised, in order. size: bytes that they hold on to.
    shown: the newest of them, with detections that are followed; None if there is none.
    """

    given: int
    recognised: int
    dropped: int
    recorded: list[Recorded]
    size: int
    shown: FrameResult | None


@lru_cache(maxsize=1)  # a second or more of work on the board, and settings change while it runs
def _prepared(spec: PatternSpec) -> tuple[Pattern, npt.NDArray[np.uint8]]:
    """The pattern, and its local contrast, uint8 `[frames, h, w]`."""
    pattern = draw(spec)
    return pattern, np.stack([contrast.normalise(image) for image in pattern.images])


class Replay:
    """Keeps the core at work on a pattern that lies in its ring.

    first: sequence number that the first frame gets.
    """

    def __init__(
        self, scanner: Scanner, spec: PatternSpec, k: int, min_margin: int, *, first: int
    ) -> None:
        self.settings = spec, k, min_margin
        self._scanner, self._first = scanner, first
        self._pattern, self._seen = _prepared(spec)
        count, height, width = self._seen.shape
        size = width, height
        self._plan = Layout(size, (size,), (Band(0, 0, 0, height),))
        self._stream = scanner.stream([size], k, frames=count, min_margin=min_margin)
        self._stream.fill(self._seen)
        self._tracker = Tracker()
        self._ahead = 1  # frames that the core is given to work on
        self._given = self._dropped = 0
        self._looked_at = time.monotonic()

    def look(self) -> Look:
        """Take what the core has done, and give it more. Raises CoreError."""
        began = time.monotonic()
        self._stream.replay(self._ahead - self._stream.pending)
        scans = self._stream.collect()
        now = time.monotonic()
        self._adapt(now - began)
        given = self._stream.submitted - self._given
        dropped = self._stream.dropped - self._dropped
        self._given, self._dropped = self._stream.submitted, self._stream.dropped
        recorded, shown = self._recorded(scans, self._looked_at, now) if len(scans) else ([], None)
        self._looked_at = now
        return Look(given, len(scans), dropped, recorded, scans.raw.nbytes, shown)

    def close(self) -> tuple[int, int, int]:
        """Free the ring; frames given, recognised and dropped since the last look: what was at work is dropped."""
        self._stream.close()
        stream = self._stream
        return stream.submitted - self._given, 0, stream.dropped - self._dropped

    def _adapt(self, took: float) -> None:
        """The core should never wait for work; on a simulated one, whose work this thread does, a tick is enough."""
        if took > TICK_S:
            self._ahead = max(1, self._ahead // 2)
        elif not self._stream.pending and took < TICK_S / 2:
            self._ahead = min(self._stream.slots, 2 * self._ahead)

    def _recorded(
        self, scans: Scans, since: float, now: float
    ) -> tuple[list[Recorded], FrameResult]:
        """All of these frames, at even distances, and the last one with its digits followed."""
        latency_ms = self._scanner.counters().latency_last / (1000 * self._scanner.clock_mhz)
        times = np.linspace(since, now, len(scans) + 1)[1:].tolist()
        make = partial(self._result, scans, latency_ms)
        recorded = [
            Recorded(self._first + number, at, partial(make, i, at))
            for i, (number, at) in enumerate(zip(scans.sequence.tolist(), times, strict=True))
        ]
        shown = make(len(scans) - 1, now, self._tracker)
        recorded[-1] = Recorded(shown.sequence, now, lambda: shown)
        return recorded, shown

    def _result(
        self,
        scans: Scans,
        latency_ms: float,
        i: int,
        captured_at: float,
        tracker: Tracker | None = None,
    ) -> FrameResult:
        number, slot = int(scans.sequence[i]), int(scans.slot[i])
        frame = self._pattern.frame(slot)
        scanned = Scanned(self._plan, [self._seen[slot]], scans, i)
        seen = found(self._scanner, scanned, tracker, number)
        return FrameResult(
            sequence=self._first + number,
            captured_at=captured_at,
            latency_ms=latency_ms,
            image=frame.image,
            detections=seen.detections,
            truth=frame.truth,
            class_map=seen.class_map,
        )
