"""Composed scenes: the same for a seed, and the truth about them is where the ink is."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.training import backgrounds, scenes
from lutlens.training.backgrounds import generated, leaves, photographs
from lutlens.training.data import DataError
from lutlens.training.detect import FRAMES, frames
from lutlens.training.scenes import Composition
from support.scenery import drawn_digits, write_photographs

DIGITS = drawn_digits(100, 3)
SEEDS = st.integers(0, 2**32 - 1)
KINDS = (generated, leaves)


def even(size, random):
    return np.full(size, 120, np.uint8)


@pytest.fixture
def sharp(monkeypatch):
    """A camera without blur and noise."""
    monkeypatch.setattr(scenes, "_camera", lambda canvas, random: canvas.astype(np.uint8))


def test_a_scene_is_a_function_of_its_seed():
    one, again, other = (frames(DIGITS, generated, seed, 4) for seed in ((5, 1), (5, 1), (5, 2)))
    for a, b, c in zip(one, again, other, strict=True):
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.boxes, b.boxes)
        assert np.array_equal(a.labels, b.labels)
        assert not np.array_equal(a.image, c.image)
    assert {scene.image.shape for scene in one} == {(132, 640), (240, 320)}


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_digits_are_inside_legible_apart_and_of_the_sizes_asked_for(seed):
    composition = Composition((200, 260), (4, 9), (20, 50))
    scene = composition.scene(DIGITS, generated, (seed,))
    assert scene.image.dtype == np.uint8
    assert len(scene.boxes) == len(scene.ink) == len(scene.labels) <= 9
    x, y, width, height = scene.boxes.T
    assert np.array_equal(width, height)
    assert ((x >= 0) & (y >= 0) & (x + width <= 260) & (y + height <= 200)).all()
    # Slant and proportion change a digit's longer side by some.
    assert ((width > 0.7 * 20) & (width < 1.5 * 50)).all()
    assert (scene.ink[:, 2:].max(axis=1) == width).all()
    middle = scene.boxes[:, :2] + scene.boxes[:, 2:] / 2
    apart = np.abs(middle[:, None] - middle[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart > 0.4 * (width[:, None] + width[None])).all()


@pytest.mark.usefixtures("sharp")
@pytest.mark.parametrize("seed", range(6))
def test_boxes_are_where_the_ink_is(seed):
    composition = Composition((200, 300), (3, 8), (18, 60))
    scene = composition.scene(DIGITS, even, (seed,))
    ink = abs(scene.image.astype(int) - 120) > scenes.INK * scenes.MIN_CONTRAST
    assert len(scene.labels) >= 3
    surplus = ink.copy()
    for x, y, width, height in scene.ink.astype(int):
        inside = ink[y : y + height, x : x + width]
        assert inside.any(axis=1).mean() > 0.9
        assert inside.any(axis=0).mean() > 0.9
        surplus[max(0, y - 1) : y + height + 1, max(0, x - 1) : x + width + 1] = False
    assert surplus.sum() <= 0.02 * ink.sum()


@pytest.mark.usefixtures("sharp")
def test_digits_are_darker_and_lighter_than_their_ground():
    scene = Composition((400, 400), (30, 30), (20, 30)).scene(DIGITS, even, (1,))
    signs = set()
    for x, y, width, height in scene.ink.astype(int):
        difference = scene.image[y : y + height, x : x + width].astype(int) - 120
        extreme = difference.flat[np.abs(difference).argmax()]
        assert abs(extreme) >= 0.8 * scenes.MIN_CONTRAST
        signs.add(np.sign(extreme))
    assert signs == {-1, 1}


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.sampled_from([(28, 28), (132, 640), (61, 200)]), st.sampled_from(KINDS))
def test_backgrounds_are_of_the_size_asked_for_and_repeat(seed, size, kind):
    one, again = (kind(size, np.random.default_rng(seed)) for _ in range(2))
    assert one.shape == size
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)


@pytest.mark.parametrize("kind", KINDS)
def test_backgrounds_differ_in_brightness_and_in_clutter(kind):
    some = [kind((100, 100), np.random.default_rng(i)) for i in range(60)]
    means = [ground.mean() for ground in some]
    edges = [cv2.Laplacian(ground, cv2.CV_32F).std() for ground in some]
    assert min(means) < 60
    assert max(means) > 190
    assert np.percentile(edges, 90) > 3 * np.percentile(edges, 10)


def test_training_sees_both_kinds_of_generated_backgrounds(monkeypatch):
    seen = []
    monkeypatch.setattr(backgrounds, "generated", lambda size, random: seen.append("generated"))
    monkeypatch.setattr(backgrounds, "leaves", lambda size, random: seen.append("leaves"))
    for i in range(400):
        backgrounds.varied((28, 28), np.random.default_rng(i))
    assert seen.count("leaves") / len(seen) == pytest.approx(backgrounds.LEAVES, abs=0.08)


def test_letters_are_no_digits_doubles():
    assert not set(backgrounds.LETTERS) & set("0123456789OoIlZzSsBbgqQDyJ|/?!&$%@()")


def test_photographs_come_from_the_test_part_only(tmp_path):
    path = tmp_path / "pictures.tar.xz"
    write_photographs(path)
    assert len(backgrounds._read_photographs(path, 100)) == 6
    assert len(backgrounds._read_photographs(path, 3)) == 3
    background = photographs(path)
    one, again = (background((132, 640), np.random.default_rng(2)) for _ in range(2))
    assert one.shape == (132, 640)
    assert np.array_equal(one, again)
    assert one.std() > 10
    (scene,) = frames(DIGITS, background, (1,), 1)
    assert scene.image.shape == FRAMES[0].size


def test_photographs_that_cannot_be_read_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("LUTLENS_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"cifar10-jpeg.tar.xz: not a readable archive"):
        photographs()
    (tmp_path / "empty.tar").write_bytes(b"\0" * 10240)
    with pytest.raises(DataError, match=r"empty.tar: no JPEG files below test/"):
        photographs(tmp_path / "empty.tar")
