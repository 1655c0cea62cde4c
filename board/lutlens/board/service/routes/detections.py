"""What was recognised: the latest, what came since, and the stream of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from lutlens.board.service import errors, models, past
from lutlens.board.service.context import Context, Core
from lutlens.board.service.status import status_of
from lutlens.board.service.stream import SharedFrame, Viewer

router = APIRouter(prefix="/api/v1", tags=["detections"])

RESULTS_DEPTH = 32
UNLIMITED_FPS = 1000.0
MOST_RESULTS = 100
STATUS_INTERVAL_S = 1.0
GOING_AWAY = 1001  # RFC 6455, 7.4.1
TRY_AGAIN_LATER = 1013  # IANA's registry of close codes


@router.get("/detections/latest", responses=errors.responses(503))
async def latest_detections(
    core: Core,
    class_map: Annotated[bool, Query(alias="map", description="With the class map.")] = False,
) -> models.Result:
    """The newest frame's detections."""
    return core.latest().model(with_map=class_map)


@router.get("/detections", responses=errors.responses(422))
async def detections_since(
    core: Core,
    since: Annotated[
        int, Query(ge=-1, description="The last number that is known already.", examples=[1234])
    ] = -1,
    limit: Annotated[
        int, Query(ge=1, le=MOST_RESULTS, description="Results at most.")
    ] = MOST_RESULTS,
) -> models.ResultsSince:
    """Every frame recognised since, at the core's own rate: some seconds of them are held.

    Numbers without a result are listed as gaps, so nothing is missing unseen.
    """
    async with core.renderers:
        return await asyncio.to_thread(past.since, core.pipeline.history, since, limit)


@router.websocket("/detections/stream")
async def stream_detections(
    socket: WebSocket,
    core: Core,
    pictures: Annotated[bool, Query()] = False,
    class_map: Annotated[bool, Query(alias="map")] = False,
    window: Annotated[int, Query(ge=0, le=8)] = 0,
) -> None:
    """Results as they come, and once a second the status: JSON texts that differ by `type`.

    pictures: each result is followed by a binary message, its frame as JPEG without boxes.
    map: each result carries its class map. Such results, and pictures, come at most at the rate that
        the service is set to.
    window: at most so many results travel unacknowledged; any text message from the viewer
        acknowledges one. A viewer behind a slow line then sees few frames, but new ones. 0: no
        acknowledgements.
    """
    await socket.accept()
    if core.full:
        await socket.close(TRY_AGAIN_LATER, "as many viewers as the service takes")
        return
    credit = asyncio.Semaphore(window)
    large = pictures or class_map
    fps = core.settings.stream_fps if large else UNLIMITED_FPS
    with core.hub.viewer(fps, depth=1 if large else RESULTS_DEPTH) as viewer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_receive, socket, credit, tasks.cancel_scope)
            with contextlib.suppress(WebSocketDisconnect):
                await _send(socket, core, viewer, pictures, class_map, credit if window else None)
            tasks.cancel_scope.cancel()


async def _receive(
    socket: WebSocket, credit: asyncio.Semaphore, session: anyio.CancelScope
) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
            credit.release()
    session.cancel()


async def _send(
    socket: WebSocket,
    core: Context,
    viewer: Viewer,
    pictures: bool,
    class_map: bool,
    credit: asyncio.Semaphore | None,
) -> None:
    loop = asyncio.get_running_loop()
    status_due = loop.time()
    coming = asyncio.create_task(_next(viewer, credit))
    try:
        while True:
            if loop.time() >= status_due:
                status = await status_of(core)
                await socket.send_text(status.model_dump_json())
                status_due = loop.time() + STATUS_INTERVAL_S
            await asyncio.wait({coming}, timeout=max(0.0, status_due - loop.time()))
            if not coming.done():
                continue
            frame = coming.result()
            if frame is None:
                await socket.close(GOING_AWAY, "the service is stopping")
                return
            jpeg = await frame.jpeg(annotate=False) if pictures else None
            await socket.send_text(frame.message(viewer.skipped, with_map=class_map))
            if jpeg is not None:
                await socket.send_bytes(jpeg)
            coming = asyncio.create_task(_next(viewer, credit))
    finally:
        coming.cancel()


async def _next(viewer: Viewer, credit: asyncio.Semaphore | None) -> SharedFrame | None:
    if credit is not None:
        await credit.acquire()
    return await viewer.next()
