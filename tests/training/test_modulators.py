"""`lutlens modulators`: modulators measured against each other, and a network that takes one along."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lutlens.board.records import answers
from lutlens.board.values import Values
from lutlens.host.c import Executor
from lutlens.host.lutnet import Lutnet
from lutlens.host.modulation import MODULATORS
from lutlens.training import LayerSpec, Network, NetworkSpec, StageSpec, datasets
from support.commands import lutlens
from support.networks import random_lutnet
from support.pictures import easy_images


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A random one of the easy images, which has thresholds for more passes than a modulator takes."""
    spec = NetworkSpec(
        input_shape=(28, 28, 1),
        stages=(StageSpec(layers=(LayerSpec(nodes=90),)),),
        classes=3,
        encoder_bits=2,
    )
    levels = {k: np.array([[60, 120]] * k, np.uint8) for k in (1, 4, 32)}
    path = tmp_path / "three.lutnet"
    Network(spec, seed=2).to_lutnet(levels, ("0", "1", "2"), {"accuracy": {"1": 0.5}}).save(path)
    return path


def test_all_are_measured_and_one_is_taken(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, png, out = easy_images(tmp_path), tmp_path / "m.png", tmp_path / "taken.lutnet"
    status, printed, error = lutlens(
        capsys,
        *("modulators", network, "--data", images, "--png", png),
        *("--take", "delta-sigma-2", "--out", out, "--json"),
    )
    assert status == 0, error
    told = json.loads(printed)
    assert list(told["accuracy"]) == ["ramp", *MODULATORS]
    assert all(list(by_k) == ["1", "4"] for by_k in told["accuracy"].values())
    assert png.read_bytes().startswith(b"\x89PNG")

    taken = Lutnet.load(out)
    assert taken.modulator is not None
    chosen = told["chosen"]["delta-sigma-2"]["4"]
    assert taken.modulator.kind == "delta-sigma-2"
    assert taken.modulator.swing == chosen["swing"]
    assert taken.thresholds[1].tolist() == [chosen["thresholds"]]
    assert "accuracy" not in taken.provenance, "another modulator's"
    test = datasets.load(images).test
    found, _ = answers(Executor(taken).scores(test.images, 4)[:, 0, 0])
    assert told["accuracy"]["delta-sigma-2"]["4"] == pytest.approx((found == test.labels).mean())

    status, printed, _ = lutlens(capsys, "modulators", out, "--data", images, "--png", png)
    assert status == 0
    assert [line.split("│")[1].strip() for line in printed.splitlines() if "│" in line] == [
        "ramp",
        *MODULATORS,
    ]


def test_a_recipe_asks_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, out = easy_images(tmp_path), tmp_path / "taught.lutnet"
    status, printed, error = lutlens(
        capsys,
        *("train", "digits", "--data", images, "--out", out, "--epochs", 1, "--json"),
        *("--set", "stages=[]", "--set", "bits_per_class=20", "--set", 'modulator="blue-noise"'),
        *("--set", "passes=[1, 4]"),
    )
    assert status == 0, error
    net = Lutnet.load(out)
    assert net.modulator is not None
    assert net.modulator.kind == "blue-noise"
    assert list(net.thresholds) == [1, 4]
    test = datasets.load(images).test
    found, _ = answers(Executor(net).scores(test.images, 4)[:, 0, 0])
    assert json.loads(printed)["accuracy"]["4"] == pytest.approx((found == test.labels).mean())


def test_what_cannot_be_measured(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, error = lutlens(capsys, "modulators", network, "--take", "pwm")
    assert status == 2
    assert "--take: pwm, must be one of lfsr, ordered" in " ".join(error.split())
    numbers = random_lutnet(1, values=Values(low=0, high=1))
    numbers.save(tmp_path / "numbers.lutnet")
    status, _, error = lutlens(capsys, "modulators", tmp_path / "numbers.lutnet")
    assert status == 2
    assert "its outputs are numbers" in error
