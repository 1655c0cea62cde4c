"""The status, gathered once for all who ask at about the same time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib.metadata
import time
from typing import TYPE_CHECKING

from lutlens.board.driver import CoreError
from lutlens.board.pipeline import Pipeline
from lutlens.board.service import models, present

if TYPE_CHECKING:
    from lutlens.board.service.context import Context

MAX_AGE_S = 0.4
PATIENCE_S = 0.3


class StatusCache:
    """Builds the status, and remembers the core's counters.

    Reading counters waits for a device that is busy, a simulated one for seconds: it is done in a
    worker thread, one at a time, and who has no patience left gets the counters read last. So does
    who asks while an overlay is being loaded.
    """

    def __init__(self) -> None:
        self._counters: dict[str, int] = {}
        self._reading: asyncio.Task[dict[str, int]] | None = None
        self._read_at = -MAX_AGE_S

    async def current(self, core: Context) -> models.Status:
        """The status now. Its counters may be from a moment ago."""
        pipeline = core.pipeline
        counts, rates = pipeline.counts, pipeline.rates
        classifier = pipeline.classifier
        counters = await self._hardware(core)
        kind = classifier.device_name
        return models.Status(
            version=importlib.metadata.version("lutlens"),
            uptime_s=time.monotonic() - core.started,
            device=models.DeviceInfo.model_validate(
                {"kind": kind, "name": kind, "simulated": kind != "board"}
            ),
            overlay=present.overlay(classifier.manifest, loaded=True),
            clock_mhz=classifier.clock_mhz,
            source=models.SourceState(
                name=core.source,
                kind=pipeline.source.kind,
                description=pipeline.source.description,
                replayed=pipeline.replaying,
                error=pipeline.error,
            ),
            settings=settings_of(pipeline),
            rates=models.Rates(**rates._asdict()),
            counts=models.Counts(
                **counts._asdict(),
                at_work=counts.at_work,
                source_failures=pipeline.source_failures,
            ),
            latency=models.Latency(p50_ms=pipeline.latency_p50, p99_ms=pipeline.latency_p99),
            hardware=counters,
            viewers=core.hub.viewers,
            token_required=core.settings.token is not None,
        )

    async def _hardware(self, core: Context) -> dict[str, int]:
        if self._reading is None and time.monotonic() - self._read_at > MAX_AGE_S:
            classifier = core.pipeline.classifier

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


def settings_of(pipeline: Pipeline) -> models.Settings:
    return models.Settings(k=pipeline.k, min_margin=pipeline.min_margin, paused=pipeline.paused)
