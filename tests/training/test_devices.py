"""Training on a device: the batches of the processor, checkpoints that move, and no tensor left behind."""

import numpy as np
import pytest
import torch
from lutlens.training import LayerSpec, Network, NetworkSpec, StageSpec, data
from lutlens.training.augment import Batches
from lutlens.training.data import Labelled
from lutlens.training.devices import DeviceError, DeviceName, device_of
from lutlens.training.feeding import Resident, Uploads
from lutlens.training.loop import Run, Trainer
from lutlens.training.parallel import ALONE, Team
from lutlens.training.recipes import Recipe, Schedule

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
RECIPE = Recipe(
    name="small",
    description="a convolution and a learned layer, for tests",
    input_shape=(9, 9, 1),
    stages=(StageSpec(window=(3, 3), stride=(2, 2), layers=(LayerSpec(nodes=6),)),),
    bits_per_class=4,
    passes=(1,),
    schedule=Schedule(batch_size=16, redraw_every=3),
)


def dots(n: int, *shape: int) -> Labelled:
    rng = np.random.default_rng(n)
    return Labelled(rng.integers(0, 256, (n, *shape), dtype=np.uint8), np.arange(n) % 2)


@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 3)])
@pytest.mark.parametrize("team", [ALONE, Team(1, 3)])
def test_a_resident_training_set_gives_the_same_batches(shape, team):
    source = Batches(dots(40, *shape), 16, seed=3, shift=2)
    resident, uploads = Resident(source, CPU, team), Uploads(source, team)
    for step in (0, 1, 5):
        pixels, labels = resident.images(*resident[step])
        expected, expected_labels = uploads.images(*uploads[step])
        assert torch.equal(pixels, expected)
        assert torch.equal(labels, expected_labels)
        assert len(labels) == (16 if team is ALONE else 5)


def test_a_device_that_is_not_there_is_refused():
    there = torch.cuda.device_count()
    with pytest.raises(DeviceError, match=rf"cuda:{there}: there are {there} CUDA devices"):
        device_of(DeviceName.cuda, there)
    assert device_of(DeviceName.cpu, 5) == CPU
    assert device_of(DeviceName.auto).type == ("cuda" if there else "cpu")


@pytest.mark.parametrize("model", ["lookup", "multilinear"])
def test_a_step_leaves_no_tensor_on_the_processor(model):
    """On the "meta" device, whose tensors have no values: what mixes devices raises, and so does what
    would have to wait for a device to fetch a value from it.
    """
    stages = RECIPE.network(2).stages
    spec = NetworkSpec(input_shape=(9, 9, 1), stages=stages, classes=2, model=model)
    network = Network(spec).to("meta")
    pixels = torch.empty((5, 9, 9), dtype=torch.uint8, device="meta")
    labels = torch.empty(5, dtype=torch.int64, device="meta")
    loss = torch.nn.functional.cross_entropy(network.train()(pixels), labels)
    loss.backward()
    network.constrain()
    network.redraw_connections()
    assert loss.is_meta
    assert all(p.grad is not None and p.grad.is_meta for p in network.parameters())
    assert network.eval()(pixels).is_meta
    assert model == "multilinear" or network.scores(pixels, np.full((3, 1), 9, np.uint8)).is_meta


@needs_cuda
def test_a_cuda_device_trains_the_same_network_and_a_training_moves_between_devices(tmp_path):
    """Recorded steps and connections redrawn between them; without random thresholds, which differ."""
    images = data.assemble("dots", "ab", dots(330, 9, 9), dots(40, 9, 9))
    run = Run(recipe=RECIPE, seed=1, data_sha256=images.sha256, epochs=2.0, minutes=None)

    def train(device: str, until: int | None, folder: str) -> Trainer:
        trainer = Trainer(run, images, tmp_path / folder, device=torch.device(device))
        trainer.network.encoder.jitter = 0.0
        if (tmp_path / folder).exists():
            trainer.resume()
        trainer.train(lambda _: None, lambda: trainer.step == until)
        return trainer

    alone = train("cpu", 25, "alone").network.state_dict()
    for device, until in (("cpu", 5), ("cuda", 15), ("cpu", 20), ("cuda", 25)):
        moved = train(device, until, "moved").network.state_dict()
    for name, tensor in alone.items():
        torch.testing.assert_close(moved[name].cpu(), tensor, rtol=0, atol=1e-3)
    assert train("cuda", None, "moved").best_step > 0
