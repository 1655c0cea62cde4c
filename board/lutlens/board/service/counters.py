"""The core's counters, read once for all who ask at about the same time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time

from lutlens.board.classifier import LoadedOverlay
from lutlens.board.driver import CoreError

MAX_AGE_S = 0.4
PATIENCE_S = 0.3


class CounterCache:
    """Reads counters, and remembers them.

    Reading waits for a device that is busy, a simulated one for seconds: it is done in a worker thread, one at a time,
    and who has no patience left gets the counters read last. So does who asks while an overlay is being loaded.
    """

    def __init__(self) -> None:
        self._counters: dict[str, int] = {}
        self._reading: asyncio.Task[dict[str, int]] | None = None
        self._read_at = -MAX_AGE_S

    async def current(self, classifier: LoadedOverlay) -> dict[str, int]:
        """Those of now, or of a moment ago."""
        if self._reading is None and time.monotonic() - self._read_at > MAX_AGE_S:

            def read() -> dict[str, int]:
                return {k: int(v) for k, v in dataclasses.asdict(classifier.counters()).items()}

            self._reading = asyncio.create_task(asyncio.to_thread(read))
        if self._reading is not None:
            reading = self._reading
            done, _ = await asyncio.wait({reading}, timeout=PATIENCE_S)
            if done and self._reading is reading:
                self._reading, self._read_at = None, time.monotonic()
                with contextlib.suppress(CoreError):  # between two overlays there are none
                    self._counters = reading.result()
        return self._counters
