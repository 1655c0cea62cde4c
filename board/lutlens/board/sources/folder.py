"""A folder of images as frames."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from lutlens.board.sources.base import Frame, Pace, Source, SourceError, SourceSpec
from pydantic import Field

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})


class _Folder(Source):
    def __init__(self, path: Path, fps: float) -> None:
        if not path.is_dir():
            raise SourceError(f"{path}: no such folder")
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise SourceError(f"{path}: no images ({', '.join(sorted(SUFFIXES))})")
        self._files, self._pace = cycle(files), Pace(fps)

    def read(self) -> Frame:
        self._pace.wait()
        path = next(self._files)
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f"{path}: not an image that OpenCV can read")
        return Frame(np.asarray(image, np.uint8))


class FolderSpec(SourceSpec):
    """Images in the order of their names, over and over; `folder:DIRECTORY`."""

    kind: Literal["folder"] = "folder"
    path: Path
    fps: Annotated[float, Field(gt=0, le=1000)] = 2

    @classmethod
    def parse(cls, argument: str) -> FolderSpec:
        if not argument:
            raise ValueError("needs a directory, folder:DIRECTORY")
        return cls(path=Path(argument))

    @property
    def description(self) -> str:
        return f"Images of {self.path.name}"

    def open(self) -> Source:
        return _Folder(self.path, self.fps)
