"""Modulators: what they are, and the same bits of them in every execution."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board.overlay import load
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.c99 import generate as generate_c
from lutlens.host.c99.check import check
from lutlens.host.devices import open_device
from lutlens.host.lutnet import Lutnet, LutnetError
from lutlens.host.modulation import MODULATORS, Modulation, Modulator, ModulatorName
from lutlens.host.overlay import OverlayError
from lutlens.host.registers import Scan
from lutlens.host.rtl import Build, network_sources, pl_sources
from lutlens.host.systemverilog import GenerationError
from lutlens.host.verilator import lint
from lutlens.training.network import Network
from support.networks import oracle_scores, random_frames, random_lutnet

LEVELS = np.array([50, 130, 200], np.uint8)


def modulated(net: Lutnet, kind: ModulatorName, swing: int = 91) -> Lutnet:
    levels = LEVELS[: net.encoder_bits]
    thresholds = {k: np.repeat(levels[None], k, axis=0) for k in (1, 5, 16)}
    return replace(net, thresholds=thresholds, modulator=Modulator(kind=kind, swing=swing))


def expected(net: Lutnet, images: np.ndarray, k: int) -> np.ndarray:
    """By the plain definition of a network, of pixels as each pass compares them."""
    modulation = net.modulation
    assert modulation is not None
    plain = replace(net, modulator=None)
    whole = images.reshape(len(images), *net.input_shape)
    passes = [modulation.apply(whole, i).reshape(images.shape) for i in range(k)]
    levels = net.thresholds[k]
    return np.sum(
        [oracle_scores(plain, one, levels[i : i + 1])[:, 0, 0] for i, one in enumerate(passes)],
        axis=0,
    )


def images_of(net: Lutnet, count: int, seed: int = 3) -> np.ndarray:
    height, width, channels = net.input_shape
    shape = (count, height, width, channels)[: 3 if channels == 1 else 4]
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(MODULATORS),
    st.integers(0, 50),
    st.integers(1, 256),
    st.sampled_from((1, 5, 16)),
)
def test_pytorch_and_c_score_as_defined(kind: ModulatorName, seed: int, swing: int, k: int) -> None:
    net = modulated(
        random_lutnet(seed, channels=1 + seed % 3, encoder_bits=1 + seed % 3), kind, swing
    )
    images = images_of(net, 5)
    right = expected(net, images, k)
    np.testing.assert_array_equal(Executor(net).scores(images, k)[:, 0, 0], right)
    hard = Network.from_lutnet(net).scores(torch.from_numpy(images), net.thresholds[k])
    np.testing.assert_array_equal(hard.numpy(), right)


@pytest.mark.parametrize("kind", MODULATORS)
def test_c99_scores_as_defined(kind: ModulatorName) -> None:
    seed = MODULATORS.index(kind)
    net = modulated(random_lutnet(seed, channels=1 + seed % 2, encoder_bits=1 + seed % 3), kind)
    images = images_of(net, 4)
    vectors = {f"scores_{k}": expected(net, images, k) for k in net.thresholds}
    found = check(generate_c(net, {"images": images, "k": np.array([1, 5, 16]), **vectors}))
    assert found, "no C compiler"
    assert [one.failure for one in found] == [None] * len(found)


@pytest.mark.rtl
@pytest.mark.parametrize(
    ("kind", "pixels", "cores"),
    [("lfsr", 4, 2), ("ordered", 1, 1), ("blue-noise", 2, 1), ("delta-sigma-2", 4, 1)],
)
def test_rtl_scores_as_defined(
    kind: ModulatorName, pixels: int, cores: int, tmp_path: Path
) -> None:
    """The whole programmable logic, images one behind the other, in several K."""
    net = modulated(random_lutnet(9, encoder_bits=2, degenerate=0.1), kind)
    height, width, _ = net.input_shape
    assert width % pixels == 0
    assert height > 16, "a matrix begins anew"
    build = Build(width, pixels, cores=cores)
    lint(network_sources(net, build) | pl_sources(build), "lutlens_pl")
    net.save(tmp_path / "net.lutnet")
    overlay.generate(
        tmp_path / "net.lutnet", tmp_path / "net", pixels_per_clock=pixels, cores=cores
    )
    images = images_of(net, 5)
    with open_device("rtl") as device:
        classifier = load(tmp_path / "net", device)
        for k in (5, 16, 1):
            scores = classifier.classify(images, k=k).scores
            np.testing.assert_array_equal(scores, expected(net, images, k))
        classifier.close()


def rates(kind: ModulatorName, levels: np.ndarray, swing: int, k: int) -> np.ndarray:
    """Mean bits over K passes, of values 0 to 255 that fill an image each, `[256]`."""
    modulation = Modulation(Modulator(kind=kind, swing=swing), levels)
    images = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None, None], (256, 16, 16, 1))
    ones = [modulation.apply(images, i) > levels for i in range(k)]
    rate: np.ndarray = np.mean(ones, axis=(0, 2, 3)).sum(axis=1)
    return rate


@pytest.mark.parametrize("kind", MODULATORS)
@pytest.mark.parametrize(("levels", "swing"), [((127,), 256), ((60, 110, 160), 50)])
def test_a_value_becomes_a_rate_of_ones(
    kind: ModulatorName, levels: tuple[int, ...], swing: int
) -> None:
    """A straight line from half a swing below the first threshold to half a swing above the last one."""
    line = ((np.arange(256) - levels[0] + swing / 2) / swing).clip(0, len(levels))
    found = rates(kind, np.array(levels, np.uint8), swing, 16)
    assert np.abs(found - line).max() < 0.12
    assert np.abs(found - line).mean() < 0.03


def test_first_order_is_exact_to_a_pass() -> None:
    """A first-order modulator's ones are never more than one off (Schreier and Temes, section 2.2)."""
    for k in range(1, 17):
        ones = k * rates("delta-sigma-1", np.array([127], np.uint8), 256, k)
        assert np.abs(ones - k * np.arange(256) / 256).max() < 1


