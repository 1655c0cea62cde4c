"""Recipes as files: what ships, what a user writes, and what is said about mistakes in them."""

import json
import re

import cv2
import numpy as np
import pytest
from lutlens.training import recipe_commands, recipes
from lutlens.training.network import LayerSpec, Network
from lutlens.training.recipes import Recipe, RecipeError, ScanRecipe
from support.commands import lutlens

MINE = """
description = "a small one"
input_shape = [12, 12, 1]
bits_per_class = 4
[[stages]]
window = [3, 3]
pool = [2, 2]
layers = [24, { nodes = 12, fan_in = 4, connections = "learned" }]
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_makes_a_network_for_any_number_of_classes(name):
    recipe = recipes.recipe(name)
    assert recipe.name == name
    assert recipe.network(7).stages[-1].layers[-1].nodes == 7 * recipe.bits_per_class
    Network(recipe.network(recipe.classes))


def test_a_file_says_all_that_python_can(write):
    found = recipes.recipe(str(write(MINE)))
    assert type(found) is Recipe
    assert (found.name, found.data, found.classes) == ("mine", "mnist", 10)
    assert found.stages[0].layers == (
        LayerSpec(nodes=24),
        LayerSpec(nodes=12, fan_in=4, connections="learned"),
    )
    scan = recipes.recipe(str(write(f"{MINE}[scenery]\nsteps = 9\n[schedule]\nepochs = 0.5\n")))
    assert isinstance(scan, ScanRecipe)
    assert (scan.scenery.steps, scan.schedule.epochs, scan.classes) == (9, 0.5, 11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages = 3 3", r"mine\.toml: not readable as TOML \(.*line 1"),
        (MINE.replace("bits_per_class = 4", ""), r"mine\.toml: bits_per_class: Field required"),
        (MINE.replace("24,", "0,"), r"mine\.toml: stages\.0\.layers\.0\.nodes: .*greater than"),
        (MINE.replace("learned", "free"), r"stages\.0\.layers\.1\.connections: .*'fixed' or"),
        (MINE + "strides = [1, 1]", r"mine\.toml: stages\.0\.strides: Extra inputs are not"),
        (MINE + "[schedule]\nepoch = 3", r"mine\.toml: schedule\.epoch: Extra inputs"),
        ('data = "letters"\n' + MINE, r"mine\.toml: data: .*letters: no such data set; there is"),
        ('name = "x"\n' + MINE, r"mine\.toml: name: not a field"),
        (
            MINE.replace("24,", "49,"),
            r"mine\.toml: stages: .*stages\.0\.layers\.0: 49 nodes, .* at most 48",
        ),
        ('modulator = "pwm"\n' + MINE, r"mine\.toml: modulator: .*'lfsr'"),
        (f'modulator = "lfsr"\n{MINE}[scenery]\n', r"mine\.toml: modulator: .*single images"),
        (MINE.replace("[3, 3]", "[12, 12]"), r"mine\.toml: stages\.0: nothing is left of the map"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_by_file_and_field(write, text, message):
    with pytest.raises(RecipeError, match=message):
        recipes.recipe(str(write(text)))


def test_a_recipe_that_does_not_exist(tmp_path):
    with pytest.raises(RecipeError, match=r"nonsense: no such recipe; there is .*digits.*\.toml"):
        recipes.recipe("nonsense")
    with pytest.raises(RecipeError, match=r"none\.toml: not readable as TOML"):
        recipes.recipe(str(tmp_path / "none.toml"))


def test_fields_of_a_recipe_can_be_changed():
    digits = recipes.recipe("digits")
    assert recipes.changed(digits, ()) == digits
    other = recipes.changed(
        digits,
        [
            "schedule.epochs=7",
            "schedule.deformation.rotation = 10",
            'stages.0.layers=[40, { nodes = 20, connections = "learned" }]',
            "bits_per_class=30",
        ],
    )
    assert (other.schedule.epochs, other.bits_per_class, other.name) == (7, 30, "digits")
    assert other.schedule.deformation.rotation == 10
    assert other.stages[0].layers[1] == LayerSpec(nodes=20, connections="learned")
    assert other.stages[1:] == digits.stages[1:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.epochs", "schedule.epochs: must be FIELD=VALUE"),
        ("schedule.epochs=many", "schedule.epochs=many: "),
        ("schedule.epoch=3", "schedule.epoch: Extra inputs"),
        ("stages.7.layers=[1]", "stages.7.layers=.*: "),
        ("stages.0.stride=[9, 9]", "stages.[0-9]: "),
    ],
)
def test_a_change_that_does_not_fit_is_named(change, message):
    with pytest.raises(RecipeError, match=rf"digits: {message}"):
        recipes.changed(recipes.recipe("digits"), [change])


def test_the_list_has_every_recipe(capsys):
    recipe_commands.recipes(json_output=True)
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert set(told) == set(recipes.RECIPES)
    assert told["digits"]["input_shape"] == [28, 28, 1]
    network = Network(recipes.recipe("digits-scan").network(11))
    assert told["digits-scan"]["nodes"] == sum(layer.nodes for layer in network.lut_layers())
    recipe_commands.recipes()
    table = capsys.readouterr().out
    assert all(re.search(rf"{name} +│ {told[name]['data']}", table) for name in told)


def test_a_copy_of_a_recipe_is_that_recipe_and_trains(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe_commands.recipes("digits-scan")
    text = capsys.readouterr().out
    (tmp_path / "digits-scan.toml").write_text(text)
    assert recipes.recipe("digits-scan.toml") == recipes.recipe("digits-scan")
    (tmp_path / "mine.toml").write_text(MINE.replace("class = 4", "class = 4\npasses = [1]"))
    drawn = tmp_path / "drawn"
    for name in ("dark", "light"):
        write_images(drawn / name, 40 if name == "dark" else 200)
    status, out, _ = lutlens(
        *(capsys, "train", "mine.toml", "--data", drawn, "--epochs", "1", "--json")
    )
    assert status == 0
    assert json.loads(out)["out"] == "build/mine.lutnet"
    assert (tmp_path / "build" / "mine.lutnet").exists()


def write_images(folder, value):
    """Twelve noisy images of about this brightness."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(value)
    for i in range(12):
        image = rng.integers(value - 40, value + 40, (12, 12), dtype=np.uint8)
        assert cv2.imwrite(str(folder / f"{i}.png"), image)
