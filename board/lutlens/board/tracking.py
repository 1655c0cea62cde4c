"""Which detections of one frame are those of the frame before: digits keep their identity, boxes stand still.

Detections go to tracks by the overlap of their boxes, best pairs first (Bochinski, Eiselein, Sikora, "High-speed
tracking-by-detection without using image information", AVSS 2017). A track's centre follows an alpha-beta filter, so
that a moving digit's box does not lag; its size is smoothed; its class is the one with most evidence of late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from lutlens.board.windows import FOUND, Boxes, Detections, overlaps

TRACKED = np.dtype(
    [*((name, FOUND[name]) for name in FOUND.names or ()), ("track", "<u4"), ("missed", "<u2")]
)
"""`windows.FOUND`, with box and digit the track's own, and track: the digit's number, 0 if it has none; missed: for how
many updates it has not been detected, 0 if it is now. Margin, score, scale and support are those of its latest
detection."""

Tracked = npt.NDArray[np.void]
"""`TRACKED` `[n]`."""

CLASSES = 256
ALPHA, BETA = 0.6, 0.2
"""Shares of a detection's surprise that go into position and velocity."""
SIZE_SHARE = 0.35
"""Share of a detection's size in the new size."""
MEMORY = 0.85
"""What is left of evidence after an update."""
MIN_OVERLAP = 0.2
"""Boxes that overlap less are not the same digit."""
NEAR = 0.7
"""Nor are boxes, overlapping or not, whose centres are farther apart than this many of their sides."""


@dataclass(eq=False)
class _Track:
    number: int
    last: np.void  # the latest detection, FOUND
    centre: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))  # pixels a frame
    evidence: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(CLASSES))
    moves: bool = False  # whether its velocity is known
    hits: int = 0  # a bit for each of the last updates, the lowest the latest
    missed: int = 0
    shown: bool = False

    @property
    def box(self) -> npt.NDArray[np.float32]:
        corner = self.centre - self.size / 2
        return np.concatenate([corner, self.size], dtype=np.float32, casting="same_kind")


class Follower(Protocol):
    """Whoever tells which digits of a frame are those of others."""

    def update(self, detections: Detections, sequence: int) -> Tracked:
        """The digits of frame `sequence`. detections: `windows.detections` of it, the strongest first."""


@dataclass(frozen=True, eq=False)
class Moment:
    """Shown tracks as they were after frame `sequence`: they name the digits of frames nearby, before it and after.

    numbers: int `[n]`. centres, sizes: pixels, float `[n, 2]`. velocities: pixels a frame, float `[n, 2]`.
    """

    sequence: int
    numbers: npt.NDArray[np.int64]
    centres: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]
    velocities: npt.NDArray[np.float64]

    def update(self, detections: Detections, sequence: int) -> Tracked:
        """The detections as they are, each with the number of the track that it belongs to. Changes nothing."""
        centres = self.centres + self.velocities * (sequence - self.sequence)
        boxes = np.concatenate([centres - self.sizes / 2, self.sizes], axis=1).astype(np.float32)
        result = np.zeros(len(detections), TRACKED)
        for name in FOUND.names or ():
            result[name] = detections[name]
        for i, j in _match(boxes, detections).items():
            result["track"][j] = self.numbers[i]
        return result


