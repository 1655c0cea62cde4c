"""Outputs that are numbers, in the whole programmable logic: one of them, and more than there may be classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from lutlens.board.overlay import load
from lutlens.board.values import Values
from lutlens.host.devices import open_device
from lutlens.host.overlay import generate
from lutlens.host.systemverilog.simulation import NetworkRtl
from support.networks import oracle_scores, random_frames, random_lutnet

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize(("classes", "k", "stages"), [(1, 64, 1), (260, 2, 1)])
def test_records_hold_every_score(classes: int, k: int, stages: int, tmp_path: Path) -> None:
    net = random_lutnet(
        4, stages=stages, classes=classes, encoder_bits=2, values=Values(low=-1.0, high=1.0)
    )
    levels = np.random.default_rng(4).integers(0, 256, (k, 2), np.uint8)
    net = dataclasses.replace(net, thresholds={k: levels})
    net.save(tmp_path / "n.lutnet")
    generate(tmp_path / "n.lutnet", tmp_path / "numbers")
    images = random_frames(net, 5, count=3)
    with open_device("rtl") as device:
        overlay = load(tmp_path / "numbers", device, self_test=False)
        try:
            found = overlay.classify(images, k)
        finally:
            overlay.close()
    right = oracle_scores(net, images, levels)[:, 0, 0]
    np.testing.assert_array_equal(found.scores, right)
    np.testing.assert_array_equal(found.classes, right.argmax(axis=1) & 255)
    margins = right[:, 0] if classes == 1 else np.diff(np.sort(right)[:, -2:])[:, 0]
    np.testing.assert_array_equal(found.margins, margins)


def test_the_network_alone_gives_pixels_as_a_stream() -> None:
    """A decoder as it could stand in a design of one's own: a code in, an image's pixels out."""
    net = random_lutnet(
        6, stages=1, classes=100, values=Values(low=0.0, high=255.0, shape=(10, 10, 1))
    )
    codes = random_frames(net, 7, count=4)
    levels = net.thresholds[1]
    run = NetworkRtl(net, max_width=net.input_shape[1]).run(
        list(codes), levels[0], seed=1, gaps=0.2, stalls=0.3
    )
    np.testing.assert_array_equal(
        np.stack(run.scores)[:, 0, 0], oracle_scores(net, codes, levels)[:, 0, 0]
    )
