"""Digits are found in pictures, cut out as MNIST was made, and other shapes are left alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from lutlens.board import handwriting, regions
from lutlens.board.detection import recognise
from lutlens.board.mnist import SIDE
from lutlens.board.overlay import load
from lutlens.board.sources import Box
from lutlens.board.sources.synthetic import Scene, SyntheticSpec
from lutlens.host.devices import open_device

SHIPPED = Path(__file__).parents[2] / "overlays" / "digits"

Image = npt.NDArray[np.uint8]
Proposed = list[tuple[tuple[tuple[Box, int], ...], list[Box], Image]]
"""Of each frame: the truth, and the boxes and views that were proposed."""


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(0, width) * max(0, height)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def page(level: int = 225, size: tuple[int, int] = (360, 640)) -> Image:
    noise = np.random.default_rng(0).normal(level, 3, size)
    return np.clip(noise, 0, 255).astype(np.uint8)


def write(paper: Image, digit: int, at: tuple[int, int], side: int, ink: int) -> tuple[Box, Image]:
    """Write a digit on grey paper; its box, and the 28x28 image that it was made from."""
    image = handwriting.draw(digit, np.random.default_rng(digit))
    share = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) / 255.0
    x, y = at
    part = paper[y : y + side, x : x + side]
    part[:] = (part + share * (ink - part.astype(float))).astype(np.uint8)
    left, top, width, height = cv2.boundingRect((share > 0.35).astype(np.uint8))
    return (x + left, y + top, width, height), image


def likeness(a: Image, b: Image) -> float:
    """Correlation; a centre of mass between two pixels may be rounded to either."""
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return max(np.corrcoef(np.roll(a, by, (0, 1)).ravel(), b.ravel())[0, 1] for by in shifts)


@pytest.fixture(scope="module")
def proposed() -> Proposed:
    """Five frames each of twelve scenes."""
    frames = []
    for seed in range(12):
        scene = Scene(SyntheticSpec(seed=seed, fps=2))
        for _ in range(5):
            frame = scene.next()
            frames.append((frame.truth or (), *regions.propose(frame.image)))
    return frames


def test_most_digits_of_the_scene_are_found_and_hardly_anything_else(proposed: Proposed) -> None:
    truths = found = surplus = 0
    for known, boxes, _ in proposed:
        truth = [box for box, _ in known]
        truths += len(truth)
        found += sum(any(overlap(box, known) >= 0.5 for box in boxes) for known in truth)
        surplus += sum(all(overlap(box, known) < 0.5 for known in truth) for box in boxes)
    assert found >= 0.97 * truths
    assert surplus <= 0.03 * truths


def test_the_shipped_network_reads_most_digits_of_the_scene(proposed: Proposed) -> None:
    truths = right = 0
    with open_device("model") as device:
        classifier = load(SHIPPED, device)
        for truth, boxes, views in proposed:
            found = recognise(classifier, boxes, views, k=1)
            truths += len(truth)
            right += sum(
                any(overlap(d.box, box) >= 0.5 and d.digit == digit for d in found)
                for box, digit in truth
            )
        classifier.close()
    assert right >= 0.9 * truths


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(("level", "ink"), [(225, 40), (150, 60), (40, 220), (110, 220)])
def test_both_polarities_give_what_was_written(level: int, ink: int, colour: bool) -> None:
    paper = page(level)
    written = [write(paper, d, (20 + 60 * d, 40 + 25 * d), 56, ink) for d in range(10)]
    image = np.asarray(cv2.cvtColor(paper, cv2.COLOR_GRAY2BGR), np.uint8) if colour else paper
    boxes, views = regions.propose(image)
    assert views.dtype == np.uint8
    assert views.shape == (len(boxes), SIDE, SIDE)
    assert len(boxes) == 10
    for box, original in written:
        best = int(np.argmax([overlap(box, other) for other in boxes]))
        assert overlap(box, boxes[best]) > 0.7
        assert likeness(views[best], original) > 0.9
        assert views[best].max() > 240


@pytest.mark.parametrize("side", [30, 64, 128, 240])
def test_digits_of_many_sizes_are_found(side: int) -> None:
    paper = page()
    box, _ = write(paper, 5, (200, 60), side, 40)
    boxes, _ = regions.propose(paper)
    assert len(boxes) == 1
    assert overlap(box, boxes[0]) > 0.7


def test_a_large_photograph_is_searched_at_a_smaller_size() -> None:
    paper = page(size=(2400, 3200))
    box, _ = write(paper, 3, (900, 700), 500, 40)
    boxes, _ = regions.propose(paper)
    assert len(boxes) == 1
    assert overlap(box, boxes[0]) > 0.7


def test_shapes_that_no_digit_has_are_left_out() -> None:
    paper = page()
    cv2.line(paper, (30, 50), (400, 60), (30,), 3)  # too wide
    cv2.rectangle(paper, (450, 200), (530, 280), (30,), cv2.FILLED)  # nothing but ink
    cv2.circle(paper, (100, 200), 3, (30,), cv2.FILLED)  # a dot
    cv2.rectangle(paper, (300, 320), (330, 359), (30,), 4)  # cut off by the edge
    assert regions.propose(paper)[0] == []


def test_light_that_falls_off_is_no_ink() -> None:
    slope = np.linspace(60, 230, 640)[None] + np.linspace(-20, 20, 360)[:, None]
    paper = np.clip(slope, 0, 255).astype(np.uint8)
    box, _ = write(paper, 8, (500, 200), 60, 30)
    boxes, _ = regions.propose(paper)
    assert len(boxes) == 1
    assert overlap(box, boxes[0]) > 0.7


def test_the_centre_box_takes_the_middle_as_one() -> None:
    paper = page()
    cv2.line(paper, (300, 120), (320, 150), (30,), 6)
    cv2.line(paper, (330, 200), (350, 230), (30,), 6)
    assert len(regions.propose(paper)[0]) == 2
    boxes, views = regions.propose(paper, centre_box=True)
    assert len(boxes) == 1
    assert overlap(boxes[0], (297, 117, 56, 116)) > 0.8
    assert views[0].any()
    assert regions.propose(page(), centre_box=True)[0] == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (28, 28), (7, 5, 3), (360, 640, 3)])
def test_any_picture_may_come(shape: tuple[int, ...]) -> None:
    for image in (
        np.zeros(shape, np.uint8),
        np.random.default_rng(1).integers(0, 256, shape, np.uint8),
    ):
        boxes, views = regions.propose(image)
        assert views.shape == (len(boxes), SIDE, SIDE)
        assert len(boxes) <= regions.MAX_REGIONS
