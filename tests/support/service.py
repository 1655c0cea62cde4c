"""A service over a real pipeline on the model device, for tests."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from fastapi import FastAPI
from lutlens.board import contrast
from lutlens.board.overlay import load
from lutlens.board.pipeline import Pipeline
from lutlens.board.service.app import create_app
from lutlens.board.service.context import Context
from lutlens.board.service.overlays import OverlayShelf
from lutlens.board.service.server import configure
from lutlens.board.service.settings import ServiceSettings
from lutlens.board.sources import PatternSpec, SourceSpec
from lutlens.board.sources.synthetic import SyntheticSpec
from lutlens.host import overlay
from lutlens.host.devices import open_device
from starlette.testclient import TestClient
from support.colours import colours_lutnet
from support.inverting import inverting_lutnet
from support.networks import digits_lutnet
from support.squares import SquaresSpec, squares_lutnet

TIMEOUT_S = 20.0
URL = "http://127.0.0.1:8000"
NAMES = ("first", "second")
SOURCES: dict[str, SourceSpec] = {
    "synthetic": SyntheticSpec(),
    "small": SyntheticSpec(width=320, height=240, count=2, seed=1),
}

SCANNED: dict[str, SourceSpec] = {
    "squares": SquaresSpec(),
    "pattern": PatternSpec(width=160, height=48, frames=32),
}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; fail by name after TIMEOUT_S."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S} s for {what}"
        time.sleep(0.02)


class LiveServer:
    """The application under uvicorn, in a thread, on a free port."""

    def __init__(self, app: FastAPI) -> None:
        self.context: Context = app.state.context
        self._server = configure(app, port=0)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def shrink_buffers(self) -> None:
        """Let the kernel hold little of what viewers do not read, on connections from now on."""
        for listening in self._server.servers[0].sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def __enter__(self) -> LiveServer:
        self._thread.start()
        wait_for(lambda: self._server.started, "uvicorn")
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive(), "uvicorn does not stop"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass
class Desk:
    """A pipeline on the model device with two untrained overlays, and the application around it."""

    folder: Path
    pipeline: Pipeline
    overlays: OverlayShelf
    app: FastAPI
    client: TestClient
    sources: dict[str, SourceSpec]
    names: tuple[str, str] = NAMES

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, start: bool = True) -> Iterator[Desk]:
        """Build it in an empty folder; `start` runs the application, which runs the pipeline."""
        shutil.copytree(_two_overlays().name, folder, dirs_exist_ok=True)
        with cls._around(folder, SOURCES, start=start) as desk:
            yield desk

    @classmethod
    @contextmanager
    def open_scanning(cls, folder: Path, *, start: bool = True) -> Iterator[Desk]:
        """The same with an overlay that scans for squares, and one square that moves."""
        squares_lutnet().save(folder / "squares.lutnet")
        overlay.generate(folder / "squares.lutnet", folder / NAMES[0], scan=True)
        # Squares as they are: local contrast leaves of filled ones their edges.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(contrast, "normalise", lambda grey: grey)
            with cls._around(folder, SCANNED, start=start) as desk:
                yield desk

    @classmethod
    @contextmanager
    def open_pictures(cls, folder: Path, *, start: bool = True) -> Iterator[Desk]:
        """The same with an overlay that tells the colours of pictures."""
        colours_lutnet().save(folder / "colours.lutnet")
        overlay.generate(folder / "colours.lutnet", folder / NAMES[0])
        with cls._around(folder, SOURCES, start=start) as desk:
            yield desk

    @classmethod
    @contextmanager
    def open_images(cls, folder: Path, *, start: bool = True) -> Iterator[Desk]:
        """The same with an overlay that gives its images again, inverted."""
        inverting_lutnet().save(folder / "inverting.lutnet")
        overlay.generate(folder / "inverting.lutnet", folder / NAMES[0])
        with cls._around(folder, SOURCES, start=start) as desk:
            yield desk

    @classmethod
    @contextmanager
    def _around(
        cls, folder: Path, sources: dict[str, SourceSpec], *, start: bool
    ) -> Iterator[Desk]:
        with ExitStack() as stack:
            device = stack.enter_context(open_device("model"))
            shelf = OverlayShelf.beside(folder / NAMES[0], partial(load, device=device))
            pipeline = Pipeline(load(folder / NAMES[0], device), next(iter(sources.values())))
            stack.callback(lambda: pipeline.classifier.close())
            app = _app(pipeline, shelf, ServiceSettings(), sources)
            client = TestClient(app, base_url=URL)
            if start:
                stack.enter_context(client)
            yield cls(folder, pipeline, shelf, app, client, sources)

    @property
    def context(self) -> Context:
        context: Context = self.app.state.context
        return context

    def directory(self, name: str) -> Path:
        return self.folder / name

    def another(self, settings: ServiceSettings | None = None) -> FastAPI:
        """A second application over the same pipeline; not started."""
        return _app(self.pipeline, self.overlays, settings or ServiceSettings(), self.sources)


@cache
def _two_overlays() -> tempfile.TemporaryDirectory[str]:
    """A folder with both overlays, made once: other tests get copies. It goes when Python does."""
    folder = tempfile.TemporaryDirectory(prefix="lutlens-")
    for seed, name in enumerate(NAMES):
        levels = {k: np.full((k, 1), 128, np.uint8) for k in (1, 3)}
        lutnet = Path(folder.name, f"{name}.lutnet")
        replace(digits_lutnet(seed), thresholds=levels).save(lutnet)
        overlay.generate(lutnet, Path(folder.name, name))
    return folder


def _app(
    pipeline: Pipeline,
    overlays: OverlayShelf,
    settings: ServiceSettings,
    sources: dict[str, SourceSpec],
) -> FastAPI:
    return create_app(pipeline=pipeline, overlays=overlays, settings=settings, sources=sources)


def encoded(image: npt.NDArray[np.uint8], extension: str = ".png") -> bytes:
    """An image as a file's content."""
    ok, data = cv2.imencode(extension, image)
    assert ok
    return bytes(data.tobytes())
