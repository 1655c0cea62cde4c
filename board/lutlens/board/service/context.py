"""What the routes work with."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from lutlens.board.pipeline import Pipeline
from lutlens.board.service.counters import CounterCache
from lutlens.board.service.errors import RequestError
from lutlens.board.service.metrics import Metrics
from lutlens.board.service.overlays import OverlayShelf
from lutlens.board.service.recordings import Recorder
from lutlens.board.service.settings import ServiceSettings
from lutlens.board.service.stream import FrameHub, SharedFrame
from lutlens.board.sources import SourceSpec
from starlette.requests import HTTPConnection

DECODERS = 2
RENDERERS = 2


@dataclass
class Context:
    """One service's parts; `app.state.context`.

    sources: what may be watched, by name.
    recorder: holds what was frozen of the last seconds.
    decoders: bounds the images that are held decoded at one time, so that the memory is.
    renderers: bounds the work on frames of the past, so that the present does not wait for it.
    downloads: files on their way to clients.
    """

    pipeline: Pipeline
    overlays: OverlayShelf
    settings: ServiceSettings
    sources: Mapping[str, SourceSpec]
    hub: FrameHub
    metrics: Metrics
    recorder: Recorder
    counters: CounterCache = field(default_factory=CounterCache)
    started: float = field(default_factory=time.monotonic)
    decoders: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODERS))
    renderers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RENDERERS))
    downloads: int = 0

    @property
    def source(self) -> str:
        """The name of the source being watched."""
        current = self.pipeline.source
        return next((name for name, spec in self.sources.items() if spec == current), current.kind)

    @property
    def full(self) -> bool:
        """Whether there are as many viewers as the service takes."""
        return self.hub.viewers >= self.settings.max_viewers

    def latest(self) -> SharedFrame:
        """The newest frame. Raises RequestError before the first."""
        frame = self.hub.latest()
        if frame is None:
            raise RequestError(503, "No frame has been recognised yet.", {"Retry-After": "1"})
        return frame

    @contextlib.contextmanager
    def downloading(self) -> Iterator[None]:
        """A file is on its way."""
        self.downloads += 1
        try:
            yield
        finally:
            self.downloads -= 1


def _context(connection: HTTPConnection) -> Context:
    context: Context = connection.app.state.context
    return context


Core = Annotated[Context, Depends(_context)]
