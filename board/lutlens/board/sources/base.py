"""What every source of frames is: a description that can be opened, and then frames until it ends or fails."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Image = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""x, y of the top left corner, width, height; pixels."""


class SourceError(RuntimeError):
    """A source that gives no frames; the message names it and says why."""


@dataclass(frozen=True, eq=False)
class Frame:
    """image: BGR uint8 `[h, w, 3]`. truth: box and label of every digit, where the source knows them.

    captured_at: `time.monotonic()` when it was captured, seconds.
    """

    image: Image
    truth: tuple[tuple[Box, int], ...] | None = None
    captured_at: float = field(default_factory=time.monotonic)


class Source(ABC):
    """An open source. One thread at a time."""

    @abstractmethod
    def read(self) -> Frame | None:
        """Wait for the next frame; None when there will be no more. Raises SourceError."""

    def close(self) -> None:  # noqa: B027, most sources hold nothing
        """Free what it holds."""


class SourceSpec(BaseModel, ABC):
    """Which source, and its options. Made from the command line, never from a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    @property
    @abstractmethod
    def description(self) -> str:
        """One line for people."""

    @abstractmethod
    def open(self) -> Source:
        """Raises SourceError."""


class Pace:
    """Lets `fps` frames a second through. A late frame is not made up for, so that no bursts follow it."""

    def __init__(self, fps: float) -> None:
        self._interval = 1 / fps
        self._due = time.monotonic()

    def wait(self) -> None:
        """Sleep until the next frame is due; the first one is due at once."""
        now = time.monotonic()
        if now < self._due:
            time.sleep(self._due - now)
        self._due = max(self._due, now - self._interval) + self._interval
