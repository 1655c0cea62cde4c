"""Digits as a hand draws them, made from strokes.

For golden vectors and scenes: they need digit-like images that may be shipped, and MNIST may not be. Not for training.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.mnist import SIDE, normalise

Points = npt.NDArray[np.float64]

# Every variant is a list of strokes; a stroke is a list of points (x, y), y downwards, in a unit square, through which
# a smooth curve is drawn. Two strokes that share an end make a corner.
_Stroke = list[tuple[float, float]]
_VARIANTS: dict[int, list[list[_Stroke]]] = {
    0: [
        [[(0.52, 0.03), (0.22, 0.2), (0.1, 0.55), (0.25, 0.88), (0.52, 0.97), (0.8, 0.82),
          (0.9, 0.48), (0.78, 0.16), (0.5, 0.03)]],
        [[(0.66, 0.06), (0.34, 0.1), (0.18, 0.45), (0.26, 0.85), (0.5, 0.98), (0.74, 0.8),
          (0.82, 0.42), (0.7, 0.12), (0.5, 0.04), (0.42, 0.1)]],
    ],
    1: [
        [[(0.5, 0.02), (0.5, 0.5), (0.5, 0.98)]],
        [[(0.53, 0.02), (0.5, 0.5), (0.46, 0.98)]],
        [[(0.34, 0.22), (0.45, 0.14), (0.54, 0.02)], [(0.54, 0.02), (0.52, 0.5), (0.5, 0.98)]],
    ],
    2: [
        [[(0.15, 0.24), (0.32, 0.06), (0.58, 0.03), (0.79, 0.16), (0.77, 0.38), (0.58, 0.62),
          (0.34, 0.82), (0.12, 0.95)], [(0.12, 0.95), (0.5, 0.93), (0.92, 0.93)]],
        [[(0.18, 0.2), (0.4, 0.04), (0.68, 0.08), (0.76, 0.3), (0.6, 0.58), (0.36, 0.82),
          (0.17, 0.93), (0.12, 0.82), (0.28, 0.77), (0.5, 0.88), (0.72, 0.96), (0.92, 0.88)]],
    ],
    3: [
        [[(0.16, 0.12), (0.44, 0.03), (0.74, 0.12), (0.72, 0.33), (0.42, 0.46)],
         [(0.42, 0.46), (0.74, 0.55), (0.82, 0.76), (0.6, 0.94), (0.32, 0.96), (0.1, 0.86)]],
        [[(0.2, 0.16), (0.46, 0.02), (0.72, 0.14), (0.66, 0.36), (0.4, 0.48), (0.7, 0.56),
          (0.8, 0.78), (0.54, 0.97), (0.2, 0.9)]],
    ],
    4: [
        [[(0.24, 0.05), (0.2, 0.3), (0.14, 0.54)], [(0.14, 0.54), (0.5, 0.55), (0.9, 0.5)],
         [(0.74, 0.04), (0.7, 0.5), (0.64, 0.98)]],
        [[(0.3, 0.08), (0.18, 0.34), (0.24, 0.52), (0.5, 0.52), (0.72, 0.42)],
         [(0.8, 0.06), (0.74, 0.4), (0.66, 0.98)]],
    ],
    5: [
        [[(0.84, 0.05), (0.55, 0.06), (0.3, 0.07)], [(0.3, 0.07), (0.26, 0.25), (0.22, 0.44)],
         [(0.22, 0.44), (0.5, 0.36), (0.77, 0.48), (0.82, 0.72), (0.58, 0.93), (0.28, 0.95),
          (0.1, 0.86)]],
        [[(0.3, 0.1), (0.25, 0.28), (0.24, 0.42)],
         [(0.24, 0.42), (0.54, 0.42), (0.76, 0.6), (0.68, 0.85), (0.4, 0.97), (0.12, 0.9)],
         [(0.3, 0.09), (0.6, 0.08), (0.9, 0.03)]],
    ],
    6: [
        [[(0.66, 0.02), (0.4, 0.2), (0.2, 0.5), (0.18, 0.8), (0.42, 0.97), (0.7, 0.88),
          (0.75, 0.68), (0.55, 0.55), (0.32, 0.63), (0.2, 0.78)]],
        [[(0.5, 0.02), (0.3, 0.3), (0.2, 0.65), (0.32, 0.94), (0.6, 0.95), (0.76, 0.76),
          (0.6, 0.58), (0.36, 0.66), (0.26, 0.84)]],
    ],
    7: [
        [[(0.1, 0.12), (0.5, 0.08), (0.88, 0.08)],
         [(0.88, 0.08), (0.68, 0.4), (0.5, 0.7), (0.42, 0.98)]],
        [[(0.14, 0.2), (0.2, 0.08), (0.55, 0.08), (0.84, 0.06)],
         [(0.84, 0.06), (0.72, 0.36), (0.56, 0.7), (0.5, 0.98)]],
        [[(0.12, 0.1), (0.5, 0.08), (0.86, 0.06)],
         [(0.86, 0.06), (0.66, 0.4), (0.48, 0.7), (0.4, 0.98)],
         [(0.34, 0.52), (0.55, 0.5), (0.78, 0.47)]],
    ],
    8: [
        [[(0.74, 0.14), (0.48, 0.03), (0.26, 0.16), (0.36, 0.37), (0.62, 0.53), (0.76, 0.76),
          (0.56, 0.96), (0.3, 0.93), (0.2, 0.74), (0.38, 0.54), (0.64, 0.37), (0.76, 0.2),
          (0.7, 0.1)]],
        [[(0.5, 0.48), (0.26, 0.36), (0.28, 0.12), (0.52, 0.03), (0.74, 0.14), (0.72, 0.36),
          (0.5, 0.48), (0.24, 0.64), (0.24, 0.88), (0.5, 0.97), (0.76, 0.86), (0.76, 0.62),
          (0.5, 0.48)]],
    ],
    9: [
        [[(0.76, 0.18), (0.52, 0.04), (0.26, 0.14), (0.2, 0.36), (0.42, 0.48), (0.66, 0.38),
          (0.76, 0.18)], [(0.76, 0.18), (0.74, 0.55), (0.66, 0.98)]],
        [[(0.74, 0.16), (0.5, 0.03), (0.26, 0.14), (0.22, 0.36), (0.44, 0.48), (0.68, 0.36),
          (0.75, 0.16)], [(0.75, 0.16), (0.76, 0.5), (0.66, 0.84), (0.42, 0.97), (0.24, 0.9)]],
    ],
}  # fmt: skip

# Pixels on a side; the strokes keep to the canvas's middle, so that slant and jitter stay inside.
_CANVAS = 128
_GLYPH = 80
_CURVE_STEPS = 12


def images(n: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """`n` digits, normalised as MNIST is: uint8 `[n, 28, 28]` (0 = paper, 255 = ink) and labels int64 `[n]`.

    Classes come in equal shares, in random order. The same seed gives the same images.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n, dtype=np.int64) % 10)
    pixels = np.empty((n, SIDE, SIDE), np.uint8)
    for i, label in enumerate(labels):
        pixels[i] = draw(int(label), rng)
    return pixels, labels


