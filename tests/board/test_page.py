"""The live page in a real browser: the service as a visitor starts it, the shipped overlay."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import (
    APIResponse,
    Browser,
    BrowserContext,
    Page,
    Route,
    expect,
)
from support.browser import Visit, chromium
from support.service import wait_for
from websockets.sync.client import connect

pytestmark = pytest.mark.browser

OVERLAY = Path(__file__).parents[2] / "overlays" / "digits"
START_TIMEOUT_S = 240  # a few seconds, unless the machine is busy
_NUMBER = re.compile(r"^[0-9]+\.[0-9]$")

# Strokes of a 7 in unit squares: plain, curved, with serif and bar.
SEVENS = {
    "plain": [[(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)]],
    "curved": [[(0.22, 0.24), (0.5, 0.19), (0.74, 0.22), (0.58, 0.5), (0.5, 0.84)]],
    "barred": [[(0.26, 0.2), (0.74, 0.21), (0.5, 0.84)], [(0.42, 0.52), (0.7, 0.51)]],
}


class Service:
    """`lutlens serve` in a process of its own."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Wait until it is ready; nothing happens if it runs."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [str(Path(sys.executable).with_name("lutlens")), "serve", str(OVERLAY)]
        options = ["--device", "model", "--port", str(self.port)]
        options += ["--source", "synthetic", "--source", "camera:0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self, number: int = signal.SIGINT) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service") / "log")
    yield service
    service.stop()


@pytest.fixture
def service(process: Service) -> Service:
    """The one service of all tests; started again where one has stopped it, resumed where one failed meanwhile."""
    process.start()
    httpx.patch(f"{process.url}/api/v1/settings", json={"paused": False}).raise_for_status()
    return process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Callable[..., Visit]]:
    """Open the page; at the end it must have stayed at home and silent."""
    opened: list[tuple[BrowserContext, Visit]] = []

    def open_page(**options: Any) -> Visit:
        context = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
        opened.append((context, Visit(context, service.url)))
        return opened[-1][1]

    yield open_page
    for context, visit in opened:
        context.close()
        visit.check()


def draw(page: Page, strokes: list[list[tuple[float, float]]]) -> None:
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    bounds = pad.bounding_box()
    assert bounds is not None
    for stroke in strokes:
        (x, y), *rest = [
            (bounds["x"] + u * bounds["width"], bounds["y"] + v * bounds["height"])
            for u, v in stroke
        ]
        page.mouse.move(x, y)
        page.mouse.down()
        for x, y in rest:
            page.mouse.move(x, y, steps=6)
        page.mouse.up()


def test_a_drawn_7_is_a_7(visit: Callable[..., Visit]) -> None:
    page = visit().page
    for strokes in SEVENS.values():
        check_reading_of_a_7(page, strokes)


def check_reading_of_a_7(page: Page, strokes: list[list[tuple[float, float]]]) -> None:
    draw(page, strokes)
    expect(page.locator("#pad-reading .answer b")).to_have_text("7", timeout=10_000)
    expect(page.locator("#pad-note")).to_have_text("read as 7")
    # At one instant: answers to the last points of the stroke may still be coming in.
    scores, best, margin = page.evaluate(
        "() => { const r = document.getElementById('pad-reading');"
        " const rows = [...r.querySelectorAll('.sum')];"
        " return [rows.map(e => Number(e.textContent)),"
        " rows.flatMap((e, i) => e.classList.contains('best') ? [i] : []),"
        " r.querySelector('.answer strong').textContent] }"
    )
    assert best == [scores.index(max(scores))] == [7]
    assert margin == f"+{max(scores) - sorted(scores)[-2]}"
    page.locator("#clear").click()
    expect(page.locator("#pad-reading .answer b")).to_have_text("–")


def test_the_scene_is_read_right(service: Service) -> None:
    """Of some hundred digits, 90 % have a box on them and the right answer in it."""
    right = total = 0
    sequence = -1
    with connect(
        f"ws://127.0.0.1:{service.port}/api/v1/detections/stream", max_size=1 << 24
    ) as viewer:
        while total < 200:
            message = json.loads(viewer.recv(10))
            # Neighbouring frames hold the same digits: take one in five.
            if message["type"] != "result" or message["sequence"] < sequence + 5:
                continue
            sequence = message["sequence"]
            for real in message["truth"]:
                total += 1
                on_it = [
                    (overlap(found["box"], real["box"]), found["digit"])
                    for found in message["detections"]
                ]
                best, digit = max(on_it, default=(0, None))
                right += best > 0.3 and digit == real["digit"]
    assert right / total >= 0.9, f"{right} of {total}"


def overlap(a: dict[str, int], b: dict[str, int]) -> float:
    """Intersection over union."""
    width = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    height = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    both = max(0, width) * max(0, height)
    return both / (a["width"] * a["height"] + b["width"] * b["height"] - both)


def test_figures_are_live_and_named(visit: Callable[..., Visit]) -> None:
    page = visit().page
    for figure in ("#fps-captured", "#fps-recognised", "#fps-shown", "#p50", "#p99"):
        expect(page.locator(figure)).to_have_text(_NUMBER, timeout=10_000)
    expect(page.locator("#device")).to_contain_text("simulated")
    expect(page.locator("#sheet-name")).to_have_text("digits")
    expect(page.locator("#accuracy")).to_contain_text("×15")
    expect(page.locator("#cells")).to_contain_text("Look-up tables")
    expect(page.locator("#card")).to_contain_text("digits")
    assert page.locator("#card table").count() > 0


