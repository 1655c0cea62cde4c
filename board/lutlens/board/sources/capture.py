"""Frames by way of OpenCV: V4L2 cameras and video files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from lutlens.board.sources.base import Frame, Pace, Source, SourceError, SourceSpec
from pydantic import Field

READ_TIMEOUT_MS = 2000
DEFAULT_FPS = 30.0


class _Capture(Source):
    def __init__(self, name: str, capture: cv2.VideoCapture) -> None:
        self._name, self._capture = name, capture
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"{name}: cannot be opened")

    def read(self) -> Frame:
        good, image = self._capture.read()
        if not good:
            raise SourceError(f"{self._name}: no more frames")
        return Frame(np.asarray(image, np.uint8))

    def close(self) -> None:
        self._capture.release()


class CameraSpec(SourceSpec):
    """A V4L2 camera; `camera:0` is /dev/video0. It sets the pace, as fast as it can."""

    kind: Literal["camera"] = "camera"
    index: Annotated[int, Field(ge=0, le=63)] = 0
    width: Annotated[int, Field(ge=28, le=4096)] = 640
    height: Annotated[int, Field(ge=28, le=4096)] = 480
    fps: Annotated[float, Field(gt=0, le=1000)] = 120

    @classmethod
    def parse(cls, argument: str) -> CameraSpec:
        return cls(index=int(argument or "0"))

    @property
    def description(self) -> str:
        return f"Camera /dev/video{self.index}"

    def open(self) -> Source:
        name = f"/dev/video{self.index}"
        if not os.path.exists(name):
            raise SourceError(f"{name}: no such camera")
        wanted = [
            (cv2.CAP_PROP_FRAME_WIDTH, self.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, self.height),
            (cv2.CAP_PROP_FPS, self.fps),
        ]
        capture = cv2.VideoCapture(
            self.index, cv2.CAP_V4L2, [cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
        )
        for option, value in wanted:
            capture.set(option, value)
        return _Capture(name, capture)


class _Video(_Capture):
    def __init__(self, path: Path, loop: bool) -> None:
        super().__init__(path.name, cv2.VideoCapture(str(path)))
        self._loop = loop
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._pace = Pace(fps if 0 < fps <= 1000 else DEFAULT_FPS)

    def read(self) -> Frame:
        self._pace.wait()
        try:
            return super().read()
        except SourceError:
            if not self._loop or not self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0):
                raise
            return super().read()


class VideoSpec(SourceSpec):
    """A video file at its own frame rate; `video:FILE`, over and over."""

    kind: Literal["video"] = "video"
    path: Path
    loop: bool = True

    @classmethod
    def parse(cls, argument: str) -> VideoSpec:
        if not argument:
            raise ValueError("needs a file, video:FILE")
        return cls(path=Path(argument))

    @property
    def description(self) -> str:
        return f"Video {self.path.name}"

    def open(self) -> Source:
        if not self.path.is_file():
            raise SourceError(f"{self.path}: no such file")
        return _Video(self.path, self.loop)
