"""A video file, played at its own rate."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from lutlens.board.sources.base import Frame, Pace, Source, SourceError, SourceSpec

DEFAULT_FPS = 30.0


class VideoSpec(SourceSpec):
    """loop: begin again at the end."""

    kind: Literal["video"] = "video"
    path: Path
    loop: bool = True

    @property
    def description(self) -> str:
        return f"Video {self.path.name}"

    def open(self) -> Source:
        return Video(self)


class Video(Source):
    """Any format that OpenCV's decoders know."""

    def __init__(self, spec: VideoSpec) -> None:
        self._spec = spec
        if not spec.path.is_file():
            raise SourceError(f"video {spec.path}: no such file")
        self._capture = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._pace = Pace(fps if 0.1 <= fps <= 1000 else DEFAULT_FPS)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._spec.path))
        if not capture.isOpened():
            raise SourceError(f"video {self._spec.path}: not a video that OpenCV can decode")
        return capture

    def read(self) -> Frame | None:
        ok, image = self._capture.read()
        if not ok and self._spec.loop:
            self._capture.release()
            self._capture = self._open()  # seeking is not exact in every format
            ok, image = self._capture.read()
            if not ok:
                raise SourceError(f"video {self._spec.path}: holds no frames")
        if not ok:
            return None
        self._pace.wait()
        return Frame(np.asarray(image, np.uint8))

    def close(self) -> None:
        self._capture.release()
