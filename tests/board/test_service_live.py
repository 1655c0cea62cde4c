"""Streams over real sockets, from uvicorn."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from lutlens.board.service.settings import ServiceSettings
from support.service import Desk, LiveServer, wait_for
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk.open(tmp_path_factory.mktemp("overlays"), start=False) as desk:
        yield desk


@pytest.fixture
def server(desk: Desk) -> Iterator[LiveServer]:
    with LiveServer(desk.another()) as server:
        wait_for(lambda: desk.pipeline.latest is not None, "a first frame")
        yield server


def watch(server: LiveServer, query: str = "") -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{server.port}/api/v1/detections/stream{query}", max_size=1 << 24
    )


def next_result(viewer: ClientConnection) -> dict[str, Any]:
    while True:
        data = viewer.recv(TIMEOUT_S)
        if isinstance(data, str):
            message: dict[str, Any] = json.loads(data)
            if message["type"] == "result":
                return message


def test_the_stream_begins_with_the_status_and_repeats_it(server: LiveServer) -> None:
    with watch(server) as viewer:
        first = json.loads(viewer.recv(TIMEOUT_S))
        assert first["type"] == "status"
        assert first["viewers"] == 1
        again = None
        started = time.monotonic()
        while again is None and time.monotonic() - started < TIMEOUT_S:
            message = json.loads(viewer.recv(TIMEOUT_S))
            again = message if message["type"] == "status" else None
        assert again is not None
        assert again["uptime_s"] > first["uptime_s"]


def test_results_come_in_order(server: LiveServer) -> None:
    with watch(server) as viewer:
        sequences = [next_result(viewer)["sequence"] for _ in range(10)]
    assert sequences == sorted(set(sequences))


def test_each_result_is_followed_by_its_picture(server: LiveServer) -> None:
    with watch(server, "?pictures=true") as viewer:
        for _ in range(3):
            result = next_result(viewer)
            picture = viewer.recv(TIMEOUT_S)
            assert isinstance(picture, bytes)
            image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
            assert image.shape == (result["height"], result["width"], 3)


def test_a_window_holds_back_what_is_not_acknowledged(server: LiveServer) -> None:
    with watch(server, "?window=2") as viewer:
        next_result(viewer)
        last = next_result(viewer)["sequence"]
        started = time.monotonic()
        while time.monotonic() - started < 1.5:
            try:
                assert json.loads(viewer.recv(0.2))["type"] == "status"
            except TimeoutError:
                continue
        viewer.send("shown")
        assert next_result(viewer)["sequence"] > last


@pytest.mark.parametrize("query", ["?window=9", "?window=-1", "?pictures=maybe"])
def test_a_wrong_query_is_refused(server: LiveServer, query: str) -> None:
    with pytest.raises(Exception, match=r"403|1008"), watch(server, query) as viewer:
        viewer.recv(TIMEOUT_S)


def test_mjpeg_is_a_series_of_pictures(server: LiveServer) -> None:
    with httpx.stream("GET", f"{server.url}/api/v1/stream.mjpeg", timeout=TIMEOUT_S) as response:
        kind, _, boundary = response.headers["content-type"].partition("; boundary=")
        assert kind == "multipart/x-mixed-replace"
        data = b""
        for piece in response.iter_bytes():
            data += piece
            if data.count(f"--{boundary}".encode()) == 4:
                break
    for part in data.split(f"--{boundary}\r\n".encode())[1:4]:
        head, _, jpeg = part.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1])
        image = cv2.imdecode(np.frombuffer(jpeg[:length], np.uint8), cv2.IMREAD_COLOR)
        assert image.ndim == 3


def test_a_viewer_that_does_not_read_slows_nobody(desk: Desk) -> None:
    settings = ServiceSettings(jpeg_quality=100)  # large pictures fill buffers soon
    with LiveServer(desk.another(settings)) as server:
        server.shrink_buffers()
        wait_for(lambda: desk.pipeline.rates.recognised > 0, "frames")
        _idle_beside_attentive(desk, server)


def _idle_beside_attentive(desk: Desk, server: LiveServer) -> None:
    before = desk.pipeline.counts.recognised
    time.sleep(2)
    alone = desk.pipeline.counts.recognised - before
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(("127.0.0.1", server.port))
        idle.sendall(b"GET /api/v1/stream.mjpeg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        hub = server.context.hub
        skipped = hub.skipped
        with watch(server) as attentive:
            wait_for(lambda: hub.skipped > skipped, "frames skipped for the viewer that idles")
            before, ends = desk.pipeline.counts.recognised, time.monotonic() + 2
            while time.monotonic() < ends:
                assert next_result(attentive)["skipped"] == 0
            watched = desk.pipeline.counts.recognised - before
    assert alone > 0
    assert watched > alone * 0.5  # the machine is shared; a stalled core would stand at 0


def test_stopping_ends_the_streams_at_once(desk: Desk) -> None:
    with LiveServer(desk.another()) as server:
        wait_for(lambda: desk.pipeline.latest is not None, "a first frame")
        with (
            watch(server) as viewer,
            httpx.stream("GET", f"{server.url}/api/v1/stream.mjpeg", timeout=TIMEOUT_S) as mjpeg,
        ):
            next_result(viewer)
            pieces = mjpeg.iter_raw()
            next(pieces)
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 3
            for _ in pieces:  # ends
                pass
            with contextlib.suppress(ConnectionClosed):
                while viewer.recv(TIMEOUT_S):
                    pass
            assert viewer.close_code in (1001, 1012)
