"""The generated C gives the scores that the definitions give, on every bit."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.host import Lutnet, LutnetError
from lutlens.host.c import Executor
from lutlens.host.lutnet import Layer, Stage
from lutlens.host.scores import cells
from support.networks import (
    digits_lutnet,
    frames,
    lutnets,
    oracle_scores,
    random_frames,
    random_layers,
    random_lutnet,
)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random networks are not worth keeping in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@settings(deadline=None, max_examples=40)
@given(st.data(), lutnets(channels=st.integers(1, 3)), st.booleans())
def test_random_networks_score_as_defined(
    data: st.DataObject, net: Lutnet, simplified: bool
) -> None:
    executor = Executor(net, simplified=simplified)
    images = data.draw(frames(net))
    k = data.draw(st.sampled_from(sorted(net.thresholds)))
    expected = oracle_scores(net, images, net.thresholds[k])
    scores = executor.scores(images, k)
    assert scores.dtype == np.uint16
    np.testing.assert_array_equal(scores, expected)


@settings(deadline=None, max_examples=20)
@given(st.data(), lutnets(channels=st.integers(1, 3)))
def test_random_networks_scan_as_defined(data: st.DataObject, net: Lutnet) -> None:
    executor = Executor(net, threads=data.draw(st.integers(1, 3)))
    images = data.draw(frames(net, max_larger=40))
    k = data.draw(st.sampled_from(sorted(net.thresholds)))
    expected = oracle_scores(net, images, net.thresholds[k])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lutlens.host.c.executor._SCANNED", 0)
        np.testing.assert_array_equal(executor.scores(images, k), expected)
        np.testing.assert_array_equal(executor.cells(images, k), cells(expected))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names processors of x86-64")
@pytest.mark.parametrize(("processor", "lanes"), [("x86-64", 128), ("haswell", 256)])
def test_processors_of_every_vector_width(
    processor: str, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-march={processor}")
    monkeypatch.setattr("lutlens.host.c.executor._FLAGS", flags)
    if processor == "haswell" and "avx2" not in Path("/proc/cpuinfo").read_text("utf-8"):
        pytest.skip("this processor has no AVX2")
    net = random_lutnet(8, stages=3, encoder_bits=2)
    executor = Executor(net)
    assert executor.lanes == lanes
    images = random_frames(net, 8, 300)
    np.testing.assert_array_equal(
        executor.scores(images), oracle_scores(net, images, net.thresholds[1])
    )
    images = random_frames(net, 9, 2, larger=(90, 301))
    expected = oracle_scores(net, images, net.thresholds[1])
    assert expected[0, ..., 0].size > 512
    np.testing.assert_array_equal(executor.scores(images), expected)


def test_a_window_wider_than_eight_bytes_is_scanned() -> None:
    """Its bits are reached by address as well as by moving planes."""
    rng = np.random.default_rng(3)
    layers = random_layers(rng, 2 * 90, [40, 12], fan_in=6)
    levels = np.array([[100], [150]], np.uint8)
    net = Lutnet((2, 90, 1), 1, {2: levels}, (Stage((2, 90), layers, (1, 1)),), ("a", "b", "c"))
    images = random_frames(net, 5, 2, larger=(9, 133))
    expected = oracle_scores(net, images, levels)
    np.testing.assert_array_equal(Executor(net).scores(images), expected)


def test_strides_beyond_a_machine_word_are_scanned() -> None:
    layers = random_layers(np.random.default_rng(4), 12, [9])
    levels = np.array([[100]], np.uint8)
    stages = (Stage((3, 4), layers, (2, 70)),)
    net = Lutnet((3, 4, 1), 1, {1: levels}, stages, ("a", "b", "c"))
    images = random_frames(net, 6, 1, larger=(200, 700))
    expected = oracle_scores(net, images, levels)
    assert expected[0, ..., 0].size > 512
    np.testing.assert_array_equal(Executor(net).scores(images), expected)


def test_equal_scores_give_the_first_class_in_a_cell() -> None:
    one = Layer(np.zeros(4, np.uint64), np.zeros((4, 1), np.int32))
    net = Lutnet(
        (1, 1, 1), 1, {1: np.array([[9]], np.uint8)}, (Stage((1, 1), (one,)),), tuple("abcd")
    )
    assert not Executor(net).cells(np.full((2, 30, 40), 200, np.uint8)).any()


def test_a_cell_holds_twelve_bits_of_score() -> None:
    layer = Layer(np.zeros(600, np.uint64), np.zeros((600, 1), np.int32))
    levels = {16: np.zeros((16, 1), np.uint8)}
    net = Lutnet((1, 1, 1), 1, levels, (Stage((1, 1), (layer,)),), ("a", "b"))
    with pytest.raises(ValueError, match="scores up to 4800, a cell holds 4095"):
        Executor(net).cells(np.zeros((1, 8, 8), np.uint8))


@pytest.fixture(scope="module")
def digits() -> Lutnet:
    return digits_lutnet(7, degenerate=0.1)


@pytest.fixture(scope="module")
def executor(own_cache: Path, digits: Lutnet) -> Executor:
    return Executor(digits, threads=2)


@pytest.mark.parametrize("count", [0, 1, 511, 513, 2100])
def test_any_number_of_images_fills_the_lanes(
    executor: Executor, digits: Lutnet, count: int
) -> None:
    images = random_frames(digits, 1, count)
    scores = executor.scores(images)
    assert scores.shape == (count, 1, 1, 10)
    some = slice(None, None, 97)
    expected = oracle_scores(digits, images[some], digits.thresholds[1])
    np.testing.assert_array_equal(scores[some], expected)


def test_a_large_frame_is_scored_at_every_position(executor: Executor, digits: Lutnet) -> None:
    images = random_frames(digits, 2, 2, larger=(61, 100))
    expected = oracle_scores(digits, images, digits.thresholds[1])
    assert expected.shape == (2, 16, 26, 10)
    np.testing.assert_array_equal(executor.scores(images), expected)


def test_a_frame_that_is_not_contiguous(executor: Executor, digits: Lutnet) -> None:
    images = random_frames(digits, 3, 2, larger=(30, 30))
    cut = images[:, 3:31, 5:33]
    np.testing.assert_array_equal(executor.scores(cut), executor.scores(cut.copy()))


def test_thresholds_given_for_the_call(executor: Executor, digits: Lutnet) -> None:
    images = random_frames(digits, 4, 3)
    levels = np.array([[0], [254], [255], [100]], np.uint8)
    np.testing.assert_array_equal(
        executor.scores(images, thresholds=levels), oracle_scores(digits, images, levels)
    )


def test_the_number_of_threads_makes_no_difference(digits: Lutnet, executor: Executor) -> None:
    images = random_frames(digits, 5, 2000)
    single = Executor(digits, threads=1)
    np.testing.assert_array_equal(executor.scores(images), single.scores(images))
    frames = random_frames(digits, 5, 3, larger=(100, 170))
    assert np.prod(digits.output_size(*frames.shape[1:])) > 512
    for threads in (1, 2, 7):
        several = Executor(digits, threads=threads)
        for some in (frames, frames[:1]):
            scores = single.scores(some)
            np.testing.assert_array_equal(several.scores(some), scores)
            np.testing.assert_array_equal(several.cells(some), cells(scores))


def test_stages_alone(digits: Lutnet, executor: Executor) -> None:
    images = random_frames(digits, 6, executor.lanes)
    bits = (images > digits.thresholds[1][0, 0]).reshape(executor.lanes, -1).T
    inputs = executor.planes(1, 28 * 28)
    inputs[0] = np.packbits(np.ascontiguousarray(bits), axis=1, bitorder="little").view(np.uint64)
    outputs = executor.planes(1, 480)
    executor.stages(inputs, outputs)
    fired = np.unpackbits(outputs[0].view(np.uint8), axis=1, bitorder="little").T
    scores = fired.reshape(executor.lanes, 10, 48).sum(axis=2)
    np.testing.assert_array_equal(scores, executor.scores(images)[:, 0, 0])


def test_what_does_not_fit_is_named(executor: Executor) -> None:
    images = np.zeros((1, 28, 28), np.uint8)
    with pytest.raises(ValueError, match=r"frames: float64 .* must be uint8 \[n, 28 or more, 28"):
        executor.scores(images.astype(float))
    with pytest.raises(ValueError, match=r"frames: uint8 \[1, 27, 28, 1\]"):
        executor.scores(images[:, :27])
    with pytest.raises(ValueError, match="frames"):
        executor.scores(np.zeros((1, 28, 28, 3), np.uint8))
    with pytest.raises(ValueError, match=r"thresholds: .* must be uint8 \[1 to 64, 1\]"):
        executor.scores(images, thresholds=np.zeros((65, 1), np.uint8))
    with pytest.raises(LutnetError, match="no thresholds for K = 16"):
        executor.scores(images, 16)
    with pytest.raises(ValueError, match="outputs"):
        executor.stages(executor.planes(1, 784), executor.planes(1, 479))


def test_a_network_is_compiled_once(own_cache: Path) -> None:
    net = random_lutnet(1234)
    Executor(net)
    before = {path: path.stat().st_ino for path in own_cache.rglob("*.so")}
    Executor(net)
    assert {path: path.stat().st_ino for path in own_cache.rglob("*.so")} == before
