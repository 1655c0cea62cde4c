"""Checks on a device of this machine, and the service that the last one asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lutlens.board.hil import suite
from lutlens.board.hil.bench import Bench, Service
from lutlens.board.hil.facts import device_facts, tool_versions
from lutlens.board.hil.reference import Reference
from lutlens.board.serve import application
from lutlens.board.service.server import configure
from lutlens.board.service.settings import ServiceSettings
from lutlens.host.hil.events import Listener, Ran, run_checks

START_S, STOP_S = 30.0, 60.0


def run(
    directory: Path, device: Any, reference: Reference | None, soak_s: float, listener: Listener
) -> Ran:
    """All checks on an open device."""
    serve = partial(serving, directory, device)
    with Bench(directory, device, reference, soak_s, serve, listener.told) as bench:
        outcomes = run_checks(suite.CHECKS, bench, listener)
    return Ran(device_facts(device), outcomes, tool_versions())


@contextmanager
def serving(directory: Path, device: Any) -> Iterator[Service]:
    """The service over this device, as `lutlens serve` runs it, on a free port of this machine."""
    with application(directory, device, settings=ServiceSettings(port=0)) as (app, sock, settings):
        server = configure(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + START_S
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"the service did not start within {START_S:g} s")
                time.sleep(0.02)
            yield Service(settings.url.rstrip("/"))
        finally:
            server.should_exit = True
            thread.join(STOP_S)
