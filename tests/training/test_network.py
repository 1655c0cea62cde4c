"""Encoder, stages, group-sum, and the network that they make."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.host.lutnet import Lutnet
from lutlens.training import Encoder, GroupSum, LayerSpec, Network, NetworkSpec, StageSpec
from support.networks import lutnets, oracle_scores, random_frames

CLASSES = [f"class {c}" for c in range(4)]


def small_spec(**changes: object) -> NetworkSpec:
    spec = NetworkSpec(
        input_shape=(9, 9, 1),
        encoder_bits=2,
        classes=4,
        stages=(
            StageSpec(
                window=(3, 2),
                stride=(2, 1),
                pool=(2, 2),
                layers=(LayerSpec(nodes=20), LayerSpec(nodes=9, fan_in=3)),
            ),
            StageSpec(layers=(LayerSpec(nodes=24, fan_in=4, connections="learned"),)),
        ),
    )
    return spec.model_copy(update=changes)


def images(count: int, seed: int = 0, size: tuple[int, int] = (9, 9)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *size), dtype=torch.uint8, generator=generator)


def to_lutnet(network: Network) -> Lutnet:
    thresholds = {k: network.encoder.thresholds(k).numpy() for k in (1, 3)}
    return network.to_lutnet(thresholds, CLASSES)


@pytest.mark.parametrize("model", ["lookup", "lookup-raw", "multilinear"])
def test_a_lutnet_scores_what_its_network_scores(model):
    network = Network(small_spec(model=model), seed=5)
    net = Lutnet.from_bytes(to_lutnet(network).to_bytes())
    frames = images(70)
    for k in (1, 3):
        scores = network.scores(frames, net.thresholds_for(k))
        assert scores.dtype == torch.int32
        assert scores.shape == (70, 4)
        again = Network.from_lutnet(net).scores(frames, net.thresholds_for(k))
        assert torch.equal(scores, again)
        oracle = oracle_scores(net, frames.numpy(), net.thresholds_for(k))
        np.testing.assert_array_equal(scores.numpy(), oracle[:, 0, 0])


@settings(deadline=None, max_examples=25)
@given(
    net=lutnets(channels=st.integers(1, 3)),
    seed=st.integers(0, 99),
    larger=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    kernels=st.sampled_from(["auto", "avx2", "off"]),
)
def test_any_lutnet_on_any_frame(net, seed, larger, kernels):
    frames = random_frames(net, seed, larger=larger)
    thresholds = net.thresholds[max(net.thresholds)]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LUTLENS_KERNELS", kernels)
        scores = Network.from_lutnet(net).scores(torch.from_numpy(frames), thresholds)
    oracle = oracle_scores(net, frames, thresholds)
    np.testing.assert_array_equal(scores.numpy().reshape(oracle.shape), oracle)


def test_a_lutnet_keeps_tables_and_connections():
    net = to_lutnet(Network(small_spec(), seed=1))
    thresholds = dict(net.thresholds)
    again = Network.from_lutnet(net).to_lutnet(thresholds, CLASSES)
    assert again.to_bytes() == net.to_bytes()


@pytest.mark.parametrize("model", ["lookup", "lookup-raw"])
def test_logits_are_hard_scores_over_the_temperature(model):
    network = Network(small_spec(model=model), seed=2).eval()
    scores = network.scores(images(5), network.encoder.thresholds(1))
    torch.testing.assert_close(network(images(5)), scores / network.group_sum.divisor)


def test_seeds_draw_the_network():
    first, same, other = (Network(small_spec(), seed=seed) for seed in (7, 7, 8))
    torch.rand(5)  # the global generator has no part in it
    for a, b in zip(first.state_dict().values(), same.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.tables()[0], other.tables()[0])


def quadrants(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images with one brighter quadrant, and which."""
    frames, labels = images(count, seed), torch.arange(count) % 4
    for i, label in enumerate(labels.tolist()):
        row, column = 4 * (label // 2), 4 * (label % 2)
        frames[i, row : row + 5, column : column + 5] //= 2
        frames[i, row : row + 5, column : column + 5] += 127
    return frames, labels


def train(kernels: str, threads: int, steps: int = 30) -> Network:
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LUTLENS_KERNELS", kernels)
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        network = Network(small_spec(), seed=1)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
        frames, labels = quadrants(100)
        for step in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(frames), labels).backward()
            optimizer.step()
            network.constrain()
            if step % 10 == 9:
                network.redraw_connections(optimizer)
        torch.set_num_threads(before)
    return network


