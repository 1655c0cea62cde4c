"""Recurrent stages on the host: C99 and the generated RTL against the definitions, and what refuses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lutlens.host.c import Executor
from lutlens.host.c99 import generate as generate_c
from lutlens.host.c99.check import check
from lutlens.host.golden import vectors
from lutlens.host.lutnet import Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.simplify import simplify
from lutlens.host.systemverilog import GenerationError, NetworkModule
from support.network_rtl import NetworkRtl
from support.networks import oracle_scores, random_frames, recurrent_lutnet, whole_beats


@pytest.mark.parametrize(
    ("seed", "shape", "pixels", "front"),
    [
        (1, (9, 8, 1), 1, False),
        (2, (9, 8, 1), 8, False),
        (3, (7, 6, 1), 4, False),  # lines are filled up to eight
        (4, (12, 1, 1), 1, False),  # a position a beat: the core has to wait for its loop
        (5, (10, 8, 1), 2, True),
        (6, (9, 2, 1), 2, True),
    ],
)
@pytest.mark.rtl
def test_rtl_scores_as_defined(
    seed: int, shape: tuple[int, int, int], pixels: int, front: bool
) -> None:
    if front:
        shape = (shape[0], shape[1] + 2, 1)
    net = recurrent_lutnet(seed, shape=shape, front=front)
    width = -(-shape[1] // pixels) * pixels
    rtl = NetworkRtl(net, max_width=width, pixels_per_clock=pixels)
    levels = net.thresholds[1][0]
    frames = [random_frames(net, i, 1, larger=(3 * (i == 1), 0))[0] for i in range(5)]
    expected = [oracle_scores(net, frame[None], levels[None])[0] for frame in frames]
    for gaps, stalls in ((0.0, 0.0), (0.3, 0.0), (0.2, 0.6)):
        run = rtl.run([whole_beats(f, pixels) for f in frames], levels, gaps=gaps, stalls=stalls)
        for scores, right in zip(run.scores, expected, strict=True):
            np.testing.assert_array_equal(scores, right)


@pytest.mark.parametrize("seed", range(2))
def test_c99_scores_as_defined(seed: int) -> None:
    net = recurrent_lutnet(seed, shape=(9, 7, 1), front=seed == 1)
    images = random_frames(net, 3, count=6)
    scores = {
        f"scores_{k}": oracle_scores(net, images, levels)[:, 0, 0]
        for k, levels in net.thresholds.items()
    }
    found = check(generate_c(net, {"images": images, "k": np.array(sorted(net.thresholds)), **scores}))
    assert [one.failure for one in found] == [None] * len(found)
    assert found, "no C compiler"
