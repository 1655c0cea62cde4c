"""The last layer refined: every node gets the table that is best, and the network as a whole gets better."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lutlens.host.c import Executor
from lutlens.host.lutnet import Lutnet
from lutlens.training import LayerSpec, Network, NetworkSpec, StageSpec
from lutlens.training.augment import Batches
from lutlens.training.data import Labelled
from lutlens.training.kernels import backends, reference
from lutlens.training.refinement import WORD, refine
from support.commands import lutlens
from torch import Tensor

CLASSES = 3
RAMP = np.array([[70], [120], [170]], np.uint8)
CONVOLUTION = StageSpec(window=(3, 3), layers=(LayerSpec(nodes=9), LayerSpec(nodes=6)))
FRONTS = {
    "dense": (),
    "pooled": (CONVOLUTION.model_copy(update={"pool": (2, 2)}),),
    "two stages": (CONVOLUTION, CONVOLUTION.model_copy(update={"stride": (2, 2)})),
    "recurrent": (
        StageSpec(window=(1, 8), stride=(1, 8), layers=(LayerSpec(nodes=7),), recurrent=True),
    ),
}


@pytest.fixture(autouse=True)
def _restore_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


class Situation:
    """What a node of class 1 finds, at random: the arguments of `settle`."""

    def __init__(self, fan_in: int, words: int, seed: int) -> None:
        torch.manual_seed(seed)
        classes = torch.randint(CLASSES, (64 * words,))
        features = [torch.rand(64 * words) < 0.3 + 0.4 * (classes == 1) for _ in range(fan_in + 2)]
        self.planes = torch.stack([_plane(feature) for feature in features])
        self.wires = torch.randperm(fan_in + 2, dtype=torch.int32)[:fan_in]
        self.right = classes == 1
        self.labels = _plane(self.right)
        exponentials = (0.4 * torch.randint(12, (CLASSES, 64 * words))).exp()
        self.exponentials, self.totals = exponentials[1].clone(), exponentials.sum(dim=0)
        self.table = torch.randint(1 << min(1 << fan_in, 62), (1,))

    def settled(self, bit: float) -> tuple[Tensor, Tensor, Tensor]:
        return self._settled(backends.settler(), bit)

    def by_definition(self, bit: float) -> tuple[Tensor, Tensor, Tensor]:
        return self._settled(reference.settle, bit)

    def _settled(self, settle, bit: float) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[no-untyped-def]
        changed = self.exponentials.clone(), self.totals.clone(), self.table.clone()
        settle(self.planes, self.wires, self.labels, *changed, bit)
        return changed


def _plane(bits: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(bits.numpy(), bitorder="little").view(np.int64))


@pytest.mark.parametrize("mode", ["auto", "avx2"])
@pytest.mark.parametrize(
    ("fan_in", "words", "bit"), [(2, 1, 0.3), (3, 5, 2.5), (6, 300, 0.35), (6, 515, 0.05)]
)
def test_the_kernel_does_what_the_definition_does(
    mode: str, fan_in: int, words: int, bit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUTLENS_KERNELS", mode)
    situation = Situation(fan_in, words, seed=words)
    expected = situation.by_definition(bit)
    assert not torch.equal(expected[2], situation.table)
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        results.append(situation.settled(bit))
    for one, other, right in zip(*results, expected, strict=True):
        assert torch.equal(one, other), "a sum's order depends on the number of threads"
        torch.testing.assert_close(one, right, rtol=1e-5, atol=0)


def test_no_other_table_is_better() -> None:
    bit = 0.7
    situation = Situation(fan_in=2, words=4, seed=1)

    def loss(table: int) -> float:
        """Cross-entropy if the node had this one."""
        _, first, second = (reference._samples(situation.planes[w]) for w in (0, *situation.wires))
        address = first + 2 * second
        before, after = (t >> address & 1 for t in (situation.table, torch.tensor([table])))
        own = situation.exponentials * (bit * (after - before)).exp()
        total = situation.totals - situation.exponentials + own
        rest = torch.where(situation.right, own.log(), bit * 0)
        return float((total.log() - rest).sum())

    losses = {table: loss(table) for table in range(16)}
    _, _, chosen = situation.by_definition(bit)
    assert int(chosen) == min(losses, key=losses.__getitem__)


def test_an_entry_that_no_sample_comes_to_stays() -> None:
    situation = Situation(fan_in=3, words=3, seed=2)
    situation.planes[situation.wires[2]] = 0
    for table in (0b1010_0000, 0b0101_0000):
        situation.table = torch.tensor([table])
        assert int(situation.settled(0.5)[2]) & 0b1111_0000 == table


def _images(count: int) -> Labelled:
    """Bars whose height tells the class, and noise."""
    random = np.random.default_rng(count)
    labels = np.arange(count) % CLASSES
    images = random.integers(0, 140, (count, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[1 + 2 * label : 3 + 2 * label] += 60
    return Labelled(images, labels)


@pytest.mark.parametrize("front", FRONTS)
def test_a_refined_network_tells_its_samples_better_apart(front: str) -> None:
    last = StageSpec(layers=(LayerSpec(nodes=8 * CLASSES),), last_row=front == "recurrent")
    spec = NetworkSpec(input_shape=(8, 8, 1), stages=(*FRONTS[front], last), classes=CLASSES)
    net = Network(spec, seed=4).to_lutnet({3: RAMP}, "abc")
    batches = Batches(_images(500), 50, seed=3, shift=1)
    each, first = 6 * WORD, 7
    made = [
        batches[first + i] for i in range(3 * 8)
    ]  # of 8 batches, 384 of 400 images under each row

    def loss(one: Lutnet) -> float:
        executor, parts = Executor(one), []
        for row, levels in enumerate(RAMP):
            eight = made[8 * row : 8 * row + 8]
            images = np.concatenate([batch.pixels for batch in eight])[:each]
            labels = np.concatenate([batch.labels for batch in eight])[:each]
            scores = executor.scores(images, thresholds=levels[None])[:, 0, 0]
            logits = torch.from_numpy(scores.astype(np.float32)) / (0.5 * 8**0.5)
            parts.append(torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)))
        return float(torch.stack(parts).mean())

    def refined(sweeps: int) -> Lutnet:
        return refine(
            net, batches, first, RAMP, temperature=0.5, sweeps=sweeps, seed=1, samples=3 * each
        )

    nets = [refined(sweeps) for sweeps in (0, 1, 2)]
    assert nets[0].to_bytes() == net.to_bytes()
    losses = [loss(one) for one in nets]
    assert losses[0] > losses[1] + 0.05
    assert losses[1] > losses[2]
    assert refined(1).to_bytes() == nets[1].to_bytes()
    for before, after in itertools.pairwise(nets):
        assert before.to_bytes() != after.to_bytes()
        for mine, theirs in zip(before.stages[:-1], after.stages[:-1], strict=True):
            assert mine.layers == theirs.layers


def test_a_training_refines_when_it_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = _images(400)
    np.savez(tmp_path / "bars.npz", images=train.images, labels=train.labels)
    recipe = tmp_path / "bars.toml"
    recipe.write_text(
        'description = "bars"\ninput_shape = [8, 8, 1]\nbits_per_class = 4\npasses = [1, 3]\n'
        "[schedule]\nbatch_size = 20\n"
    )

    def trained(*options: str) -> Lutnet:
        out = tmp_path / "bars.lutnet"
        given = "--data", tmp_path / "bars.npz", "--out", out, "--epochs", "2", "--json"
        status, printed, _ = lutlens(capsys, "train", recipe, *given, *options)
        assert status == 0
        assert json.loads(printed)["finished"]
        return Lutnet.load(out)

    plain, refined = trained(), trained("--set", "refined=2")
    assert refined.provenance["recipe"]["refined"] == 2
    assert refined.stages[-1].layers[0].connections.tolist() == (
        plain.stages[-1].layers[0].connections.tolist()
    )
    assert (
        refined.stages[-1].layers[0].tables.tolist() != plain.stages[-1].layers[0].tables.tolist()
    )


def test_numbers_are_not_refined(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, error = lutlens(capsys, "train", "diabetes", "--set", "refined=1")
    assert status == 2
    assert "refined: only in recipes of classes and of auto-encoders" in error
