"""A pattern replayed from memory: the core goes at its own rate, and software looks in some tens of times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from lutlens.board import contrast
from lutlens.board.rates import Counts, Meter
from lutlens.board.results import FrameResult, Recorded
from lutlens.board.scan_detection import Band, Layout, Scanned, found
from lutlens.board.scanner import Scanner
from lutlens.board.sources.pattern import Pattern, PatternSpec, draw
from lutlens.board.streams import Scans, Stream
from lutlens.board.tracking import Follower, Moments, Tracker

TICK_S = 1 / 40
"""From one look at the results to the next."""
APART = 6
"""Frames between the two of a look whose digits are followed: from look to look a digit may leave its box behind."""


@dataclass(frozen=True, eq=False)
class Look:
    """What one look at the core gave.

    recorded: the frames that were recognised, in order. size: bytes that they hold on to.
    shown: the newest of them, with detections that are followed; None if there is none.
    """

    recorded: list[Recorded]
    size: int
    shown: FrameResult | None


class Replay:
    """Keeps the core at work on a pattern that lies in its ring. One thread at a time.

    spec: of the pattern, which is drawn at the first look: a second or more of work on the board.
    meter: counts the frames; those given to the core as captured.
    first: sequence number that the first frame gets.
    """

    def __init__(self, scanner: Scanner, spec: PatternSpec, meter: Meter, *, first: int) -> None:
        self.scanner, self.spec = scanner, spec
        self._meter = meter
        self._drawn: _Drawn | None = None
        self._tracker = Tracker()
        self._moment = self._tracker.moment()  # of the look before
        self._stream: Stream | None = None
        self._settings: tuple[int, int] | None = None
        # Of the stream: its first frame's number, and how many were counted as what.
        self._first, self._counted = first, Counts()
        self._ahead = 1  # frames that the core is given to work on
        self._looked_at = 0.0

    def look(self, k: int, min_margin: int) -> Look:
        """Take what the core has done, and give it more. Raises CoreError; the ring is freed then.

        k: passes. min_margin: weaker detections are left out. Where these change, what is at work is dropped.
        """
        if self._drawn is None:
            self._drawn = _draw(self.spec)
        try:
            if self._stream is None or self._settings != (k, min_margin):
                self.rest()
                self._stream = self._open(self._drawn, k, min_margin)
                self._settings, self._looked_at = (k, min_margin), time.monotonic()
            return self._look(self._stream, self._drawn)
        except Exception:
            self.rest()
            raise

    def rest(self) -> None:
        """Free the ring. What is at work is dropped; the next look begins with the first frame again."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            stream.close()
        finally:
            self._count(stream, dropped=stream.submitted - self._counted.recognised)
            self._first, self._counted = self._first + stream.submitted, Counts()

    def _open(self, drawn: _Drawn, k: int, min_margin: int) -> Stream:
        count, height, width = drawn.seen.shape
        stream = self.scanner.stream([(width, height)], k, frames=count, min_margin=min_margin)
        stream.fill(drawn.seen)
        return stream

    def _look(self, stream: Stream, drawn: _Drawn) -> Look:
        began = time.monotonic()
        stream.replay(self._ahead - stream.pending)
        scans = stream.collect()
        now = time.monotonic()
        self._adapt(stream, now - began)
        recorded, shown = self._recorded(scans, drawn, now) if len(scans) else ([], None)
        self._looked_at = now
        self._count(stream, recognised=len(scans), dropped=stream.dropped)
        return Look(recorded, scans.raw.nbytes, shown)

    def _count(self, stream: Stream, *, recognised: int = 0, dropped: int) -> None:
        """Count what is new. dropped: of all the stream's frames; recognised: since the last time."""
        before = self._counted
        self._counted = Counts(stream.submitted, before.recognised + recognised, dropped)
        self._meter.add(
            captured=stream.submitted - before.captured,
            recognised=recognised,
            dropped=dropped - before.dropped,
            shown=min(1, recognised),
        )

    def _adapt(self, stream: Stream, took: float) -> None:
        """The core should never wait for work; on a simulated one, whose work this thread does, a tick is enough."""
        if took > TICK_S:
            self._ahead = max(1, self._ahead // 2)
        elif not stream.pending and took < TICK_S / 2:
            self._ahead = min(stream.slots, 2 * self._ahead)

    def _recorded(
        self, scans: Scans, drawn: _Drawn, now: float
    ) -> tuple[list[Recorded], FrameResult]:
        """All of these frames, at even distances. The last one's digits, and those of one shortly before it, are
        followed; as they are now, and as they were at the look before, they name those of the others.
        """
        latency_ms = self.scanner.counters().latency_last / (1000 * self.scanner.clock_mhz)
        times = np.linspace(self._looked_at, now, len(scans) + 1)[1:].tolist()
        numbers = (self._first + scans.sequence).tolist()
        make = partial(_result, self.scanner, drawn, scans, latency_ms)
        last = len(scans) - 1
        followed = {
            i: make(self._tracker, i, numbers[i], times[i]) for i in (last - APART, last) if i >= 0
        }
        before, self._moment = self._moment, self._tracker.moment()
        moments = Moments((self._moment, before))
        recorded = [
            Recorded(number, at, partial(make, moments, i, number, at))
            for i, (number, at) in enumerate(zip(numbers, times, strict=True))
        ]
        for i, result in followed.items():
            recorded[i] = Recorded(result.sequence, result.captured_at, partial(_itself, result))
        return recorded, followed[last]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A pattern, and what the core gets of it: its local contrast, uint8 `[frames, h, w]`."""

    pattern: Pattern
    seen: npt.NDArray[np.uint8]

    @property
    def plan(self) -> Layout:
        _, height, width = self.seen.shape
        size = width, height
        return Layout(size, (size,), (Band(0, 0, 0, height),))


def _itself(result: FrameResult) -> FrameResult:
    return result


def _draw(spec: PatternSpec) -> _Drawn:
    pattern = draw(spec)
    return _Drawn(pattern, np.stack([contrast.normalise(image) for image in pattern.images]))


def _result(
    scanner: Scanner,
    drawn: _Drawn,
    scans: Scans,
    latency_ms: float,
    follower: Follower,
    i: int,
    number: int,
    captured_at: float,
) -> FrameResult:
    """Frame `number`, of which `scans` has result i."""
    slot = int(scans.slot[i])
    frame = drawn.pattern.frame(slot)
    seen = found(scanner, Scanned(drawn.plan, [drawn.seen[slot]], scans, i), follower, number)
    return FrameResult(
        sequence=number,
        captured_at=captured_at,
        latency_ms=latency_ms,
        image=frame.image,
        detections=seen.detections,
        truth=frame.truth,
        class_map=seen.class_map,
    )
