"""Connections that prefer near inputs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lutlens.training import LearnedConnections, LutLayer, Network
from lutlens.training.connections import FixedConnections, Neighbourhood
from lutlens.training.network import LayerSpec, NetworkSpec, StageSpec
from pydantic import ValidationError

sides = st.integers(1, 12)


@given(sides, sides, st.integers(1, 5), st.floats(0.01, 30), st.integers(0, 99))
def test_inputs_are_of_the_map_and_of_all_places(
    height: int, width: int, channels: int, reach: float, seed: int
) -> None:
    area = Neighbourhood(height, width, channels, reach)
    generator = torch.Generator().manual_seed(seed)
    index = area.begin(2 * height * width, 3, generator)
    assert index.dtype == torch.int32
    assert 0 <= index.min() <= index.max() < height * width * channels
    if reach < 0.1:
        places = index // channels
        assert (places == places[:, :1]).all()
        assert (torch.bincount(places[:, 0]) == 2).all()


def test_reach_is_the_standard_deviation() -> None:
    area = Neighbourhood(64, 64, 2, 3.0)
    middle = torch.full((5000,), (32 * 64 + 32) * 2, dtype=torch.int32)
    near = area.near(middle, torch.Generator().manual_seed(0)) // 2
    for at in (near // 64, near % 64):
        assert (at.float() - 32).mean().abs() < 0.2
        assert at.float().std() == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(("beyond", "inside"), [(-1, 0), (-3, 2), (5, 4), (9, 0), (10, 0)])
def test_the_border_mirrors(beyond: int, inside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    area = Neighbourhood(5, 5, 1, 1.0)
    monkeypatch.setattr(Neighbourhood, "_away", lambda *_: torch.tensor([[beyond], [0]]))
    assert area.near(torch.tensor([3], dtype=torch.int32), None).tolist() == [5 * inside + 3]


def test_redrawing_stays_near_what_the_node_reads() -> None:
    torch.manual_seed(0)
    layer = LutLayer(400, 50, connections="learned", neighbourhood=Neighbourhood(20, 20, 1, 0.5))
    connections = layer.connections
    assert isinstance(connections, LearnedConnections)
    before = connections.candidates.clone()
    for _ in range(20):
        connections.redraw(generator=torch.Generator().manual_seed(1))
    assert (connections.candidates != before).any()
    read, drawn = connections.index, connections.candidates
    away = (drawn[:, :, :, None] // 20 - read[:, None, None] // 20).abs().amin(dim=3)
    assert (away <= 3).all()


def test_a_recipe_says_so() -> None:
    near, anywhere = (
        Network(NetworkSpec(input_shape=(16, 16, 3), classes=2, stages=(stage,)), seed=1)
        for stage in (
            StageSpec(layers=(LayerSpec(nodes=40, reach=0.1),)),
            StageSpec(layers=(LayerSpec(nodes=40),)),
        )
    )
    apart = []
    for network in (near, anywhere):
        (layer,) = network.lut_layers()
        assert isinstance(layer.connections, FixedConnections)
        places = layer.connections.index // 3
        apart.append((places != places[:, :1]).float().mean())
    assert apart[0] == 0 < 0.5 < apart[1]


def test_what_has_no_places_has_no_neighbours() -> None:
    layers = (LayerSpec(nodes=4, reach=2.0),)
    with pytest.raises(ValidationError, match="a stage's first layer"):
        StageSpec(layers=layers * 2)
    with pytest.raises(ValidationError, match="not where a state or a single row is read"):
        StageSpec(layers=layers, recurrent=True)
