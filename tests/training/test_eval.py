"""Measuring a network: thresholds chosen, figures right, the same from every engine."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from lutlens.host.cli import main
from lutlens.host.compilation import CompilationError
from lutlens.training import (
    LayerSpec,
    Network,
    NetworkSpec,
    StageSpec,
    data,
    datasets,
    engines,
    plots,
)
from lutlens.training.data import Labelled
from lutlens.training.engines import EngineName, fast_scores, open_engine
from lutlens.training.evaluate import evaluate, ramp, rank_thresholds
from lutlens.training.passes import passes
from lutlens.training.test_set import check_fit

CLASSES = ("disc", "ring", "bar")


@pytest.fixture(scope="module")
def net():
    """A random network of 12x12 images."""
    layers = (LayerSpec(nodes=20), LayerSpec(nodes=8))
    spec = NetworkSpec(
        input_shape=(12, 12, 1),
        stages=(
            StageSpec(window=(4, 4), stride=(2, 2), layers=layers),
            StageSpec(layers=(LayerSpec(nodes=30),)),
        ),
        classes=3,
        encoder_bits=2,
    )
    return Network(spec, seed=4).to_lutnet({k: ramp(k, 2, 0, 255) for k in (1, 5)}, CLASSES)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """70 random images for training, 40 for testing, as an .npz; and the test images."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (110, 12, 12), dtype=np.uint8)
    labels = rng.integers(0, 3, 110)
    path = tmp_path_factory.mktemp("data") / "shapes.npz"
    np.savez(
        path,
        images=images[:70],
        labels=labels[:70],
        test_images=images[70:],
        test_labels=labels[70:],
        classes=CLASSES,
    )
    return path, Labelled(images[70:], labels[70:])


