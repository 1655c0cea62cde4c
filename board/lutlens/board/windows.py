"""From the windows that a core lists for a frame, scale by scale, to detections: where which digit is.

A digit answers in several windows, of neighbouring positions and scales. Non-maximum suppression keeps the strongest;
the box is then the mean of the windows that agree with it, weighted by their margins, which is finer than the steps
between windows (box voting: Gidaris and Komodakis, "Object detection via a multi-region and semantic segmentation-aware
CNN model", ICCV 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import mnist, scanning

FOUND = np.dtype(
    [
        ("box", "<f4", 4),
        ("digit", "u1"),
        ("scale", "u1"),
        ("margin", "<u2"),
        ("score", "<u2"),
        ("support", "<f4"),
    ]
)
"""box: x, y of the top left corner, width, height; pixels of the picture. digit: class. scale: of the strongest window,
as are margin (over the second best class) and score. support: margins of all windows that agree, added: the detection's
confidence. What is no digit seldom looks like the same one in several windows."""

Grey = npt.NDArray[np.uint8]
Detections = npt.NDArray[np.void]
"""`FOUND` `[n]`, of one frame."""
Windows = npt.NDArray[np.void]
"""`scanning.WINDOW` `[n]`, of one frame at one scale."""
Boxes = npt.NDArray[np.float32]
"""x, y, width, height `[..., 4]`; the edges beyond are x + width and y + height."""

FIELD = mnist.BOX / mnist.SIDE
"""A digit's longer side as a share of its window: what training centres in it."""
SCALE_STEP, WIDEST_STEP = 2**0.25, 2**0.5
"""From the sizes that one scale finds best to those of the next. Windows answer to digits of 0.84 to 1.19 times it, so
that the widest step just leaves none out; at the other one every digit is looked at in two scales or three, each with a
grid of its own, and what they agree on counts. That takes 3.4 times the clocks of the picture's own size, the widest
step 2."""
HEIGHT_STEP = 4
"""Frames are a multiple of so many pixels high, so that windows reach the last row."""


def pyramid(
    width: int,
    height: int,
    *,
    image: tuple[int, int],
    largest: float,
    step: float = SCALE_STEP,
) -> list[tuple[int, int]]:
    """Width and height of the copies of a picture in which digits are looked for, the picture itself first.

    image: height and width of a window. largest: longer side of the largest digits looked for, pixels of the picture.
    step: from one copy to the next; a wider one, up to `WIDEST_STEP`, where as many copies as the core takes would not
        reach the largest. There is always one; the others are at least as large as a window.
    """
    # A scale finds digits up to the geometric mean of its own size and the next one's.
    reach = max(1.0, largest / (FIELD * max(image)))
    step = max(step, min(WIDEST_STEP, reach ** (1 / (scanning.MAX_SCALES - 0.5))))
    count = min(scanning.MAX_SCALES, math.ceil(math.log(reach, step) + 0.5 - 1e-9))
    sizes = [(width, height)]
    for i in range(1, count):
        smaller = tuple(
            max(multiple, round(length / step**i / multiple) * multiple)
            for length, multiple in ((width, scanning.WIDTH_STEP), (height, HEIGHT_STEP))
        )
        if smaller[0] < image[1] or smaller[1] < image[0]:
            break
        sizes.append((smaller[0], smaller[1]))
    return sizes


def scaled(grey: Grey, size: tuple[int, int]) -> Grey:
    """A picture, uint8 `[h, w]`, in one of the sizes of its pyramid: width and height."""
    if size == (grey.shape[1], grey.shape[0]):
        return grey
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def factors(
    picture: tuple[int, int], sizes: Sequence[tuple[int, int]]
) -> list[tuple[float, float]]:
    """For `detections`: pixels of a picture for one pixel of each of its copies, x and y. All by width and height."""
    width, height = picture
    return [(width / w, height / h) for w, h in sizes]


