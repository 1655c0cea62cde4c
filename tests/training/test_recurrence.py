"""Recurrent stages: every execution in software gives the scores of the definitions, on every bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.host import Lutnet
from lutlens.host.c import Executor
from lutlens.training import program
from lutlens.training.network import LayerSpec, Network, NetworkSpec, StageSpec
from lutlens.training.stages import Stage
from support.networks import oracle_scores, random_frames, recurrent_lutnet

networks = st.builds(
    recurrent_lutnet,
    st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(9, 8, 1), (7, 5, 2), (12, 1, 1)]),
    encoder_bits=st.integers(1, 2),
    degenerate=st.sampled_from([0.0, 0.3, 0.9]),
)


@settings(deadline=None, max_examples=12)
@given(networks, st.integers(0, 2**32 - 1), st.sampled_from([0, 4]))
def test_random_networks_and_frames(net: Lutnet, seed: int, taller: int) -> None:
    images = random_frames(net, seed, 5, larger=(taller, 0))
    k = max(net.thresholds)
    expected = oracle_scores(net, images, net.thresholds[k])
    hard = Network.from_lutnet(net).scores(torch.from_numpy(images), net.thresholds[k]).numpy()
    np.testing.assert_array_equal(hard.reshape(expected.shape), expected)
    np.testing.assert_array_equal(Executor(net).scores(images, k), expected)
    assert Lutnet.from_bytes(net.to_bytes()).sha256 == net.sha256


def spec(**cell: Any) -> NetworkSpec:
    """Two bits a step, six steps; the last state is counted."""
    stages = (
        StageSpec(window=(1, 2), stride=(1, 2), recurrent=True, layers=(LayerSpec(**cell),)),
        StageSpec(layers=(LayerSpec(nodes=12, smooth=False),), last_row=True),
    )
    return NetworkSpec(input_shape=(6, 2, 1), classes=2, stages=stages, jitter=0.0)


@pytest.mark.parametrize("connections", ["fixed", "learned"])
@pytest.mark.parametrize("model", ["lookup", "multilinear"])
def test_what_was_trained_is_what_the_lutnet_computes(model: str, connections: str) -> None:
    network = Network(
        spec(nodes=8, connections=connections).model_copy(update={"model": model}), seed=1
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    images = torch.randint(0, 256, (64, 6, 2), dtype=torch.uint8)
    for _ in range(5):
        optimizer.zero_grad()
        labels = torch.randint(0, 2, (64,))
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        network.constrain()
    levels = np.array([[100]], np.uint8)
    net = network.to_lutnet({1: levels}, ["a", "b"])
    assert (
        net.stages[1].layers[0].connections.min() >= 5 * 8
    )  # the last of six states of eight bits
    scores = Executor(net).scores(images.numpy())[:, 0, 0]
    np.testing.assert_array_equal(scores, network.scores(images, levels).numpy())
    assert Network.from_lutnet(net).to_lutnet({1: levels}, ["a", "b"]).sha256 == net.sha256


def test_a_cell_begins_as_a_delay_line() -> None:
    """Of three rows, here: the state is the last three rows, and the scores depend on them alone."""
    network = Network(spec(nodes=6), seed=3).eval()
    bits = torch.randint(0, 2, (200, 6, 2, 1)).float()
    states = program.run(bits.permute(1, 2, 3, 0).flatten(0, 2), network.steps(6, 2)[0][:1])
    last = states.view(6, 6, 200)[-1]  # newest row first
    expected = bits[:, [5, 4, 3], :, 0].flatten(1).t()
    torch.testing.assert_close(last, expected)


def test_gradients_reach_the_first_row_and_do_not_grow() -> None:
    """Each step back through these nodes would lengthen them by a fifth or so: in sixty, ten thousand times."""
    cell = Network(spec(nodes=12), seed=3).stages[0]
    assert isinstance(cell, Stage)
    longest = []
    for count in (3, 60):
        rows = torch.randint(0, 2, (2 * count, 64)).float().requires_grad_()
        states = program.run(rows, cell.steps(count, 2, rows.device)).view(count, 12, 64)
        states[-1, :, 0].sum().backward()  # of the first sample
        assert rows.grad is not None
        by_row = rows.grad.view(count, 2, 64).norm(dim=1)
        assert (by_row[:, 0] > 0).all()
        assert (by_row[:, 1:] == 0).all()
        longest.append(by_row.max())
    assert longest[1] < 3 * longest[0]


def test_a_memory_is_learned() -> None:
    """The first bit of six rows, in a state in which a row lasts three steps unless it learns otherwise."""
    torch.manual_seed(0)
    network = Network(spec(nodes=6), seed=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        bits = torch.randint(0, 2, (64, 6, 2, 1)).float()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(bits), bits[:, 0, 0, 0].long()).backward()
        optimizer.step()
        network.constrain()
    bits = torch.randint(0, 2, (500, 6, 2, 1)).float()
    right = (network(bits).argmax(dim=1) == bits[:, 0, 0, 0]).float().mean()
    assert right > 0.95
