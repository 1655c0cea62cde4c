"""What the routes work with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from lutlens.board.pipeline import Pipeline
from lutlens.board.service.metrics import Metrics
from lutlens.board.service.overlays import OverlayShelf
from lutlens.board.service.settings import ServiceSettings
from lutlens.board.service.status import StatusCache
from lutlens.board.service.stream import FrameHub
from lutlens.board.sources import SourceSpec
from starlette.requests import HTTPConnection

DECODERS = 2


@dataclass
class Context:
    """One service's parts; `app.state.context`.

    sources: what may be watched, by name.
    decoders: bounds the images that are held decoded at one time, so that the memory is.
    """

    pipeline: Pipeline
    overlays: OverlayShelf
    settings: ServiceSettings
    sources: Mapping[str, SourceSpec]
    hub: FrameHub
    metrics: Metrics
    status: StatusCache = field(default_factory=StatusCache)
    started: float = field(default_factory=time.monotonic)
    decoders: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODERS))

    @property
    def source(self) -> str:
        """The name of the source being watched."""
        current = self.pipeline.source
        return next((name for name, spec in self.sources.items() if spec == current), current.kind)


def _context(connection: HTTPConnection) -> Context:
    context: Context = connection.app.state.context
    return context


Core = Annotated[Context, Depends(_context)]
