"""What every source of frames is."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


class SourceError(RuntimeError):
    """A source that gives no frames; the message says why."""


@dataclass(frozen=True)
class Frame:
    """image: BGR uint8 `[h, w, 3]`. truth: box and label of every digit, where the source knows them."""

    image: npt.NDArray[np.uint8]
    truth: tuple[tuple[Box, int], ...] | None = None


class Source(ABC):
    """An open source."""

    @abstractmethod
    def read(self) -> Frame:
        """Wait for the next frame, at the source's own pace. Raises SourceError if there are no more."""

    def close(self) -> None:  # noqa: B027
        """Let go of what it holds."""


class SourceSpec(BaseModel):
    """Which source, with its options. Made from the command line, never from a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str

    @classmethod
    def parse(cls, argument: str) -> SourceSpec:
        """What follows the colon of `KIND:ARGUMENT` on the command line. Raises ValueError."""
        raise NotImplementedError

    @property
    def description(self) -> str:
        """One line for people."""
        raise NotImplementedError

    def open(self) -> Source:
        """Raises SourceError."""
        raise NotImplementedError


class Pace:
    """So many frames a second, by a clock: a late frame does not make the next ones late."""

    def __init__(self, fps: float) -> None:
        self._interval = 1.0 / fps
        self._due = time.monotonic()
        self._never = threading.Event()

    def wait(self) -> None:
        now = time.monotonic()
        self._due = max(self._due + self._interval, now - self._interval)
        if self._due > now:
            self._never.wait(self._due - now)
