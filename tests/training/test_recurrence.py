"""Recurrent stages: every execution in software gives the scores of the definitions, on every bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.host import Lutnet
from lutlens.host.c import Executor
from lutlens.training.network import LayerSpec, Network, NetworkSpec, StageSpec
from support.networks import oracle_scores, random_frames, recurrent_lutnet

networks = st.builds(
    recurrent_lutnet,
    st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(9, 8, 1), (7, 5, 2), (12, 1, 1)]),
    encoder_bits=st.integers(1, 2),
    degenerate=st.sampled_from([0.0, 0.3, 0.9]),
)


@settings(deadline=None, max_examples=20)
@given(networks, st.integers(0, 2**32 - 1), st.sampled_from([0, 4]))
def test_random_networks_and_frames(net: Lutnet, seed: int, taller: int) -> None:
    images = random_frames(net, seed, 5, larger=(taller, 0))
    k = max(net.thresholds)
    expected = oracle_scores(net, images, net.thresholds[k])
    hard = Network.from_lutnet(net).scores(torch.from_numpy(images), net.thresholds[k]).numpy()
    np.testing.assert_array_equal(hard.reshape(expected.shape), expected)
    np.testing.assert_array_equal(Executor(net).scores(images, k), expected)
    assert Lutnet.from_bytes(net.to_bytes()).sha256 == net.sha256
