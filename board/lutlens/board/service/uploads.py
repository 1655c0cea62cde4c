"""Images from clients: PNG or JPEG, bounded in bytes and, before decoding, in pixels."""

from __future__ import annotations

import struct
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.service.errors import RequestError, problem
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
# Start-of-frame markers; the others between C0 and CF are tables (C4, CC) and an extension (C8).
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_SCAN = 0xDA
JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length


class BodyLimit:
    """ASGI middleware: counts a request's body as it streams in, ends it at the limit with 413."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        too_large = f"A request may carry at most {self.max_bytes} bytes."
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self.max_bytes:
            response = problem(413, too_large, scope["path"], headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self.max_bytes:
                    raise RequestError(413, too_large, {"Connection": "close"})
            return message

        await self.app(scope, counted, send)


def decode(data: bytes, name: str, max_pixels: int) -> npt.NDArray[np.uint8]:
    """A PNG or JPEG file as BGR uint8 `[h, w, 3]`, turned as its EXIF data says.

    Blocking. Raises RequestError that names the file: 415 for another format, 413 for more than
    `max_pixels` pixels (known from the header, nothing is decoded), 422 for a damaged file.
    """
    kind = image_kind(data)
    if kind is None:
        raise RequestError(415, f"{name}: neither PNG nor JPEG")
    size = _png_size(data) if kind == "png" else _jpeg_size(data)
    if size is None:
        raise RequestError(422, f"{name}: a {kind.upper()} file that is truncated or damaged")
    width, height = size
    if not width or not height:
        raise RequestError(422, f"{name}: {width} x {height} pixels, must be at least 1 x 1")
    if width * height > max_pixels:
        detail = f"{name}: {width} x {height} pixels, at most {max_pixels} in all are decoded"
        raise RequestError(413, detail)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise RequestError(422, f"{name}: a {kind.upper()} file that is damaged")
    return np.asarray(image, np.uint8)


def image_kind(data: bytes) -> Literal["png", "jpeg"] | None:
    """By the file's first bytes; what the client calls it does not count."""
    if data.startswith(PNG_SIGNATURE):
        return "png"
    return "jpeg" if data.startswith(JPEG_START) else None


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height, if the chunks reach from IHDR to IEND."""
    size = None
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return None
        if size is None:
            if kind != b"IHDR" or length != 13:
                return None
            size = struct.unpack_from(">II", data, at + 8)
        if kind == b"IEND":
            return size
        at += 12 + length
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height, if there are a frame header, a scan, and an end after it."""
    size = None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in JPEG_BARE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in JPEG_FRAMES and at + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        at += 2 + length
        if marker == JPEG_SCAN:
            return size if data.find(JPEG_END, at) >= 0 else None
    return None
