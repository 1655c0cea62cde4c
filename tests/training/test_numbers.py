"""Networks whose outputs are numbers: what is minimised, that it is learned, and images through a code."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board.values import Values
from lutlens.host import Lutnet
from lutlens.host.c import Executor
from lutlens.host.lutnet import LutnetError
from lutlens.training import data, datasets, recipes
from lutlens.training.budget import BudgetError, asked, fit
from lutlens.training.data import DataError, DataSet, Labelled
from lutlens.training.datasets import housing, surface, variables
from lutlens.training.decoder_refinement import refine
from lutlens.training.layers import LutLayer
from lutlens.training.loop import Run, Trainer
from lutlens.training.network import Network, StageSpec
from lutlens.training.number_evaluation import ridge_r2
from lutlens.training.objectives import Regression
from lutlens.training.publish import publish
from lutlens.training.quality import fitted_range
from lutlens.training.recipes import (
    AutoencoderRecipe,
    Recipe,
    RecipeError,
    RegressionRecipe,
    Schedule,
)
from lutlens.training.reconstruction import code_shape, in_pixels, split
from lutlens.training.test_set import of_network
from support.commands import lutlens
from support.networks import frames, lutnets_of_numbers, oracle_scores

PLANE = RegressionRecipe(
    name="plane",
    description="of two variables, for tests",
    data="surface",
    input_shape=(2, variables.PARTS, 1),
    encoder_bits=2,
    jitter_per_pixel=False,
    bits_per_class=48,
    averaged=4,
    passes=(1, 32),
    schedule=Schedule(batch_size=64, shift=0, redraw_every=20),
)
BARS = AutoencoderRecipe(
    name="bars",
    description="a bar, for tests",
    input_shape=(8, 8, 1),
    jitter_per_pixel=False,
    code=6,
    refined=1,
    bits_per_class=4,
    stages=(StageSpec(layers=(32,)),),
    passes=(1, 4),
    schedule=Schedule(batch_size=32, shift=0, redraw_every=10),
)


@pytest.fixture(scope="module")
def points() -> DataSet:
    whole = datasets.load(name="surface")
    return replace(
        whole,
        train=whole.train.take(slice(8000)),
        validation=whole.validation.take(slice(300)),
        test=whole.test.take(slice(400)),
    )


@pytest.fixture(scope="module")
def bars() -> DataSet:
    """Bars in eight places; labels are the places."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 8, 4000)
    images = random.integers(0, 40, (4000, 8, 8), dtype=np.uint8)
    images[np.arange(4000), labels] += 200
    return data.assemble("bars", "abcdefgh", Labelled(images, labels), None)


def trained(recipe: Recipe, given: DataSet, folder: Path, epochs: float) -> Trainer:
    run = Run(recipe=recipe, seed=1, data_sha256=given.sha256, epochs=epochs, minutes=None)
    trainer = Trainer(run, given, folder)
    assert trainer.train(lambda _: None)
    return trainer


