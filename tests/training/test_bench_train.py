"""`lutlens bench train`."""

import json

import pytest
import typer
from lutlens.training import bench
from typer.testing import CliRunner


@pytest.mark.parametrize("network", ["simple", "cnn"])
def test_bench_prints_one_object(network):
    app = typer.Typer()
    app.command()(bench.train)
    arguments = ["--network", network, "--batch", "64", "--seconds", "0.5", "--json"]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    result = json.loads(outcome.stdout)
    assert result["threads"] == 1
    assert result["network"] == network
    # An order of magnitude under what a slow, busy machine does: an accident, not a regression.
    assert result["images_per_second"] > (2000 if network == "simple" else 100)
    assert 0 < result["median"] <= result["images_per_second"]
    assert result["device"]
    assert result["peak_memory_bytes"] > 2**20


def test_nodes_are_counted_as_often_as_they_are_evaluated():
    assert bench.evaluations(bench.NETWORKS["simple"]) == 2304 + 384 + 64 + 360 + 60 + 10
    # BinaryBrain's CNN: maps of 26, 24, 12 (pooled), 10, 8, 4 (pooled) and 1 position a side.
    first = 26**2 * (216 + 36) + 24**2 * (432 + 72)
    second = 10**2 * (432 + 72) + 8**2 * (864 + 144)
    last = 768 + 128 + 360 + 60 + 10
    assert first + second + last == 576_894
    assert bench.evaluations(bench.NETWORKS["binarybrain-cnn"]) == 576_894
