"""Is it alive, is it ready, and what does it count."""

from __future__ import annotations

from fastapi import APIRouter, Response
from lutlens.board.service import errors, models
from lutlens.board.service.context import Core
from lutlens.board.service.errors import RequestError
from lutlens.board.service.status import status_of

router = APIRouter(tags=["health"])


@router.get("/healthz", responses=errors.responses())
async def healthz() -> models.Health:
    """The process answers."""
    return models.Health()


@router.get("/readyz", responses=errors.responses(503))
async def readyz(core: Core) -> models.Health:
    """The overlay has passed its self-test, and frames are recognised unless paused."""
    if core.overlays.changing:
        raise RequestError(503, "An overlay is being loaded.", {"Retry-After": "2"})
    if not core.pipeline.running:
        raise RequestError(503, "The pipeline is not running.", {"Retry-After": "2"})
    return models.Health()


@router.get(
    "/metrics",
    response_class=Response,
    responses=errors.responses()
    | {200: {"description": "Prometheus text format.", "content": {"text/plain": {}}}},
)
async def metrics(core: Core) -> Response:
    """Prometheus figures."""
    status = await status_of(core)
    body, content_type = core.metrics.scrape(status, core.hub.skipped)
    return Response(body, headers={"Content-Type": content_type})
