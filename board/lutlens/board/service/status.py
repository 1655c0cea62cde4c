"""What the service says of itself."""

from __future__ import annotations

import importlib.metadata
import time

from lutlens.board.pipeline import Pipeline
from lutlens.board.service import models, present
from lutlens.board.service.context import Context


async def status_of(core: Context) -> models.Status:
    """The status now. Its counters may be from a moment ago."""
    pipeline = core.pipeline
    counts, rates = pipeline.counts, pipeline.rates
    classifier = pipeline.classifier
    counters = await core.counters.current(classifier)
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


def settings_of(pipeline: Pipeline) -> models.Settings:
    return models.Settings(k=pipeline.k, min_margin=pipeline.min_margin, paused=pipeline.paused)
