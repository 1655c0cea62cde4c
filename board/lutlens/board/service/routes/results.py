"""What was recognised: the latest result, the stream of them, and the picture."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from lutlens.board.service import errors, models, present
from lutlens.board.service.context import Context, Core
from lutlens.board.service.errors import RequestError
from lutlens.board.service.stream import SharedFrame, Viewer

router = APIRouter(prefix="/api/v1", tags=["results"])

BOUNDARY = "lutlens-frame"
RESULTS_DEPTH = 32
STATUS_INTERVAL_S = 1.0
GOING_AWAY = 1001  # RFC 6455, 7.4.1
TRY_AGAIN_LATER = 1013  # IANA's registry of close codes


def _latest(core: Context) -> SharedFrame:
    frame = core.hub.latest()
    if frame is None:
        raise RequestError(503, "No frame has been recognised yet.", {"Retry-After": "1"})
    return frame


def _full(core: Context) -> bool:
    return core.hub.viewers >= core.settings.max_viewers


@router.get("/results/latest", responses=errors.responses(503))
async def latest_result(core: Core) -> models.Result:
    """The newest frame's detections."""
    return present.result(_latest(core).result)


@router.get(
    "/snapshot.jpg",
    response_class=Response,
    responses=errors.responses(503)
    | {200: {"description": "The newest frame, annotated.", "content": {"image/jpeg": {}}}},
)
async def snapshot(core: Core) -> Response:
    """The newest frame with its boxes, digits and margins."""
    return Response(await _latest(core).jpeg(annotate=True), media_type="image/jpeg")


@router.get(
    "/stream.mjpeg",
    response_class=StreamingResponse,
    responses=errors.responses(503)
    | {
        200: {
            "description": "The annotated frames, one part each; a slow reader gets fewer.",
            "content": {f"multipart/x-mixed-replace; boundary={BOUNDARY}": {}},
        }
    },
)
async def stream_mjpeg(core: Core) -> StreamingResponse:
    """The annotated picture, live, for whatever shows MJPEG."""
    if _full(core):
        raise RequestError(503, "As many viewers as the service takes.", {"Retry-After": "10"})
    return StreamingResponse(
        _mjpeg(core), media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    )


async def _mjpeg(core: Context) -> AsyncIterator[bytes]:
    with core.hub.viewer(core.settings.stream_fps) as viewer:
        while (frame := await viewer.next()) is not None:
            jpeg = await frame.jpeg(annotate=True)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
            yield f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + jpeg + b"\r\n"


@router.websocket("/results/stream")
async def stream_results(
    socket: WebSocket,
    core: Core,
    pictures: Annotated[bool, Query()] = False,
    window: Annotated[int, Query(ge=0, le=8)] = 0,
) -> None:
    """Results as they come, and once a second the status: JSON texts that differ by `type`.

    pictures: each result is followed by a binary message, its frame as JPEG without boxes.
    window: at most so many results travel unacknowledged; any text message from the viewer
        acknowledges one. A viewer behind a slow line then sees few frames, but new ones. 0: no
        acknowledgements.
    """
    await socket.accept()
    if _full(core):
        await socket.close(TRY_AGAIN_LATER, "as many viewers as the service takes")
        return
    credit = asyncio.Semaphore(window)
    fps = core.settings.stream_fps if pictures else 1000.0
    with core.hub.viewer(fps, depth=1 if pictures else RESULTS_DEPTH) as viewer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_receive, socket, credit, tasks.cancel_scope)
            with contextlib.suppress(WebSocketDisconnect):
                await _send(socket, core, viewer, pictures, credit if window else None)
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
    credit: asyncio.Semaphore | None,
) -> None:
    loop = asyncio.get_running_loop()
    status_due = loop.time()
    coming = asyncio.create_task(_next(viewer, credit))
    try:
        while True:
            if loop.time() >= status_due:
                status = await core.status.current(core)
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
            message = present.result(frame.result, viewer.skipped)
            await socket.send_text(message.model_dump_json())
            if jpeg is not None:
                await socket.send_bytes(jpeg)
            coming = asyncio.create_task(_next(viewer, credit))
    finally:
        coming.cancel()


async def _next(viewer: Viewer, credit: asyncio.Semaphore | None) -> SharedFrame | None:
    if credit is not None:
        await credit.acquire()
    return await viewer.next()