def test_matrices() -> None:
    for kind in ("ordered", "blue-noise"):
        found = Modulation(Modulator(kind=kind, swing=9), LEVELS[:1]).matrix
        assert sorted(found.ravel()) == list(range(256))
    # A void-and-cluster matrix has next to no slow changes, and is the same on every machine.
    blue = np.abs(np.fft.fft2(found - found.mean()))
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(16)] * 2))
    slow, fast = blue[(frequency > 0) & (frequency < 0.2)], blue[frequency > 0.4]
    assert slow.mean() < 0.2 * fast.mean()
    assert hashlib.sha256(found.astype(np.uint8).tobytes()).hexdigest()[:16] == "04aa9a76b69a224a"


def test_the_file_says_it_where_it_is_so() -> None:
    net = modulated(random_lutnet(3), "ordered")
    assert Lutnet.from_bytes(net.to_bytes()).modulator == net.modulator
    assert b"modulator" not in random_lutnet(3).to_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"thresholds": {2: np.array([[9, 50], [9, 60]], np.uint8)}},
            "thresholds: must be the same",
        ),
        (
            {"thresholds": {1: np.array([[60, 60]], np.uint8)}},
            "thresholds: must ascend from bit to bit",
        ),
        ({"thresholds": {17: np.array([[50, 60]] * 17, np.uint8)}}, "passes: K = 17, at most 16"),
    ],
)
def test_what_no_modulated_network_is(change: dict[str, Any], message: str) -> None:
    net = modulated(random_lutnet(2, encoder_bits=2), "lfsr")
    with pytest.raises(LutnetError, match=re.escape(message)):
        replace(net, **change)


def test_what_is_refused(tmp_path: Path) -> None:
    net = modulated(random_lutnet(12, encoder_bits=2), "lfsr")
    height, width, _ = net.input_shape
    with pytest.raises(ValueError, match=f"must be {width}x{height}: a network with a modulator"):
        Executor(net).scores(random_frames(net, 1, larger=(1, 0)))
    pixels = torch.zeros(1, height + 1, width, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"pixels: torch.uint8 .* must be uint8 of images"):
        Network.from_lutnet(net).scores(pixels, net.thresholds[1])
    with pytest.raises(GenerationError, match="scan: a network with a modulator"):
        network_sources(net, Build(640, scan=Scan(1000, 10)))
    with pytest.raises(GenerationError, match=r"modulator: images of .* 2 channel\(s\)"):
        network_sources(modulated(random_lutnet(1, channels=2), "lfsr"), Build(64))
    net.save(tmp_path / "net.lutnet")
    with pytest.raises(OverlayError, match="scan: a network with a modulator"):
        overlay.generate(tmp_path / "net.lutnet", tmp_path / "net", scan=True)
