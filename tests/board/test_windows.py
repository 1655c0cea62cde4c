"""From listed windows to detections: where boxes lie, and which windows are one digit."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lutlens.board import scanning, windows
from lutlens.board.windows import FOUND, Boxes, Detections

IMAGE, STEP = (28, 28), (4, 4)


def listed(*entries: tuple[int, int, int, int]) -> windows.Windows:
    """Windows from (row, column, class, margin)."""
    result = np.empty(len(entries), scanning.WINDOW)
    for window, (row, column, digit, margin) in zip(result, entries, strict=True):
        cell = scanning.cells(np.array(digit), np.array(margin), np.array(margin + 5))
        window["row"], window["column"], window["cell"] = row, column, cell
    return result


def one_by_one(a: Boxes, b: Boxes) -> float:
    """Intersection over union by counting pixels of whole-numbered boxes."""
    plane = np.zeros((2, 64, 64), bool)
    for layer, (x, y, width, height) in zip(plane, np.array([a, b]).astype(int), strict=True):
        layer[y : y + height, x : x + width] = True
    return float((plane[0] & plane[1]).sum() / max(1, (plane[0] | plane[1]).sum()))


def test_a_box_is_the_inner_field_of_its_window_in_the_picture() -> None:
    boxes = windows.boxes(listed((0, 0, 1, 9), (2, 5, 1, 9)), (1.0, 1.0), STEP, IMAGE)
    assert boxes.tolist() == [[4, 4, 20, 20], [24, 12, 20, 20]]
    scaled = windows.boxes(listed((2, 5, 1, 9)), (2.0, 3.0), STEP, IMAGE)
    assert scaled.tolist() == [[48, 36, 40, 60]]


whole_boxes = hnp.arrays(np.int64, (2, 4), elements=st.integers(0, 30)).map(
    lambda a: a.astype(np.float32)
)


@given(whole_boxes)
def test_overlap_is_that_of_the_pixels(pair: Boxes) -> None:
    assert windows.overlaps(pair[0], pair[1]) == pytest.approx(one_by_one(*pair))
    assert windows.overlaps(pair[0], pair[1]) == windows.overlaps(pair[1], pair[0])


def test_a_digit_in_several_windows_is_found_once_between_them() -> None:
    scale_0 = listed((3, 4, 7, 30), (4, 4, 7, 30), (5, 4, 7, 3), (3, 30, 2, 12))
    scale_1 = listed((1, 2, 1, 8))
    found = windows.detections([scale_0, scale_1], [(1, 1), (1.4, 1.4)], STEP, IMAGE)
    assert found["digit"].tolist() == [7, 2]
    assert found["margin"].tolist() == [30, 12]
    assert found["score"].tolist() == [35, 17]
    assert found["scale"].tolist() == [0, 0]
    x, y, width, height = found["box"][0]
    assert (x, width, height) == (20, 20, 20)
    assert 16 < y < 20.5, "between the two strongest rows"
    assert found["support"][0] > 60
    assert found["box"][1].tolist() == [124, 16, 20, 20]


def test_windows_around_the_strongest_elect_the_class() -> None:
    found = windows.detections(
        [listed((3, 4, 1, 30), (4, 4, 7, 20), (2, 4, 7, 15))], [(1, 1)], STEP, IMAGE
    )
    assert found["digit"].tolist() == [7]
    assert found["margin"].tolist() == [30], "the strongest window's"
    assert found["support"].tolist() == [35], "of those that agree"
    x, y, width, height = found["box"][0]
    assert (x, width, height) == (20, 20, 20)
    assert 12 < y < 20, "between those that agree"


def test_a_stroke_in_the_middle_of_a_larger_digit_is_that_digit() -> None:
    inside = listed((6, 6, 1, 10))  # centre 38, 38
    around = listed((0, 0, 8, 40))  # centre 14 * 2.8 = 39.2, side 56
    found = windows.detections([inside, around], [(1, 1), (2.8, 2.8)], STEP, IMAGE)
    assert found["digit"].tolist() == [8]
    beside = listed((6, 11, 1, 10))  # centre 58: at the larger one's edge
    found = windows.detections([beside, around], [(1, 1), (2.8, 2.8)], STEP, IMAGE)
    assert sorted(found["digit"]) == [1, 8]


def test_weak_windows_and_missing_scales_are_left_out() -> None:
    found = windows.detections([listed((0, 0, 3, 4)), listed()], [(1, 1), (2, 2)], STEP, IMAGE)
    assert len(found) == 1
    weak = [listed((0, 0, 3, 4)), listed()]
    assert len(windows.detections(weak, [(1, 1), (2, 2)], STEP, IMAGE, min_margin=5)) == 0
    assert len(windows.detections([], [], STEP, IMAGE)) == 0


entries = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 40), st.integers(0, 9), st.integers(1, 200)),
    max_size=40,
)


@settings(deadline=None, max_examples=50)
@given(entries, entries, st.floats(0.1, 0.7))
def test_what_is_left_is_the_strongest_of_its_surroundings(
    first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]], overlap: float
) -> None:
    scales = [listed(*first), listed(*second)]
    factors = [(1.0, 1.0), (1.4, 1.4)]
    everything = windows.candidates(scales, factors, STEP, IMAGE)
    assert len(everything) == len(first) + len(second)
    assert (np.diff(everything["margin"].astype(int)) <= 0).all()
    found = windows.detections(scales, factors, STEP, IMAGE, overlap=overlap)
    assert (np.diff(found["margin"].astype(int)) <= 0).all()
    assert bool(len(found)) == bool(len(everything))
    if len(found):
        assert found[0]["margin"] == everything[0]["margin"]
        assert found["support"].sum() <= everything["margin"].sum() + 1e-3
        assert (found["support"] >= found["margin"]).all()
    # Everything that is gone was near something at least as strong that stayed: a vote moves boxes by less than a side.
    for one in everything:
        near = windows.overlaps(one["box"], found["box"]) > 0
        assert (near & (found["margin"] >= one["margin"])).any()
    # What is found does not vote itself onto another: suppressing again takes little away.
    assert len(windows.suppress(found, overlap=0.999)) <= len(found)


@settings(deadline=None, max_examples=50)
@given(entries, st.integers(0, 30), st.integers(0, 30))
def test_detections_move_with_the_windows(
    entry: list[tuple[int, int, int, int]], rows: int, columns: int
) -> None:
    def detect(dy: int, dx: int) -> Detections:
        moved = listed(*((row + dy, column + dx, d, m) for row, column, d, m in entry))
        return windows.detections([moved], [(1.5, 2.0)], STEP, IMAGE)

    here, there = detect(0, 0), detect(rows, columns)
    shift = np.array([columns * 4 * 1.5, rows * 4 * 2.0, 0, 0])
    assert np.allclose(here["box"] + shift, there["box"], atol=1e-3)
    assert np.array_equal(here["digit"], there["digit"])


def test_windows_far_apart_are_all_found() -> None:
    spread = listed(*((10 * i, 10 * j, (i + j) % 10, 5 + i) for i in range(4) for j in range(5)))
    found = windows.detections([spread], [(1.0, 1.0)], STEP, IMAGE)
    assert len(found) == 20
    assert found.dtype == FOUND


@pytest.mark.parametrize(
    ("size", "largest", "expected"),
    [
        ((640, 132), 20, [(640, 132)]),
        ((640, 132), 60, [(640, 132), (456, 92), (320, 64), (224, 48)]),
        ((640, 132), 150, [(640, 132), (456, 92), (320, 64), (224, 48), (160, 32)]),
        ((320, 240), 60, [(320, 240), (224, 168), (160, 120), (112, 84)]),
    ],
)
def test_a_pyramid_at_its_widest_step_has_scales_for_all_sizes_that_fit(
    size: tuple[int, int], largest: float, expected: list[tuple[int, int]]
) -> None:
    step = windows.WIDEST_STEP
    sizes = windows.pyramid(*size, image=IMAGE, largest=largest, step=step)
    assert sizes == expected
    factors = windows.factors(size, sizes)
    assert factors[0] == (1, 1)
    assert all(fx == pytest.approx(step**i, rel=0.1) for i, (fx, _) in enumerate(factors))


def test_the_copies_of_a_smooth_picture_are_means_over_their_pixels() -> None:
    height, width = 131, 642  # of which the largest copy is not a copy
    y, x = np.mgrid[:height, :width].astype(np.float32)
    image = (128 + 60 * np.sin(x / 19) + 60 * np.cos(y / 13)).astype(np.uint8)
    sizes = windows.pyramid(640, 132, image=IMAGE, largest=70)
    copies = windows.copies(image, sizes)
    assert [copy.shape[::-1] for copy in copies] == sizes
    for copy, size in zip(copies, sizes, strict=True):
        mean = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        # Half a pixel to the side would make a difference of 1 in the largest copy, of 3 in the smallest.
        assert cv2.absdiff(copy, mean).mean() < 0.5


@given(st.integers(20, 400), st.floats(1.05, 1.4))
def test_a_pyramid_steps_as_told_or_as_it_must_to_reach_the_largest(
    largest: int, step: float
) -> None:
    sizes = windows.pyramid(4000, 4000, image=IMAGE, largest=largest, step=step)
    assert sizes[0] == (4000, 4000)
    assert len(sizes) <= scanning.MAX_SCALES
    ratios = [a[0] / b[0] for a, b in pairwise(sizes)]
    assert all(step * 0.98 <= ratio <= windows.WIDEST_STEP * 1.02 for ratio in ratios)
    found = 20 * 4000 / sizes[-1][0] * (ratios[-1] if ratios else step) ** 0.5
    if largest <= 20 * windows.WIDEST_STEP ** (scanning.MAX_SCALES - 0.5):
        assert found >= largest * 0.97
    if len(sizes) < scanning.MAX_SCALES:
        assert all(ratio == pytest.approx(step, rel=0.02) for ratio in ratios)
        assert 20 * 4000 / sizes[-1][0] / step**0.5 <= largest * 1.03, "none too many"
