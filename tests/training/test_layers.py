"""Nodes, connections and layers by themselves."""

import itertools
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.training import LearnedConnections, LutLayer
from lutlens.training.connections import CANDIDATES, random_connections
from lutlens.training.kernels import reference
from lutlens.training.nodes import NodeModelName, Wiring, node_model
from torch import nn

MODELS = get_args(NodeModelName)


def all_addresses(fan_in: int) -> torch.Tensor:
    """float `[2**fan_in, fan_in]`: every input, in the order of a table's entries."""
    entries = torch.arange(1 << fan_in)[:, None]
    return (entries >> torch.arange(fan_in) & 1).float()


@pytest.mark.parametrize("model", MODELS)
def test_a_single_lut_learns_xor(model):
    inputs = all_addresses(2)
    wanted = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    for seed in range(5):
        lut = LutLayer(2, 1, fan_in=2, model=model, generator=torch.Generator().manual_seed(seed))
        optimizer = torch.optim.Adam(lut.parameters(), lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            nn.functional.mse_loss(lut(inputs), wanted).backward()
            optimizer.step()
            lut.constrain()
        pins = lut.connections.index[0].long()
        table = lut.hard_tables()[0]
        answers = [table[int(sum(x[p] * 2**j for j, p in enumerate(pins)))] for x in inputs]
        assert [bool(a) for a in answers] == [False, True, True, False]


@pytest.mark.parametrize("fan_in", range(1, 7))
def test_a_layer_looks_its_table_up(fan_in):
    layer = LutLayer(fan_in, 5, fan_in, model="lookup-raw")
    pins = layer.connections.index.long()
    output = layer(all_addresses(fan_in))
    for a, n in itertools.product(range(1 << fan_in), range(5)):
        address = sum(int(a >> pins[n, j] & 1) << j for j in range(fan_in))
        assert output[a, n] == float(layer.tables[n, address] > 0)


@pytest.mark.parametrize("flip", [0.25, 0.125])
def test_smoothing_is_the_expected_value_under_flipped_bits(flip):
    table = torch.rand(1, 8, dtype=torch.float64)
    address = torch.arange(8)
    weights = torch.tensor(
        [[(1 - flip) ** (3 - d) * flip**d for d in _distances(a, address)] for a in range(8)],
        dtype=torch.float64,
    )
    torch.testing.assert_close(reference.smooth(table, flip), table @ weights.T)


@pytest.mark.parametrize("flip", [0.25, 0.125])
def test_slopes_are_the_multilinear_gradient_at_probabilities_of_the_flip(flip):
    tables = torch.randn(4, 64, dtype=torch.float64)
    slopes = reference.slopes(tables, flip)
    address = torch.arange(64)
    bits = (address[None, :] >> torch.arange(6)[:, None] & 1).double()
    rows = (flip + (1 - 2 * flip) * bits).requires_grad_()
    wiring = Wiring(torch.zeros(1, dtype=torch.int32), torch.arange(6).repeat(4, 1))
    output = node_model("multilinear")(rows, tables, wiring)[0]
    for node in range(4):
        (gradient,) = torch.autograd.grad(output[node].sum(), rows, retain_graph=True)
        torch.testing.assert_close(slopes[node], gradient)


@pytest.mark.parametrize("fan_in", [2, 3, 6])
def test_multilinear_gradients(fan_in):
    layer = LutLayer(7, 3, fan_in, model="multilinear").double()
    x = torch.rand(2, 7, dtype=torch.float64, requires_grad=True)

    def output(x: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"tables": tables}, (x,))

    assert torch.autograd.gradcheck(output, (x, layer.tables.detach().requires_grad_()))


def test_multilinear_pool_gradients():
    x = torch.rand(5, 4, 2, 3, dtype=torch.float64, requires_grad=True)
    model = node_model("multilinear")
    assert torch.autograd.gradcheck(lambda x: model.pool(x, (2, 2)), (x,))


@pytest.mark.parametrize("model", ["lookup", "multilinear"])
def test_pools_agree_on_bits(model):
    x = torch.randint(0, 2, (5, 4, 2, 3)).float()
    expected = x[:4].reshape(2, 2, 2, 2, 2, 3).amax(dim=(1, 3))
    torch.testing.assert_close(node_model(model).pool(x, (2, 2)), expected)


