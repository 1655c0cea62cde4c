"""Images bent at random: what stays in place, and what randomness may depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lutlens.training.augment import Batches
from lutlens.training.data import Labelled
from lutlens.training.deformation import Deformation
from pydantic import ValidationError

BENT = Deformation(rotation=20, scale=0.2, shear=0.2, elastic=1.0)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 33), st.integers(1, 33))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 256, shape, dtype=np.uint8)


@given(shapes, st.booleans())
def test_nothing_asked_for_changes_nothing(shape, coloured):
    images = noise(*shape, 3) if coloured else noise(*shape)
    assert np.array_equal(Deformation().apply(images, np.random.default_rng(1)), images)


@given(shapes)
def test_colours_are_bent_together(shape):
    images = noise(*shape)
    grey = BENT.apply(images, np.random.default_rng(2))
    coloured = BENT.apply(np.stack([images] * 3, axis=3), np.random.default_rng(2))
    assert grey.shape == images.shape
    assert np.array_equal(coloured, np.stack([grey] * 3, axis=3))


def test_the_centre_stays_and_a_shear_keeps_the_middle_row():
    images = noise(50, 9, 9)
    turned = Deformation(rotation=180, scale=1).apply(images, np.random.default_rng(3))
    assert np.array_equal(turned[:, 4, 4], images[:, 4, 4])
    assert not np.array_equal(turned[:, 0], images[:, 0])
    sheared = Deformation(shear=1).apply(images, np.random.default_rng(3))
    assert np.array_equal(sheared[:, 4], images[:, 4])
    assert not np.array_equal(sheared[:, 3], images[:, 3])


def test_a_rotation_turns_a_line_by_at_most_so_many_degrees():
    images = np.zeros((200, 41, 41), np.uint8)
    images[:, :, 20] = 255  # an upright line through the centre
    turned = Deformation(rotation=30).apply(images, np.random.default_rng(4))
    ends = turned[:, [5, 35]]
    columns = (ends * np.arange(41.0)).sum(axis=2) / ends.sum(axis=2)
    degrees = np.rad2deg(np.arctan((columns[:, 1] - columns[:, 0]) / 30))
    assert 28 < np.abs(degrees).max() < 31
    assert abs(degrees.mean()) < 4


def test_elastic_displacements_have_the_deviation_that_was_asked_for():
    ramps = np.tile(np.arange(0, 200, 5, dtype=np.uint8), (300, 40, 1))
    bent = Deformation(elastic=1.5).apply(ramps, np.random.default_rng(5))
    moved = (bent[:, 10:30, 10:30].astype(float) - ramps[:, 10:30, 10:30]) / 5
    assert moved.std() == pytest.approx(1.5, rel=0.1)
    # Neighbours move alike.
    assert np.diff(moved, axis=1).std() < 0.3


def test_more_images_than_one_picture_holds():
    images = noise(1, 250, 3).repeat(300, axis=0)
    assert np.array_equal(Deformation().apply(images, np.random.default_rng(6)), images)


def test_a_batch_is_a_function_of_its_step():
    data = Labelled(noise(40, 9, 8), np.zeros(40, np.int64))
    first = Batches(data, 16, seed=7, shift=1, deformation=BENT)
    second = Batches(data, 16, seed=7, shift=1, deformation=BENT)
    plain = Batches(data, 16, seed=7, shift=1)
    assert np.array_equal(first[5].pixels, second[5].pixels)
    assert not np.array_equal(first[5].pixels, plain[5].pixels)
    assert np.array_equal(first[5].labels, plain[5].labels)


@pytest.mark.parametrize("wrong", [{"rotation": -1}, {"scale": 2}, {"elastic": -0.1}, {"twist": 1}])
def test_amounts_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Deformation(**wrong)
