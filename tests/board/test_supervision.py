"""What systemd hears: ready once it is, the watchdog while it answers, stopping; nothing else."""

from __future__ import annotations

import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from lutlens.board.supervision import supervised

WAIT_S = 20.0


class Answers(http.server.BaseHTTPRequestHandler):
    """Each path answers with the status that `codes` holds for it."""

    codes: dict[str, int]

    def do_GET(self) -> None:
        self.send_response(self.codes[self.path])
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[tuple[int, dict[str, int]]]:
    codes = {"/readyz": 503, "/healthz": 200}
    handler = type("Handler", (Answers,), {"codes": codes})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, codes
        server.shutdown()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(WAIT_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "150000")
        yield listener


def test_ready_when_it_is_and_the_watchdog_while_it_answers(
    service: tuple[int, dict[str, int]], systemd: socket.socket
) -> None:
    port, codes = service
    with supervised("0.0.0.0", port):
        assert "NOTIFY_SOCKET" not in os.environ, "no child is to report in its place"
        systemd.settimeout(0.6)
        with pytest.raises(TimeoutError):
            systemd.recv(100)
        systemd.settimeout(WAIT_S)
        codes["/readyz"] = 200
        assert systemd.recv(100) == b"READY=1"
        assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        codes["/healthz"] = 500
        time.sleep(0.4)
        systemd.setblocking(False)
        with suppress(BlockingIOError):
            while systemd.recv(100):  # sent before
                pass
        time.sleep(0.4)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        systemd.settimeout(WAIT_S)
    assert systemd.recv(100) == b"STOPPING=1"


def test_nothing_happens_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    before = threading.active_count()
    with supervised("127.0.0.1", 1):
        assert threading.active_count() == before
