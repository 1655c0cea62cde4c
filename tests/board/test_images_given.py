"""Networks that give images again, as an auto-encoder does: by the API, and in a browser."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page, expect
from support.browser import Visit, visiting
from support.inverting import SIDE
from support.service import Desk, encoded, wait_for

API = "/api/v1"
UInt8 = npt.NDArray[np.uint8]


def image_of(text: str) -> UInt8:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(SIDE, SIDE)


def inverted(view: UInt8, passes: int) -> UInt8:
    levels = {1: [128], 3: [64, 128, 192]}[passes]
    dark = np.mean([view <= level for level in levels], axis=0)
    return np.rint(255 * dark).astype(np.uint8)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk.open_images(tmp_path_factory.mktemp("overlays"), start=False) as desk:
        yield desk


@pytest.mark.parametrize("passes", [1, 3])
def test_a_file(desk: Desk, passes: int) -> None:
    sent = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    files = [("files", ("noise", encoded(sent), "image/png"))]
    (answer,) = desk.client.post(f"{API}/classify?k={passes}", files=files).json()["files"]
    (found,) = answer["detections"]
    assert np.array_equal(image_of(found["view"]), sent)
    assert np.array_equal(image_of(found["output"]), inverted(sent, passes))
    assert (found["digit"], found["label"], found["margin"], found["scores"]) == (0, "", 0, None)


def test_a_drawing(desk: Desk) -> None:
    drawn = np.zeros((140, 140), np.uint8)
    cv2.line(drawn, (70, 20), (70, 120), 255, 40)
    found = desk.client.post(f"{API}/pad?k=3", content=encoded(drawn)).json()["recognition"]
    view = image_of(found["view"])
    assert view.max() > 128
    assert np.array_equal(image_of(found["output"]), inverted(view, 3))


def test_what_it_gives_is_told(desk: Desk) -> None:
    told = desk.client.get(f"{API}/overlay/card").json()["overlay"]
    assert (told["reads"], told["gives"]) == ("ink", [SIDE, SIDE, 1])
    others = desk.client.get(f"{API}/overlays").json()
    assert {one["name"]: one["gives"] for one in others}[told["name"]] == told["gives"]


def test_no_margin_leaves_an_image_out(desk: Desk) -> None:
    """A frame of the scene, with a least margin that no recognition has."""
    pipeline = desk.pipeline
    before = pipeline.min_margin
    pipeline.min_margin = 1000
    try:
        with desk.client:
            wait_for(
                lambda: pipeline.latest is not None and bool(pipeline.latest.detections), "an image"
            )
            assert pipeline.latest is not None
            found = pipeline.latest.detections[0]
    finally:
        pipeline.min_margin = before
    assert found.output is not None
    assert np.array_equal(found.output, inverted(found.view, pipeline.k))


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    with (
        Desk.open_images(tmp_path_factory.mktemp("page"), start=False) as desk,
        visiting(desk.app) as visit,
    ):
        yield visit


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


# By way of another canvas: the browser complains of one that is often read back.
PIXELS = """canvas => {
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return [...copy.getImageData(0, 0, width, height).data].filter((_, i) => i % 4 === 0);
}"""


@pytest.mark.browser
def test_view_and_image_are_side_by_side(page: Page) -> None:
    expect(page.locator("#readout .band canvas").first).to_be_visible()
    expect(page.locator("#selected .given figcaption")).to_have_text("what the network gives again")
    for hidden in ("#selected .bars", "#selected .answer"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator("#readout .band b")).to_have_count(0)
    # Both canvases in one look: frames go on.
    view, given = page.locator("#selected").evaluate(
        f"e => [...e.querySelectorAll('canvas')].map({PIXELS})"
    )
    assert inverted(np.array(view, np.uint8), 1).tolist() == given
    expect(page.locator("#truth")).to_have_text("")
    expect(page.locator("#margin")).to_be_hidden()


@pytest.mark.browser
def test_a_drawing_is_given_again(page: Page) -> None:
    pad = page.locator("#pad")
    bounds = pad.bounding_box()
    assert bounds is not None
    place = [bounds["x"] + bounds["width"] / 2, bounds["y"] + bounds["height"] / 2]
    page.mouse.move(*place)
    page.mouse.down()
    for step in range(20):  # a blot, dark where eight pixels a side see it
        page.mouse.move(place[0] + 3 * step - 30, place[1] + (30 if step % 2 else -30), steps=4)
    page.mouse.up()
    expect(page.locator("#pad-note")).to_have_text("given again")

    def images() -> list[UInt8]:
        found = page.locator("#pad-reading").evaluate(
            f"e => [...e.querySelectorAll('canvas')].map({PIXELS})"
        )
        return [np.array(one, np.uint8) for one in found]

    wait_for(lambda: bool(images()[0].max() > 128), "the blot")
    view, given = images()
    assert np.array_equal(given, inverted(view, 1))
