"""A pattern that outruns every camera: falling digits, drawn once, replayed from memory at the core's own rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import handwriting
from lutlens.board.mnist import SIDE
from lutlens.board.sources.base import Box, Frame, Image, Pace, Source, SourceSpec
from pydantic import Field

PAPER, INK = 205, 40
GRAIN = 2.0  # grey levels
OPAQUE = 0.35  # share of ink from which a pixel counts as the digit's
GAP = 4  # pixels, from the field of one digit to the next
FALLS = (1, 2)  # times that a digit falls through the picture in a round


class PatternSpec(SourceSpec):
    """frames: of a round, after which it begins again without a seam; a power of two.

    sizes: smallest and largest side of a digit's 28x28 field, pixels. fps: where the core takes single images, and
    the pattern cannot be replayed at its rate.
    """

    kind: Literal["pattern"] = "pattern"
    width: Annotated[int, Field(ge=64, le=1920, multiple_of=8)] = 640
    height: Annotated[int, Field(ge=32, le=1080)] = 132
    frames: Literal[16, 32, 64, 128, 256] = 256
    sizes: tuple[Annotated[float, Field(ge=20)], Annotated[float, Field(le=256)]] = (26, 33)
    fps: Annotated[float, Field(ge=1, le=1000)] = 30
    seed: Annotated[int, Field(ge=0)] = 1

    @property
    def description(self) -> str:
        return "Pattern of falling digits"

    def open(self) -> Source:
        return _Paced(self)


@dataclass(frozen=True, eq=False)
class Pattern:
    """images: grey uint8 `[frames, h, w]`. truth: of each, box and label of every digit that is wholly inside."""

    images: npt.NDArray[np.uint8]
    truth: tuple[tuple[tuple[Box, int], ...], ...]

    def frame(self, number: int) -> Frame:
        """One of them, numbers going round; BGR as every source's."""
        i = number % len(self.images)
        image = cv2.cvtColor(self.images[i], cv2.COLOR_GRAY2BGR)
        return Frame(np.asarray(image, np.uint8), self.truth[i])


def draw(spec: PatternSpec) -> Pattern:
    """The same pattern for the same options."""
    rng = np.random.default_rng(spec.seed)
    smallest, largest = spec.sizes
    lanes = max(1, int(spec.width // (largest + GAP)))
    digits, labels = handwriting.images(lanes, spec.seed)
    fallers = [
        _Faller(
            digits[lane],
            int(labels[lane]),
            x=(lane + 0.5) * spec.width / lanes,
            side=float(rng.uniform(smallest, largest)),
            start=float(rng.uniform()),
            falls=int(rng.choice(FALLS)),
        )
        for lane in range(lanes)
    ]
    light = np.linspace(10, -10, spec.width, dtype=np.float32)[None]
    grain = rng.normal(0, GRAIN, (spec.height, spec.width)).astype(np.float32)
    paper = np.clip(PAPER + light + grain, 0, 255).astype(np.float32)
    images = np.empty((spec.frames, spec.height, spec.width), np.uint8)
    truth = []
    for n in range(spec.frames):
        image = paper.copy()
        boxes = [(faller.draw(image, n / spec.frames), faller.label) for faller in fallers]
        images[n] = image.astype(np.uint8)
        truth.append(tuple((box, label) for box, label in boxes if box is not None))
    return Pattern(images, tuple(truth))


@dataclass(frozen=True, eq=False)
class _Faller:
    """A digit; after a round it is where it was. x: of its middle. start: share of its way when the round begins."""

    digit: Image
    label: int
    x: float
    side: float
    start: float
    falls: int

    def draw(self, image: npt.NDArray[np.float32], time: float) -> Box | None:
        """Draw it, `time` being the share of the round; the box around its ink, None if that is not all inside."""
        height = image.shape[0]
        way = (self.start + self.falls * time) % 1.0
        top = way * (height + self.side) - self.side
        scale = self.side / SIDE
        cells = int(np.ceil(self.side)) + 1
        left, row = int(np.floor(self.x - self.side / 2)), int(np.floor(top))
        move = np.array([[scale, 0, self.x - self.side / 2 - left], [0, scale, top - row]])
        ink = cv2.warpAffine(self.digit, move, (cells, cells), flags=cv2.INTER_LINEAR)
        first, last = max(0, row), min(height, row + cells)
        if first >= last:
            return None
        part = image[first:last, left : left + cells]
        share = ink[first - row : last - row, : part.shape[1]] / np.float32(255)
        part += share * (INK - part)
        x, y, wide, high = cv2.boundingRect((ink > OPAQUE * 255).astype(np.uint8))
        inside = row + y >= 0 and row + y + high <= height
        return (left + x, row + y, wide, high) if inside else None


class _Paced(Source):
    """The pattern as an ordinary source."""

    def __init__(self, spec: PatternSpec) -> None:
        self._pattern, self._pace, self._number = draw(spec), Pace(spec.fps), 0

    def read(self) -> Frame:
        self._pace.wait()
        frame = self._pattern.frame(self._number)
        self._number += 1
        return frame
