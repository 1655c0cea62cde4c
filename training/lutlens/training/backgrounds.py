"""What digits lie on in composed scenes: generated paper, texture, shapes, strokes and letters; or photographs.

Every background is uint8 `[height, width]`. Networks are trained and chosen on generated ones; photographs are a kind
that they have never seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.training.data import DataError, decoded
from lutlens.training.datasets import archive, cifar10

Grey = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Size = tuple[int, int]
"""Height, width."""
Background = Callable[[Size, np.random.Generator], Grey]

LEAVES = 0.3
"""Share of training scenes on `leaves`."""
LETTERS = "AacCdEeFfGHhKkLMmNnPpRrTtUuVvWwXx#+=<>*"
"""Letters and signs that nobody reads as a digit: without O, l, I, S, Z, B, b, g, q, y, ?, !, &, / and the like."""
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
PHOTOGRAPHS = Path(cifar10.FOLDER, cifar10.COPY)
"""Below the folder LUTLENS_DATA: CIFAR-10 as JPEG files `test/CLASS/NNNN.jpg`."""
PHOTOGRAPH_SIDES = (96, 264)
"""Pixels of a photograph in a scene; it has 32 of its own."""


def generated(size: Size, random: np.random.Generator) -> Grey:
    """Light and texture, then up to three kinds of clutter, each in some scenes only."""
    plane = _light(size, random)
    for texture, share in ((_clouds, 0.6), (_grain, 0.4), (_lines, 0.25)):
        if random.random() < share:
            plane += texture(size, random)
    ground = np.clip(plane, 0, 255).astype(np.uint8)
    for clutter, share in ((_shapes, 0.4), (_strokes, 0.4), (_letters, 0.45)):
        if random.random() < share:
            clutter(ground, random)
    return ground


def plain(size: Size, random: np.random.Generator) -> Grey:
    """Light paper, so even that ink is dark: what a pad shows, or a page under good light."""
    return np.full(size, random.integers(200, 246), np.uint8)


def _light(size: Size, random: np.random.Generator) -> Plane:
    """An even grey, falling off to one side."""
    height, width = size
    slope = random.normal(0, 25, 2) * (random.random() < 0.7)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(slope[0])
    x = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(slope[1])
    return np.asarray(np.float32(random.uniform(10, 245)) + y + x, np.float32)


def _clouds(size: Size, random: np.random.Generator) -> Plane:
    """Smooth noise of one or two coarsenesses."""
    plane = np.zeros(size, np.float32)
    for _ in range(random.integers(1, 3)):
        cell = float(np.exp(random.uniform(np.log(3), np.log(60))))
        coarse = random.standard_normal(
            (2 + int(size[0] / cell), 2 + int(size[1] / cell)), np.float32
        )
        strength = np.float32(random.uniform(3, 22))
        plane += strength * cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return plane


def _grain(size: Size, random: np.random.Generator) -> Plane:
    """Fibres: noise drawn out along one direction."""
    noise = random.standard_normal(size, np.float32)
    along, across = random.permutation([random.uniform(1, 7), random.uniform(0.4, 1)]).tolist()
    fibres = np.asarray(cv2.GaussianBlur(noise, (0, 0), along, sigmaY=across), np.float32)
    strength = random.uniform(3, 14) / max(1e-3, float(fibres.std()))
    return np.asarray(fibres * np.float32(strength), np.float32)


def _lines(size: Size, random: np.random.Generator) -> Plane:
    """Ruled or squared paper, or a weave: a periodic pattern along one or both axes."""
    plane = np.zeros(size, np.float32)
    pitch, width = random.uniform(5, 40), random.uniform(0.08, 0.5)
    strength = random.choice((-1, 1)) * random.uniform(10, 60)
    angle = random.choice((0, np.pi / 2)) + random.normal(0, 0.05)
    y, x = np.ogrid[: size[0], : size[1]]
    for turn in (0, np.pi / 2)[: random.integers(1, 3)]:
        phase = (np.cos(angle + turn) * x + np.sin(angle + turn) * y) / pitch % 1
        plane += np.where(phase < width, strength, 0).astype(np.float32)
    return plane


def _shapes(ground: Grey, random: np.random.Generator) -> None:
    """Filled ellipses and polygons."""
    height, width = ground.shape
    for _ in range(_count(ground, random, 12)):
        grey = (int(random.integers(256)),)
        x, y = int(random.integers(width)), int(random.integers(height))
        if random.random() < 0.5:
            axes = random.integers(4, 50, 2).tolist()
            cv2.ellipse(ground, (x, y), axes, random.uniform(0, 180), 0, 360, grey, -1, cv2.LINE_AA)
        else:
            corners = np.array([x, y]) + random.integers(-50, 51, (int(random.integers(3, 6)), 2))
            cv2.fillPoly(ground, [corners.astype(np.int32)], grey, cv2.LINE_AA)


def _strokes(ground: Grey, random: np.random.Generator) -> None:
    """Arcs and scribbles, as thick as digits' own; no single straight lines, which are ones, and no closed arcs."""
    height, width = ground.shape
    for _ in range(_count(ground, random, 20)):
        grey, thickness = (int(random.integers(256)),), int(random.integers(1, 6))
        start = random.uniform(0, 1, 2) * (width, height)
        if random.random() < 0.4:
            arc = 0, random.uniform(30, 230)
            axes = random.integers(4, 30, 2).tolist()
            centre = start.astype(int).tolist()
            cv2.ellipse(
                ground, centre, axes, random.uniform(0, 180), *arc, grey, thickness, cv2.LINE_AA
            )
        else:
            bends = random.normal(0, random.uniform(4, 25), (int(random.integers(2, 6)), 2))
            points = start + np.vstack([np.zeros((1, 2)), bends.cumsum(axis=0)])
            cv2.polylines(ground, [points.astype(np.int32)], False, grey, thickness, cv2.LINE_AA)


