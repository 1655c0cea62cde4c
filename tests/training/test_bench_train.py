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
