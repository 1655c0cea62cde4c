"""A scene of moving digits that knows what it shows."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import handwriting
from lutlens.board.sources.base import Box, Frame, Pace, Source, SourceError, SourceSpec
from pydantic import Field

Pixels = npt.NDArray[np.uint8]

SIZES = (28, 64)
"""Longer side of a digit's ink, in pixels."""
SPEED = (20.0, 70.0)
"""Pixels a second."""
CONTRAST = (110.0, 190.0)
"""Grey levels of ink above its background."""
LIFE_S = (5.0, 12.0)
GAP = 8
"""Pixels between two digits at least."""
HANDWRITTEN = 500
_TRIES = 50


@dataclass
class _Digit:
    label: int
    ink: npt.NDArray[np.float32]
    position: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64]
    expires: int

    @property
    def box(self) -> Box:
        height, width = self.ink.shape
        return int(self.position[0]), int(self.position[1]), width, height


class SyntheticScene(Source):
    """Digits drift over a board of chalk dust. They never touch each other or the edge.

    images, labels: uint8 `[n, 28, 28]`, 255 = ink, and int `[n]`.
    """

    def __init__(
        self,
        images: Pixels,
        labels: npt.NDArray[np.int64],
        *,
        width: int,
        height: int,
        fps: float,
        count: int,
        seed: int,
    ) -> None:
        self._images, self._labels = images, labels
        self._size = np.array([width, height], np.float64)
        self._fps, self._pace = fps, Pace(fps)
        self._rng = np.random.default_rng(seed)
        self._board = _chalkboard(width, height, self._rng)
        self._digits: list[_Digit] = []
        self._now = 0
        for _ in range(count):
            self._add()

    def read(self) -> Frame:
        self._pace.wait()
        return self.next_frame()

    def next_frame(self) -> Frame:
        """The scene one frame later, at once."""
        self._now += 1
        for digit in list(self._digits):
            if self._now > digit.expires:
                self._digits.remove(digit)
                self._add()
        for digit in self._digits:
            self._move(digit)
        light = np.zeros(self._board.shape[:2], np.float32)
        for digit in self._digits:
            x, y, width, height = digit.box
            light[y : y + height, x : x + width] += digit.ink
        image = cv2.add(self._board, cv2.merge([light] * 3), dtype=cv2.CV_8U)
        truth = tuple((digit.box, digit.label) for digit in self._digits)
        return Frame(np.asarray(image, np.uint8), truth)

    def _add(self) -> None:
        """Put a new digit where there is room; the scene has one less if there is none."""
        rng = self._rng
        which = int(rng.integers(len(self._images)))
        ink = _ink(self._images[which], int(rng.integers(SIZES[0], SIZES[1] + 1)))
        extent = np.array(ink.shape[::-1])
        angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(*SPEED) / self._fps
        life = round(rng.uniform(*LIFE_S) * self._fps)
        for _ in range(_TRIES):
            digit = _Digit(
                label=int(self._labels[which]),
                ink=ink / np.float32(255) * np.float32(rng.uniform(*CONTRAST)),
                position=rng.uniform(GAP, self._size - extent - GAP),
                velocity=speed * np.array([np.cos(angle), np.sin(angle)]),
                expires=self._now + life,
            )
            if self._free(digit):
                self._digits.append(digit)
                return

    def _move(self, digit: _Digit) -> None:
        before = digit.position
        digit.position = before + digit.velocity
        extent = np.array(digit.ink.shape[::-1])
        outside = (digit.position < GAP) | (digit.position > self._size - extent - GAP)
        if outside.any() or not self._free(digit):
            digit.position = before
            digit.velocity = np.where(outside, -digit.velocity, digit.velocity)
            if not outside.any():
                digit.velocity = -digit.velocity

    def _free(self, digit: _Digit) -> bool:
        x, y, width, height = digit.box
        for other in self._digits:
            if other is digit:
                continue
            left, top, wide, high = other.box
            if (
                x < left + wide + GAP
                and left < x + width + GAP
                and y < top + high + GAP
                and top < y + height + GAP
            ):
                return False
        return True


def _ink(image: Pixels, longer: int) -> npt.NDArray[np.float32]:
    """The digit cut out to its ink and enlarged, 0 to 255."""
    x, y, width, height = cv2.boundingRect(image)
    scale = longer / max(width, height)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    enlarged = cv2.resize(image[y : y + height, x : x + width], size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.float32)


def _chalkboard(width: int, height: int, rng: np.random.Generator) -> Pixels:
    """BGR uint8 `[height, width, 3]`: a dark slate with smears, gradients and grain."""
    grey = np.zeros((height, width), np.float32)
    for cell, strength in ((160, 12.0), (40, 6.0), (8, 3.0), (1, 2.5)):
        shape = (height // cell + 2, width // cell + 2)
        noise = rng.normal(0, 1, shape).astype(np.float32)
        grey += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    slate = np.array([52, 46, 36], np.float32)
    return np.clip(slate + grey[..., None], 0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def _load_digits(path: Path | None) -> tuple[Pixels, npt.NDArray[np.int64]]:
    if path is None:
        return handwriting.images(HANDWRITTEN, seed=0)
    try:
        with np.load(path, allow_pickle=False) as digits:
            images, labels = digits["images"], digits["labels"].astype(np.int64)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path}: {error}") from error
    if images.dtype != np.uint8 or images.ndim != 3 or len(images) != len(labels):
        raise SourceError(f"{path}: images must be uint8 [n, h, w] with n labels")
    inked = images.reshape(len(images), -1).any(axis=1)
    if not inked.any():
        raise SourceError(f"{path}: no image has ink")
    return images[inked], labels[inked]


class SyntheticSpec(SourceSpec):
    """Drifting digits; `synthetic`, or `synthetic:FILE.npz` with images and labels of one's own."""

    kind: Literal["synthetic"] = "synthetic"
    digits: Path | None = None
    width: Annotated[int, Field(ge=160, le=4096)] = 640
    height: Annotated[int, Field(ge=160, le=4096)] = 360
    fps: Annotated[float, Field(gt=0, le=1000)] = 30
    count: Annotated[int, Field(ge=1, le=100)] = 9
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def parse(cls, argument: str) -> SyntheticSpec:
        return cls(digits=Path(argument) if argument else None)

    @property
    def description(self) -> str:
        return "Scene of drifting digits"

    def open(self) -> SyntheticScene:
        images, labels = _load_digits(self.digits)
        return SyntheticScene(
            images,
            labels,
            width=self.width,
            height=self.height,
            fps=self.fps,
            count=self.count,
            seed=self.seed,
        )
