"""Digits keep their number from frame to frame, and their boxes stand still."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board.tracking import Moments, Tracker
from lutlens.board.windows import FOUND, Detections, overlaps


def detections(*entries: tuple[float, float, float, int, int]) -> Detections:
    """From (x, y, side, digit, margin), the strongest first."""
    result = np.zeros(len(entries), FOUND)
    for one, (x, y, side, digit, margin) in zip(result, entries, strict=True):
        one["box"], one["digit"], one["margin"] = (x, y, side, side), digit, margin
        one["score"] = margin + 3
    return result[np.argsort(-result["margin"].astype(int), kind="stable")]


def test_a_track_is_shown_after_some_hits_and_kept_over_a_gap() -> None:
    tracker = Tracker(hits=3, window=5, patience=2)
    seen = detections((10, 20, 30, 4, 50))
    nothing = detections()
    shown = [len(tracker.update(d, i)) for i, d in enumerate([seen, nothing, seen, nothing, seen])]
    assert shown == [0, 0, 0, 0, 1]
    (track,) = tracker.update(seen, 5)
    assert (track["digit"], track["margin"], track["score"], track["missed"]) == (4, 50, 53, 0)
    assert track["box"].tolist() == pytest.approx([10, 20, 30, 30])
    gap = [tracker.update(nothing, i) for i in (6, 7, 8)]
    assert [[int(t["missed"]) for t in tracked] for tracked in gap] == [[1], [2], []]
    assert gap[0][0]["track"] == track["track"]
    assert len(tracker) == 0


def test_a_moment_names_the_digits_of_frames_nearby() -> None:
    """One falls, the other rises."""

    def at(frame: int) -> Detections:
        return detections((10, 3.0 * frame, 30, 4, 50), (60, 200 - 3.0 * frame, 30, 7, 40))

    tracker = Tracker()
    assert tracker.moment().update(at(0), 0)["track"].tolist() == [0, 0]
    for frame in range(0, 41, 5):
        tracked = tracker.update(at(frame), frame)
    numbers = {int(one["digit"]): int(one["track"]) for one in tracked}
    moment, before = tracker.moment(), tracker.update(at(41), 41)
    for frame in (20, 36, 40, 44, 60):
        near = moment.update(at(frame), frame)
        assert {int(one["digit"]): int(one["track"]) for one in near} == numbers
        assert near["box"].tolist() == at(frame)["box"].tolist()
    stranger = moment.update(detections((300, 10, 30, 4, 50)), 40)
    assert stranger["track"].tolist() == [0]
    assert len(moment.update(detections(), 40)) == 0
    assert tracker.update(at(42), 42)["track"].tolist() == before["track"].tolist()


def test_a_digit_that_left_between_two_moments_is_named_by_the_first() -> None:
    def at(frame: int) -> Detections:
        leaves = [(60, 200 - 3.0 * frame, 30, 7, 40)] if frame < 30 else []
        comes = [(200, 60.0, 30, 5, 60)] if frame > 24 else []
        return detections((10, 3.0 * frame, 30, 4, 50), *leaves, *comes)

    tracker = Tracker()
    for frame in range(0, 21, 5):
        tracker.update(at(frame), frame)
    before = tracker.moment()
    for frame in (45, 50):
        tracker.update(at(frame), frame)
    moments = Moments((tracker.moment(), before))
    told = {int(one["digit"]): int(one["track"]) for one in moments.update(at(27), 27)}
    assert set(told) == {4, 5, 7}
    assert len(set(told.values())) == 3
    assert 0 not in told.values()
    assert tracker.moment().update(at(27), 27)["track"].tolist().count(0) == 1
    assert {told[4], told[7]} == set(before.numbers.tolist())
    assert len(moments.update(detections(), 27)) == 0


def test_weak_detections_go_on_with_a_track_and_begin_none() -> None:
    tracker = Tracker()
    tracker.support = 30
    weak, strong = (detections((10, 20, 30, 4, 9)) for _ in range(2))
    weak["support"], strong["support"] = 29, 30
    shown = [
        len(tracker.update(d, i)) for i, d in enumerate([weak, weak, weak, strong, weak, weak])
    ]
    assert shown == [0, 0, 0, 0, 1, 1]


def test_a_digit_unseen_for_farther_than_its_side_is_given_up() -> None:
    tracker = Tracker()
    for frame in range(0, 201, 10):
        tracker.update(detections((10.0 + frame, 20, 30, 4, 50)), frame)
    assert len(tracker.update(detections(), 220)) == 1  # 20 pixels on, of 30
    assert len(tracker.update(detections(), 240)) == 0


def test_what_flashes_up_once_is_never_shown() -> None:
    tracker = Tracker(hits=2, window=3)
    for i in range(40):
        flash = detections((50.0 * (i % 7), 10, 20, i % 10, 80)) if i % 4 == 0 else detections()
        assert len(tracker.update(flash, i)) == 0
        assert len(tracker) <= 1


def test_the_class_is_the_one_with_most_evidence_of_late() -> None:
    tracker = Tracker(hits=1, window=1)
    answers = [7, 7, 7, 1, 7, 1, 7, *[3] * 12]
    told = [
        int(tracker.update(detections((5, 5, 20, a, 20)), i)[0]["digit"])
        for i, a in enumerate(answers)
    ]
    assert set(told[:7]) == {7}
    assert told[-1] == 3
    tracker.reset()
    tracker.update(detections((5, 5, 20, 7, 3)), 0)
    sure = tracker.update(detections((5, 5, 20, 1, 60)), 1)
    assert sure[0]["digit"] == 1, "a weak answer does not stand against a strong one"


def test_a_jittering_box_stands_nearly_still() -> None:
    rng = np.random.default_rng(4)
    tracker = Tracker()
    measured, drawn = [], []
    for i in range(120):
        x, y, side = np.array([100, 60, 30]) + rng.uniform(-2, 2, 3)
        tracked = tracker.update(detections((x, y, side, 5, 40)), i)
        if i >= 20:
            measured.append([x, y, side, side])
            drawn.append(tracked[0]["box"])
    assert np.std(np.diff(drawn, axis=0)) < 0.7 * np.std(np.diff(measured, axis=0))
    assert np.abs(np.mean(drawn, axis=0) - [100, 60, 30, 30]).max() < 0.5


@pytest.mark.parametrize("stride", [1, 7])
def test_a_moving_box_does_not_lag_and_keeps_its_number(stride: int) -> None:
    tracker = Tracker()
    numbers = set()
    for sequence in range(0, 60 * stride, stride):
        x, y = 10 + 3 * sequence / stride, 5 + 2 * sequence / stride
        gap = sequence // stride in (30, 31)
        tracked = tracker.update(detections() if gap else detections((x, y, 24, 2, 30)), sequence)
        if sequence >= 15 * stride:
            assert np.abs(tracked[0]["box"] - [x, y, 24, 24]).max() < 2
        numbers |= set(tracked["track"].tolist())
    assert len(numbers) == 1


def test_neighbours_that_pass_each_other_keep_their_numbers() -> None:
    tracker = Tracker()
    first = None
    for i in range(40):
        left, right = 20 + 3.0 * i, 140 - 3.0 * i
        tracked = tracker.update(detections((left, 10, 24, 1, 30), (right, 32, 24, 2, 31)), i)
        if i == 2:
            first = {int(t["digit"]): int(t["track"]) for t in tracked}
    assert first is not None
    assert {int(t["digit"]): int(t["track"]) for t in tracked} == first


def test_a_sequence_that_begins_anew_begins_new_tracks() -> None:
    tracker = Tracker(hits=1)
    seen = detections((10, 10, 20, 1, 9))
    before = tracker.update(seen, 5)[0]["track"]
    assert tracker.update(seen, 6)[0]["track"] == before
    assert tracker.update(seen, 6)[0]["track"] != before
    assert len(tracker) == 1


boxes = st.tuples(
    st.floats(0, 600), st.floats(0, 130), st.floats(15, 80), st.integers(0, 9), st.integers(1, 900)
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(boxes, max_size=12), max_size=12), st.integers(1, 3), st.integers(1, 5))
def test_whatever_comes_tracks_are_few_numbered_once_and_shown_in_order(
    frames: list[list[tuple[float, float, float, int, int]]], hits: int, capacity: int
) -> None:
    tracker = Tracker(hits=hits, window=3, patience=2, capacity=capacity)
    seen: set[int] = set()
    for i, entries in enumerate(frames):
        found = detections(*entries)
        tracked = tracker.update(found, 3 * i)
        assert len(tracked) <= len(tracker) <= capacity
        numbers = tracked["track"].tolist()
        assert numbers == sorted(set(numbers))
        begun = [n for n in numbers if n not in seen]
        assert all(n > max(seen, default=0) for n in begun) or hits > 1
        seen |= set(numbers)
        assert np.isfinite(tracked["box"]).all()
        assert (tracked["box"][:, 2:] > 0).all()
        for track in tracked[tracked["missed"] == 0]:
            assert (overlaps(track["box"], found["box"]) > 0).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hits": 5, "window": 4}, "hits, window: 5, 4"),
        ({"hits": 0}, "hits, window: 0"),
        ({"window": 40}, "must be 1 <= hits <= window <= 32"),
        ({"patience": -1}, "patience, capacity: -1"),
        ({"capacity": 0}, "at least 0 and 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tracker(**options)