def boxes(
    windows: Windows, factor: tuple[float, float], step: tuple[int, int], image: tuple[int, int]
) -> Boxes:
    """The expected extent of the digit in each window, float32 `[n, 4]`, in pixels of the picture.

    factor: pixels of the picture for one of this scale's frame, x and y.
    step: pixels from one window to the next, y and x; image: a window's height and width.
    """
    centres = np.stack(
        [
            windows["column"] * float(step[1]) + image[1] / 2,
            windows["row"] * float(step[0]) + image[0] / 2,
        ],
        axis=1,
    )
    sides = FIELD * np.array([image[1], image[0]], np.float64)
    corners = (centres - sides / 2) * factor
    extents = np.broadcast_to(sides * factor, corners.shape)
    result: Boxes = np.concatenate([corners, extents], axis=1).astype(np.float32)
    return result


def overlaps(a: Boxes, b: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union, float32; `[..., 4]` with `[..., 4]`, broadcast."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - common
    share: npt.NDArray[np.float32] = np.where(
        union > 0, common / np.maximum(union, 1e-12), 0
    ).astype(np.float32)
    return share


def candidates(
    listed: Sequence[Windows],
    factors: Sequence[tuple[float, float]],
    step: tuple[int, int],
    image: tuple[int, int],
    *,
    min_margin: int = 1,
) -> Detections:
    """Every window of every scale as a detection by itself, the strongest first. Arguments as of `detections`."""
    parts = []
    for scale, (windows, factor) in enumerate(zip(listed, factors, strict=True)):
        part = np.empty(len(windows), FOUND)
        part["box"] = boxes(windows, factor, step, image)
        part["digit"] = scanning.cell_class(windows["cell"])
        part["scale"] = scale
        part["margin"] = scanning.cell_margin(windows["cell"])
        part["score"] = scanning.cell_score(windows["cell"])
        part["support"] = part["margin"]
        parts.append(part[part["margin"] >= min_margin])
    found = np.concatenate(parts) if parts else np.empty(0, FOUND)
    # Equal margins: the higher score, then the earlier window.
    order = np.lexsort((-found["score"].astype(np.int32), -found["margin"].astype(np.int32)))
    ordered: Detections = found[order]
    return ordered


def suppress(found: Detections, *, overlap: float = 0.3, agreement: float = 0.4) -> Detections:
    """Of detections that are one digit only the strongest, whatever their classes.

    found: the strongest first, as `candidates` gives them; so is the result.
    overlap: two detections are one digit if their boxes overlap more than this, or if the centre of one is inside the
        inner half of the other's box.
    agreement: those of the kept one's class whose boxes overlap its box at least so much vote on its box.
    """
    box = found["box"].astype(np.float32)
    centre = box[:, :2] + box[:, 2:] / 2
    alive = np.ones(len(found), bool)
    kept = []
    for i in range(len(found)):
        if not alive[i]:
            continue
        shared = overlaps(box[i], box)
        distance = np.abs(centre - centre[i]) * 4
        inside = (distance < np.maximum(box[i, 2:], box[:, 2:])).all(axis=1)
        same = alive & ((shared > overlap) | inside)
        voters = np.flatnonzero(
            same & (found["digit"] == found["digit"][i]) & (shared >= agreement)
        )
        alive[same] = False
        alive[i] = False
        one = found[i : i + 1].copy()
        weights = found["margin"][voters].astype(np.float32)
        one["box"] = weights @ box[voters] / weights.sum()
        one["support"] = weights.sum()
        kept.append(one)
    return np.concatenate(kept) if kept else found[:0].copy()


def detections(
    listed: Sequence[Windows],
    factors: Sequence[tuple[float, float]],
    step: tuple[int, int],
    image: tuple[int, int],
    *,
    min_margin: int = 1,
    overlap: float = 0.3,
) -> Detections:
    """What is found in a frame, `FOUND` `[n]`, the strongest first.

    listed: the windows of each scale of the frame; an empty array for a scale that has no result.
    factors: of each scale, pixels of the picture for one of its frame, x and y.
    step: pixels from one window to the next, y and x (`ScanGeometry.step_y`, `step_x`).
    image: a window's height and width (`Geometry.image_height`, `image_width`).
    min_margin: weaker windows are not looked at; at least 1.
    overlap: see `suppress`.
    """
    found = candidates(listed, factors, step, image, min_margin=max(1, min_margin))
    return suppress(found, overlap=overlap)
