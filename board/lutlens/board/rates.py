"""How many frames there were, how often they come, and how long they take, of late."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

import numpy as np

WINDOW_S = 2.0
LATENCIES = 512


class Counts(NamedTuple):
    """Frames so far."""

    captured: int = 0
    recognised: int = 0
    dropped: int = 0
    shown: int = 0

    @property
    def at_work(self) -> int:
        """Captured, and not yet recognised or dropped."""
        return self.captured - self.recognised - self.dropped


class Rates(NamedTuple):
    """Frames a second over the last two seconds."""

    captured: float
    recognised: float
    shown: float


class Meter:
    """Counts frames. What happens at one moment is counted at one, and everything is read at one: so figures compare.

    For any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()
        self._ticks: tuple[deque[tuple[float, int]], ...] = tuple(deque() for _ in Rates._fields)

    def add(
        self, *, captured: int = 0, recognised: int = 0, dropped: int = 0, shown: int = 0
    ) -> Counts:
        """So many frames, now. Returns the counts with them."""
        with self._lock:
            now = time.monotonic()
            added = Counts(captured, recognised, dropped, shown)
            self._counts = Counts(*(sum(pair) for pair in zip(self._counts, added, strict=True)))
            for ticks, name in zip(self._ticks, Rates._fields, strict=True):
                if count := getattr(added, name):
                    ticks.append((now, count))
                    while ticks[0][0] < now - WINDOW_S:
                        ticks.popleft()
            return self._counts

    @property
    def counts(self) -> Counts:
        return self._counts

    @property
    def rates(self) -> Rates:
        with self._lock:
            since = time.monotonic() - WINDOW_S
            recent = [[tick for tick in ticks if tick[0] >= since] for ticks in self._ticks]
        return Rates(*map(_per_second, recent))


def _per_second(ticks: list[tuple[float, int]]) -> float:
    """Of events that came so many at a time, as far as they tell."""
    if len(ticks) < 3:
        return 0.0
    # Those of the first tick happened before it.
    return sum(count for _, count in ticks[1:]) / (ticks[-1][0] - ticks[0][0])


class Latencies:
    """Milliseconds, of the last events."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=LATENCIES)

    def add(self, milliseconds: float) -> None:
        self._values.append(milliseconds)

    def clear(self) -> None:
        self._values.clear()

    def percentile(self, percent: float) -> float | None:
        """None before the first."""
        values = list(self._values)
        return float(np.percentile(values, percent)) if values else None
