"""A folder of images, shown one after the other."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from lutlens.board.sources.base import Frame, Image, Pace, Source, SourceError, SourceSpec
from pydantic import Field

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})

log = logging.getLogger(__name__)


class FolderSpec(SourceSpec):
    """Images in order of their names; larger ones are scaled down to `max_side` pixels."""

    kind: Literal["folder"] = "folder"
    path: Path
    fps: Annotated[float, Field(ge=0.2, le=1000)] = 2
    loop: bool = True
    max_side: Annotated[int, Field(ge=64, le=8192)] = 1280

    @property
    def description(self) -> str:
        return f"Images in {self.path.name}/"

    def open(self) -> Source:
        return Folder(self)


class Folder(Source):
    """Files that are no images are left out, with a line in the log."""

    def __init__(self, spec: FolderSpec) -> None:
        self._spec = spec
        try:
            names = sorted(p for p in spec.path.iterdir() if p.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise SourceError(f"folder {spec.path}: {error.strerror or error}") from error
        self._names = names
        self._next = 0
        self._pace = Pace(spec.fps)

    def read(self) -> Frame | None:
        while self._names:
            if self._next == len(self._names):
                if not self._spec.loop:
                    return None
                self._next = 0
            image = self._load(self._names[self._next])
            if image is None:
                log.warning("%s: not an image that OpenCV can decode", self._names[self._next])
                del self._names[self._next]
                continue
            self._next += 1
            self._pace.wait()
            return Frame(image)
        raise SourceError(
            f"folder {self._spec.path}: holds no images ({', '.join(sorted(SUFFIXES))})"
        )

    def _load(self, path: Path) -> Image | None:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            return None
        scale = self._spec.max_side / max(image.shape[:2])
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return np.asarray(image, np.uint8)
