"""Regions of a picture that may hold a digit, cut out the way MNIST was made.

Ink is what differs from its surroundings, lighter or darker: the surroundings are the median over a
neighbourhood much larger than a stroke.

This is the way for overlays that take single images. On plain paper, a pad's or a well lit page, it finds as much as a
scan; on anything with texture far less. `lutlens eval NAME.lutnet --scenes --limit 60`, mAP at IoU 0.5 and milliseconds
of a desk machine's processor, the simulated core included, most of a scan's:

    ground         regions, `digits`, K = 15    scan, `digits-scan`, K = 1
    plain          0.96, 21 ms                  0.94, 34 ms
    generated      0.63, 26 ms                  0.84, 36 ms
    photographs    0.48, 24 ms                  0.77, 36 ms
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import mnist
from lutlens.board.sources.base import Box

Grey = npt.NDArray[np.uint8]

MAX_REGIONS = 64
WORKING_SIDE = 1280
"""Larger pictures are scaled down to so many pixels."""
MIN_SIDE, MAX_SIDE = 14, 240
"""Pixels of a digit's longer side, then."""
MAX_ASPECT = 2.2
"""Width over height."""
MIN_FILL, MAX_FILL = 0.06, 0.85
"""Share of the box that is ink."""

FLOOR = 0.12
"""Contrast that becomes 0, as a share of full ink: the paper's grain."""

_MEDIAN_SCALE = 8
_MEDIAN_SIDE = 31
_CONTRAST = (28, 70)
_JOIN = 3


def propose(
    image: npt.NDArray[np.uint8], *, centre_box: bool = False
) -> tuple[list[Box], npt.NDArray[np.uint8]]:
    """Boxes, and what is in each as uint8 `[n, 28, 28]`.

    image: BGR uint8 `[h, w, 3]` or grey `[h, w]`.
    centre_box: also look at the middle of the picture as a whole, half as high as the picture.
    """
    grey = (
        image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    )
    scale = max(1.0, max(grey.shape) / WORKING_SIDE)
    if scale > 1:
        height, width = grey.shape
        smaller = (max(1, round(width / scale)), max(1, round(height / scale)))
        grey = np.asarray(cv2.resize(grey, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    ground = _surroundings(grey)
    found: list[tuple[Box, Grey]] = []
    for contrast in (cv2.subtract(grey, ground), cv2.subtract(ground, grey)):
        ink = np.asarray(contrast, np.uint8)
        found += _components(ink)
        if centre_box:
            found += _centre(ink)
    kept = _without_nested(found)[:MAX_REGIONS]
    views = [mnist.normalise(ink) for _, ink in kept]
    size = (len(kept), mnist.SIDE, mnist.SIDE)
    boxes = [_scaled(box, scale) for box, _ in kept]
    return boxes, np.stack(views) if views else np.empty(size, np.uint8)


def _scaled(box: Box, scale: float) -> Box:
    x, y, width, height = (round(length * scale) for length in box)
    return x, y, width, height


def _surroundings(grey: Grey) -> Grey:
    """The median of a neighbourhood of about 250 pixels, computed on a smaller copy."""
    height, width = grey.shape
    small_size = (max(1, width // _MEDIAN_SCALE), max(1, height // _MEDIAN_SCALE))
    small = cv2.resize(grey, small_size, interpolation=cv2.INTER_AREA)
    side = min(_MEDIAN_SIDE, 2 * (min(small_size) // 2) + 1)
    median = cv2.medianBlur(small, max(3, side))
    return np.asarray(cv2.resize(median, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _components(contrast: Grey) -> list[tuple[Box, Grey]]:
    """Connected ink of a digit's size and shape."""
    otsu, _ = cv2.threshold(contrast, 0, 255, cv2.THRESH_OTSU)
    threshold = float(np.clip(otsu, *_CONTRAST))
    mask = np.asarray(contrast > threshold, np.uint8)
    if not mask.any():
        return []
    joined = cv2.dilate(mask, np.ones((_JOIN, _JOIN), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    height, width = contrast.shape
    found = []
    for i in range(1, count):
        x, y, wide, high, _ = (int(value) for value in stats[i])
        longer = max(wide, high)
        if not MIN_SIDE <= longer - _JOIN + 1 <= MAX_SIDE or wide > MAX_ASPECT * high:
            continue
        if x == 0 or y == 0 or x + wide == width or y + high == height:
            continue  # cut off by the edge
        part = np.s_[y : y + high, x : x + wide]
        own = labels[part] == i
        ink = int(np.count_nonzero(mask[part][own]))
        if not MIN_FILL * wide * high <= ink <= MAX_FILL * wide * high and high < 5 * wide:
            continue
        found.append(_cut(contrast[part], own, mask[part], (x, y)))
    return found


def _centre(contrast: Grey) -> list[tuple[Box, Grey]]:
    """All ink in the middle of the picture, as one region; none if there is hardly any."""
    height, width = contrast.shape
    side = min(height, width) // 2
    x, y = (width - side) // 2, (height - side) // 2
    part = contrast[y : y + side, x : x + side]
    mask = np.asarray(part > _CONTRAST[1], np.uint8)
    if np.count_nonzero(mask) < MIN_FILL * MIN_SIDE**2:
        return []
    return [_cut(part, np.ones_like(mask, bool), mask, (x, y))]


def _cut(
    contrast: Grey, own: npt.NDArray[np.bool_], mask: Grey, at: tuple[int, int]
) -> tuple[Box, Grey]:
    """The ink's box in the picture, and the ink itself, stretched to 0 to 255."""
    inked = own & (mask > 0)
    levels = contrast[inked]
    # Three quarters of the ink are below the level that becomes 255; np.percentile is far slower.
    rank = 3 * len(levels) // 4
    full = float(np.partition(levels, rank)[rank])
    floor = FLOOR * full
    stretched = (contrast.astype(np.float32) - floor) * (255.0 / max(full - floor, 1.0))
    ink = np.where(own, np.clip(stretched, 0, 255), 0).astype(np.uint8)
    x, y, wide, high = cv2.boundingRect(inked.astype(np.uint8))
    return (at[0] + x, at[1] + y, wide, high), ink


def _without_nested(found: list[tuple[Box, Grey]]) -> list[tuple[Box, Grey]]:
    """Largest first; a box that lies in a larger one is the hole or a speck of it."""
    kept: list[tuple[Box, Grey]] = []
    for box, ink in sorted(found, key=lambda region: -region[0][2] * region[0][3]):
        x, y, wide, high = box
        if not any(
            left <= x + wide / 2 <= left + w and top <= y + high / 2 <= top + h
            for (left, top, w, h), _ in kept
        ):
            kept.append((box, ink))
    return kept
