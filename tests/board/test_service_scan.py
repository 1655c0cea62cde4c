"""What a client brings is answered by an overlay that scans as by any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from lutlens.board import contrast, handwriting, mnist
from lutlens.board.overlay import Scanner, load
from lutlens.board.pipeline import Pipeline
from lutlens.board.service.app import create_app
from lutlens.board.service.overlays import OverlayShelf
from lutlens.board.service.settings import ServiceSettings
from lutlens.board.sources.synthetic import SyntheticSpec
from lutlens.host import overlay
from lutlens.host.devices import open_device
from starlette.testclient import TestClient
from support.networks import digits_lutnet
from support.service import URL


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanner]:
    folder = tmp_path_factory.mktemp("overlays")
    levels = {k: np.full((k, 1), 128, np.uint8) for k in (1, 3)}
    replace(digits_lutnet(1), thresholds=levels).save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net", scan=True)
    with open_device("model") as device:
        scanner = load(folder / "net", device)
        assert isinstance(scanner, Scanner)
        yield scanner
        scanner.close()


@pytest.fixture(scope="module")
def client(scanner: Scanner) -> TestClient:
    source = SyntheticSpec()
    app = create_app(
        pipeline=Pipeline(scanner, source),
        overlays=OverlayShelf([], partial(load, device=None)),
        settings=ServiceSettings(),
        sources={"synthetic": source},
    )
    return TestClient(app, base_url=URL)


def png(image: Any) -> bytes:
    ok, data = cv2.imencode(".png", image)
    assert ok
    return data.tobytes()


def test_an_image_of_the_networks_size_is_classified_as_it_is(
    client: TestClient, scanner: Scanner
) -> None:
    digit = handwriting.draw(5, np.random.default_rng(1))
    files = {"files": ("five.png", png(digit), "image/png")}
    (found,) = client.post("/api/v1/classify?k=3", files=files).json()["files"]
    assert found["direct"]
    (answer,) = found["detections"]
    right = scanner.classify(contrast.normalise(digit)[np.newaxis], 3)
    assert (answer["digit"], answer["margin"]) == (right.classes[0], right.margins[0])
    assert answer["scores"] is None
    assert answer["track"] is None


@pytest.mark.parametrize("k", [1, 3])
def test_a_photograph_is_scanned(client: TestClient, k: int) -> None:
    rng = np.random.default_rng(2)
    photograph = rng.integers(180, 220, (480, 900), np.uint8)
    digit = cv2.resize(handwriting.draw(3, rng), (90, 90))
    photograph[200:290, 400:490] -= (digit * 0.7).astype(np.uint8)
    files = {"files": ("page.png", png(photograph), "image/png")}
    (found,) = client.post(f"/api/v1/classify?k={k}", files=files).json()["files"]
    assert (found["width"], found["height"], found["direct"]) == (900, 480, False)
    assert found["detections"]  # the network is not trained, and finds much
    assert all(one["scores"] is None for one in found["detections"])


def test_a_drawing_is_classified(client: TestClient, scanner: Scanner) -> None:
    drawing = cv2.resize(handwriting.draw(7, np.random.default_rng(3)), (200, 200))
    answer = client.post("/api/v1/pad", content=png(drawing)).json()["recognition"]
    ink = np.where(drawing > 32, drawing, 0).astype(np.uint8)
    right = scanner.classify(contrast.normalise(mnist.normalise(ink))[np.newaxis], 1)
    assert (answer["digit"], answer["margin"]) == (right.classes[0], right.margins[0])
    assert answer["scores"] is None
