"""Detections by a core that scans: a picture in several sizes, its windows, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import contrast, scanning, windows
from lutlens.board.detection import ClassMap, Detection, Detector, Found, Image
from lutlens.board.scanner import Scanner
from lutlens.board.streams import Scans, Size, Stream
from lutlens.board.tracking import Follower, Tracker

LARGEST = 150.0
"""Longer side of the largest digits looked for in the frames of a source, pixels."""

SCALE_STEPS = (windows.SCALE_STEP, 2 ** (1 / 3), windows.WIDEST_STEP)
"""From one scale of a picture to the next, the most accurate first."""

Grey = npt.NDArray[np.uint8]


class Band(NamedTuple):
    """Rows of windows of one scale that go to the core as a frame.

    scale: which. first: row of windows. top, height: pixels of the scale's picture.
    """

    scale: int
    first: int
    top: int
    height: int


@dataclass(frozen=True)
class Layout:
    """How a picture becomes frames.

    picture: its width and height.
    scales: width and height of its copies, the finest first.
    bands: a frame each, those of a scale one after the other.
    """

    picture: Size
    scales: tuple[Size, ...]
    bands: tuple[Band, ...]

    @property
    def sizes(self) -> list[Size]:
        """Width and height of the frames."""
        return [(self.scales[band.scale][0], band.height) for band in self.bands]

    @property
    def factors(self) -> list[tuple[float, float]]:
        """Pixels of the picture for one of each scale, x and y."""
        return windows.factors(self.picture, self.scales)


def layout(scanner: Scanner, picture: Size, k: int, largest: float = LARGEST) -> Layout:
    """The scales of a picture that the core can scan in K passes.

    Where a frame has more windows than the core can add scores of, it becomes several bands; where they become more
    than the ring's frames can be of different sizes, scales are taken farther apart, and then the finest is left out.

    Raises ValueError for a picture that is too small, or so wide that one row has too many windows.
    """
    base = _base(scanner, picture)
    reach = largest * base[0] / picture[0]
    most = scanner.max_positions if k > 1 else None
    scales: list[Size] = []
    for step in SCALE_STEPS:
        scales = windows.pyramid(*base, image=scanner.image, largest=reach, step=step)
        bands = _all_bands(scanner, scales, most)
        if len(bands) <= scanning.MAX_SCALES:
            break
    while len(bands) > scanning.MAX_SCALES:
        del scales[0]
        bands = _all_bands(scanner, scales, most)
    return Layout(picture, tuple(scales), tuple(bands))


def _base(scanner: Scanner, picture: Size) -> Size:
    """The largest size of this picture that the core takes, at most its own; widths are multiples of 8."""
    most = scanner.manifest.geometry.max_width // scanning.WIDTH_STEP * scanning.WIDTH_STEP
    factor = min(1.0, most / picture[0])
    width, height = (
        max(step, round(length * factor / step) * step)
        for length, step in zip(picture, (scanning.WIDTH_STEP, windows.HEIGHT_STEP), strict=True)
    )
    if height < scanner.image[0] or width < scanner.image[1]:
        raise ValueError(f"picture: {width}x{height} pixels, smaller than a window")
    return min(width, most), height


def _all_bands(scanner: Scanner, scales: Sequence[Size], most: int | None) -> list[Band]:
    return [band for i, size in enumerate(scales) for band in _bands(scanner, i, size, most)]


def _bands(scanner: Scanner, scale: int, size: Size, most: int | None) -> list[Band]:
    rows, columns = scanner.map_size(*size)
    if most is None or rows * columns <= most:
        return [Band(scale, 0, 0, size[1])]
    if columns > most:
        raise ValueError(f"picture: a row of {columns} windows, the core adds scores of {most}")
    count = -(-rows // (most // columns))
    firsts = [rows * i // count for i in range(count + 1)]
    return [
        Band(
            scale,
            first,
            first * scanner.step[0],
            (end - first - 1) * scanner.step[0] + scanner.image[0],
        )
        for first, end in pairwise(firsts)
    ]


@dataclass(frozen=True, eq=False)
class Scanned:
    """A picture, scanned.

    copies: uint8 `[h, w]` of each scale, as the core saw them: local contrast.
    scans: results of the bands; `first` is that of the first band.
    """

    plan: Layout
    copies: Sequence[Grey]
    scans: Scans
    first: int = 0

    def windows(self) -> list[windows.Windows]:
        """Peaks of each scale, rows counted from the scale's top."""
        parts: list[list[windows.Windows]] = [[] for _ in self.plan.scales]
        for i, band in enumerate(self.plan.bands, self.first):
            listed = self.scans.windows(i).copy()
            listed["row"] += band.first
            parts[band.scale].append(listed)
        return [np.concatenate(part) for part in parts]

    def cells(self) -> scanning.Cells:
        """The map of the finest scale."""
        maps = [
            self.scans.cells(i)
            for i, band in enumerate(self.plan.bands, self.first)
            if band.scale == 0
        ]
        return np.concatenate(maps)


