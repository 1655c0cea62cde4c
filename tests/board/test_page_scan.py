"""The live page over a core that scans, in a real browser: what is shown, the tint, slow motion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.browser import Visit, visiting
from support.service import Desk, wait_for

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk.open_scanning(tmp_path_factory.mktemp("overlays"), start=False) as desk:
        yield desk


@pytest.fixture(scope="module")
def visit(desk: Desk) -> Iterator[Visit]:
    """One page for all; at the end it must have stayed at home and silent."""
    with visiting(desk.app) as visit:
        yield visit


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def test_a_class_and_its_margin_and_no_scores(page: Page) -> None:
    expect(page.locator("#readout .band")).to_have_count(1)
    expect(page.locator("#selected .answer b")).to_have_text("square")
    expect(page.locator("#selected .answer strong")).to_have_text(re.compile(r"^\+[0-9]+$"))
    expect(page.locator("#selected .bars")).to_be_hidden()
    expect(page.locator("#device")).to_contain_text("simulated")


def test_the_map_is_asked_for_only_while_it_is_shown(page: Page, visit: Visit) -> None:
    tint = page.locator("#tint")
    for pressed in ("true", "false"):
        with page.expect_websocket() as opened:
            tint.click()
        assert f"map={pressed}" in opened.value.url
        expect(tint).to_have_attribute("aria-pressed", pressed)
        expect(page.locator("#link")).to_have_attribute("data-state", "live")


def test_the_tint_is_the_digits_colour_and_denser_where_it_is_surer(page: Page) -> None:
    """Three windows over white: background, a 2 (red) of little margin, and one of much."""
    pixels = page.evaluate(
        """async () => {
          const { paint } = await import("/static/classmap.js");
          const context = new OffscreenCanvas(60, 20).getContext("2d", { willReadFrequently: true });
          context.fillStyle = "#fff";
          context.fillRect(0, 0, 60, 20);
          const cells = btoa(String.fromCharCode(10, 90, 2, 10, 2, 40));
          const map = { rows: 1, columns: 3, x: 5, y: 5, step_x: 10, step_y: 10, background: 10, cells };
          paint(context, map, 2, 40);
          return [10, 30, 50].map((x) => [...context.getImageData(x, 10, 1, 1).data]);
        }"""
    )
    background, little, much = ((red, green) for red, green, *_ in pixels)
    assert background == (255, 255)
    assert 200 < little[1] < 250
    assert much[1] < 100
    assert much[0] > 200


FOLLOW = """async (frames) => {
  const { Tracks } = await import("/static/tracks.js");
  const tracks = new Tracks();
  return frames.map((found) => tracks.update(found).map(({ id, tone, label }) => [id, tone, label]));
}"""


def found(x: int, digit: int, margin: int, track: int | None = None) -> dict[str, Any]:
    box = {"x": x, "y": 0, "width": 20, "height": 30}
    return {"box": box, "digit": digit, "label": str(digit), "margin": margin, "track": track}


def test_a_box_keeps_its_colour_through_a_misreading(page: Page) -> None:
    frames = [[found(10 + n, 1 if n == 4 else 7, 2 if n == 4 else 9)] for n in range(7)]
    told = page.evaluate(FOLLOW, frames)
    assert [[7, str(1 if n == 4 else 7)] for n in range(7)] == [digit[1:] for (digit,) in told]
    assert len({digit[0] for (digit,) in told}) == 1


def test_the_services_word_on_identity_counts(page: Page) -> None:
    frames = [[found(0, 3, 9, 5)], [found(300, 3, 9, 5)], [found(300, 3, 9, 6)]]
    first, moved, other = (digit[0] for (digit,) in page.evaluate(FOLLOW, frames))
    assert first == moved != other


def test_digits_above_each_other_do_not_change_places(page: Page) -> None:
    frames = [[found(100 + n % 2, 1, 5, 1), found(101 - n % 2, 2, 5, 2)] for n in range(4)]
    orders = [[label for _, _, label in digits] for digits in page.evaluate(FOLLOW, frames)]
    assert all(order == orders[0] for order in orders)
    past = page.evaluate(FOLLOW, [*frames, [found(140, 1, 5, 1), found(100, 2, 5, 2)]])[-1]
    assert [label for _, _, label in past] == ["2", "1"]


def test_slow_motion_is_stepped_played_and_taken_away(page: Page, desk: Desk) -> None:
    wait_for(lambda: len(desk.pipeline.history.snapshot()) >= 12, "two seconds of frames")
    page.locator("#freeze").click()
    frame = page.locator("#slow-frame")
    expect(frame).to_have_text("1")
    expect(page.locator("#slow-place")).to_be_focused()
    numbers = desk.context.recorder.find(_identity(page)).frames
    for key, place in (("ArrowRight", 1), ("Shift+ArrowRight", 11), ("ArrowLeft", 10), ("End", -1)):
        page.keyboard.press(key)
        expect(page.locator("#slow-sequence")).to_have_text(f"{numbers[place].sequence:,}")
    expect(page.locator("#slow-digits")).to_have_text("square")
    page.keyboard.press("Home")
    expect(frame).to_have_text("1")
    page.locator("#slow-speed").select_option("1")
    page.locator("#slow-play").click()
    expect(page.locator("#slow-play")).to_have_attribute("aria-pressed", "true")
    expect(frame).not_to_have_text("1")
    with page.expect_download() as taken:
        page.locator("#slow-lines").click()
    name = f"lutlens-{numbers[0].sequence}-{numbers[-1].sequence}.jsonl"
    assert taken.value.suggested_filename == name
    page.locator("#slow-close").click()
    expect(page.locator("#slow")).to_be_hidden()
    expect(page.locator("#freeze")).to_be_focused()


def _identity(page: Page) -> str:
    return (page.locator("#slow-video").get_attribute("href") or "").split("/")[4]


def test_a_replay_is_called_one(page: Page, desk: Desk) -> None:
    page.locator("#source").select_option("pattern")
    expect(page.locator("#captured-title")).to_have_text("replayed from simulated DDR")
    expect(page.locator("#source-note")).to_have_text("Pattern of falling digits")
    expect(page.locator("#shown-note")).to_contain_text("offered")
    page.locator("#source").select_option("squares")
    expect(page.locator("#captured-title")).to_have_text("captured")


@pytest.mark.parametrize("width", [320, 390, 900])
def test_slow_motion_fits_every_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("#freeze").click()
    expect(page.locator("#slow-frame")).to_have_text("1")
    inside = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(inside)
    page.locator("#slow-close").click()
