"""Recurrent stages on the host: C99 and the generated RTL against the definitions, and what refuses them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.c99 import generate as generate_c
from lutlens.host.c99.check import check
from lutlens.host.lutnet import Layer, Lutnet, LutnetError, Stage
from lutlens.host.netlist import Netlist
from lutlens.host.overlay import OverlayError
from lutlens.host.registers import Scan
from lutlens.host.rtl import Build, network_sources
from lutlens.host.simplify import simplify
from lutlens.host.systemverilog import GenerationError
from lutlens.host.systemverilog.simulation import NetworkRtl
from support.networks import (
    oracle_scores,
    random_frames,
    random_lutnet,
    recurrent_lutnet,
    whole_beats,
)


@pytest.mark.parametrize(
    ("seed", "shape", "pixels", "front"),
    [
        (2, (9, 8, 1), 8, False),
        (3, (7, 6, 1), 4, False),  # lines are filled up to eight
        (4, (12, 1, 1), 1, False),  # a position a beat: the core has to wait for its loop
        (5, (9, 4, 1), 2, True),
    ],
)
@pytest.mark.rtl
def test_rtl_scores_as_defined(
    seed: int, shape: tuple[int, int, int], pixels: int, front: bool
) -> None:
    net = recurrent_lutnet(seed, shape=shape, front=front, degenerate=0.1)
    width = -(-shape[1] // pixels) * pixels
    rtl = NetworkRtl(net, max_width=width, pixels_per_clock=pixels)
    assert any(stage.recurrent for stage in rtl.module.stages)
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
    found = check(
        generate_c(net, {"images": images, "k": np.array(sorted(net.thresholds)), **scores})
    )
    assert [one.failure for one in found] == [None] * len(found)
    assert found, "no C compiler"


def test_the_header_says_it_where_it_is_so() -> None:
    net = recurrent_lutnet(3)
    assert net.to_bytes().count(b"recurrent") == 1
    assert Lutnet.from_bytes(net.to_bytes()).sha256 == net.sha256
    assert b"recurrent" not in random_lutnet(3).to_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool": (2, 1)}, "stages.0.pool: a recurrent stage has no pooling, must be [1, 1]"),
        ({"stride": (1, 1)}, "stages.0.stride: 1 columns, must be 8, the width of the input"),
        ({"window": (2, 4)}, "stages.0.window: 4 columns, must be 8, the width of the input"),
        ({"recurrent": False}, "stages.0.layers.0.connections: index outside the layer's"),
    ],
)
def test_what_no_recurrent_stage_is(change: dict[str, Any], message: str) -> None:
    net = recurrent_lutnet(2)
    stages = (replace(net.stages[0], **change), *net.stages[1:])
    with pytest.raises(LutnetError, match=re.escape(message)):
        replace(net, stages=stages)


def test_frames_of_another_width_are_refused() -> None:
    net = recurrent_lutnet(2, degenerate=0.0)
    with pytest.raises(ValueError, match="frames: 9 columns, must be 8: a recurrent network"):
        Executor(net).scores(np.zeros((1, 9, 9), np.uint8))
    with pytest.raises(GenerationError, match=r"max_width: 16, .* 2 positions a line"):
        network_sources(net, Build(16))
    with pytest.raises(GenerationError, match="scan: a recurrent network"):
        network_sources(net, Build(8, scan=Scan(1000, 10)))


def test_scan_overlays_are_refused(tmp_path: Path) -> None:
    recurrent_lutnet(3).save(tmp_path / "net.lutnet")
    with pytest.raises(OverlayError, match="scan: a recurrent network"):
        overlay.generate(tmp_path / "net.lutnet", tmp_path / "net", scan=True)


def test_many_images_at_once() -> None:
    """Several words of lanes, whose states run side by side."""
    net = recurrent_lutnet(5, degenerate=0.0)
    images = random_frames(net, 1, 3000)
    expected = oracle_scores(net, images, net.thresholds[1])
    np.testing.assert_array_equal(Executor(net, threads=1).scores(images, 1), expected)


# A stage that reads no window bit but one, and of it makes: state 0 <- input, 1 <- state 0, 2 <- not state 1,
# 3 <- input (as state 0), 4 <- 0, 5 <- itself, 6 <- 1 (0 in the first row), 7 <- nobody reads it.
NODES = [(0, 0b10), (1, 0b10), (2, 0b01), (0, 0b10), (0, 0b00), (6, 0b10), (0, 0b11), (8, 0b01)]


def test_a_state_is_simplified() -> None:
    cell = Layer(
        np.array([table for _, table in NODES], np.uint64),
        np.array([[bit] for bit, _ in NODES], np.int32),
    )
    # Of the last state: 2 and 3, 4 and 5, 6 and 1.
    inputs = np.array([[16 + a, 16 + b] for a, b in ((2, 3), (4, 5), (6, 1))], np.int32)
    last = Layer(np.array([0b0110, 0b1110, 0b1000], np.uint64), inputs)
    stages = (
        Stage((1, 1), (cell,), (1, 1), recurrent=True),
        Stage((3, 1), (last,)),
    )
    levels = {1: np.array([[127]], np.uint8)}
    net = Lutnet((3, 1, 1), 1, levels, stages, ("a", "b", "c"))
    simplified, _ = simplify(Netlist.from_lutnet(net))
    kept = simplified.stages[0]
    # Input, input delayed, and the bit that is one from the second row on: nobody reads that one as a state.
    assert len(kept.state) == 2
    assert len(kept.nodes) == 1
    again, _ = simplify(simplified)
    assert again == simplified
    frames = 255 * np.array([[int(bit) for bit in f"{n:03b}"] for n in range(8)], np.uint8)
    expected = oracle_scores(net, frames[..., None], levels[1])
    np.testing.assert_array_equal(Executor(net).scores(frames[..., None]), expected)
    assert len(np.unique(expected)) > 1
