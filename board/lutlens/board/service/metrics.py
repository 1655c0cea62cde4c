"""Prometheus figures, in a registry of the service's own."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lutlens.board.service import models
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Streams last as long as somebody watches; their duration says nothing.
UNTIMED = frozenset({"/api/v1/stream.mjpeg"})


class Metrics:
    """Counts requests as they end, and takes everything else from the status when it is scraped."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lutlens_http_requests",
            "Requests answered, by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "lutlens_http_request_seconds",
            "Time to the end of the answer.",
            ["method", "route"],
            registry=self.registry,
        )

    def scrape(self, status: models.Status, skipped: int) -> tuple[bytes, str]:
        """The exposition text and its content type."""
        snapshot = CollectorRegistry()
        snapshot.register(_Snapshot(status, skipped))
        return generate_latest(self.registry) + generate_latest(snapshot), CONTENT_TYPE_LATEST


class _Snapshot:
    """The status as metrics."""

    def __init__(self, status: models.Status, skipped: int) -> None:
        self._status = status
        self._skipped = skipped

    def collect(self) -> Iterator[Metric]:
        status = self._status
        info = GaugeMetricFamily(
            "lutlens_info",
            "What runs, in labels; always 1.",
            labels=["version", "device", "overlay", "build_id", "source"],
        )
        overlay, source = status.overlay, status.source
        labels = [status.version, status.device.kind, overlay.name, overlay.build_id, source.name]
        info.add_metric(labels, 1)
        yield info
        counts = {
            "captured": "Frames taken from the source.",
            "recognised": "Frames through the core.",
            "dropped": "Frames captured but overtaken before the core.",
            "shown": "Frames offered to viewers.",
        }
        for name, text in counts.items():
            yield CounterMetricFamily(
                f"lutlens_frames_{name}", text, value=getattr(status.counts, name)
            )
        yield CounterMetricFamily(
            "lutlens_frames_skipped",
            "Frames that viewers were too slow for, over all viewers.",
            value=self._skipped,
        )
        yield CounterMetricFamily(
            "lutlens_source_failures",
            "How often the source could not be opened, or failed.",
            value=status.counts.source_failures,
        )
        latency = GaugeMetricFamily(
            "lutlens_latency_seconds", "Captured to recognised.", labels=["quantile"]
        )
        for quantile, value in (("0.5", status.latency.p50_ms), ("0.99", status.latency.p99_ms)):
            if value is not None:
                latency.add_metric([quantile], value / 1000)
        yield latency
        gauges: dict[str, tuple[str, float]] = {
            "lutlens_uptime_seconds": ("Since the service started.", status.uptime_s),
            "lutlens_viewers": ("Open streams.", status.viewers),
            "lutlens_passes": ("K, the oversampling.", status.settings.k),
            "lutlens_paused": ("1 while paused.", status.settings.paused),
            "lutlens_source_up": ("0 while the source fails.", source.error is None),
        }
        for name, (text, gauge) in gauges.items():
            yield GaugeMetricFamily(name, text, value=float(gauge))
        core = GaugeMetricFamily(
            "lutlens_core_register", "The core's own counters.", labels=["register"]
        )
        for register, count in status.hardware.items():
            core.add_metric([register], count)
        yield core


class RequestMetrics:
    """ASGI middleware: counts and times requests by route template, so that labels stay few."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", None)
            if route is None:
                route = "/static" if scope["path"].startswith("/static/") else "unmatched"
            method = scope["method"] if route != "unmatched" else "any"
            self.metrics.requests.labels(method, route, str(status)).inc()
            if route not in UNTIMED:
                seconds = time.perf_counter() - started
                self.metrics.seconds.labels(method, route).observe(seconds)
