"""A scene of handwritten digits that drift over paper, with the truth about it.

Digits bounce off the edges and off each other, and never overlap; who bounces off an edge becomes another digit.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import handwriting
from lutlens.board.mnist import SIDE
from lutlens.board.sources.base import Box, Frame, Image, Pace, Source, SourceError, SourceSpec
from pydantic import Field, model_validator

DRAWN_DIGITS = 200
INK_COLOURS = np.array([(70, 40, 25), (45, 45, 45), (35, 30, 110), (60, 75, 30)], np.uint8)
PAPER_COLOUR = (0.90, 0.97, 1.02)
SPEED = (15.0, 45.0)  # pixels a second
WOBBLE = (6.0, 0.25)  # degrees, turns a second
OPAQUE = 0.35  # share of ink from which a pixel counts as the digit's
MARGIN = 3  # pixels of paper around every digit
NOISE = 2.0  # of the imagined camera, grey levels
GRAIN_SHIFT = 64  # one noise, shifted by up to so many pixels from frame to frame


class SyntheticSpec(SourceSpec):
    """digits: an .npz with images uint8 `[n, 28, 28]` (255 = ink) and labels `[n]`; None for drawn ones.

    count: digits in the scene. sizes: smallest and largest side of a digit's 28x28 field, pixels.
    """

    kind: Literal["synthetic"] = "synthetic"
    digits: Path | None = None
    width: Annotated[int, Field(ge=160, le=1920)] = 640
    height: Annotated[int, Field(ge=120, le=1080)] = 360
    fps: Annotated[float, Field(ge=1, le=1000)] = 30
    count: Annotated[int, Field(ge=1, le=40)] = 8
    sizes: tuple[Annotated[float, Field(ge=28)], Annotated[float, Field(le=256)]] = (32, 72)
    seed: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _fits(self) -> SyntheticSpec:
        smallest, largest = self.sizes
        if smallest > largest:
            raise ValueError(f"sizes: {smallest:g} is above {largest:g}")
        # Circles around the largest digits, packed with as much room again to move in.
        if 2 * self.count * (largest + 2 * MARGIN) ** 2 > self.width * self.height:
            raise ValueError(
                f"count: {self.count} digits of up to {largest:g} pixels do not fit "
                f"{self.width}x{self.height} without overlapping"
            )
        return self

    @property
    def description(self) -> str:
        return "Synthetic scene of drifting digits"

    def open(self) -> Source:
        return Synthetic(self)


class Synthetic(Source):
    """The scene, paced by the clock."""

    def __init__(self, spec: SyntheticSpec) -> None:
        self._scene = Scene(spec)
        self._pace = Pace(spec.fps)

    def read(self) -> Frame:
        self._pace.wait()
        return self._scene.next()


class Scene:
    """The scene itself: the same frames, in the same order, for the same options."""

    def __init__(self, spec: SyntheticSpec) -> None:
        self._spec = spec
        self._rng = np.random.default_rng(spec.seed)
        self._images, self._labels = (
            _load(spec.digits) if spec.digits else handwriting.images(DRAWN_DIGITS, spec.seed)
        )
        self._paper = _paper(spec.width, spec.height, self._rng)
        shape = (spec.height + GRAIN_SHIFT, spec.width + GRAIN_SHIFT)
        grain = np.round(self._rng.normal(0, NOISE, shape)).astype(np.int8)
        # What lightens, and what darkens: adding signed bytes takes ten times as long.
        self._grain = [
            np.repeat(np.maximum(part, 0).astype(np.uint8)[..., None], 3, axis=2)
            for part in (grain, -grain)
        ]
        n = spec.count
        self._sizes = self._rng.uniform(*spec.sizes, n)
        self._radii = self._sizes / 2 + MARGIN
        self._places = self._first_places()
        angles = self._rng.uniform(0, 2 * np.pi, n)
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        self._velocities = directions * self._rng.uniform(*SPEED, (n, 1))
        self._shown = self._rng.integers(len(self._images), size=n)
        self._colours = self._rng.integers(len(INK_COLOURS), size=n)
        self._phases = self._rng.uniform(0, 1, n)
        self._time = 0.0

    def next(self) -> Frame:
        """The scene one frame later, with every digit's box and label."""
        self._move(1 / self._spec.fps)
        frame = self._paper.copy()
        truth = tuple(
            (self._draw(frame, i), int(self._labels[self._shown[i]]))
            for i in range(self._spec.count)
        )
        y, x = self._rng.integers(0, GRAIN_SHIFT, 2)
        part = np.s_[y : y + frame.shape[0], x : x + frame.shape[1]]
        lighter, darker = (grain[part] for grain in self._grain)
        cv2.subtract(cv2.add(frame, lighter), darker, dst=frame)
        return Frame(frame, truth)

    def _draw(self, frame: Image, i: int) -> Box:
        """Draw digit i and return the box around its ink."""
        degrees, turns = WOBBLE
        angle = np.radians(degrees) * np.sin(2 * np.pi * (self._phases[i] + turns * self._time))
        corner = np.floor(self._places[i] - self._radii[i]).astype(int)
        side = int(np.ceil(2 * self._radii[i])) + 1
        scale = self._sizes[i] / SIDE
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.full(2, (SIDE - 1) / 2)
        shift = self._places[i] - corner - turn @ middle
        ink = cv2.warpAffine(
            self._images[self._shown[i]],
            np.column_stack([turn, shift]),
            (side, side),
            flags=cv2.INTER_CUBIC,
        )
        x, y = corner
        patch = frame[y : y + side, x : x + side]
        share = ink[: patch.shape[0], : patch.shape[1]] / np.float32(255)
        colour = np.full_like(patch, INK_COLOURS[self._colours[i]])
        patch[:] = cv2.blendLinear(patch, colour, 1 - share, share)
        left, top, width, height = cv2.boundingRect((share > OPAQUE).astype(np.uint8))
        return int(x + left), int(y + top), width, height

    def _move(self, seconds: float) -> None:
        self._time += seconds
        self._places += self._velocities * seconds
        for _ in range(8):  # moving one pair apart may push another together
            if not self._part():
                break
        low = self._radii[:, None]
        high = np.array([self._spec.width, self._spec.height]) - 1 - low
        outside = (self._places < low) | (self._places > high)
        self._velocities = np.where(self._places < low, abs(self._velocities), self._velocities)
        self._velocities = np.where(self._places > high, -abs(self._velocities), self._velocities)
        self._places = np.clip(self._places, low, high)
        bounced = np.flatnonzero(outside.any(axis=1))
        self._shown[bounced] = self._rng.integers(len(self._images), size=len(bounced))

    def _part(self) -> bool:
        """Move digits that touch apart and let them bounce; whether any did."""
        away = self._places[:, None] - self._places[None]
        distance = np.linalg.norm(away, axis=2)
        overlap = self._radii[:, None] + self._radii[None] - distance
        pairs = np.argwhere(np.triu(overlap > 0, 1))
        for a, b in pairs:
            normal = away[a, b] / max(distance[a, b], 1e-6)
            self._places[a] += normal * overlap[a, b] / 2
            self._places[b] -= normal * overlap[a, b] / 2
            approach = (self._velocities[a] - self._velocities[b]) @ normal
            if approach < 0:  # as balls of equal mass
                self._velocities[a] -= approach * normal
                self._velocities[b] += approach * normal
        return len(pairs) > 0

    def _first_places(self) -> npt.NDArray[np.float64]:
        """Cells of a grid, so that nobody begins on top of another."""
        spec = self._spec
        columns = int(np.ceil(np.sqrt(spec.count * spec.width / spec.height)))
        rows = int(np.ceil(spec.count / columns))
        cells = self._rng.permutation(columns * rows)[: spec.count]
        x = (cells % columns + 0.5) * spec.width / columns
        y = (cells // columns + 0.5) * spec.height / rows
        return np.stack([x, y], axis=1)


def _paper(width: int, height: int, rng: np.random.Generator) -> Image:
    """Warm paper with stains, fibres, and light that falls off to one side; uint8 `[h, w, 3]`."""

    def cloud(cells: int) -> npt.NDArray[np.float32]:
        coarse = rng.normal(0, 1, (cells, cells * 2)).astype(np.float32)
        return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))

    light = np.linspace(18, -18, width, dtype=np.float32)[None] + np.linspace(
        12, -12, height, dtype=np.float32
    ).reshape(-1, 1)
    fibres = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 1.2)
    grey = 196 + light + 5 * cloud(4) + 3 * cloud(16) + 9 * fibres
    paper: Image = np.clip(grey[..., None] * np.array(PAPER_COLOUR), 0, 255).astype(np.uint8)
    return paper


def _load(path: Path) -> tuple[Image, npt.NDArray[np.int64]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SourceError(f"digits {path}: {error}") from error
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise SourceError(
            f"digits {path}: images is {images.dtype} {list(images.shape)}, must be uint8 [n, {SIDE}, {SIDE}]"
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise SourceError(
            f"digits {path}: labels is {labels.dtype} {list(labels.shape)}, "
            f"must be integers [{len(images)}]"
        )
    return images, labels.astype(np.int64)
