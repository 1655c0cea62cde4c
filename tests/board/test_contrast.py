"""Local contrast: ink stands out alike on all grounds, whichever of the two is darker."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from lutlens.board import contrast, handwriting

Grey = npt.NDArray[np.uint8]


def written(ground: Grey, ink: float) -> tuple[Grey, npt.NDArray[np.bool_]]:
    """A digit in the middle of the ground, and which pixels are its strokes' cores."""
    share = handwriting.draw(3, np.random.default_rng(1)) / 255.0
    page = ground.astype(float)
    height, width = ground.shape
    part = page[height // 2 - 14 : height // 2 + 14, width // 2 - 14 : width // 2 + 14]
    part += share * (ink - part)
    mask = np.zeros(ground.shape, bool)
    mask[height // 2 - 14 : height // 2 + 14, width // 2 - 14 : width // 2 + 14] = share > 0.9
    return np.clip(np.round(page), 0, 255).astype(np.uint8), mask


@pytest.mark.parametrize(
    ("ground", "ink"), [(20, 110), (20, 250), (240, 30), (128, 220), (130, 40)]
)
def test_ink_stands_out_and_the_ground_is_nothing(ground: int, ink: int) -> None:
    page, strokes = written(np.full((90, 120), ground, np.uint8), ink)
    levelled = contrast.normalise(page)
    assert levelled.dtype == np.uint8
    assert levelled.shape == page.shape
    assert np.percentile(levelled[strokes], 10) > 110
    assert (levelled[:20] == 0).all()
    assert np.median(levelled) == 0


def test_light_that_falls_off_does_not_matter() -> None:
    slope = np.linspace(60, 200, 160).astype(np.uint8)
    page, strokes = written(np.tile(slope, (100, 1)), 20)
    levelled = contrast.normalise(page)
    assert np.percentile(levelled[strokes], 10) > 110
    inner = levelled[30:70, 30:130]
    assert np.median(inner) < 15


def test_dark_on_light_is_light_on_dark() -> None:
    page, _ = written(np.full((80, 80), 200, np.uint8), 70)
    inverse = (255 - page).astype(np.uint8)
    difference = cv2.absdiff(contrast.normalise(page), contrast.normalise(inverse))
    assert difference.max() <= 6


def test_a_sensors_noise_stays_small() -> None:
    noise = np.random.default_rng(3).normal(128, 6, (120, 160))
    levelled = contrast.normalise(np.clip(noise, 0, 255).astype(np.uint8))
    assert np.percentile(levelled, 95) < 90


@pytest.mark.parametrize("size", [(28, 28), (48, 224), (3, 5), (131, 641)])
def test_any_size(size: tuple[int, int]) -> None:
    page = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    assert contrast.normalise(page).shape == size
