"""Which detections of one frame are those of the frame before: digits keep their identity, boxes stand still.

Detections go to tracks by the overlap of their boxes, best pairs first (Bochinski, Eiselein, Sikora, "High-speed
tracking-by-detection without using image information", AVSS 2017). A track's centre follows an alpha-beta filter, so
that a moving digit's box does not lag; its size is smoothed; its class is the one with most evidence of late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
Indices = npt.NDArray[np.intp]

CLASSES = 256
LONGEST_WINDOW = 32
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


_Tracks = npt.NDArray[np.void]
_TRACK = np.dtype(
    [
        ("number", "<u4"),
        ("last", FOUND),
        ("centre", "<f8", 2),
        ("size", "<f8", 2),
        ("velocity", "<f8", 2),
        ("evidence", "<f8", CLASSES),
        ("moves", "?"),
        ("hits", "?", LONGEST_WINDOW),
        ("missed", "<u2"),
        ("shown", "?"),
    ]
)
"""last: the latest detection. velocity: pixels a frame; moves: whether it is known. hits: whether it was detected in
the last updates, the latest first."""


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
        result = _tracked(detections)
        own, taken = _match(boxes, detections)
        result["track"][taken] = self.numbers[own]
        return result


@dataclass(frozen=True, eq=False)
class Moments:
    """Some of them: what has no number at the first may have one at the next, as a digit that has left meanwhile."""

    each: Sequence[Moment]

    def update(self, detections: Detections, sequence: int) -> Tracked:
        """As of `Moment`."""
        result = _tracked(detections)
        for moment in self.each:
            nameless = result["track"] == 0
            numbers = moment.update(detections[nameless], sequence)["track"]
            result["track"][nameless] = np.where(np.isin(numbers, result["track"]), 0, numbers)
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
        if not 1 <= hits <= window <= LONGEST_WINDOW:
            raise ValueError(
                f"hits, window: {hits}, {window}; must be 1 <= hits <= window <= {LONGEST_WINDOW}"
            )
        if patience < 0 or capacity < 1:
            raise ValueError(
                f"patience, capacity: {patience}, {capacity}; must be at least 0 and 1"
            )
        self._hits, self._window, self._patience, self._capacity = hits, window, patience, capacity
        self.support = 0.0
        self._tracks: _Tracks = np.empty(0, _TRACK)
        self._next = 1
        self._sequence: int | None = None

    def __len__(self) -> int:
        return len(self._tracks)

    def reset(self) -> None:
        """Forget all tracks, as for a new source; numbers are not used again."""
        self._tracks = self._tracks[:0]
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
        self._tracks["centre"] += frames * self._tracks["velocity"]
        own, taken = _match(_boxes(self._tracks), detections)
        self._advance(own, detections[taken], frames)
        self._tracks = self._tracks[self._alive()]
        free = np.ones(len(detections), bool)
        free[taken] = False
        free &= detections["support"] >= self.support
        self._begin(detections[free][: self._capacity - len(self._tracks)])
        return self._shown()

    def moment(self) -> Moment:
        """The shown tracks as they are now."""
        shown = self._tracks[self._tracks["shown"]]
        return Moment(
            self._sequence or 0,
            shown["number"].astype(np.int64),
            shown["centre"],
            shown["size"],
            shown["velocity"],
        )

    def _advance(self, own: Indices, found: Detections, frames: int) -> None:
        """The tracks with these indices were detected, the others were not."""
        tracks = self._tracks
        tracks["hits"][:, 1:] = tracks["hits"][:, :-1]
        tracks["hits"][:, 0] = False
        tracks["evidence"] *= MEMORY
        tracks["missed"] += 1
        if not len(own):
            return
        seen = tracks[own]
        corner, size = np.split(found["box"].astype(np.float64), 2, axis=1)
        surprise = corner + size / 2 - seen["centre"]
        seen["centre"] += ALPHA * surprise
        # Two points make the first velocity; from then on surprises correct it.
        share = np.where(seen["moves"], BETA, ALPHA)[:, None]
        seen["velocity"] += share * surprise / frames
        seen["moves"] = True
        seen["size"] += SIZE_SHARE * (size - seen["size"])
        seen["evidence"][np.arange(len(own)), found["digit"]] += np.maximum(1, found["margin"])
        seen["missed"], seen["last"] = 0, found
        seen["hits"][:, 0] = True
        seen["shown"] |= seen["hits"][:, : self._window].sum(axis=1) >= self._hits
        tracks[own] = seen

    def _alive(self) -> npt.NDArray[np.bool_]:
        """Which tracks are kept."""
        tracks = self._tracks
        # Unseen for farther than its own side: where it is by now nobody knows.
        corner, size = np.split(tracks["last"]["box"].astype(np.float64), 2, axis=1)
        gone = np.abs(tracks["centre"] - (corner + size / 2))
        known = (tracks["missed"] <= self._patience) & (gone <= tracks["size"]).all(axis=1)
        candidate = tracks["hits"][:, : self._window].any(axis=1)
        return np.where(tracks["shown"], known, candidate)

    def _begin(self, found: Detections) -> None:
        if not len(found):
            return
        new = np.zeros(len(found), _TRACK)
        corner, new["size"] = np.split(found["box"].astype(np.float64), 2, axis=1)
        new["centre"] = corner + new["size"] / 2
        new["number"] = np.arange(self._next, self._next + len(new))
        new["evidence"][np.arange(len(new)), found["digit"]] = np.maximum(1, found["margin"])
        new["last"] = found
        new["hits"][:, 0], new["shown"] = True, self._hits == 1
        self._next += len(new)
        self._tracks = np.concatenate([self._tracks, new])

    def _shown(self) -> Tracked:
        """In the order of their numbers, as tracks are."""
        shown = self._tracks[self._tracks["shown"]]
        result = _tracked(shown["last"])
        result["box"] = _boxes(shown)
        result["digit"] = shown["evidence"].argmax(axis=1)
        result["track"], result["missed"] = shown["number"], shown["missed"]
        return result


def _tracked(found: Detections) -> Tracked:
    """Detections as those of tracks without a number."""
    result = np.zeros(len(found), TRACKED)
    for name in FOUND.names or ():
        result[name] = found[name]
    return result


def _boxes(tracks: _Tracks) -> Boxes:
    corner = tracks["centre"] - tracks["size"] / 2
    return np.concatenate([corner, tracks["size"]], axis=1, dtype=np.float32, casting="same_kind")


def _match(predicted: Boxes, detections: Detections) -> tuple[Indices, Indices]:
    """Indices of predicted boxes, float32 `[n, 4]`, and those of their detections: the best pairs first."""
    found = detections["box"].astype(np.float32)[None]
    predicted = predicted[:, None]
    likeness = overlaps(predicted, found)
    apart = np.abs(
        predicted[..., :2] + predicted[..., 2:] / 2 - found[..., :2] - found[..., 2:] / 2
    )
    near = (apart <= NEAR * np.maximum(predicted[..., 2:], found[..., 2:])).all(axis=-1)
    own, other = np.nonzero(near & (likeness >= MIN_OVERLAP))
    order = np.argsort(-likeness[own, other], kind="stable")
    pairs: dict[int, int] = {}
    for i, j in zip(own[order].tolist(), other[order].tolist(), strict=True):
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return np.array(list(pairs), np.intp), np.array(list(pairs.values()), np.intp)