class Tracker:
    """Tracks of one source of frames. Not for several threads at a time.

    support: detections with less begin no track, but go on with one. May be set at any time.
    """

    def __init__(
        self, *, hits: int = 2, window: int = 4, patience: int = 5, capacity: int = 256
    ) -> None:
        """hits, window: a track is shown once it was detected `hits` times in `window` updates.
        patience: a shown track that is not detected is kept for so many updates, others for `window` ones.
        capacity: at most so many tracks; beyond it, the weakest new detections begin none.
        """
        if not 1 <= hits <= window <= 32:
            raise ValueError(f"hits, window: {hits}, {window}; must be 1 <= hits <= window <= 32")
        if patience < 0 or capacity < 1:
            raise ValueError(
                f"patience, capacity: {patience}, {capacity}; must be at least 0 and 1"
            )
        self._hits, self._window, self._patience, self._capacity = hits, window, patience, capacity
        self.support = 0.0
        self._tracks: list[_Track] = []
        self._next = 1
        self._sequence: int | None = None

    def __len__(self) -> int:
        return len(self._tracks)

    def reset(self) -> None:
        """Forget all tracks, as for a new source; numbers are not used again."""
        self._tracks.clear()
        self._sequence = None

    def update(self, detections: Detections, sequence: int) -> Tracked:
        """The shown tracks after a frame, in the order of their numbers.

        detections: `windows.detections` of the frame, the strongest first.
        sequence: the frame's number. Frames may be left out; a number that is not above the one before means
            that the source began anew.
        """
        if self._sequence is not None and sequence <= self._sequence:
            self.reset()
        frames = 1 if self._sequence is None else sequence - self._sequence
        self._sequence = sequence
        for track in self._tracks:
            track.centre = track.centre + track.velocity * frames
        taken = _match(_boxes(self._tracks), detections)
        for i, track in enumerate(self._tracks):
            self._advance(track, detections[taken[i]] if i in taken else None, frames)
        self._tracks = [track for track in self._tracks if self._lives(track)]
        used = set(taken.values())
        for i in range(len(detections)):
            strong = detections["support"][i] >= self.support
            if strong and i not in used and len(self._tracks) < self._capacity:
                self._begin(detections[i])
        return self._shown()

    def moment(self) -> Moment:
        """The shown tracks as they are now."""
        shown = [track for track in self._tracks if track.shown]
        pair = (len(shown), 2)
        return Moment(
            self._sequence or 0,
            np.array([track.number for track in shown], np.int64),
            np.array([track.centre for track in shown]).reshape(pair),
            np.array([track.size for track in shown]).reshape(pair),
            np.array([track.velocity for track in shown]).reshape(pair),
        )

    def _advance(self, track: _Track, found: np.void | None, frames: int) -> None:
        track.hits = (track.hits << 1 | (found is not None)) & ((1 << self._window) - 1)
        track.evidence *= MEMORY
        if found is None:
            track.missed += 1
            return
        x, y, width, height = (float(length) for length in found["box"])
        surprise = np.array([x + width / 2, y + height / 2]) - track.centre
        track.centre = track.centre + ALPHA * surprise
        # Two points make the first velocity; from then on surprises correct it.
        track.velocity = track.velocity + (BETA if track.moves else ALPHA) * surprise / frames
        track.moves = True
        track.size = track.size + SIZE_SHARE * (np.array([width, height]) - track.size)
        track.evidence[found["digit"]] += max(1, int(found["margin"]))
        track.missed, track.last = 0, found
        track.shown = track.shown or track.hits.bit_count() >= self._hits

    def _lives(self, track: _Track) -> bool:
        if not track.shown:
            return track.hits != 0
        # Unseen for farther than its own side: where it is by now nobody knows.
        x, y, width, height = (float(length) for length in track.last["box"])
        gone = np.abs(track.centre - (x + width / 2, y + height / 2))
        return track.missed <= self._patience and bool((gone <= track.size).all())

    def _begin(self, found: np.void) -> None:
        x, y, width, height = (float(length) for length in found["box"])
        size = np.array([width, height])
        track = _Track(self._next, found, np.array([x, y]) + size / 2, size)
        track.evidence[found["digit"]] = max(1, int(found["margin"]))
        track.hits, track.shown = 1, self._hits == 1
        self._next += 1
        self._tracks.append(track)

    def _shown(self) -> Tracked:
        shown = sorted((t for t in self._tracks if t.shown), key=lambda track: track.number)
        result = np.zeros(len(shown), TRACKED)
        for row, track in zip(result, shown, strict=True):
            for name in FOUND.names or ():
                row[name] = track.last[name]
            row["box"] = track.box
            row["digit"] = track.evidence.argmax()
            row["track"], row["missed"] = track.number, track.missed
        return result


def _boxes(tracks: Sequence[_Track]) -> Boxes:
    return np.array([track.box for track in tracks], np.float32).reshape(len(tracks), 4)


def _match(predicted: Boxes, detections: Detections) -> dict[int, int]:
    """Index of a predicted box, float32 `[n, 4]`, to that of its detection: the best pairs first."""
    found = detections["box"].astype(np.float32)[None]
    predicted = predicted[:, None]
    likeness = overlaps(predicted, found)
    apart = np.abs(
        predicted[..., :2] + predicted[..., 2:] / 2 - found[..., :2] - found[..., 2:] / 2
    )
    near = (apart <= NEAR * np.maximum(predicted[..., 2:], found[..., 2:])).all(axis=-1)
    likeness = np.where(near & (likeness >= MIN_OVERLAP), likeness, 0.0)
    pairs: dict[int, int] = {}
    for flat in np.argsort(-likeness, axis=None, kind="stable"):
        i, j = divmod(int(flat), len(detections))
        if likeness[i, j] == 0.0:
            break
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs
