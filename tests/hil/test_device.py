"""The suite itself, check by check, on the device that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board.hil import suite
from lutlens.board.hil.bench import Bench
from lutlens.board.hil.reference import Reference
from lutlens.board.manifest import Manifest
from lutlens.host.devices import open_device
from lutlens.host.hil.commands import RTL_IMAGES
from lutlens.host.hil.local import serving
from lutlens.host.hil.reference import with_answers
from lutlens.host.lutnet import Lutnet
from lutlens.training import datasets, test_set
from lutlens.training.data import DataSet

OVERLAYS = Path(__file__).parents[2] / "overlays"
SHIPPED = (OVERLAYS / "digits", OVERLAYS / "digits-scan")
MODEL_SCANS = 500
"""Plain digits for the model to scan: to compose the scenes that accuracy is of takes longer than everything else."""


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.name)
def test_device(bench: Bench, check: suite.Check) -> None:
    outcome = suite.run(check, bench)
    if outcome.state in ("not applicable", "skipped"):
        pytest.skip(f"{outcome.state}: {outcome.detail}")
    assert outcome.state == "passed", outcome.detail


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "overlay" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--overlay", None) or SHIPPED
        ids = [path.name for path in chosen]
        metafunc.parametrize("overlay", chosen, ids=ids, scope="module")


@pytest.fixture(scope="module")
def device(request: pytest.FixtureRequest) -> Iterator[Any]:
    with open_device(request.config.getoption("--device", None) or "model") as device:
        yield device


@pytest.fixture(scope="module")
def bench(
    overlay: Path,
    device: Any,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    soak = request.config.getoption("--soak", None)
    with Bench(
        overlay,
        device,
        _reference(overlay, getattr(device, "kind", "board"), tmp_path_factory.mktemp("images")),
        0.3 if soak is None else soak,
        partial(serving, overlay, device),
    ) as bench:
        yield bench


def _reference(directory: Path, kind: str, folder: Path) -> Reference:
    manifest = Manifest.load(directory)
    net = Lutnet.load(directory / manifest.lutnet_name)
    found, limit = _digits(), None
    if kind == "model" and manifest.geometry.scan:
        limit = MODEL_SCANS
    else:
        found = test_set.of_network(net, directory, found)
    if kind == "rtl":
        limit = RTL_IMAGES
    about = {"name": np.array(found.name), "sha256": np.array(found.sha256)}
    np.savez(folder / "test.npz", images=found.test.images, labels=found.test.labels, **about)
    return with_answers(folder / "test.npz", net, manifest, limit)


@cache
def _digits() -> DataSet:
    return datasets.load()
