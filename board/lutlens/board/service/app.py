"""The application: routes, guards and limits around one pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from lutlens.board.pipeline import Pipeline
from lutlens.board.service import errors, models
from lutlens.board.service.auth import Guard
from lutlens.board.service.context import Context
from lutlens.board.service.headers import SecurityHeaders
from lutlens.board.service.metrics import Metrics, RequestMetrics
from lutlens.board.service.overlays import OverlayShelf
from lutlens.board.service.recordings import Recorder
from lutlens.board.service.routes import classify, detections, health, page, pictures, recordings
from lutlens.board.service.routes import overlays as overlay_routes
from lutlens.board.service.routes import settings as settings_routes
from lutlens.board.service.settings import ServiceSettings
from lutlens.board.service.stream import FrameHub
from lutlens.board.service.uploads import BodyLimit
from lutlens.board.sources import SourceSpec

DESCRIPTION = """Digits recognised live by a network of FPGA look-up tables.

Every error is `application/problem+json` (RFC 9457). Changes need the bearer token that the service
printed when it started, unless it listens on loopback only.

`WS /api/v1/detections/stream` sends `Status` and `Result` as JSON texts; with `?pictures=true` each
result is followed by its frame, a binary JPEG, and with `?map=true` it carries its class map.
"""

TAGS = [
    {"name": "status", "description": "What runs, and how fast."},
    {"name": "settings", "description": "How frames are recognised."},
    {"name": "sources", "description": "Where frames come from."},
    {"name": "detections", "description": "What was recognised."},
    {"name": "pictures", "description": "The frames, annotated."},
    {"name": "recordings", "description": "Slow motion: the last seconds, frozen."},
    {"name": "classify", "description": "Images that a client brings."},
    {"name": "overlays", "description": "The network in the programmable logic."},
    {"name": "health", "description": "For whoever watches over the service."},
]


ROUTERS = (
    settings_routes.router,
    detections.router,
    pictures.router,
    recordings.router,
    classify.router,
    overlay_routes.router,
    health.router,
    page.router,
)


def create_app(
    *,
    pipeline: Pipeline,
    overlays: OverlayShelf,
    settings: ServiceSettings,
    sources: Mapping[str, SourceSpec],
) -> FastAPI:
    """The service around a pipeline, which runs as long as the application does."""
    hub = FrameHub(pipeline, settings.jpeg_quality)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(pipeline.start)
        hub.start()
        try:
            yield
        finally:
            await hub.stop()
            recorder.discard()
            await asyncio.to_thread(pipeline.stop)

    app = FastAPI(
        title="lutlens",
        summary="Digits recognised live by a network of FPGA look-up tables.",
        description=DESCRIPTION,
        version=importlib.metadata.version("lutlens"),
        license_info={"name": "MIT", "identifier": "MIT"},
        openapi_url="/api/v1/openapi.json",
        openapi_tags=TAGS,
        docs_url=None,  # both fetch scripts from elsewhere; /docs is a page of our own
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
    )
    metrics = Metrics()
    recorder = Recorder(settings.jpeg_quality)
    app.state.context = Context(pipeline, overlays, settings, sources, hub, metrics, recorder)
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", page.files(), name="static")
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, max_bytes=settings.max_upload_bytes)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestMetrics, metrics=metrics)
    app.openapi = _with_problem_schema(app.openapi)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    """The function's name: what client generators call the method."""
    return route.name


def _with_problem_schema(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Adds the schema that every error response refers to; no route returns it by type."""

    def complete() -> dict[str, Any]:
        document = openapi()
        template = "#/components/schemas/{model}"
        schema = models.Problem.model_json_schema(ref_template=template, mode="serialization")
        schemas = document["components"]["schemas"]
        schemas.update(schema.pop("$defs"))
        schemas["Problem"] = schema
        return document

    return complete
