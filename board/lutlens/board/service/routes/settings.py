"""Status, settings and sources."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends
from lutlens.board.service import errors, models, recognise
from lutlens.board.service.auth import require_token
from lutlens.board.service.context import Context, Core
from lutlens.board.service.errors import RequestError
from lutlens.board.service.status import settings_of, status_of

router = APIRouter(prefix="/api/v1")
CHANGES = [Depends(require_token)]


@router.get("/status", tags=["status"], responses=errors.responses())
async def status(core: Core) -> models.Status:
    """Device, overlay, source, rates, latency, and the core's own counters."""
    return await status_of(core)


@router.get("/settings", tags=["settings"], responses=errors.responses())
async def settings(core: Core) -> models.Settings:
    """How frames are recognised."""
    return settings_of(core.pipeline)


@router.patch(
    "/settings",
    tags=["settings"],
    dependencies=CHANGES,
    responses=errors.responses(401, 403, 422),
)
async def change_settings(core: Core, change: models.SettingsChange) -> models.Settings:
    """Change some of the settings; all or, on an error, none."""
    pipeline = core.pipeline
    if change.k is not None:
        pipeline.k = recognise.passes(core, change.k)
    if change.min_margin is not None:
        pipeline.min_margin = change.min_margin
    if change.paused is not None:
        await asyncio.to_thread(pipeline.pause if change.paused else pipeline.resume)
    return settings_of(pipeline)


@router.get("/sources", tags=["sources"], responses=errors.responses())
async def sources(core: Core) -> list[models.SourceInfo]:
    """What can be watched."""
    return _sources(core)


@router.put(
    "/source",
    tags=["sources"],
    dependencies=CHANGES,
    responses=errors.responses(401, 403, 404, 422),
)
async def choose_source(core: Core, choice: models.SourceChoice) -> models.SourceInfo:
    """Watch another of the offered sources."""
    if choice.name not in core.sources:
        names = ", ".join(core.sources)
        raise RequestError(404, f"source {choice.name!r} is not offered; there are: {names}")
    await asyncio.to_thread(core.pipeline.set_source, core.sources[choice.name])
    return next(info for info in _sources(core) if info.name == choice.name)


def _sources(core: Context) -> list[models.SourceInfo]:
    return [
        models.SourceInfo(
            name=name, kind=spec.kind, description=spec.description, active=name == core.source
        )
        for name, spec in core.sources.items()
    ]
