"""An overlay directory to a running service: what `python -m lutlens.board` and `lutlens serve` share."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from lutlens.board import sources
from lutlens.board.overlay import load
from lutlens.board.pipeline import Pipeline
from lutlens.board.service import server
from lutlens.board.service.app import create_app
from lutlens.board.service.overlays import OverlayShelf
from lutlens.board.service.settings import ServiceSettings
from lutlens.board.supervision import supervised

ALWAYS_OFFERED = ("synthetic", "pattern")
FIRST_CAMERA = "/dev/video0"


def serve(
    directory: str | os.PathLike[str],
    device: Any | None = None,
    *,
    settings: ServiceSettings,
    source_texts: Sequence[str] = (),
    k: int | None = None,
    min_margin: int = 0,
    centre_box: bool = False,
    announce: Callable[[str], None] = print,
) -> None:
    """Load the overlay, start the pipeline and the service, and stay until interrupted (SIGINT, SIGTERM).

    device: a `pynq` device; None for pynq's active one.
    source_texts: what may be watched, as `sources.parse` reads it; the first one is at the beginning.
        The synthetic scene, the pattern, and a camera that is plugged in, are offered besides.
    k, min_margin, centre_box: see `Pipeline`.
    announce: is told where the page is, once the overlay has passed its self-test.

    Raises ValueError for options that do not fit, PortError if nobody can listen there, and what `load` raises.
    """
    with application(
        directory,
        device,
        settings=settings,
        source_texts=source_texts,
        k=k,
        min_margin=min_margin,
        centre_box=centre_box,
    ) as (app, listening, settings):
        announce(settings.url)
        with supervised(settings.host, settings.port):
            server.serve(app, listening)


@contextmanager
def application(
    directory: str | os.PathLike[str],
    device: Any | None = None,
    *,
    settings: ServiceSettings,
    source_texts: Sequence[str] = (),
    k: int | None = None,
    min_margin: int = 0,
    centre_box: bool = False,
) -> Iterator[tuple[FastAPI, socket.socket, ServiceSettings]]:
    """The application around a loaded overlay, a socket that takes its connections, settings with the real port.

    Arguments and errors as of `serve`.
    """
    offered = offer(source_texts)
    load_here = partial(load, device=device)
    with ExitStack() as stack:
        listening = stack.enter_context(server.listen(settings.host, settings.port))
        # Port 0 has become a real one.
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
        classifier = load_here(directory)
        stack.callback(classifier.close)
        pipeline = Pipeline(
            classifier,
            next(iter(offered.values())),
            k=k,
            min_margin=min_margin,
            centre_box=centre_box,
        )
        stack.callback(lambda: pipeline.classifier.close())  # the service may have loaded another
        app = create_app(
            pipeline=pipeline,
            overlays=OverlayShelf.beside(Path(directory), load_here),
            settings=settings,
            sources=offered,
        )
        yield app, listening, settings


def offer(texts: Sequence[str]) -> dict[str, sources.SourceSpec]:
    """Sources by name: their kind, with a number from the second of a kind on. Raises ValueError."""
    specs = [sources.parse(text) for text in texts]
    for kind in ALWAYS_OFFERED:
        if not any(spec.kind == kind for spec in specs):
            specs.append(sources.parse(kind))
    if os.path.exists(FIRST_CAMERA) and not any(spec.kind == "camera" for spec in specs):
        specs.append(sources.parse("camera"))
    named: dict[str, sources.SourceSpec] = {}
    for spec in specs:
        same = sum(other.kind == spec.kind for other in named.values())
        named[f"{spec.kind}-{same + 1}" if same else spec.kind] = spec
    return named
