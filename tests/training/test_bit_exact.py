"""PyTorch's hard forward and the generated C give the scores of the definitions, on every bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.host import Lutnet
from lutlens.host.c import Executor
from lutlens.training.network import LayerSpec, Network, NetworkSpec, StageSpec
from support.networks import digits_lutnet, frames, lutnets, oracle_scores, random_frames


@settings(deadline=None, max_examples=30)
@given(st.data(), lutnets(channels=st.integers(1, 3)))
def test_random_networks_and_frames(data: st.DataObject, net: Lutnet) -> None:
    images = data.draw(frames(net))
    k = data.draw(st.sampled_from(sorted(net.thresholds)))
    expected = oracle_scores(net, images, net.thresholds[k])
    network = Network.from_lutnet(net)
    hard = network.scores(torch.from_numpy(images), net.thresholds[k]).numpy()
    np.testing.assert_array_equal(hard.reshape(expected.shape), expected)
    np.testing.assert_array_equal(Executor(net).scores(images, k), expected)


@pytest.mark.parametrize("k", [1, 15])
def test_a_network_of_the_size_that_ships(k: int) -> None:
    net = digits_lutnet(11, encoder_bits=3)
    images = random_frames(net, 12, 600)
    levels = np.random.default_rng(k).integers(0, 256, (k, 3), np.uint8)
    hard = Network.from_lutnet(net).scores(torch.from_numpy(images), levels).numpy()
    np.testing.assert_array_equal(hard, Executor(net).scores(images, thresholds=levels)[:, 0, 0])
    np.testing.assert_array_equal(hard[:20], oracle_scores(net, images[:20], levels)[:, 0, 0])


@pytest.mark.parametrize("model", ["lookup", "multilinear"])
@pytest.mark.parametrize("connections", ["fixed", "learned"])
def test_what_was_trained_is_what_the_lutnet_computes(model: str, connections: str) -> None:
    spec = NetworkSpec(
        input_shape=(9, 9, 1),
        encoder_bits=2,
        model=model,
        classes=3,
        stages=(
            StageSpec(window=(3, 3), layers=(LayerSpec(nodes=12),), pool=(2, 2)),
            StageSpec(layers=(LayerSpec(nodes=20, connections=connections), LayerSpec(nodes=12))),
        ),
    )
    network = Network(spec, seed=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    images = torch.randint(0, 256, (64, 9, 9), dtype=torch.uint8)
    labels = torch.randint(0, 3, (64,))
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        network.constrain()

    levels = np.array([[60, 180], [100, 140]], np.uint8)
    net = network.to_lutnet({2: levels}, ["a", "b", "c"])
    scores = Executor(net).scores(images.numpy())[:, 0, 0]
    np.testing.assert_array_equal(scores, network.scores(images, levels).numpy())
    again = Network.from_lutnet(net).to_lutnet({2: levels}, ["a", "b", "c"])
    assert again.sha256 == net.sha256