class ScanDetector(Detector):
    """Streams the frames of a source through the core, and follows the digits in them."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._tracker = Tracker()
        self._stream: Stream | None = None
        self._plan: Layout | None = None
        self._settings: tuple[Size, int, int] | None = None

    def detect(self, image: Image, sequence: int, k: int, min_margin: int) -> Found:
        settings = (image.shape[1], image.shape[0]), k, min_margin
        if self._settings != settings:
            self.close()
            self._plan = layout(self._scanner, settings[0], k)
            self._tracker.support = _least_support(self._scanner, self._plan, k)
            self._stream = self._scanner.stream(self._plan.sizes, k, min_margin=min_margin)
            self._settings = settings
        assert self._plan is not None
        assert self._stream is not None
        return found(self._scanner, scan(self._stream, self._plan, image), self._tracker, sequence)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = self._settings = None
        self._tracker.reset()


def _least_support(scanner: Scanner, plan: Layout, k: int) -> float:
    """The support that suited the network best in validation scenes, where it says so: `min_support`.

    0 for a picture that is scanned in one size: scales that agree are what support counts.
    """
    told = scanner.manifest.provenance.get("min_support", {})
    return float(told.get(str(k), 0)) if len(plan.scales) > 1 else 0.0


def search(scanner: Scanner, image: Image, k: int) -> Found:
    """What is in one picture, BGR uint8 `[h, w, 3]`, however large the digits. Raises CoreError, ValueError."""
    picture = image.shape[1], image.shape[0]
    plan = layout(scanner, picture, k, largest=max(picture))
    with scanner.stream(plan.sizes, k) as stream:
        return found(scanner, scan(stream, plan, image))


def scan(stream: Stream, plan: Layout, image: Image) -> Scanned:
    """Put a picture, BGR uint8 `[h, w, 3]`, through the core, its local contrast at every scale. Raises CoreError."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    copies = [contrast.normalise(copy) for copy in windows.copies(grey, plan.scales)]
    frames = [copies[band.scale][band.top : band.top + band.height] for band in plan.bands]
    return Scanned(plan, copies, stream.scan(frames))


def found(
    scanner: Scanner, scanned: Scanned, follower: Follower | None = None, sequence: int = 0
) -> Found:
    """Detections and class map of a scanned picture.

    follower: knows the digits; the picture is then frame `sequence` of what it follows.
    """
    plan = scanned.plan
    seen = windows.detections(scanned.windows(), plan.factors, scanner.step, scanner.image)
    if follower is not None:
        seen = follower.update(seen, sequence)
    (height, width), (step_y, step_x), (fx, fy) = scanner.image, scanner.step, plan.factors[0]
    return Found(
        _detections(scanner, scanned, seen),
        ClassMap(
            scanned.cells(),
            origin=(width / 2 * fx, height / 2 * fy),
            pitch=(step_x * fx, step_y * fy),
            background=scanner.background,
        ),
    )


def _detections(
    scanner: Scanner, scanned: Scanned, seen: windows.Detections
) -> tuple[Detection, ...]:
    """seen: `windows.FOUND` or `tracking.TRACKED`."""
    high, wide = scanner.image
    scale = seen["scale"]
    sizes = np.array(scanned.plan.scales)[scale]
    middles = (seen["box"][:, :2] + seen["box"][:, 2:] / 2) / np.array(scanned.plan.factors)[scale]
    # The window around the box's middle, as far inside the picture as it must be to be whole.
    corners = np.clip(np.round(middles - (wide / 2, high / 2)), 0, sizes - (wide, high))
    followed = "track" in (seen.dtype.names or ())
    return tuple(
        Detection(
            box=(x, y, width, height),
            digit=digit,
            label=scanner.manifest.geometry.classes[digit],
            margin=margin,
            scores=None,
            view=scanned.copies[at][top : top + high, left : left + wide].copy(),
            track=track or None,
        )
        for (x, y, width, height), digit, margin, at, (left, top), track in zip(
            np.round(seen["box"]).astype(int).tolist(),
            seen["digit"].tolist(),
            seen["margin"].tolist(),
            scale.tolist(),
            corners.astype(int).tolist(),
            seen["track"].tolist() if followed else [None] * len(seen),
            strict=True,
        )
    )