def draw(digit: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One digit, 0 to 9, uint8 `[28, 28]`, in a hand of its own: variant, shape, slant, proportion, pen."""
    variants = _VARIANTS[digit]
    strokes = variants[int(rng.integers(len(variants)))]
    angle = rng.normal(0.0, 0.08)
    slant = rng.normal(0.15, 0.15)
    width = rng.uniform(0.65, 1.0) if digit != 1 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine = turn @ np.array([[width, -slant], [0.0, 1.0]])
    # One smooth distortion for the whole digit, so that strokes that meet still do.
    bend = rng.normal(0.0, 0.035, (2, 3))
    canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
    pen = int(rng.integers(7, 13))
    for stroke in strokes:
        points = _curve(np.array(stroke)) - 0.5
        x, y = points.T
        waves = np.stack([np.sin(np.pi * x), np.sin(np.pi * y), np.cos(np.pi * (x + y))])
        points = (points + (bend @ waves).T) @ affine.T * _GLYPH + _CANVAS / 2
        fixed_point = np.round(points * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed_point], False, (255,), pen, cv2.LINE_AA, shift=4)
    return normalise(np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.5), np.uint8))


def _curve(points: Points) -> Points:
    """A uniform Catmull-Rom spline through `points` `[n, 2]`."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0.0, 1.0, _CURVE_STEPS, endpoint=False)[:, None]
    pieces = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(
            p1
            + 0.5 * t * (p2 - p0)
            + 0.5 * t**2 * (2 * p0 - 5 * p1 + 4 * p2 - p3)
            + 0.5 * t**3 * (3 * p1 - p0 - 3 * p2 + p3)
        )
    return np.vstack([*pieces, points[-1:]])
