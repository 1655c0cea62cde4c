"""Slow motion: the last seconds frozen, looked at frame by frame, and as files.

One recording is held at a time, and not for ever. Everything here lives on the event loop; what blocks says so.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from lutlens.board.pipeline import Pipeline
from lutlens.board.results import Recorded
from lutlens.board.service import models, past
from lutlens.board.service.annotate import annotated
from lutlens.board.service.errors import RequestError
from lutlens.board.service.stream import SharedFrame

KEPT_S = 600.0
"""A recording that nobody has asked for so long is let go."""
FRAMES_READY = 16
VIDEO_PIXELS = 600 << 20
"""Of all frames of a video together; JPEG makes about a quarter of a byte of one."""


class Recording:
    """Frames that the core recognised, in order; what they hold is kept as long as this is."""

    def __init__(self, frames: Sequence[Recorded], pipeline: Pipeline, quality: int) -> None:
        self.id = secrets.token_hex(4)
        self.frames = frames
        self.source = pipeline.source.description
        self.overlay, self.k = pipeline.classifier.name, pipeline.k
        self._quality = quality
        self._ready: OrderedDict[int, asyncio.Task[SharedFrame]] = OrderedDict()

    def describe(self) -> models.Recording:
        began = self.frames[0].captured_at
        times = [1000 * (frame.captured_at - began) for frame in self.frames]
        seconds = times[-1] / 1000
        return models.Recording(
            id=self.id,
            source=self.source,
            overlay=self.overlay,
            k=self.k,
            frames=len(self.frames),
            fps=(len(self.frames) - 1) / seconds if seconds else 0.0,
            seconds=seconds,
            sequences=[frame.sequence for frame in self.frames],
            times_ms=[round(time, 3) for time in times],
        )

    async def frame(self, index: int) -> SharedFrame:
        """Frame `index`, made if it is not at hand. Raises RequestError if there is none."""
        if index >= len(self.frames):
            raise RequestError(
                404, f"frame {index}: the recording's last one is {len(self.frames) - 1}"
            )
        if index not in self._ready:
            self._ready[index] = asyncio.create_task(self._make(index))
            while len(self._ready) > FRAMES_READY:
                self._ready.popitem(last=False)
        self._ready.move_to_end(index)
        return await asyncio.shield(self._ready[index])

    async def _make(self, index: int) -> SharedFrame:
        return SharedFrame(await asyncio.to_thread(self.frames[index].result), self._quality)

    def write_lines(self, file: IO[bytes]) -> None:
        """A result a line, as JSON; blocking."""
        for result in past.results(self.frames):
            file.write(result.model_dump_json().encode() + b"\n")

    def write_video(self, file: IO[bytes], fps: float) -> None:
        """All frames with their boxes as Motion JPEG in an AVI file; blocking, milliseconds each.

        OpenCV has that codec built in, on every machine. Raises RequestError for more than it is to hold.
        """
        height, width = self.frames[0].result().image.shape[:2]
        if width * height * len(self.frames) > VIDEO_PIXELS:
            detail = (
                f"{len(self.frames)} frames of {width}x{height} pixels are too much for one video"
            )
            raise RequestError(422, detail)
        # OpenCV writes to names only.
        with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
            path = Path(folder, "recording.avi")
            code = cv2.VideoWriter.fourcc(*"MJPG")
            writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, code, fps, (width, height))
            try:
                for frame in self.frames:
                    picture = annotated(frame.result())
                    if picture.shape[:2] != (height, width):  # the source was changed meanwhile
                        picture = np.asarray(cv2.resize(picture, (width, height)), np.uint8)
                    writer.write(picture)
            finally:
                writer.release()
            with path.open("rb") as written:
                while piece := written.read(1 << 20):
                    file.write(piece)


class Recorder:
    """Holds the one recording."""

    def __init__(self, quality: int) -> None:
        self._quality = quality
        self._recording: Recording | None = None
        self._expiry: asyncio.TimerHandle | None = None

    def freeze(self, pipeline: Pipeline) -> Recording:
        """Hold on to the last seconds, in place of what was held. Raises RequestError if nothing is in them."""
        frames = pipeline.history.snapshot()
        if not frames:
            raise RequestError(503, "No frame has been recognised yet.", {"Retry-After": "1"})
        self._recording = Recording(frames, pipeline, self._quality)
        self._keep()
        return self._recording

    def find(self, identity: str) -> Recording:
        """The recording by its id. Raises RequestError if it is not held any more, or never was."""
        if self._recording is None or self._recording.id != identity:
            raise RequestError(404, "This recording is not held; freeze the last seconds again.")
        self._keep()
        return self._recording

    def discard(self) -> None:
        """Let go of it."""
        self._recording = None
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _keep(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(KEPT_S, self.discard)
