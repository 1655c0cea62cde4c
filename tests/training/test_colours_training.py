"""Colours from a folder of pictures to a network that every engine executes alike."""

import json

import cv2
import numpy as np
import pytest
from lutlens.host.lutnet import Lutnet
from lutlens.training import datasets
from lutlens.training.engines import EngineName, open_engine
from support.commands import lutlens

RECIPE = """
description = "tells colours apart"
data = "cifar10"
input_shape = [10, 12, 3]
encoder_bits = 2
bits_per_class = 12
passes = [1, 3]
[[stages]]
window = [3, 3]
stride = [2, 2]
layers = [24, 12]
[schedule]
epochs = 3
batch_size = 8
"""
COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}
"""As bright as each other: grey says nothing."""


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(3)
    for name, colour in COLOURS.items():
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for i in range(200):
            image = np.clip(rng.normal(colour, 40, (10, 12, 3)), 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / f"{i}.png"), image[:, :, ::-1])
    return tmp_path / "pictures"


def test_a_network_of_colours_is_trained_and_every_engine_gives_its_scores(
    pictures, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "colours.toml").write_text(RECIPE)
    status, out, err = lutlens(capsys, "train", "colours.toml", "--data", pictures, "--json")
    assert status == 0, err
    assert json.loads(out)["accuracy"]["1"] > 0.8, "chance is a third"
    net = Lutnet.load("build/colours.lutnet")
    assert net.input_shape == (10, 12, 3)
    assert net.provenance["data_set"] is None
    images = datasets.load(pictures, net.input_shape).test.images
    found = {}
    for engine in ("torch", "c", "model"):
        with open_engine(EngineName(engine), net) as opened:
            found[engine] = opened.scores_of(images, net.thresholds[3])
    assert found["torch"].any()
    assert np.array_equal(found["c"], found["torch"])
    assert np.array_equal(found["model"], found["torch"])
    status, _, err = lutlens(capsys, "eval", "build/colours.lutnet")
    assert status == 2
    assert "trained on images of its user's own, pictures" in err
