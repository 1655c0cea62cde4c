"""A camera, by Video4Linux."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import cv2
import numpy as np
from lutlens.board.sources.base import Frame, Source, SourceError, SourceSpec
from pydantic import Field

STALE_S = 0.5
STALE_FRAMES = 4


class CameraSpec(SourceSpec):
    """device: the N of /dev/videoN. The driver takes the nearest size and rate that the camera has."""

    kind: Literal["camera"] = "camera"
    device: Annotated[int, Field(ge=0, le=255)] = 0
    width: Annotated[int, Field(ge=64, le=4096)] = 640
    height: Annotated[int, Field(ge=64, le=4096)] = 360
    fps: Annotated[float, Field(ge=1, le=1000)] = 30

    @property
    def description(self) -> str:
        return f"Camera /dev/video{self.device}"

    def open(self) -> Source:
        return Camera(self)


class Camera(Source):
    """Fails when the camera is unplugged; who wants it back opens it again."""

    def __init__(self, spec: CameraSpec) -> None:
        self._name = f"/dev/video{spec.device}"
        self._capture = cv2.VideoCapture(spec.device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(f"camera {self._name} does not open: unplugged, or in use")
        # Motion JPEG: raw video of this size is more than USB 2 carries at full rate.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, spec.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, spec.height)
        self._capture.set(cv2.CAP_PROP_FPS, spec.fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._grabbed_at = time.monotonic()

    def read(self) -> Frame:
        if time.monotonic() - self._grabbed_at > STALE_S:
            for _ in range(STALE_FRAMES):  # what lay in the driver's queue during a pause
                self._capture.grab()
        grabbed = self._capture.grab()
        self._grabbed_at = time.monotonic()
        ok, image = self._capture.retrieve() if grabbed else (False, None)
        if not ok or image is None:
            raise SourceError(f"camera {self._name} gives no frames any more: unplugged?")
        return Frame(np.asarray(image, np.uint8), captured_at=self._grabbed_at)

    def close(self) -> None:
        self._capture.release()
