"""The cost model against what Yosys counted. A fresh synthesis is compared in test_synthesis.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from lutlens.board.manifest import MANIFEST_NAME, Manifest
from lutlens.host.cost import RATES, Shape, StageShape, bram36, estimate, untrained
from lutlens.host.cost_points import Point, fitted, read
from lutlens.host.lutnet import Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.registers import Scan
from lutlens.host.rtl import Build
from lutlens.host.simplify import simplify
from lutlens.host.systemverilog import GenerationError, NetworkModule

OVERLAYS = Path(__file__).parents[2] / "overlays"
POINTS = read()
SMALL = Shape(
    (28, 28, 1),
    3,
    (StageShape((5, 5), (24, 12), (2, 2)), StageShape((12, 12), (160,))),
    10,
)


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_points_within_five_percent(point: Point) -> None:
    cost = estimate(point.shape, point.build)
    assert cost.lut == pytest.approx(point.lut, rel=0.05)
    assert cost.bram36 == point.bram36


def test_rates_are_those_of_the_points() -> None:
    assert fitted(POINTS) == pytest.approx(RATES, abs=0.05)


def test_trained_networks_that_ship_within_five_percent() -> None:
    compared = 0
    for path in OVERLAYS.glob(f"*/{MANIFEST_NAME}"):
        manifest = Manifest.model_validate_json(path.read_bytes())
        geometry = manifest.geometry
        # The model is of networks of classes, for single images.
        if geometry.scan or geometry.values or manifest.resources is None:
            continue
        (net,) = path.parent.glob("*.lutnet")
        lutnet, build = Lutnet.load(net), Build.of(geometry)
        cost = estimate(Shape.of(lutnet), build)
        assert cost.lut == pytest.approx(manifest.resources.core.lut, rel=0.05), path
        # Training may leave a channel that nothing reads, by which lines are narrower than a shape tells.
        simple, _ = simplify(Netlist.from_lutnet(lutnet))
        trained = NetworkModule(
            simple, 0, build.max_width, build.pixels_per_clock, build.lut_ram_beats
        )
        assert bram36(trained) == manifest.resources.core.bram36 <= cost.bram36, path
        compared += 1
    assert compared


def test_wide_frames_need_more_popcounts() -> None:
    assert estimate(SMALL, Build(28)).lut < estimate(SMALL, Build(640)).lut


def test_pixels_a_clock_cost_nodes() -> None:
    one, four = (estimate(SMALL, Build(28, pixels)) for pixels in (1, 4))
    # The first stage's nodes twice: windows end at two of four lanes.
    assert four.lut > one.lut + 36


def test_short_lines_in_luts() -> None:
    lines = [estimate(SMALL, Build(28, lut_ram_beats=beats)) for beats in (0, 14, 28)]
    assert lines[0].bram36 > lines[1].bram36 > lines[2].bram36 == 0
    assert lines[0].lut < lines[1].lut < lines[2].lut
    assert estimate(SMALL, Build(640, lut_ram_beats=64)) == estimate(SMALL, Build(640))


def test_an_untrained_network_has_the_shape() -> None:
    assert Shape.of(untrained(SMALL)) == SMALL


def test_errors() -> None:
    with pytest.raises(GenerationError, match="scan: "):
        estimate(SMALL, Build(640, scan=Scan(1000, 10)))
    with pytest.raises(GenerationError, match="max_width: "):
        estimate(SMALL, Build(20))