@settings(deadline=None, max_examples=10)
@given(st.data(), lutnets_of_numbers())
def test_hard_forward(drawn: st.DataObject, net: Lutnet) -> None:
    images = drawn.draw(frames(net))
    k = drawn.draw(st.sampled_from(sorted(net.thresholds)))
    expected = oracle_scores(net, images, net.thresholds[k])
    hard = Network.from_lutnet(net).scores(torch.from_numpy(images), net.thresholds[k]).numpy()
    np.testing.assert_array_equal(hard.reshape(expected.shape), expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_a_gradient_says_what_flipping_a_bit_does(
    seed: int, outputs: int, bits: int, passes: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    batch = 2
    objective = Regression(Values(low=0.0, high=1.0), 0.1, passes)
    rows = torch.randint(0, 2, (outputs * bits, passes * batch), generator=generator).double()
    targets = torch.rand(outputs, batch, generator=generator).double()
    loss, _ = objective.error(rows.requires_grad_(), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None
    means = rows.detach().view(outputs, bits, passes, batch).mean(dim=(1, 2))
    assert float(loss.detach()) == pytest.approx(float((means - targets).square().mean() / 0.1))
    row, column = (int(torch.randint(0, n, (), generator=generator)) for n in rows.shape)
    flipped = rows.detach().clone()
    flipped[row, column] = 1 - flipped[row, column]
    change = objective.error(flipped, targets)[0] - loss.detach()
    step = flipped[row, column] - rows.detach()[row, column]
    assert float(rows.grad[row, column] * step) == pytest.approx(float(change), abs=1e-9)


def test_a_fit_learns_and_every_execution_has_its_numbers(points: DataSet, tmp_path: Path) -> None:
    trainer = trained(PLANE, points, tmp_path / "run", epochs=2)
    first, last = trainer.metrics[0], trainer.metrics[-1]
    assert last.validation_accuracy[3] > max(0.6, first.validation_accuracy[3])
    net = publish(trainer, tmp_path / "plane.lutnet")
    assert Lutnet.load(tmp_path / "plane.lutnet").to_bytes() == net.to_bytes()
    assert (net.values, net.classes) == (surface.RANGE, ("z",))
    # The mean of passes is a better fit than one of them.
    assert 0.6 < net.provenance["r2"]["1"] < net.provenance["r2"]["32"]
    scores = Executor(net).scores(points.test.images, 32)[:, 0, 0]
    found = surface.RANGE.numbers(scores, 32 * net.bits_per_class)
    r2 = 1 - np.square(found - points.test.labels).mean() / points.test.labels.var()
    assert r2 == pytest.approx(net.provenance["r2"]["32"], abs=1e-6)


def test_an_auto_encoder_learns_a_code_and_resumes(bars: DataSet, tmp_path: Path) -> None:
    whole = trained(BARS, bars, tmp_path / "whole", epochs=2)
    net = publish(whole, tmp_path / "bars.lutnet")
    assert net.values
    assert net.values.shape == (8, 8, 1)
    assert net.provenance["r2"]["4"] > 0.5, "the mean image has 0"
    # What is left behind, the linear reader, is a part of the checkpoint all the same.
    stopped = Trainer(whole.run, bars, tmp_path / "halves")
    stop = iter([False] * 120 + [True])
    assert not stopped.train(lambda _: None, lambda: next(stop))
    again = Trainer(whole.run, bars, tmp_path / "halves")
    again.resume()
    assert again.train(lambda _: None)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name

    front, back = split(net)
    images = bars.test.images[:50]
    code = Executor(front).scores(images, thresholds=net.thresholds[1])[:, 0, 0]
    pictures = (255 * code).astype(np.uint8).reshape(-1, *code_shape(6))
    decoded = Executor(back).scores(pictures, 1)[:, 0, 0]
    expected = Executor(net).scores(images, thresholds=net.thresholds[1])[:, 0, 0]
    np.testing.assert_array_equal(decoded, expected)
    with pytest.raises(LutnetError, match="an auto-encoder is needed"):
        split(front)


def test_a_refined_decoder_is_nearer_to_what_it_was_refined_with(bars: DataSet) -> None:
    pixels = in_pixels(bars)
    levels = np.array([[90], [150]], np.uint8)
    net = Network(BARS.network(64), seed=7).to_lutnet(
        {2: levels}, tuple(map(str, range(64))), values=pixels.values
    )

    def squared_error(one: Lutnet) -> float:
        """As it is refined: half of the images under either pass."""
        assert one.values
        halves = np.array_split(pixels.train.images[order], 2)
        scores = [
            Executor(one).scores(half, thresholds=level[None])[:, 0, 0]
            for half, level in zip(halves, levels, strict=True)
        ]
        numbers = one.values.numbers(np.concatenate(scores), one.bits_per_class)
        return float(np.square(numbers - pixels.train.labels[order]).mean())

    order = np.random.default_rng(5).permutation(len(pixels.train))
    errors = [
        squared_error(refine(net, pixels.train, levels, sweeps=sweeps, seed=5))
        for sweeps in (0, 1, 3)
    ]
    assert errors[0] == squared_error(net)
    assert errors[0] > 2 * errors[1]
    assert errors[1] >= errors[2]


def test_a_fitted_range_is_that_of_least_squares() -> None:
    random = np.random.default_rng(3)
    scores = random.integers(0, 41, (50, 7))
    low, high = fitted_range(scores, 3.0 + 5.0 * scores / 40, 40)
    assert (low, high) == (pytest.approx(3), pytest.approx(8))


def test_labels_move_with_their_images(bars: DataSet) -> None:
    moved = BARS.model_copy(update={"schedule": Schedule(batch_size=32, shift=2)})
    batch = moved.batches(moved.prepare(bars), seed=3)[5]
    np.testing.assert_array_equal(batch.labels.reshape(batch.pixels.shape), batch.pixels)
    assert (batch.pixels[:, 0] == 0).all(axis=1).any(), "zeros have moved in"


@pytest.mark.parametrize("passes", [1, 4])
def test_passes_of_training_have_a_part_of_the_range_each(passes: int) -> None:
    encoder = Network(PLANE.network(1)).encoder.train()
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 256, 1).expand(3, 1, 256, 1)
    levels = encoder(ramp, passes=passes).view(256, 2, passes, 3).eq(0).sum(dim=0) - 1
    for part in range(2):
        for i in range(passes):
            low = 255 * (part + i / passes) / 2
            drawn = levels[part, i]
            assert (drawn >= int(low)).all()
            assert (drawn <= low + 255 / passes / 2).all()


def test_shipped_recipes_of_numbers() -> None:
    kinds = {name: type(recipe) for name, recipe in recipes.RECIPES.items()}
    assert kinds["diabetes"] is kinds["surface"] is RegressionRecipe
    assert kinds["autoencoder"] is AutoencoderRecipe
    network = recipes.recipe("autoencoder").network(784)
    assert network.stages[-2].layers[-1].nodes == 64
    budget = asked(2000, None, None, 1, 100.0)
    assert budget
    with pytest.raises(BudgetError, match="surface: fits numbers"):
        fit(recipes.recipe("surface"), 1, budget)


def test_a_recipe_of_the_other_kind_is_refused(
    points: DataSet, bars: DataSet, tmp_path: Path
) -> None:
    classes = Recipe(name="c", description="", input_shape=(2, 4, 1), bits_per_class=4)
    for recipe, unfit, message in (
        (classes, points, "c: recognises classes; surface has numbers"),
        (PLANE.model_copy(update={"input_shape": (8, 8, 1)}), bars, "fits numbers, bars has"),
    ):
        run = Run(recipe=recipe, seed=1, data_sha256="", epochs=1, minutes=None)
        with pytest.raises(RecipeError, match=message):
            Trainer(run, unfit, tmp_path)


def test_data_sets_of_numbers() -> None:
    patients = datasets.load(name="diabetes")
    assert [len(p) for p in (patients.train, patients.validation, patients.test)] == [342, 37, 63]
    assert patients.image_shape == (1, 10, 1)
    assert 0.3 < ridge_r2(patients, patients.test) < 0.8
    assert surface.peaks(np.array(0.0), np.array(0.0)) == pytest.approx(0.98101184)
    grid = variables.image(np.array([[0.0, 1.0], [0.125, 0.5]]))
    assert grid.tolist() == [[[0] * 4, [255] * 4], [[128, 0, 0, 0], [255, 255, 0, 0]]]


def test_houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of the same form, whose houses cost what people earn there."""
    random = np.random.default_rng(0)
    table = random.integers(1, 50, (700, housing.COLUMNS)).astype(float)
    table[:, -1] = 9000 * table[:, -2]
    path = tmp_path / housing.FOLDER / housing.ARCHIVE
    path.parent.mkdir()
    monkeypatch.setenv("LUTLENS_DATA", str(tmp_path))
    with pytest.raises(DataError, match="8 columns, must be 9"):
        housing.read(packed(path, table[:, :-1]))
    houses = housing.read(packed(path, table))
    assert [len(p) for p in (houses.train, houses.validation, houses.test)] == [540, 60, 100]
    assert houses.image_shape == (8, variables.PARTS, 1)
    assert ridge_r2(houses, houses.test) > 0.99
    earned = houses.train.images[:, 7].sum(axis=1, dtype=int)
    assert np.corrcoef(earned, houses.train.labels[:, 0])[0, 1] > 0.99
    with pytest.raises(DataError, match="not California housing's file"):
        datasets.load(name="housing")
    monkeypatch.setattr(housing, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    assert datasets.load(name="housing").sha256 == houses.sha256


def packed(path: Path, table: npt.NDArray[np.float64]) -> Path:
    text = io.BytesIO()
    np.savetxt(text, table, delimiter=",")
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(housing.MEMBER)
        member.size = text.tell()
        archive.addfile(member, io.BytesIO(text.getvalue()))
    return path


def test_labels_have_to_fit_their_values(bars: DataSet) -> None:
    images, values = bars.train.images[:40], Values(low=0.0, high=1.0)
    for labels, message in (
        (np.zeros(40), r"labels: \[40\] for 40 images and 1 numbers"),
        (np.full((40, 1), 2.0), r"labels: 2\.0 to 2\.0, must be 0\.0 to 1\.0"),
    ):
        with pytest.raises(DataError, match=message):
            data.assemble("n", ("n",), Labelled(images, labels), None, values=values)


def test_eval(points: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Network(PLANE.network(1), seed=2).to_lutnet(
        {1: np.array([[60, 190]], np.uint8)},
        ("z",),
        {"data_set": "surface"},
        surface.RANGE,
    )
    net.save(tmp_path / "n.lutnet")
    arguments = ("eval", tmp_path / "n.lutnet", "--limit", "200", "--png", tmp_path / "n.png")
    status, out, _ = lutlens(capsys, *arguments, "--engine", "c", "--json")
    assert status == 0
    told = json.loads(out)
    assert told["r2"] < told["ridge_r2"] < 1
    assert cv2.imread(str(tmp_path / "n.png")) is not None
    status, out, _ = lutlens(capsys, *arguments)
    assert f"{told['r2']:.4f}" in out
    with pytest.raises(DataError, match="its labels are classes; those of n are numbers"):
        of_network(net, Path("n"), replace(points, values=None))


def test_reconstruct(bars: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = BARS.network(64)
    net = Network(spec, seed=4).to_lutnet(
        {2: np.array([[60], [190]], np.uint8)},
        tuple(map(str, range(64))),
        values=in_pixels(bars).values,
    )
    net.save(tmp_path / "a.lutnet")
    reader = Network(
        Recipe(name="r", description="", input_shape=(8, 8, 1), bits_per_class=4).network(8)
    ).to_lutnet({1: np.array([[99]], np.uint8)}, bars.classes)
    reader.save(tmp_path / "r.lutnet")
    np.savez(tmp_path / "bars.npz", images=bars.train.images, labels=bars.train.labels)
    arguments = [
        "reconstruct",
        "a.lutnet",
        "--k",
        "2",
        "--data",
        "bars.npz",
        "--reader",
        "r.lutnet",
    ]
    arguments += ["--png", "a.png", "--codes", "c.png", "--decoder", "d.lutnet", "--json"]
    arguments = [str(tmp_path / one) if "." in one else one for one in arguments]
    status, out, error = lutlens(capsys, *arguments)
    assert status == 0, error
    told = json.loads(out)
    assert told["code_bits"] == 6
    assert 0 < told["squared_error"] < 1
    assert 0 <= told["read"] <= 1
    assert Lutnet.load(tmp_path / "d.lutnet").input_shape == (2, 3, 1)
    assert cv2.imread(str(tmp_path / "a.png")).shape[0] == 2 * 20
    assert cv2.imread(str(tmp_path / "c.png")).shape == (7 * 20, 8 * 20, 3)


def test_one_bit_an_output_needs_no_sum() -> None:
    """Of images the group sum would be a matrix of all pixels by all pixels."""
    network = Network(BARS.model_copy(update={"bits_per_class": 1}).network(64))
    assert isinstance(next(network.lut_layers()), LutLayer)
    x = torch.randint(0, 2, (5, 64)).float()
    assert network.group_sum.counts(x) is x