def test_training_is_reproducible_on_any_number_of_threads():
    first = train("auto", 1).state_dict()
    for threads in (1, 2):
        for name, value in train("auto", threads).state_dict().items():
            assert torch.equal(value, first[name]), name


@pytest.mark.parametrize("kernels", ["auto", "off"])
def test_training_learns(kernels):
    network = train(kernels, 1, steps=60).eval()
    frames, labels = quadrants(100, seed=1)
    scores = network.scores(frames, network.encoder.thresholds(7))
    assert (scores.argmax(1) == labels).float().mean() > 0.7


def test_a_network_is_a_module_like_any_other():
    network = Network(small_spec(), seed=1)
    other = Network(small_spec(), seed=2)
    other.load_state_dict(network.state_dict())
    frames, thresholds = images(9), network.encoder.thresholds(2)
    assert torch.equal(other.scores(frames, thresholds), network.scores(frames, thresholds))
    assert network.train().training
    assert not torch.equal(network(frames), network(frames))  # random thresholds
    network.eval()
    assert torch.equal(network(frames), network(frames))
    assert len(network.tables()) == 3
    assert len(network.connection_scores()) == 1


def test_the_encoder_compares():
    encoder = Encoder(2)
    pixels = torch.tensor([[[0, 100], [101, 255]]], dtype=torch.uint8)
    bits = encoder(pixels, torch.tensor([100, 0], dtype=torch.uint8))
    assert bits[..., 0].tolist() == [[[0, 0], [0, 1]], [[1, 1], [1, 1]]]


@pytest.mark.parametrize("levels", [(0, 255), (56, 208)])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_training_thresholds_stay_in_their_parts(bits, levels):
    encoder = Encoder(bits, levels=levels, jitter=1.0)
    low, high = levels
    edges = [low + (high - low) * i / bits for i in range(bits + 1)]
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 256).expand(40, 1, 256).contiguous()
    encoded = encoder(pixels).view(256, bits, 40)
    for i in range(bits):
        below, above = int(edges[i]), int(edges[i + 1])
        assert not encoded[:below, i].any()
        assert encoded[above + 1 :, i].all()
        middle = encoded[(below + above) // 2, i].float().mean()
        assert 0 < middle < 1
    assert torch.equal(Encoder(bits, levels=levels, jitter=0.0)(pixels), encoder.eval()(pixels))


def test_the_ramp_of_thresholds_is_even():
    assert Encoder(1).thresholds(1).tolist() == [[127]]
    assert Encoder(1).thresholds(3).tolist() == [[42], [127], [212]]
    assert Encoder(3).thresholds(1).tolist() == [[42, 127, 212]]
    assert Encoder(2, levels=(50, 150)).thresholds(2).tolist() == [[62, 112], [87, 137]]


def test_group_sum_adds_up_each_class_by_itself():
    bits = torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0, 0.0]])
    assert GroupSum(6, 3).counts(bits).tolist() == [[2, 1, 0]]
    assert GroupSum(6, 3, temperature=2**0.5)(bits).tolist() == [[1, 0.5, 0]]
    assert GroupSum(480, 10).divisor == pytest.approx(0.33 * 48**0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 5}, "classes: 5 do not divide the last layer's 24 bits"),
        ({"input_shape": (4, 9, 1)}, "stages.0: nothing is left of the map"),
        ({"stages": small_spec().stages[:1]}, "stages: they leave a map of 2x4, must be 1x1"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        Network(small_spec(**changes))


def test_inputs_that_do_not_fit_are_named():
    network = Network(small_spec())
    with pytest.raises(ValueError, match=r"pixels: torch.uint8 \[9, 9\], must be uint8"):
        network(torch.zeros(9, 9, dtype=torch.uint8))
    with pytest.raises(ValueError, match="too small for a window"):
        network(images(1, size=(3, 9)))
    with pytest.raises(ValueError, match="window positions, must be one"):
        network(images(1, size=(30, 9)))
    with pytest.raises(ValueError, match=r"thresholds: torch.uint8 \[2\], must be uint8 \[K, z\]"):
        network.scores(images(1), torch.zeros(2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="classes: 3 names for 4 classes"):
        network.to_lutnet({1: network.encoder.thresholds(1).numpy()}, CLASSES[:3])
