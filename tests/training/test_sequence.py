"""What a recurrent network knows after every row: the same scores as a network for so many rows gives."""

import json
from dataclasses import replace

import numpy as np
import pytest
from lutlens.host.c import Executor
from lutlens.host.lutnet import Layer, LutnetError, Stage
from lutlens.training import LayerSpec, Network, NetworkSpec, StageSpec, sequence
from support.commands import lutlens
from support.networks import random_frames


def net(last_row: bool = True):
    stages = (
        StageSpec(window=(2, 3), layers=(LayerSpec(nodes=8),)),
        StageSpec(
            window=(1, 5), stride=(2, 5), recurrent=True, layers=(LayerSpec(nodes=10, fan_in=4),)
        ),
        StageSpec(layers=(LayerSpec(nodes=7), LayerSpec(nodes=12)), last_row=last_row),
    )
    spec = NetworkSpec(input_shape=(8, 7, 1), classes=3, stages=stages)
    levels = {k: np.full((k, 1), 100, np.uint8) for k in (1, 2)}
    return Network(spec, seed=4).to_lutnet(levels, ["a", "b", "c"])


def test_scores_after_every_row_are_those_of_shorter_images():
    whole = net()
    asked = sequence.after_every_row(whole)
    images = random_frames(whole, 1, 40)
    found = sequence.scores_of(asked, images, 2)
    assert (asked.input_shape, asked.step[0], found.shape) == ((2, 7, 1), 2, (40, 4, 3))
    np.testing.assert_array_equal(found[:, 3], Executor(whole).scores(images, 2)[:, 0, 0])
    # For two states, an image of four rows.
    *stages, last = whole.stages
    first, *others = last.layers
    moved = Layer(first.tables, first.connections - np.int32(2 * 10))
    shorter = replace(
        whole, input_shape=(4, 7, 1), stages=(*stages, Stage((2, 1), (moved, *others)))
    )
    expected = Executor(shorter).scores(images[:, :4], 2)[:, 0, 0]
    np.testing.assert_array_equal(found[:, 1], expected)
    assert (found[:, 1] != found[:, 3]).any()


def test_networks_that_it_is_not_for():
    with pytest.raises(LutnetError, match="reads other states"):
        sequence.after_every_row(net(last_row=False))
    whole = net()
    dense = replace(whole, input_shape=(4, 1, 10), stages=whole.stages[2:])
    with pytest.raises(LutnetError, match="not recurrent"):
        sequence.after_every_row(dense)


def test_the_command_measures_and_draws(tmp_path, capsys):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 7), np.uint8)
    names = np.array(["a", "b", "c"])
    np.savez(tmp_path / "data.npz", images=images, labels=rng.integers(0, 3, 60), classes=names)
    whole = net()
    whole.save(tmp_path / "net.lutnet")
    png = tmp_path / "rows.png"
    arguments = ("sequence", tmp_path / "net.lutnet", "--data", tmp_path / "data.npz", "--png", png)
    status, out, _ = lutlens(capsys, *arguments, "--json")
    assert status == 0
    told = json.loads(out)
    assert list(told["accuracy_after_rows"]) == ["2", "4", "6", "8"]
    assert all(0 <= share <= 1 for share in told["accuracy_after_rows"].values())
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "rows read" in lutlens(capsys, *arguments)[1]
    net(last_row=False).save(tmp_path / "net.lutnet")
    status, _, error = lutlens(capsys, *arguments)
    assert status == 2
    assert "net.lutnet: stages: the last one reads other states" in " ".join(error.split())
