"""The page's files, without a browser: self-contained, readable, agreeing with the service."""

from __future__ import annotations

import re
from pathlib import Path

import lutlens.board.service
import pytest
from lutlens.board.service.annotate import DIGIT_COLOURS

WEB = Path(lutlens.board.service.__file__).parents[1] / "web"
FILES = sorted(path for path in WEB.iterdir() if path.is_file())
NAMESPACES = {"http://www.w3.org/2000/svg"}


def tokens(theme: str) -> dict[str, str]:
    """The custom properties of tokens.css in a theme; the dark one is the base of both."""
    css = (WEB / "tokens.css").read_text()
    base, light = re.findall(r":root(?:\[data-theme=\"light\"\])? \{(.*?)\n\}", css, re.S)[:2]
    found = dict(re.findall(r"(--[\w-]+): ([^;]+);", base))
    if theme == "light":
        found |= dict(re.findall(r"(--[\w-]+): ([^;]+);", light))
    return found


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, WCAG 2.2."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert set(re.findall(r"https?://[^\s\"'`)<>]+", text)) <= NAMESPACES
    for made_of_text in (
        "innerHTML",
        "outerHTML",
        "document.write",
        "eval(",
        " style=",
        " onclick=",
    ):
        assert made_of_text not in text


def test_imports_lead_to_files() -> None:
    for path in FILES:
        if path.suffix == ".js":
            for target in re.findall(r"from \"\./([\w.]+)\"", path.read_text()):
                assert (WEB / target).is_file(), f"{path.name} imports {target}"


def test_elements_named_in_scripts_are_in_the_page() -> None:
    there = set(re.findall(r'id="([\w-]+)"', (WEB / "index.html").read_text()))
    made = {"clock-now"}  # by sheet.js itself
    for path in FILES:
        if path.suffix == ".js" and path.name != "docs.js":
            asked = set(re.findall(r'byId\("([\w-]+)"\)', path.read_text()))
            assert asked <= there | made, path.name


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_service_and_page_have_the_same_digit_colours(theme: str) -> None:
    found = tokens(theme)
    for digit, colour in enumerate(DIGIT_COLOURS):
        assert int(found[f"--digit-{digit}"].removeprefix("#"), 16) == colour


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("ink", ["--ink", "--ink-2", "--ink-3", "--accent", "--bad"])
@pytest.mark.parametrize("paper", ["--ground", "--panel"])
def test_text_can_be_read(theme: str, ink: str, paper: str) -> None:
    found = tokens(theme)
    assert contrast(found[ink], found[paper]) >= 4.5


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_controls_and_bars_can_be_seen(theme: str) -> None:
    found = tokens(theme)
    assert contrast(found["--focus"], found["--panel"]) >= 3
    assert contrast(found["--accent-ink"], found["--accent"]) >= 4.5
    for digit in range(10):
        bar = found.get(f"--bar-{digit}", found[f"--digit-{digit}"])
        assert contrast(bar, found["--cell"]) >= 1.5, digit


def test_digits_can_be_read_on_their_colours() -> None:
    dark = {0, 1, 2, 6, 7}
    script = (WEB / "dom.js").read_text()
    assert f"new Set([{', '.join(map(str, sorted(dark)))}])" in script
    for digit, colour in enumerate(DIGIT_COLOURS):
        ink = "#ffffff" if digit in dark else "#15171a"
        assert contrast(ink, f"#{colour:06x}") >= 3.9, digit