def run_main(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return end.value.code or 0, captured.out, captured.err


@pytest.mark.parametrize("engine", ["torch", "c"])
def test_json_has_the_documented_fields(net, shapes, tmp_path, capsys, monkeypatch, engine):
    monkeypatch.chdir(tmp_path)
    net.save("some.lutnet")
    arguments = ["eval", "some.lutnet", "--data", shapes[0], "--k", 5, "--engine", engine]
    status, stdout, stderr = run_main([*arguments, "--limit", 30, "--json"], capsys)
    assert status == 0, stderr
    told = json.loads(stdout)
    assert (told["k"], told["engine"], told["images"]) == (5, engine, 30)
    assert told["images_per_second"] > 0
    confusion = np.array(told["confusion"])
    assert confusion.sum() == 30
    assert told["accuracy"] == pytest.approx(confusion.trace() / 30)
    truth = np.bincount(shapes[1].labels[:30], minlength=3)
    assert confusion.sum(axis=1).tolist() == truth.tolist()
    assert (tmp_path / told["png"]).read_bytes().startswith(b"\x89PNG")


def test_without_json_there_is_a_table(net, shapes, tmp_path, capsys):
    net.save(tmp_path / "some.lutnet")
    png = tmp_path / "matrix.png"
    arguments = ["eval", tmp_path / "some.lutnet", "--data", shapes[0], "--png", png]
    status, stdout, _ = run_main(arguments, capsys)
    assert status == 0
    assert all(name in stdout for name in CLASSES)
    assert re.search(r"% of 40 images of shapes, K = 1", stdout.replace("\n", " "))
    assert png.exists()


@pytest.mark.parametrize("engine", ["torch", "c", "model"])
@pytest.mark.parametrize("k", [1, 5])
def test_engines_give_the_same_scores(net, shapes, engine, k):
    images = shapes[1].images
    expected = Network.from_lutnet(net).scores(torch.from_numpy(images), net.thresholds[k])
    assert expected.shape == (40, 3)
    with open_engine(EngineName(engine), net) as opened:
        scores = opened.scores_of(images, net.thresholds[k])
    assert np.array_equal(scores, expected)


def test_without_a_c_compiler_pytorch_measures(net, shapes, monkeypatch):
    images, thresholds = shapes[1].images, net.thresholds[5]
    compiled = fast_scores(net)(images, thresholds)

    def no_compiler(_):
        raise CompilationError("no C compiler found")

    monkeypatch.setattr(engines, "Executor", no_compiler)
    assert np.array_equal(fast_scores(net)(images, thresholds), compiled)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.lutnet"], "nowhere.lutnet: No such file"),
        (["shapes.npz"], "shapes.npz: "),
        (["some.lutnet", "--k", "2"], "no thresholds for K = 2; this lutnet has K = [1, 5]"),
        (["some.lutnet", "--engine", "abacus"], "abacus"),
        (["some.lutnet", "--data", "digits.npz"], "its classes are 0, 1, 2; some.lutnet tells"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(
    net, shapes, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    net.save("some.lutnet")
    (tmp_path / "shapes.npz").write_bytes(shapes[0].read_bytes())
    with np.load(shapes[0]) as arrays:
        np.savez("digits.npz", images=arrays["images"], labels=arrays["labels"])
    if "--data" not in arguments:
        arguments = [*arguments, "--data", "shapes.npz"]
    status, stdout, stderr = run_main(["eval", *arguments], capsys)
    assert status == 2
    assert stdout == ""
    assert message in re.sub(r"[\s│]+", " ", stderr)


def test_passes_are_measured_for_every_network_at_each_k(net, shapes, tmp_path, capsys):
    other = replace(net, thresholds={3: np.full((3, 2), 90, np.uint8)})
    paths = [tmp_path / "one.lutnet", tmp_path / "other.lutnet"]
    for path, one in zip(paths, (net, other), strict=True):
        one.save(path)
    png = tmp_path / "k.png"
    passes(paths, EngineName.torch, limit=30, data=shapes[0], png=png, json_output=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["data"], told["images"]) == ("shapes", 30)
    assert [sorted(one["accuracy"]) for one in told["networks"]] == [["1", "5"], ["3"]]
    scores = Network.from_lutnet(net).scores(
        torch.from_numpy(shapes[1].images[:30]), net.thresholds[5]
    )
    right = (scores.argmax(dim=1).numpy() == shapes[1].labels[:30]).mean()
    assert told["networks"][0]["accuracy"]["5"] == pytest.approx(right)
    assert png.read_bytes().startswith(b"\x89PNG")
    passes(paths[:1], EngineName.torch, data=shapes[0], png=png)
    assert re.search(rf"one +│ {net.nodes} +│ [\d.]+% │", capsys.readouterr().out)


def test_images_of_another_size_are_refused(net, tmp_path):
    wide = np.zeros((40, 12, 13), np.uint8)
    np.savez(tmp_path / "wide.npz", images=wide, labels=np.arange(40) % 3, classes=CLASSES)
    found = datasets.load(tmp_path / "wide.npz")
    with pytest.raises(data.DataError, match=r"13x12 pixels; some\.lutnet takes 12x12"):
        check_fit(net, Path("some.lutnet"), found)


def test_evaluate_counts_and_reports():
    data = Labelled(np.zeros((25, 2, 2), np.uint8), np.arange(25) % 3)
    seen = []

    def always_the_second(images, thresholds):
        assert thresholds.tolist() == [[9]]
        return np.tile(np.array([1, 4, 4], np.uint16), (len(images), 1))

    result = evaluate(
        always_the_second, data, np.array([[9]], np.uint8), report=seen.append, batch_size=10
    )
    assert seen == [10, 20, 25]
    assert result.confusion.tolist() == [[0, 9, 0], [0, 8, 0], [0, 8, 0]]
    assert result.accuracy == 8 / 25


@pytest.mark.parametrize(("k", "bits"), [(1, 1), (3, 1), (15, 1), (1, 3), (5, 2), (4, 4)])
def test_a_ramp_is_even_and_ascends_over_bits(k, bits):
    levels = ramp(k, bits, 0, 255)
    assert levels.shape == (k, bits)
    assert levels.dtype == np.uint8
    whole = levels.T.ravel().astype(int)
    assert (np.diff(whole) > 0).all()
    assert abs(whole.mean() - 127.5) <= 8
    assert np.ptp(np.diff(whole)) <= 8 if k * bits > 1 else True
    middle = ramp(3, bits, 32, 224)[1]
    assert np.array_equal(middle, ramp(1, bits, 32, 224)[0])


def test_the_thresholds_that_recognise_most_come_first():
    rng = np.random.default_rng(3)
    data = Labelled(np.zeros((400, 2, 2), np.uint8), rng.integers(0, 2, 400))
    difficulty = rng.random(400)

    def best_at_104(images, thresholds):
        # The further a threshold is from 104, the more images it gets wrong.
        assert thresholds.shape == (1, 1)
        right = difficulty[: len(images)] > abs(int(thresholds[0, 0]) - 104) / 255
        answer = np.where(right, data.labels[: len(images)], 1 - data.labels[: len(images)])
        return np.eye(2, dtype=np.uint16)[answer]

    ranked = rank_thresholds(best_at_104, data, 1, (1, 3))
    levels, accuracy = ranked[1][0]
    assert levels.tolist() == [[104]]
    assert accuracy == 1.0
    assert all(a >= b for (_, a), (_, b) in pairwise(ranked[1]))
    levels, _ = ranked[3][0]
    assert levels.shape == (3, 1)
    assert abs(int(levels[1, 0]) - 104) <= 16


def test_confusion_picture(tmp_path):
    matrix = np.array([[90, 10], [0, 0]])
    plots.confusion(matrix, ("yes", "no"), "title", tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
