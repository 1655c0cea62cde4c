"""How often something happens, and how long it takes, of late."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

WINDOW_S = 2.0
LATENCIES = 512


class Rate:
    """Events a second over the last two seconds."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[float, int]] = deque()

    def tick(self, count: int = 1) -> None:
        """So many events, now."""
        if not count:
            return
        now = time.monotonic()
        self._ticks.append((now, count))
        while self._ticks[0][0] < now - WINDOW_S:
            self._ticks.popleft()

    @property
    def per_second(self) -> float:
        now = time.monotonic()
        recent = [tick for tick in list(self._ticks) if tick[0] >= now - WINDOW_S]
        if len(recent) < 3:
            return 0.0
        # Those of the first tick happened before it.
        return sum(count for _, count in recent[1:]) / (recent[-1][0] - recent[0][0])


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
