"""The annotated picture, for whatever shows JPEG or MJPEG."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from lutlens.board.service import errors
from lutlens.board.service.context import Context, Core
from lutlens.board.service.errors import RequestError

router = APIRouter(prefix="/api/v1", tags=["pictures"])

BOUNDARY = "lutlens-frame"


@router.get(
    "/snapshot.jpg",
    response_class=Response,
    responses=errors.responses(503)
    | {200: {"description": "The newest frame, annotated.", "content": {"image/jpeg": {}}}},
)
async def snapshot(core: Core) -> Response:
    """The newest frame with its boxes, digits and margins."""
    return Response(await core.latest().jpeg(annotate=True), media_type="image/jpeg")


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
    if core.full:
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
