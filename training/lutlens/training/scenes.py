"""Composed scenes: handwritten digits at known places on a background, the data of the scanning recipes.

A scene is a function of its seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import mnist
from lutlens.training.backgrounds import Background, Grey, Size
from lutlens.training.data import Labelled

INK = 0.35
"""Share of ink from which a pixel counts as the digit's."""
MIN_CONTRAST = 80
"""Grey levels between ink and the mean of what it lies on, at least."""
EDGE = 0.8
"""A digit's centre is at least so many of its sides from the scene's edge: its window is inside."""
APART = 0.62
"""Centres of neighbours are at least this share of their sides' sum apart, along one axis."""
MAX_DEVIATION = 25
"""Grey levels by which the ground in a digit's square deviates (RMS), at most: there it is legible."""
ATTEMPTS = 24
"""Places tried for a digit; where none has room and is even enough, it is left out."""


@dataclass(frozen=True, eq=False)
class Scene:
    """image: uint8 `[height, width]`.
    boxes: float32 `[n, 4]`, x, y, width, height: the square of a digit's longer side around the
        middle of its ink, which MNIST's digits fill in one direction (20 of their 28 pixels).
    ink: float32 `[n, 4]`: the box of its ink.
    labels: int64 `[n]`.
    """

    image: Grey
    boxes: npt.NDArray[np.float32]
    ink: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Composition:
    """How scenes are put together.

    size: height and width of a scene. count: digits in it, fewest and most.
    sides: smallest and largest, pixels; drawn evenly on a logarithmic scale.
    near: a share of the digits, and the sides that these have instead.
    """

    size: Size
    count: tuple[int, int]
    sides: tuple[float, float]
    near: tuple[float, tuple[float, float]] = (0.0, (1.0, 1.0))

    def scene(self, digits: Labelled, background: Background, seed: tuple[int, ...]) -> Scene:
        """The scene of a seed, made of some of the digits."""
        random = np.random.default_rng(seed)
        canvas = background(self.size, random).astype(np.float32)
        sides = self._sides(random)
        chosen = random.integers(len(digits), size=len(sides))
        places: list[tuple[float, float, float]] = []
        boxes, ink, labels = [], [], []
        for side, index in zip(sides, chosen, strict=True):
            place = self._place(canvas, side, places, random)
            if place is None:
                continue
            drawn = _draw(canvas, digits.images[index], side, place, random)
            x, y, width, height = drawn
            longer = max(width, height)
            middle = x + width / 2, y + height / 2
            places.append((*middle, longer))
            boxes.append((middle[0] - longer / 2, middle[1] - longer / 2, longer, longer))
            ink.append(drawn)
            labels.append(digits.labels[index])
        return Scene(
            image=_camera(canvas, random),
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            ink=np.array(ink, np.float32).reshape(-1, 4),
            labels=np.array(labels, np.int64),
        )

    def _sides(self, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """The largest first: they need most room."""
        count = int(random.integers(*self.count, endpoint=True))
        share, near = self.near
        low, high = np.log(np.where(random.random((count, 1)) < share, near, self.sides)).T
        sides: npt.NDArray[np.float64] = np.sort(np.exp(random.uniform(low, high)))[::-1]
        return sides

    def _place(
        self,
        canvas: npt.NDArray[np.float32],
        side: float,
        places: list[tuple[float, float, float]],
        random: np.random.Generator,
    ) -> tuple[float, float] | None:
        """A digit's centre, x and y; None if there is no room."""
        room = np.array(self.size[::-1]) - 2 * EDGE * side
        if (room < 0).any():
            return None
        tries = EDGE * side + random.uniform(0, 1, (ATTEMPTS, 2)) * room
        if places:
            taken = np.array(places)
            apart = np.abs(tries[:, None] - taken[:, :2]).max(axis=2)
            tries = tries[(apart > APART * (side + taken[:, 2])).all(axis=1)]
        for x, y in tries.tolist():
            left, top = int(x - side / 2), int(y - side / 2)
            _, deviation = cv2.meanStdDev(canvas[top : top + int(side), left : left + int(side)])
            if deviation[0, 0] <= MAX_DEVIATION:
                return x, y
        return None


def _draw(
    canvas: npt.NDArray[np.float32],
    image: Grey,
    side: float,
    place: tuple[float, float],
    random: np.random.Generator,
) -> tuple[float, float, float, float]:
    """Draw a digit about `side` long around a place; its ink's box."""
    turn, slant = random.normal(0, 0.1), random.normal(0, 0.12)
    stretch = np.exp(random.normal(0, 0.07))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shape = rotation @ np.array([[stretch, -slant], [0.0, 1 / stretch]])
    shape *= side / mnist.BOX
    reach = int(0.8 * side) + 3
    left, top = (int(length) - reach for length in place)
    middle = np.array(place) - (left, top)
    shift = middle - shape @ np.full(2, (mnist.SIDE - 1) / 2)
    ink = cv2.warpAffine(
        image,
        np.column_stack([shape, shift]),
        (2 * reach, 2 * reach),
        flags=cv2.INTER_LINEAR if side < mnist.BOX else cv2.INTER_CUBIC,
    ).astype(np.float32) * np.float32(1 / 255)
    x, y, width, height = cv2.boundingRect((ink > INK).astype(np.uint8))
    part = canvas[max(0, top) : top + 2 * reach, max(0, left) : left + 2 * reach]
    ink = ink[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
    part += ink * (_ink_level(float(part.mean()), random) - part)
    return float(left + x), float(top + y), float(width), float(height)


def _ink_level(ground: float, random: np.random.Generator) -> np.float32:
    """Darker or lighter than the ground by `MIN_CONTRAST` or more, either where there is room."""
    down, up = max(0.0, ground - MIN_CONTRAST), max(0.0, 255 - MIN_CONTRAST - ground)
    darker = random.random() < (0.5 if down and up else float(down > 0))
    room = down if darker else up
    contrast = MIN_CONTRAST + room * random.random() ** 0.7
    return np.float32(ground - contrast if darker else ground + contrast)


def _camera(canvas: npt.NDArray[np.float32], random: np.random.Generator) -> Grey:
    """What a lens and a sensor make of it: blur and noise."""
    if random.random() < 0.6:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), random.uniform(0.3, 1.0)))
    noise = np.float32(random.uniform(0, 8))
    canvas = canvas + noise * random.standard_normal(canvas.shape, np.float32)
    return np.clip(canvas, 0, 255).astype(np.uint8)
