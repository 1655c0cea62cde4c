"""Images in colours through batch builds: both simulated devices give the scores of the C and of the definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pynq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board import registers as reg
from lutlens.board.manifest import Manifest
from lutlens.board.overlay import load
from lutlens.host import Lutnet, overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.devices.measure import throughput
from lutlens.host.devices.rtl import STALLS
from lutlens.host.overlay import OverlayError
from lutlens.host.rtl import Build
from support.core import Core
from support.networks import oracle_scores, random_frames, random_lutnet


def generated(net: Lutnet, folder: Path, pixels_per_clock: int = 1, cores: int = 1) -> Path:
    net.save(folder / "colours.lutnet")
    out = folder / f"colours{pixels_per_clock}{cores}"
    overlay.generate(folder / "colours.lutnet", out, pixels_per_clock=pixels_per_clock, cores=cores)
    return out


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 3), st.sampled_from([1, 8]))
def test_the_model_is_bit_exact(
    tmp_path_factory: pytest.TempPathFactory, seed: int, channels: int, bits: int, pixels: int
) -> None:
    net = random_lutnet(seed, channels=channels, encoder_bits=bits)
    images = random_frames(net, seed, 4)
    directory = generated(net, tmp_path_factory.mktemp("overlay"), pixels)
    with open_device("model") as device:
        classifier = load(directory, device)  # replays the golden vectors
        for k, thresholds in net.thresholds.items():
            expected = oracle_scores(net, images, thresholds)[:, 0, 0]
            np.testing.assert_array_equal(classifier.classify(images, k).scores, expected)
        with pytest.raises(ValueError, match=rf"must be uint8 \[n, .*, {channels}\]"):
            classifier.classify(images[..., 0])
        classifier.close()


# Seed, channels, pixels a clock, cores, clocks an image: widths of 24 and 11 pixels, words of 3 to 16 values out of
# words of 4 or 8. A pixel a clock; four of three colours, of which a beat has two thirds; two cores, as fast as memory.
CASES = [(9, 3, 1, 1, 504), (4, 3, 4, 1, 112), (4, 2, 8, 2, 75)]


@pytest.mark.rtl
@pytest.mark.parametrize(("seed", "channels", "pixels", "cores", "clocks"), CASES)
def test_the_rtl_is_bit_exact(
    tmp_path: Path, seed: int, channels: int, pixels: int, cores: int, clocks: int
) -> None:
    net = random_lutnet(seed, channels=channels, encoder_bits=1 + seed % 3)
    images = random_frames(net, seed, 12)
    directory = generated(net, tmp_path, pixels, cores)
    with open_device("rtl") as device:
        classifier = load(directory, device)  # replays the golden vectors
        for k in net.thresholds:
            expected = Executor(net).scores(images, k)[:, 0, 0]
            np.testing.assert_array_equal(classifier.classify(images, k).scores, expected)
        classifier.close()
        pynq.Overlay(str(directory / f"{directory.name}.hwh"), device=device)
        core = Core(device, net)
        assert core.read(reg.FEATURES) >> 16 == channels - 1
        # Packed, the frame's values lie in the order of its bytes.
        core.write(reg.FORMAT, 1)
        core.set_thresholds(net.thresholds[1])
        core.control()
        packed = np.packbits(images[:4].reshape(4, -1) > 127, axis=1, bitorder="little")
        core.frames[:, : packed.shape[1]] = packed
        core.head = 4
        core.write(reg.FRAME_HEAD, core.head)
        core.wait(reg.FRAME_TAIL, core.head)
        black_or_white = np.where(images[:4] > 127, 255, 0).astype(np.uint8)
        expected = Executor(net).scores(black_or_white, 1)[:, 0, 0]
        assert [record.scores for record in core.collect()] == expected.tolist()
    build = Build.of(Manifest.load(directory).geometry)
    measured = throughput(net, build, k=1, images=30, stalls=STALLS["none"])
    assert clocks - 1 <= measured.clocks_per_image <= clocks + 30


def test_frames_of_colours_are_not_scanned(tmp_path: Path) -> None:
    random_lutnet(1, channels=3).save(tmp_path / "colour.lutnet")
    with pytest.raises(OverlayError, match="input_shape: 3 image channels, a scan build takes 1"):
        overlay.generate(tmp_path / "colour.lutnet", tmp_path / "colour", scan=True)
