"""Networks that look at pictures as they are: from a frame or a file to an answer, and in the live page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from lutlens.board import pictures
from lutlens.board.detection import Detection
from lutlens.board.manifest import MANIFEST_NAME, Geometry, Manifest, record_bytes
from lutlens.board.overlay import load
from lutlens.board.pipeline import Pipeline
from lutlens.board.results import FrameResult
from lutlens.board.service.annotate import annotated
from lutlens.board.sources.synthetic import SyntheticSpec
from lutlens.host import overlay
from lutlens.host.devices import open_device
from playwright.sync_api import Page, expect
from support.browser import Visit, visiting
from support.colours import CLASSES, SIDE
from support.networks import random_lutnet
from support.service import Desk, encoded, wait_for

API = "/api/v1"
BLUE, GREEN, RED = np.eye(3, dtype=np.uint8) * 255
"""As OpenCV has colours: blue, green, red."""
OVERLAYS = Path(__file__).parents[2] / "overlays"


def geometry(height: int, width: int, channels: int, *names: str) -> Geometry:
    return Geometry(
        image_width=width,
        image_height=height,
        channels=channels,
        encoder_bits=1,
        classes=list(names),
        bits_per_class=4,
        max_width=width,
        max_passes=16,
        record_bytes=record_bytes(len(names)),
    )


def striped(height: int, width: int, at: int) -> npt.NDArray[np.uint8]:
    """Red on the left and on the right, green between: `at` pixels of red."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = GREEN
    picture[:, :at] = picture[:, width - at :] = RED
    return picture


def test_the_middle_has_the_networks_proportions() -> None:
    box, view = pictures.middle(striped(60, 120, at=30), geometry(8, 8, 3, "a", "b"))
    assert box == (30, 0, 60, 60)
    assert view.shape == (8, 8, 3)
    assert (view == GREEN[::-1]).all()  # red, green and blue, and no red
    box, view = pictures.middle(striped(90, 60, at=0), geometry(10, 20, 1, "a", "b"))
    assert box == (0, 30, 60, 30)
    assert view.shape == (10, 20)
    assert (view == 150).all()  # green's share of grey: ITU-R BT.601


def test_which_networks_read_ink() -> None:
    assert geometry(8, 8, 1, "0", "1").reads_ink
    assert not geometry(8, 8, 3, "0", "1").reads_ink
    assert not geometry(8, 8, 1, "shirt", "coat").reads_ink
    shipped = {
        path.parent.name: Manifest.model_validate_json(path.read_bytes()).geometry.reads_ink
        for path in OVERLAYS.glob(f"*/{MANIFEST_NAME}")
    }
    assert {name for name, ink in shipped.items() if not ink} == {"cifar10", "fashion"}


def test_a_long_name_stays_in_the_annotated_picture() -> None:
    """A dark picture with a box at its right edge: the name is drawn left of where the box begins, and whole."""
    image = np.zeros((120, 320, 3), np.uint8)
    name = Detection((300, 60, 18, 40), 9, "mostly blue", 3, None, image[:8, :8])
    drawn = annotated(FrameResult(1, 0.0, 1.0, image, (name,), None))
    tag = (drawn == (0xF8, 0xFB, 0xFB)).all(axis=2)
    columns = np.flatnonzero(tag[:58].any(axis=0))  # above the box
    assert columns[0] < 250
    assert columns[-1] <= 319
    assert columns[-1] - columns[0] > 80


def test_channels_that_pictures_do_not_have(tmp_path: Path) -> None:
    net = random_lutnet(1, stages=1, channels=2)
    net.save(tmp_path / "two.lutnet")
    overlay.generate(tmp_path / "two.lutnet", tmp_path / "two")
    with open_device("model") as device:
        loaded = load(tmp_path / "two", device)
        with pytest.raises(ValueError, match="two: images of 2 channels, pictures have 1 or 3"):
            Pipeline(loaded, SyntheticSpec())
        loaded.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk.open_pictures(tmp_path_factory.mktemp("overlays"), start=False) as desk:
        yield desk


@pytest.mark.parametrize("passes", [1, 3])
def test_files(desk: Desk, passes: int) -> None:
    sent = {"wide": striped(60, 120, at=35), "exact": striped(SIDE, SIDE, at=3)}
    files = [("files", (name, encoded(picture), "image/png")) for name, picture in sent.items()]
    answer = desk.client.post(f"{API}/classify?k={passes}", files=files).json()
    wide, exact = answer["files"]
    assert (wide["direct"], exact["direct"]) == (False, True)
    assert wide["detections"][0]["label"] == "mostly green"
    assert wide["detections"][0]["box"] == {"x": 30, "y": 0, "width": 60, "height": 60}
    assert exact["detections"][0]["label"] == "mostly red"
    assert sum(exact["detections"][0]["scores"]) == passes * SIDE * SIDE // 2
    view = np.frombuffer(base64.b64decode(exact["detections"][0]["view"]), np.uint8)
    assert np.array_equal(view.reshape(SIDE, SIDE, 3), sent["exact"][:, :, ::-1])


def test_a_drawing_is_no_picture(desk: Desk) -> None:
    refused = desk.client.post(f"{API}/pad", content=encoded(striped(28, 28, at=3)))
    assert refused.status_code == 409
    assert "reads pictures, not drawings" in refused.json()["detail"]


def test_what_it_reads_is_told(desk: Desk) -> None:
    told = desk.client.get(f"{API}/overlay/card").json()["overlay"]
    assert told["reads"] == "pictures"
    assert [told[key] for key in ("image_width", "image_height", "channels")] == [SIDE, SIDE, 3]


@pytest.fixture(scope="module")
def visit(desk: Desk) -> Iterator[Visit]:
    with visiting(desk.app) as visit:
        yield visit


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


@pytest.mark.browser
def test_the_middle_of_every_frame_is_shown_with_its_class(desk: Desk, page: Page) -> None:
    band = page.locator("#readout .band b")
    expect(band).to_have_count(1)
    label = band.text_content()
    assert label in CLASSES
    wait_for(lambda: desk.pipeline.latest is not None, "a frame")
    expect(page.locator("#selected .bars dt")).to_have_text(list(CLASSES))
    for part in (band, page.locator("#selected .answer b")):
        # A name is shown whole: nothing of it is cut off.
        assert part.evaluate("e => e.scrollWidth <= e.clientWidth")
    seen = page.locator("#selected canvas")
    assert seen.evaluate("c => [c.width, c.height]") == [SIDE, SIDE]


@pytest.mark.browser
def test_a_picture_is_brought_where_nothing_is_drawn(visit: Visit, page: Page) -> None:
    expect(page.locator("#pad-title")).to_have_text("Bring one")
    expect(page.locator("#pad")).to_be_hidden()
    picture = np.empty((40, 50, 3), np.uint8)
    picture[:] = BLUE
    page.locator("#bring-file").set_input_files(
        {"name": "sky.png", "mimeType": "image/png", "buffer": encoded(picture)}
    )
    expect(page.locator("#pad-reading .answer b")).to_have_text("mostly blue")
    expect(page.locator("#pad-note")).to_have_text("sky.png: mostly blue")
    colour = page.locator("#pad-reading canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(3, 3, 1, 1).data]"
    )
    assert colour == [0, 0, 255, 255]
    page.locator("#bring-file").set_input_files(
        {"name": "no.png", "mimeType": "image/png", "buffer": b"nothing"}
    )
    expect(page.locator("#pad-note")).to_have_text("no.png: neither PNG nor JPEG")
    assert "415" in visit.complaints.pop()  # the browser's own line about it
