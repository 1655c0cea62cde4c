"""Several processes train the network of one."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from lutlens.host.lutnet import Lutnet
from lutlens.training import datasets, recipes
from lutlens.training.loop import Run, Trainer
from lutlens.training.parallel import Team
from safetensors.torch import load_file

RECIPE = """
description = "a convolution and a layer, both with learned connections"
input_shape = [9, 9, 1]
encoder_bits = 2
bits_per_class = 4
passes = [1]

[[stages]]
window = [4, 4]
stride = [2, 2]
pool = [3, 3]
layers = [{ nodes = 12, connections = "learned" }, { nodes = 8 }]

[schedule]
batch_size = 31
redraw_every = 2
"""
"""Shares differ in size, every pixel has a threshold of its own, connections are redrawn."""

PROCESS = """
import sys
from lutlens.host.cli import main
from lutlens.training.loop import Trainer
from safetensors.torch import save_file

train, (folder, *arguments) = Trainer.train, sys.argv[1:]

def train_and_keep(self, *given):
    finished = train(self, *given)
    save_file(self.network.state_dict(), f"{folder}/{self.team.rank}.safetensors")
    return finished

Trainer.train = train_and_keep
main(arguments)
"""


def test_two_processes_train_the_network_of_one(tmp_path):
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 3
    images = rng.integers(0, 256, (200, 9, 9), dtype=np.uint8)
    np.savez(tmp_path / "dots.npz", images=images, labels=labels)
    (tmp_path / "small.toml").write_text(RECIPE)
    (tmp_path / "process.py").write_text(PROCESS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", tmp_path / "process.py", tmp_path]
    command += ["train", tmp_path / "small.toml", "--data", tmp_path / "dots.npz"]
    command += ["--epochs", "2", "--device", "cpu", "--out", tmp_path / "two.lutnet"]
    subprocess.run([str(word) for word in command], check=True, timeout=550)
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))

    recipe = recipes.recipe(str(tmp_path / "small.toml"))
    dots = datasets.load(tmp_path / "dots.npz", recipe.input_shape)
    run = Run(recipe=recipe, seed=1, data_sha256=dots.sha256, epochs=2.0, minutes=None)
    alone = Trainer(run, dots, tmp_path / "one.train")
    alone.train(lambda _: None)

    for name, tensor in alone.network.state_dict().items():
        assert torch.equal(first[name], second[name]), f"{name}: not the same in both processes"
        torch.testing.assert_close(first[name], tensor, rtol=0, atol=1e-4)
    # The first process alone has written, and as much as one process does.
    files = [{path.name for path in (tmp_path / f"{n}.train").iterdir()} for n in ("one", "two")]
    assert files[0] == files[1]
    assert Lutnet.load(tmp_path / "two.lutnet").provenance["processes"] == 2


@pytest.mark.parametrize("size", [2, 3])
def test_shares_make_up_the_batch_and_its_random_numbers(size):
    batch = torch.arange(31)
    shares = [Team(rank, size).share(batch) for rank in range(size)]
    assert torch.cat(shares).sort().values.equal(batch)
    torch.manual_seed(7)
    whole = torch.rand(31, 4, 1)
    for rank, share in enumerate(shares):
        torch.manual_seed(7)
        drawn = Team(rank, size).uniform(31)((len(share), 4, 1), torch.device("cpu"))
        assert torch.equal(drawn, whole[share])