def test_a_digit_is_picked_by_click_and_by_keyboard(visit: Callable[..., Visit]) -> None:
    page = visit().page
    page.locator("#pause").click()
    expect(page.locator("#link")).to_have_attribute("data-state", "paused")
    bands = page.locator("#readout .band")
    expect(bands.first).to_be_visible()
    count = bands.count()
    assert count >= 2
    bands.nth(count - 1).click()
    expect(bands.nth(count - 1)).to_have_attribute("aria-pressed", "true")
    picked = bands.nth(count - 1).locator("b").text_content()
    expect(page.locator("#selected .answer b")).to_have_text(picked or "")
    page.keyboard.press("ArrowRight")  # round to the first
    expect(bands.first).to_be_focused()
    expect(bands.first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#selected-note")).to_have_text("the digit that you picked")
    page.locator("#pause").press("Enter")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")


def test_resume_means_resume_while_the_answer_to_pause_is_on_its_way(
    visit: Callable[..., Visit],
) -> None:
    page = visit().page
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/api/v1/settings", lambda route: held.append((route, route.fetch())), times=1)
    page.locator("#pause").click()
    expect(page.locator("#link")).to_have_attribute("data-state", "paused")
    page.locator("#pause").click()
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    [(route, answer)] = held
    route.fulfill(response=answer)
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "false")


def test_everything_is_done_by_keyboard(visit: Callable[..., Visit]) -> None:
    page = visit().page
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.id || e.className || e.tagName, s.outlineStyle, e.type || ''] }"
        )
        if focused[0] == "BODY":
            break
        assert focused[1] != "none" or focused[2] == "radio", f"no visible focus on {focused[0]}"
        seen.append(focused[0])
    for control in ("skip", "theme", "pause", "source", "margin", "pad", "clear"):
        assert control in seen, seen
    assert seen.index("pause") < seen.index("pad")
    # A 1: the pen goes down, then straight to the bottom.
    page.locator("#pad").focus()
    page.keyboard.press("Space")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("#pad-reading .answer b")).to_have_text("1", timeout=10_000)
    page.keyboard.press("Delete")
    expect(page.locator("#pad-reading .answer b")).to_have_text("–")


def test_oversampling_is_chosen_and_kept(visit: Callable[..., Visit], service: Service) -> None:
    page = visit().page
    for k in (3, 1):
        page.locator(f"#passes input[value='{k}']").check(force=True)
        wait_for(
            lambda k=k: httpx.get(f"{service.url}/api/v1/settings").json()["k"] == k, f"K = {k}"
        )
        expect(page.locator(f"#passes input[value='{k}']")).to_be_checked()


@pytest.mark.parametrize("has_touch", [True, False])
def test_no_screen_scrolls_sideways(visit: Callable[..., Visit], has_touch: bool) -> None:
    widths = (320, 390) if has_touch else (768, 1024)
    page = visit(viewport={"width": widths[0], "height": 800}, has_touch=has_touch).page
    expect(page.locator("#cells")).to_contain_text("Flip-flops")
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        inside = "e => e.scrollWidth <= e.clientWidth"
        assert page.locator("html").evaluate(inside), width
        for target in ("#pause", "#clear", "#source"):
            bounds = page.locator(target).bounding_box()
            assert bounds is not None
            assert bounds["height"] >= 30


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_theme_follows_the_system_until_chosen(
    visit: Callable[..., Visit], scheme: Literal["dark", "light"]
) -> None:
    page = visit(color_scheme=scheme).page
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", scheme)
    page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    expect(root).to_have_attribute("data-theme", "light" if scheme == "dark" else "dark")
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(root).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "dark")


def test_nothing_moves_by_itself_for_who_wants_no_motion(visit: Callable[..., Visit]) -> None:
    page = visit(reduced_motion="reduce").page
    assert page.evaluate("() => document.getAnimations().length") == 0


def test_the_reference_lists_every_route(browser: Browser, service: Service) -> None:
    page = browser.new_page()
    page.goto(f"{service.url}/docs")
    document = httpx.get(f"{service.url}/api/v1/openapi.json").json()
    operations = sum(len(methods) for methods in document["paths"].values())
    expect(page.locator(".operation")).to_have_count(operations)
    page.close()


def test_a_dead_service_is_shown_and_its_return_too(browser: Browser, service: Service) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = Visit(context, service.url).page
    service.stop(signal.SIGKILL)
    expect(page.locator("#offline")).to_be_visible(timeout=10_000)
    expect(page.locator("#link")).to_have_attribute("data-state", "offline")
    expect(page.locator("#fps-recognised")).to_have_text("–")
    service.start()
    expect(page.locator("#offline")).to_be_hidden(timeout=20_000)
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(page.locator("#fps-shown")).to_have_text(_NUMBER, timeout=10_000)
    context.close()


def test_the_service_stops_cleanly_with_the_page_open(browser: Browser, service: Service) -> None:
    context = browser.new_context()
    Visit(context, service.url)
    assert service.process is not None
    started = time.monotonic()
    service.stop(signal.SIGINT)
    assert time.monotonic() - started < 10
    assert service.process.returncode in (0, 130), os.fspath(service.log)
    context.close()
