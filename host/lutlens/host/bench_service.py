"""`lutlens bench service`. The docstring is its manual page."""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from lutlens.host.commands import JsonOption
from lutlens.host.devices.beside import apart
from lutlens.host.paths import REPOSITORY
from rich.console import Console
from rich.status import Status
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

SHIPPED = REPOSITORY / "overlays/digits-scan"
READY_S = 120.0
ANSWER_S = 10.0
SETTLE_S = 1.0
STREAM = "/api/v1/detections/stream"
MJPEG = "/api/v1/stream.mjpeg"
PIECE_BYTES = 64 << 10
ARRANGEMENTS: dict[str, list[str]] = {"shared": [], "own_processor": ["--own-processor"]}
"""Options of `lutlens serve`, by what the output calls them."""


class BenchError(RuntimeError):
    """A service or a client of it that did not do what is to be measured."""


def service(
    overlay: Annotated[
        Path,
        typer.Argument(metavar="[OVERLAY]", help="What runs.", show_default="overlays/digits-scan"),
    ] = SHIPPED,
    viewers: Annotated[int, typer.Option(min=1, max=16, help="That watch pictures.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Each measurement.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="With and without viewers.")] = 3,
    source: Annotated[str, typer.Option(help="As `lutlens serve` takes it.")] = "pattern",
    json_output: JsonOption = False,
) -> None:
    """Measure what viewers get of the live service, and what they cost it.

    The service runs in a process of its own on the `model` device, the viewers in this one: every
    second one takes MJPEG, the others the page's WebSocket of detections and pictures; one more
    client takes the detections alone. Without them and with them in turn, frames recognised are
    counted by the service itself.

    Both are measured in two arrangements. `shared`: device, service and viewers share this
    machine's processors. `own_processor`: the device has one to itself, as `lutlens serve
    --own-processor` gives it, and service and viewers share the others: so it is on a board, whose
    logic takes nothing of its processors. It needs two processors or more.

    `fps` is what each client got, mean over the rounds. `slowed_percent` compares the medians of
    `recognised_per_second`. Where an overlay scans, the pattern is replayed as fast as the device
    is.

        lutlens bench service --json
    """
    with Console(stderr=True).status("starting the service") as status:
        found = {
            name: _measured(
                overlay,
                [*options, "--source", source],
                viewers,
                seconds,
                rounds,
                partial(_say, status, name),
                processors=apart()[1] if options else os.sched_getaffinity(0),
            )
            for name, options in ARRANGEMENTS.items()
        }
    if json_output:
        print(json.dumps({"overlay": overlay.name, "source": source, **found}))
        return
    for name, one in found.items():
        for viewer in one["viewers"]:
            print(f"{name}: {viewer['kind']}: {viewer['fps']:.1f} frames/s")
        rates = one["recognised_per_second"]
        print(
            f"{name}: recognised: {rates['alone']:.1f} frames/s alone, {rates['watched']:.1f} "
            f"watched by these; {one['slowed_percent']:.1f} % slower"
        )


def _say(status: Status, arrangement: str, done: str) -> None:
    status.update(f"{arrangement}: {done}")


def _measured(
    overlay: Path,
    options: list[str],
    viewers: int,
    seconds: float,
    rounds: int,
    say: Callable[[str], None],
    *,
    processors: set[int],
) -> dict[str, Any]:
    """One arrangement. options: of `lutlens serve`. processors: that the viewers run on."""
    alone, watched = [], []
    before = os.sched_getaffinity(0)
    with _running(overlay, options) as url:
        os.sched_setaffinity(0, processors)
        try:
            clients = [_Client(url, kind) for kind in _kinds(viewers)]
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}")
                alone.append(_recognised(url, seconds))
                with _watching(clients):
                    time.sleep(SETTLE_S)
                    for client in clients:
                        client.begin()
                    watched.append(_recognised(url, seconds))
                    for client in clients:
                        client.end()
        finally:
            os.sched_setaffinity(0, before)
    rates = {"alone": statistics.median(alone), "watched": statistics.median(watched)}
    slowed = 100 * (1 - rates["watched"] / rates["alone"]) if rates["alone"] else 0.0
    return {
        "viewers": [{"kind": client.kind, "fps": round(client.fps, 1)} for client in clients],
        "recognised_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "slowed_percent": round(slowed, 1),
    }


def _kinds(viewers: int) -> list[str]:
    return [("mjpeg", "pictures")[i % 2] for i in range(viewers)] + ["detections"]


@contextmanager
def _running(overlay: Path, options: list[str]) -> Iterator[str]:
    """The URL of the service; it ends with the block."""
    program = "from lutlens.host.cli import main; main()"
    command = ["serve", str(overlay), "--device", "model", "--port", "0", *options]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise BenchError(f"the service ended with status {process.wait(ANSWER_S)}")
        deadline = time.monotonic() + READY_S
        while not _status(url)["counts"]["recognised"]:
            if time.monotonic() > deadline:
                raise BenchError(f"{url}: no frame was recognised within {READY_S:g} s")
            time.sleep(0.2)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _status(url: str) -> dict[str, dict[str, int]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=READY_S)
    try:
        connection.request("GET", "/api/v1/status")
        found: dict[str, dict[str, int]] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()


def _recognised(url: str, seconds: float) -> float:
    """Frames a second, by the service's own count."""
    began, before = time.monotonic(), _status(url)["counts"]["recognised"]
    time.sleep(seconds)
    after = _status(url)["counts"]["recognised"]
    return (after - before) / (time.monotonic() - began)


class _Client:
    """Takes a stream as fast as it comes, and counts frames between `begin` and `end`."""

    def __init__(self, url: str, kind: str) -> None:
        self.kind = kind
        self._address = urlsplit(url).netloc
        self._frames = self._first = self._counted = 0
        self._began = self._seconds = 0.0

    @property
    def fps(self) -> float:
        return self._counted / self._seconds if self._seconds else 0.0

    def begin(self) -> None:
        self._began, self._first = time.monotonic(), self._frames

    def end(self) -> None:
        self._seconds += time.monotonic() - self._began
        self._counted += self._frames - self._first

    def run(self, stop: threading.Event) -> None:
        """Until told to stop. Raises BenchError if the stream does not last so long."""
        try:
            if self.kind == "mjpeg":
                self._mjpeg(stop)
            else:
                self._websocket(stop)
        except (OSError, http.client.HTTPException, WebSocketException) as error:
            raise BenchError(f"{self._address}: {self.kind}: {error}") from error
        if not stop.is_set():
            raise BenchError(f"{self._address}: {self.kind}: the service ended the stream")

    def _mjpeg(self, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=ANSWER_S)
        try:
            connection.request("GET", MJPEG)
            response = connection.getresponse()
            if response.status != 200:
                raise BenchError(f"{MJPEG}: {response.status} {response.reason}")
            boundary = b"--" + response.headers["Content-Type"].partition("boundary=")[2].encode()
            rest = b""
            while not stop.is_set() and (piece := response.read1(PIECE_BYTES)):
                data = rest + piece
                self._frames += data.count(boundary)
                rest = data[-len(boundary) + 1 :]
        finally:
            connection.close()

    def _websocket(self, stop: threading.Event) -> None:
        query = "?pictures=true&window=2" if self.kind == "pictures" else ""
        address = f"ws://{self._address}{STREAM}{query}"
        with connect(address, max_size=1 << 24, compression=None) as socket:
            while not stop.is_set():
                message = socket.recv(ANSWER_S)
                if self.kind == "pictures" and isinstance(message, bytes):
                    self._frames += 1
                    socket.send("shown")
                elif self.kind == "detections" and json.loads(message)["type"] == "result":
                    self._frames += 1


@contextmanager
def _watching(clients: list[_Client]) -> Iterator[None]:
    """They take their streams meanwhile. Raises BenchError if one did not get it to the end."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        watching = [pool.submit(client.run, stop) for client in clients]
        try:
            yield
        finally:
            stop.set()
        for watched in watching:
            watched.result()
