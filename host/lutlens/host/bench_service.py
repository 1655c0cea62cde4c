"""`lutlens bench service`. The docstring is its manual page."""

from __future__ import annotations

import http.client
import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from lutlens.host.commands import JsonOption
from lutlens.host.paths import REPOSITORY
from rich.console import Console
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

SHIPPED = REPOSITORY / "overlays/digits-scan"
READY_S = 120.0
ANSWER_S = 10.0
SETTLE_S = 1.0
STREAM = "/api/v1/detections/stream"
MJPEG = "/api/v1/stream.mjpeg"
PIECE_BYTES = 64 << 10


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

    `fps` is what each client got, mean over the rounds. `slowed_percent` compares the medians of
    `recognised_per_second`. Where an overlay scans, the pattern is replayed at the device's own
    rate: then all of them, recognition included, share this machine's processors; a board's logic
    recognises beside its processors.

        lutlens bench service --json
    """
    with (
        Console(stderr=True).status("starting the service") as say,
        _running(overlay, source) as url,
    ):
        alone, watched = [], []
        clients = [_Client(url, kind) for kind in _kinds(viewers)]
        for number in range(rounds):
            say.update(f"round {number + 1} of {rounds}")
            alone.append(_recognised(url, seconds))
            with _watching(clients):
                time.sleep(SETTLE_S)
                for client in clients:
                    client.begin()
                watched.append(_recognised(url, seconds))
                for client in clients:
                    client.end()
    rates = {"alone": statistics.median(alone), "watched": statistics.median(watched)}
    slowed = 100 * (1 - rates["watched"] / rates["alone"]) if rates["alone"] else 0.0
    result = {
        "overlay": overlay.name,
        "source": source,
        "viewers": [{"kind": client.kind, "fps": round(client.fps, 1)} for client in clients],
        "recognised_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "slowed_percent": round(slowed, 1),
    }
    if json_output:
        print(json.dumps(result))
        return
    for client in clients:
        print(f"{client.kind}: {client.fps:.1f} frames/s")
    print(
        f"recognised: {rates['alone']:.1f} frames/s alone, {rates['watched']:.1f} watched by these; "
        f"{slowed:.1f} % slower"
    )


def _kinds(viewers: int) -> list[str]:
    return [("mjpeg", "pictures")[i % 2] for i in range(viewers)] + ["detections"]


@contextmanager
def _running(overlay: Path, source: str) -> Iterator[str]:
    """The URL of the service; it ends with the block."""
    program = "from lutlens.host.cli import main; main()"
    options = ["serve", str(overlay), "--device", "model", "--port", "0", "--source", source]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *options], stdout=subprocess.PIPE, text=True
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
