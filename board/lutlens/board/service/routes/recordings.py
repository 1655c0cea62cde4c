"""Slow motion: freeze the last seconds, look at every frame, take them away as files."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse
from lutlens.board.service import errors, models
from lutlens.board.service.auth import require_token
from lutlens.board.service.context import Context, Core
from lutlens.board.service.errors import RequestError
from lutlens.board.service.recordings import Recording
from starlette.types import Receive, Scope, Send

router = APIRouter(prefix="/api/v1", tags=["recordings"])
CHANGES = [Depends(require_token)]

Identity = Annotated[
    str, Path(max_length=32, description="Of the recording.", examples=["9f86d081"])
]
Index = Annotated[int, Path(ge=0, description="Frames count from 0.", examples=[0])]

DOWNLOADS = 4
PIECE_BYTES = 256 << 10


@router.post(
    "/recordings", status_code=201, dependencies=CHANGES, responses=errors.responses(401, 403, 503)
)
async def freeze(core: Core) -> models.Recording:
    """Freeze the last seconds, as many frames as the core recognised; what was frozen before is let go."""
    return core.recorder.freeze(core.pipeline).describe()


@router.get("/recordings/{identity}", responses=errors.responses(404))
async def recording(core: Core, identity: Identity) -> models.Recording:
    """What is frozen."""
    return core.recorder.find(identity).describe()


@router.delete(
    "/recordings/{identity}",
    status_code=204,
    dependencies=CHANGES,
    responses=errors.responses(401, 403, 404),
)
async def discard(core: Core, identity: Identity) -> None:
    """Let go of it."""
    core.recorder.find(identity)
    core.recorder.discard()


@router.get("/recordings/{identity}/frames/{index}", responses=errors.responses(404, 422))
async def recorded_frame(
    core: Core,
    identity: Identity,
    index: Index,
    class_map: Annotated[bool, Query(alias="map", description="With the class map.")] = False,
) -> models.Result:
    """One frame's detections."""
    frame = await core.recorder.find(identity).frame(index)
    return frame.model(with_map=class_map)


@router.get(
    "/recordings/{identity}/frames/{index}/picture.jpg",
    response_class=Response,
    responses=errors.responses(404, 422)
    | {200: {"description": "The frame, without boxes.", "content": {"image/jpeg": {}}}},
)
async def recorded_picture(core: Core, identity: Identity, index: Index) -> Response:
    """One frame's picture."""
    frame = await core.recorder.find(identity).frame(index)
    return Response(await frame.jpeg(annotate=False), media_type="image/jpeg")


@router.get(
    "/recordings/{identity}/video.avi",
    response_class=StreamingResponse,
    responses=errors.responses(404, 422, 503)
    | {200: {"description": "Motion JPEG.", "content": {"video/x-msvideo": {}}}},
)
async def recorded_video(
    core: Core,
    identity: Identity,
    fps: Annotated[
        float, Query(ge=1, le=120, description="Frames a second that it is played at.")
    ] = 30,
) -> Response:
    """All frames with their boxes, as a video."""
    found = core.recorder.find(identity)
    return await _download(
        core, found, "avi", "video/x-msvideo", lambda file: found.write_video(file, fps)
    )


@router.get(
    "/recordings/{identity}/detections.jsonl",
    response_class=StreamingResponse,
    responses=errors.responses(404, 503)
    | {200: {"description": "A `Result` a line.", "content": {"application/x-ndjson": {}}}},
)
async def recorded_detections(core: Core, identity: Identity) -> Response:
    """All frames' detections as JSON lines, a frame each, without the views."""
    found = core.recorder.find(identity)
    return await _download(core, found, "jsonl", "application/x-ndjson", found.write_lines)


async def _download(
    core: Context,
    found: Recording,
    ending: str,
    media_type: str,
    write: Callable[[IO[bytes]], None],
) -> Response:
    """A file that is made when it is asked for, has no name, and is gone when it was sent, or the client is."""
    if core.downloads >= DOWNLOADS:
        raise RequestError(503, "As many downloads as the service takes.", {"Retry-After": "10"})
    first, last = found.frames[0].sequence, found.frames[-1].sequence
    with contextlib.ExitStack() as held:
        file = held.enter_context(tempfile.TemporaryFile())
        held.enter_context(core.downloading())
        async with core.renderers:
            await asyncio.to_thread(write, file)
        size = file.tell()
        file.seek(0)
        headers = {
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="lutlens-{first}-{last}.{ending}"',
        }
        return _File(_pieces(file), held.pop_all(), media_type, headers)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


class _File(StreamingResponse):
    """Frees what is held for it, whether it was sent or not."""

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        held: contextlib.ExitStack,
        media_type: str,
        headers: dict[str, str],
    ) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)