@pytest.mark.parametrize("model", MODELS)
def test_a_score_falls_where_its_candidate_would_lower_the_loss(model):
    """One node that passes its pin on: the pin should move to the bit that the target equals."""
    torch.manual_seed(0)
    layer = LutLayer(40, 1, fan_in=2, model=model, connections="learned")
    connections = layer.connections
    assert isinstance(connections, LearnedConnections)
    with torch.no_grad():
        identity = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        layer.tables.copy_(identity if model == "multilinear" else 2 * identity - 1)
        connections.candidates.copy_(torch.arange(32).view(1, 2, 16))
    x = torch.randint(0, 2, (200, 40)).float()
    wanted = 7
    assert int(connections.index[0, 0]) != wanted
    nn.functional.mse_loss(layer(x)[:, 0], x[:, wanted]).backward()
    assert connections.scores.grad is not None
    assert int(connections.scores.grad[0, 0].argmin()) == wanted


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6), st.integers(0, 99))
def test_random_connections_use_every_input_alike(in_features, nodes, fan_in, seed):
    index = random_connections(
        in_features, nodes, fan_in, torch.Generator().manual_seed(seed)
    ).long()
    assert index.shape == (nodes, fan_in)
    assert 0 <= index.min() <= index.max() < in_features
    if in_features >= fan_in:
        assert all(len(set(row)) == fan_in for row in index.tolist())
    uses = torch.bincount(index.flatten(), minlength=in_features)
    # Nodes that had drawn an input twice draw again, which shifts a few uses.
    assert uses.max() <= nodes * fan_in / in_features + fan_in + 2


def test_redrawing_keeps_the_best_and_starts_newcomers_afresh():
    torch.manual_seed(1)
    layer = LutLayer(1000, 9, connections="learned")
    connections = layer.connections
    assert isinstance(connections, LearnedConnections)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    layer(torch.randint(0, 2, (64, 1000)).float()).square().sum().backward()
    optimizer.step()
    before, scores = connections.candidates.clone(), connections.scores.detach().clone()
    chosen = connections.index
    connections.redraw(optimizer)

    assert torch.equal(connections.index, chosen)
    worst = scores.topk(CANDIDATES // 4, dim=2, largest=False).indices
    kept = torch.ones_like(scores, dtype=torch.bool).scatter_(2, worst, False)
    assert torch.equal(connections.candidates[kept], before[kept])
    assert torch.equal(connections.scores[kept], scores[kept])
    assert (connections.candidates[~kept] != before[~kept]).float().mean() > 0.9
    assert not optimizer.state[connections.scores]["exp_avg"][~kept].any()
    assert optimizer.state[connections.scores]["exp_avg"][kept].any()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("connections", ["fixed", "learned"])
def test_a_layer_is_a_module_like_any_other(model, connections):
    options = {"connections": connections, "model": model}
    layer = LutLayer(20, 6, **options)
    x = torch.randint(0, 2, (2, 3, 20)).float()
    assert layer(x).shape == (2, 3, 6)
    other = LutLayer(20, 6, **options)
    other.load_state_dict(layer.state_dict())
    torch.testing.assert_close(other(x), layer(x))
    assert layer.to("cpu", torch.float64)(x.double()).dtype == torch.float64


@settings(deadline=None)
@given(st.integers(1, 6))
def test_constrain_brings_tables_back(fan_in):
    for model, low, high in (("lookup", -1.0, 1.0), ("multilinear", 0.0, 1.0)):
        layer = LutLayer(9, 4, fan_in, model=model)
        with torch.no_grad():
            layer.tables.mul_(10)
        layer.constrain()
        assert low <= layer.tables.min() <= layer.tables.max() <= high


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"fan_in: 7, must be 1 to 6"):
        LutLayer(20, 6, 7)
    with pytest.raises(ValueError, match=r"input: \[2, 19\], must be \[..., 20\]"):
        LutLayer(20, 6)(torch.zeros(2, 19))


def _distances(a: int, others: torch.Tensor) -> list[int]:
    return [(a ^ int(k)).bit_count() for k in others]
