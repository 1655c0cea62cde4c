"""Networks whose outputs are numbers: their file, their scores in C and C99, and who refuses them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board.manifest import Manifest
from lutlens.board.overlay import load
from lutlens.board.pipeline import Pipeline
from lutlens.board.sources import parse
from lutlens.board.values import Values
from lutlens.host import Lutnet, golden
from lutlens.host.c import Executor
from lutlens.host.c99 import generate as generate_c99
from lutlens.host.c99.check import check
from lutlens.host.devices import open_device
from lutlens.host.lutnet import LutnetError
from lutlens.host.overlay import OverlayError, generate
from support.networks import (
    frames,
    lutnets_of_numbers,
    oracle_scores,
    random_frames,
    random_lutnet,
)

RANGE = Values(low=25.0, high=346.0)


def regression(seed: int = 3, classes: int = 1, k: int = 64) -> Lutnet:
    net = random_lutnet(seed, classes=classes, encoder_bits=3, values=RANGE)
    levels = np.random.default_rng(seed).integers(0, 256, (k, 3), np.uint8)
    return dataclasses.replace(net, thresholds={1: net.thresholds[1], k: levels})


@settings(deadline=None)
@given(lutnets_of_numbers())
def test_round_trip(net: Lutnet) -> None:
    again = Lutnet.from_bytes(net.to_bytes())
    assert again.values == net.values
    assert again.to_bytes() == net.to_bytes()


def test_a_file_of_classes_is_as_it_was() -> None:
    """The entry is there only where outputs are numbers: older files keep their bytes, and their build id."""
    data = random_lutnet(1).to_bytes()
    assert b"values" not in data
    assert b'\\"values\\": {\\"high\\": 346.0' in regression().to_bytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"values": None}, "classes: 1, must be 2 to 256 unless outputs are numbers"),
        (
            {"values": Values(low=0.0, high=1.0, shape=(2, 1, 1))},
            r"values\.shape: \[2, 1, 1\], not of 1 outputs",
        ),
        ({"classes": tuple(map(str, range(5000)))}, "classes: "),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(LutnetError, match=message):
        dataclasses.replace(regression(), **changed)  # type: ignore[arg-type]


def test_a_range_needs_a_low_and_a_higher_end() -> None:
    for low, high in ((1.0, 1.0), (2.0, 1.0), (0.0, float("inf"))):
        with pytest.raises(ValueError, match=r"low must be less than high|finite"):
            Values(low=low, high=high)


def test_a_score_is_a_share_of_the_range() -> None:
    scores = np.array([[0, 32, 64]], np.uint16)
    np.testing.assert_array_equal(RANGE.numbers(scores, 64), [[25.0, 185.5, 346.0]])
    np.testing.assert_allclose(RANGE.shares(RANGE.numbers(scores, 64)), [[0, 0.5, 1]])


@settings(deadline=None, max_examples=8)
@given(st.data(), lutnets_of_numbers())
def test_the_c_engine(data: st.DataObject, net: Lutnet) -> None:
    images = data.draw(frames(net))
    k = data.draw(st.sampled_from(sorted(net.thresholds)))
    expected = oracle_scores(net, images, net.thresholds[k])
    np.testing.assert_array_equal(Executor(net).scores(images, k), expected)


@pytest.mark.parametrize("classes", [1, 260])
def test_c99(classes: int) -> None:
    net = regression(classes=classes)
    images = random_frames(net, 3, count=4)
    scores = {
        f"scores_{k}": oracle_scores(net, images, t)[:, 0, 0] for k, t in net.thresholds.items()
    }
    sources = generate_c99(net, {"images": images, "k": np.array([1, 64]), **scores})
    assert "#define LUTNET_NUMBER(score, passes) (25.0 + (321.0) * (score)" in sources["lutnet.h"]
    found = check(sources)
    assert found
    assert [one.failure for one in found] == [None] * len(found)


@pytest.mark.parametrize("classes", [1, 300])
def test_an_overlay_gives_numbers(classes: int, tmp_path: Path) -> None:
    """64 passes are four rounds of the core, which adds 16; the driver adds those up."""
    net = regression(classes=classes)
    net.save(tmp_path / "n.lutnet")
    generate(tmp_path / "n.lutnet", tmp_path / "numbers")
    manifest = Manifest.load(tmp_path / "numbers")
    assert manifest.geometry.values == RANGE
    images = random_frames(net, 5, count=9)
    with open_device("model") as device:
        overlay = load(tmp_path / "numbers", device)  # golden vectors at every K, too
        try:
            for k, levels in net.thresholds.items():
                found = overlay.classify(images, k)
                right = oracle_scores(net, images, levels)[:, 0, 0]
                np.testing.assert_array_equal(found.scores, right)
                np.testing.assert_array_equal(found.best, right.max(axis=1))
                np.testing.assert_array_equal(found.classes, right.argmax(axis=1) & 255)
            with pytest.raises(ValueError, match="numbers: its outputs are numbers"):
                Pipeline(overlay, parse("synthetic"))
        finally:
            overlay.close()


def test_a_scan_build_refuses(tmp_path: Path) -> None:
    regression().save(tmp_path / "n.lutnet")
    with pytest.raises(OverlayError, match="values: outputs are numbers, a scan build finds"):
        generate(tmp_path / "n.lutnet", tmp_path / "scan", scan=True)


def test_passes_that_are_no_whole_rounds(tmp_path: Path) -> None:
    regression(k=20).save(tmp_path / "n.lutnet")
    with pytest.raises(OverlayError, match="passes: K = 20, the core adds 16"):
        generate(tmp_path / "n.lutnet", tmp_path / "numbers")
    classes = dataclasses.replace(random_lutnet(2), thresholds={32: np.zeros((32, 1), np.uint8)})
    classes.save(tmp_path / "c.lutnet")
    with pytest.raises(OverlayError, match="passes: K = 32"):
        generate(tmp_path / "c.lutnet", tmp_path / "classes")


def test_too_many_outputs_for_a_record(tmp_path: Path) -> None:
    regression(classes=2045, k=16).save(tmp_path / "n.lutnet")
    with pytest.raises(OverlayError, match="classes: 2045 outputs, the core gives 2044"):
        generate(tmp_path / "n.lutnet", tmp_path / "numbers")


def test_golden_vectors_of_numbers() -> None:
    assert golden.vectors(regression())


def test_a_manifest_holds_to_its_values(tmp_path: Path) -> None:
    regression(classes=2).save(tmp_path / "n.lutnet")
    generate(tmp_path / "n.lutnet", tmp_path / "numbers")
    path = tmp_path / "numbers" / "overlay.json"
    told = json.loads(path.read_text())
    told["geometry"]["values"]["shape"] = [3, 1, 1]
    path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"values\.shape must be of 2 outputs"):
        Manifest.load(tmp_path / "numbers")
