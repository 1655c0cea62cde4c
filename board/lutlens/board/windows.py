"""From the windows that a core lists for a frame, scale by scale, to detections: where which digit is.

A digit answers in several windows, of neighbouring positions and scales. Non-maximum suppression keeps the strongest;
those around it elect the class, weighted by their margins, and the box is the mean of those that agree, which is finer
than the steps between windows (box voting: Gidaris and Komodakis, "Object detection via a multi-region and semantic
segmentation-aware CNN model", ICCV 2015).
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
as are margin (over its second best class) and score. support: margins of all windows that agree, added: the detection's
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
_TOGETHER = 64
"""Detections that are held against all others at once: more would take much memory, fewer much time."""


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


def copies(grey: Grey, sizes: Sequence[tuple[int, int]]) -> list[Grey]:
    """A picture, uint8 `[h, w]`, in the sizes of its pyramid, the largest first: width and height.

    Halved as often as it can be, then interpolated, as textures are (Williams, "Pyramidal parametrics", SIGGRAPH 1983):
    a mean over fractions of pixels takes ten times as long and makes nothing better to find.
    """
    made = []
    for width, height in sizes:
        while grey.shape[1] >= 2 * width and grey.shape[0] >= 2 * height:
            half = grey.shape[1] // 2, grey.shape[0] // 2
            grey = np.asarray(cv2.resize(grey, half, interpolation=cv2.INTER_AREA), np.uint8)
        same = grey.shape == (height, width)
        made.append(grey if same else np.asarray(cv2.resize(grey, (width, height)), np.uint8))
    return made


def factors(
    picture: tuple[int, int], sizes: Sequence[tuple[int, int]]
) -> list[tuple[float, float]]:
    """For `detections`: pixels of a picture for one pixel of each of its copies, x and y. All by width and height."""
    width, height = picture
    return [(width / w, height / h) for w, h in sizes]


def boxes(
    windows: Windows,
    factors: tuple[float, float] | npt.NDArray[np.float64],
    step: tuple[int, int],
    image: tuple[int, int],
) -> Boxes:
    """The expected extent of the digit in each window, float32 `[n, 4]`, in pixels of the picture.

    factors: pixels of the picture for one of the scale's frame, x and y; of all windows or of each, `[n, 2]`.
    step: pixels from one window to the next, y and x; image: a window's height and width.
    """
    result = np.empty((len(windows), 4), np.float32)
    sides = FIELD * np.array([image[1], image[0]], np.float64)
    for axis, name in enumerate(("column", "row")):
        middle = windows[name] * float(step[1 - axis]) + image[1 - axis] / 2
        result[:, axis] = (middle - sides[axis] / 2) * np.asarray(factors)[..., axis]
    result[:, 2:] = sides * factors
    return result


def overlaps(a: Boxes, b: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union, float32; `[..., 4]` with `[..., 4]`, broadcast."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.maximum(high - low, 0)
    common = shared[..., 0] * shared[..., 1]
    union = a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - common
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
    counts = [len(windows) for windows in listed]
    everything = np.empty(sum(counts), scanning.WINDOW)
    for windows, end in zip(listed, np.cumsum(counts).tolist(), strict=True):
        everything[end - len(windows) : end] = windows
    found = np.empty(len(everything), FOUND)
    each = np.repeat(np.asarray(factors, np.float64).reshape(-1, 2), counts, axis=0)
    found["box"] = boxes(everything, each, step, image)
    found["digit"] = scanning.cell_class(everything["cell"])
    found["scale"] = np.repeat(np.arange(len(counts)), counts)
    found["margin"] = scanning.cell_margin(everything["cell"])
    found["score"] = scanning.cell_score(everything["cell"])
    found["support"] = found["margin"]
    # Equal margins: the higher score, then the earlier window.
    order = np.lexsort((-found["score"].astype(np.int32), -found["margin"].astype(np.int32)))
    ordered: Detections = found[order[found["margin"][order] >= min_margin]]
    return ordered


def suppress(found: Detections, *, overlap: float = 0.3, agreement: float = 0.3) -> Detections:
    """Of detections that are one digit only the strongest, whatever their classes.

    found: the strongest first, as `candidates` gives them; so is the result.
    overlap: two detections are one digit if their boxes overlap more than this, or if the centre of one is inside the
        inner half of the other's box.
    agreement: those whose boxes overlap the kept one's at least so much vote on its class, and those of that class on
        its box.
    """
    box = found["box"].astype(np.float32)
    centre, inner = box[:, :2] + box[:, 2:] / 2, box[:, 2:] / 4
    alive = np.ones(len(found), bool)
    kept: list[int] = []
    votes: list[npt.NDArray[np.bool_]] = []
    for first in range(0, len(found), _TOGETHER):
        some = np.s_[first : first + _TOGETHER, None]
        shared = overlaps(box[some], box)
        inside = np.abs(centre - centre[some]) < np.maximum(inner, inner[some])
        near = (shared > overlap) | inside.all(axis=-1)
        for i in range(len(shared)):
            if not alive[first + i]:
                continue
            kept.append(first + i)
            votes.append(alive & near[i] & (shared[i] >= agreement))
            alive &= ~near[i]
    result: Detections = found[kept]
    if kept:
        weights = np.array(votes) * found["margin"].astype(np.float32)
        digits = found["digit"][:, None] == np.arange(found["digit"].max() + 1, dtype=np.uint8)
        result["digit"] = (weights @ digits.astype(np.float32)).argmax(axis=1)
        weights *= found["digit"] == result["digit"][:, None]
        result["support"] = weights.sum(axis=1)
        result["box"] = weights @ box / result["support"][:, None]
    return result


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
