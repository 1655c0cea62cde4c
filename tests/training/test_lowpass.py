"""The low-pass of bit streams: its modulator, its measurement, and that it learns."""

import numpy as np
import pytest
import torch
from lutlens.host.lutnet import Layer, Lutnet, Stage
from lutlens.training import Network, lowpass

COPY, INVERT = 0b10, 0b01


def moving_average(taps: int) -> Lutnet:
    """A delay line, each of whose bits is counted."""
    inputs = np.arange(taps, dtype=np.int32)[:, None]
    cell = Layer(np.full(taps, COPY, np.uint64), inputs)
    tables = np.repeat(np.array([INVERT, COPY], np.uint64), taps)
    last = Layer(tables, np.concatenate([inputs, inputs]))
    stages = (Stage((1, 1), (cell,), recurrent=True), Stage((1, 1), (last,)))
    levels = {1: np.array([[lowpass.THRESHOLD]], np.uint8)}
    return Lutnet((1, 1, 1), 1, levels, stages, ("against", "for"))


def test_the_running_sum_of_the_bits_follows_the_values() -> None:
    values = np.random.default_rng(1).uniform(-1, 1, (20, 300))
    bits = np.where(lowpass.delta_sigma(values), 1, -1)
    assert np.abs(np.cumsum(values - bits, axis=1)).max() <= 2
    assert lowpass.delta_sigma(np.zeros((1, 6))).tolist() == [[True, False] * 3]


def test_the_filter_passes_and_stops_what_it_says() -> None:
    frequencies, gains, ideal = lowpass.response(moving_average(2))
    assert lowpass.decibels(ideal[frequencies <= lowpass.PASS_BAND]).min() > -3
    assert lowpass.decibels(ideal[frequencies >= lowpass.STOP_BAND]).max() < -40
    # The measurement, against what is known of a moving average. Streams themselves have other lines than their
    # values: their error is not independent of them.
    _, of_streams, _ = lowpass.response(moving_average(1))
    np.testing.assert_allclose(gains, of_streams * np.cos(np.pi * frequencies), atol=0.01)


@pytest.mark.parametrize("taps", [1, 7])
def test_streams_are_filtered_bit_by_bit(taps: int) -> None:
    bits = np.random.default_rng(2).random((3, 50)) < 0.5
    padded = np.concatenate([np.zeros((3, taps - 1), bool), bits], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=1)
    expected = np.where(windows, 1.0, -1.0).mean(axis=2)
    for scores_of in (lowpass.c_scores, lowpass.rtl_scores):
        found = lowpass.filtered(moving_average(taps), bits, scores_of)
        np.testing.assert_allclose(found, expected)


def test_what_is_trained_is_what_filters() -> None:
    network = Network(lowpass.spec(state=15, bits=32), seed=1)
    first = lowpass.train(network, 1, seed=1)
    assert lowpass.train(network, 60, seed=1) < 0.8 * first
    net = network.to_lutnet({1: np.array([[lowpass.THRESHOLD]], np.uint8)}, ("against", "for"))
    bits, _ = lowpass.examples(np.random.default_rng(3), 5)
    with torch.no_grad():
        counts = network.counts(torch.from_numpy(bits)[..., None, None].float())[:, :, 0]
    found = (counts[..., 1] - counts[..., 0]).numpy() / 16
    np.testing.assert_array_equal(lowpass.filtered(net, bits), found)
