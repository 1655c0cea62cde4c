"""`lutlens train --luts`: the network is sized before, and counted after training."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from lutlens.host.area import synthesise_core
from lutlens.host.cost import estimate
from lutlens.host.lutnet import Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.simplify import simplify
from lutlens.host.synthesis import Resources
from lutlens.training import budget_report
from lutlens.training.budget import FAMILIES, Budget, BudgetError, Fit, fit, shape_of
from lutlens.training.network import Network
from lutlens.training.recipes import RECIPES, recipe
from lutlens.training.train_command import train
from support.pictures import easy_images

CLOCK_MHZ = 125.0


def sized(
    luts: int,
    bram36: float | None = None,
    fps: float | None = None,
    k: int = 1,
    *,
    name: str = "digits",
    classes: int = 10,
) -> Fit:
    return fit(recipe(name), classes, Budget(luts, bram36, fps, k, CLOCK_MHZ))


@pytest.mark.parametrize(("luts", "name"), FAMILIES["digits"].items())
def test_what_was_made_for_a_budget_is_taken_for_it(luts: int, name: str) -> None:
    made, known = sized(luts), RECIPES[name]
    assert (made.recipe.stages, made.recipe.bits_per_class) == (known.stages, known.bits_per_class)
    assert made.recipe.schedule == known.schedule


@pytest.mark.parametrize("luts", [500, 700, 1000, 1800, 3000, 9000, 15000])
def test_any_budget_is_kept_and_used(luts: int) -> None:
    made = sized(luts, k=7)
    spec = made.recipe.network(10)
    Network(spec)  # it can be trained
    for stage in made.recipe.stages:
        for layer, reader in pairwise(stage.layers):
            assert layer.nodes <= reader.most_inputs, "a node that nothing reads"
    assert made.cost == estimate(shape_of(spec), made.build)
    assert 0.8 * luts < made.cost.lut <= luts
    assert 7 in made.recipe.passes


def test_more_luts_make_more_nodes() -> None:
    nodes = [sized(luts).cost.nodes for luts in range(600, 6000, 600)]
    assert nodes == sorted(set(nodes))


def test_block_ram_is_a_budget_too() -> None:
    free, tight = sized(2200), sized(2200, 5)
    assert tight.cost.bram36 <= 5 < free.cost.bram36
    first, fewer = (made.recipe.stages[0].layers for made in (free, tight))
    assert fewer[0] == first[0]
    assert fewer[1].nodes < first[1].nodes


def test_images_a_second_take_more_pixels_a_clock() -> None:
    assert sized(2200, fps=159_000).build.pixels_per_clock == 1
    made = sized(2200, fps=300_000)
    assert made.build.pixels_per_clock == 2
    assert made.clocks_per_image == 392
    assert sized(2200, fps=70_000, k=3).build.pixels_per_clock == 2


def test_more_classes_share_the_bits() -> None:
    digits, letters = sized(2200), sized(2200, classes=26)
    assert letters.recipe.bits_per_class == pytest.approx(
        digits.recipe.bits_per_class * 10 / 26, abs=1
    )
    assert letters.cost.lut <= 2200


def test_a_recipe_without_a_family_is_scaled() -> None:
    made = sized(2500, name="fashion")
    assert 2250 < made.cost.lut <= 2500
    assert made.recipe.data == "fashion-mnist"


@pytest.mark.parametrize(
    ("budget", "name", "message"),
    [
        ((60,), "digits", r"--luts 60: the smallest network takes \d+"),
        ((1460, 0.5), "digits", r"--bram 0.5: with 1460 LUTs the least is"),
        ((1460, None, 2e6), "digits", r"--fps 2e\+06: .* at most 1,116,071"),
        ((9000,), "digits-scan", "digits-scan: scans frames"),
    ],
)
def test_what_cannot_be_kept_is_said_before_training(
    budget: tuple[int, ...], name: str, message: str
) -> None:
    with pytest.raises(BudgetError, match=message):
        sized(*budget, name=name)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return easy_images(tmp_path)


def test_what_was_trained_is_synthesised(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.lutnet"
    train("digits", out=out, data=images, luts=420, k=3, epochs=1, threads=1, json_output=True)
    told = json.loads(capsys.readouterr().out)
    net = Lutnet.load(out)
    assert sorted(net.thresholds) == [1, 3, 7, 15]
    assert told["nodes"] == net.nodes
    budget = told["budget"]
    assert budget["kept"]
    assert budget["k"] == 3
    assert budget["core"]["lut"] <= 420
    # Images as easy as these leave many nodes constant; the model is held to the rest.
    _, savings = simplify(Netlist.from_lutnet(net))
    before, after = savings.nodes
    left = budget["expected"]["lut"] - (before - after)
    assert budget["core"]["lut"] == pytest.approx(left, rel=0.05)
    assert budget["core"]["bram36"] <= budget["expected"]["bram36"]
    assert budget["core"]["clocks_per_image"] == 3 * 784


def test_a_budget_that_is_not_kept_fails(
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        budget_report, "synthesise_core", lambda net, build: Resources(431, 900, 3.5, 7, 4)
    )
    assert budget_report.synthesise_core is not synthesise_core
    out = tmp_path / "small.lutnet"
    with pytest.raises(typer.Exit) as raised:
        train("digits", out=out, data=images, luts=420, bram=3, epochs=0.5, threads=1)
    assert raised.value.exit_code == 1
    assert "11 LUT and 0.5 BRAM36 too many" in capsys.readouterr().err
    assert out.exists()


@pytest.mark.parametrize("options", [{"bram": 7.0}, {"fps": 1000.0}, {"k": 3}])
def test_parts_of_a_budget_need_the_luts(options: dict[str, float]) -> None:
    (name,) = options
    with pytest.raises(BudgetError, match=f"--{name}: .*--luts"):
        train("digits", **options)  # type: ignore[arg-type]