def _letters(ground: Grey, random: np.random.Generator) -> None:
    """Words of letters and signs, in several fonts and sizes."""
    height, width = ground.shape
    for _ in range(_count(ground, random, 10)):
        word = "".join(random.choice(list(LETTERS), int(random.integers(1, 8))))
        at = int(random.integers(-10, width)), int(random.integers(0, height + 10))
        font, scale = FONTS[random.integers(len(FONTS))], random.uniform(0.4, 1.8)
        grey = (int(random.integers(256)),)
        cv2.putText(ground, word, at, font, scale, grey, int(random.integers(1, 4)), cv2.LINE_AA)


def _count(ground: Grey, random: np.random.Generator, most: int) -> int:
    """Up to `most` pieces on 40,000 pixels, more on more."""
    return int(random.integers(1, 2 + most * ground.size // 40_000))


def leaves(size: Size, random: np.random.Generator) -> Grey:
    """Opaque patches of all sizes over one another, out of focus: the dead leaves model of natural pictures.

    Areas and edges are distributed as in those (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV
    2001): as many patches of radius r as 1 / r^3.
    """
    ground = np.full(size, random.integers(256), np.uint8)
    low, high = random.uniform(2, 8), 90.0
    area = 2 * np.pi * low**2 * np.log(high / low)
    count = int(random.uniform(0.5, 2.0) * ground.size / area)
    radii = low / np.sqrt(1 - random.uniform(0, 1 - (low / high) ** 2, count))
    centres = random.uniform(0, 1, (count, 2)) * size[::-1]
    greys = random.normal(random.uniform(60, 195), random.uniform(15, 70), count).clip(0, 255)
    for radius, centre, grey in zip(radii, centres, greys, strict=True):
        corners = int(random.integers(3, 9))
        angles = np.sort(random.uniform(0, 2 * np.pi, corners))
        reach = radius * random.uniform(0.5, 1.5, (corners, 1))
        outline = centre + reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.fillPoly(ground, [np.round(outline).astype(np.int32)], (int(grey),), cv2.LINE_AA)
    focus = random.uniform(0.5, 4)
    plane = np.asarray(cv2.GaussianBlur(ground.astype(np.float32), (0, 0), focus), np.float32)
    if random.random() < 0.5:
        plane += _clouds(size, random)
    return np.clip(plane, 0, 255).astype(np.uint8)


def varied(size: Size, random: np.random.Generator) -> Grey:
    """What networks are trained on: `generated`, or a picture's patches."""
    return (leaves if random.random() < LEAVES else generated)(size, random)


def photographs(path: Path | None = None, limit: int = 2000) -> Background:
    """Backgrounds put together from photographs, enlarged, side by side.

    path: a tar archive of JPEG files below `test`; by default `PHOTOGRAPHS` below LUTLENS_DATA.
    limit: uses the first so many, by name.

    Raises DataError.
    """
    if path is None:
        path = Path(os.environ.get("LUTLENS_DATA", ""), PHOTOGRAPHS)
    pictures = _read_photographs(path, limit)

    def background(size: Size, random: np.random.Generator) -> Grey:
        ground = np.empty(size, np.uint8)
        side = int(random.integers(*PHOTOGRAPH_SIDES, endpoint=True))
        for top in range(0, size[0], side):
            for left in range(0, size[1], side):
                picture = pictures[random.integers(len(pictures))][:, :: random.choice((1, -1))]
                large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
                part = ground[top : top + side, left : left + side]
                part[:] = large[: part.shape[0], : part.shape[1]]
        return ground

    return background


def _read_photographs(path: Path, limit: int) -> Grey:
    """uint8 `[n, height, width]`, in the order of their names."""
    encoded: dict[str, bytes] = {}
    for name, content in archive.files(path):
        inside = name.startswith("test/")
        if encoded and not inside:
            break  # unpacking the rest takes long
        if inside:
            encoded[name] = content
    chosen = sorted(encoded)[:: max(1, len(encoded) // limit)][:limit]
    if not chosen:
        raise DataError(f"{path}: no JPEG files below test/")
    return np.stack([decoded(f"{path}: {name}", encoded[name], 1) for name in chosen])
