"""The live page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from support.service import LiveServer

CHROMIUM = "/usr/bin/chromium"
expect.set_options(timeout=30_000)  # what takes moments takes seconds on a busy machine


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's; it takes seconds to start."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Visit:
    """A page with a record of what it complained of and where it went."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.url = url
        self.page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda opened: self.requests.append(opened.url))
        self.page.goto(url)
        expect(self.page.locator("#link")).to_have_attribute("data-state", "live")
        expect(self.page.locator("#veil")).to_be_hidden(timeout=20_000)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def check(self) -> None:
        """It has stayed at home, and silent."""
        assert not self.complaints, self.complaints
        authority = self.url.partition("://")[2]
        for url in self.requests:
            assert url.startswith((f"http://{authority}/", f"ws://{authority}/", "blob:")), url


@contextmanager
def visiting(app: FastAPI) -> Iterator[Visit]:
    """One page of an application for many tests; at the end it must have stayed at home and silent."""
    with LiveServer(app) as server, chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        visit = Visit(context, server.url)
        yield visit
        context.close()
        visit.check()
