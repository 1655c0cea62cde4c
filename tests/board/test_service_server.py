"""Where the service listens: known before it is announced, or one clear line."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from lutlens.board.service.server import PortError, listen
from lutlens.board.service.settings import ServiceSettings

OVERLAY = Path(__file__).parents[2] / "overlays" / "digits"
TIMEOUT_S = 120


def serve(port: int) -> list[str]:
    command = str(Path(sys.executable).with_name("lutlens"))
    return [command, "serve", str(OVERLAY), "--port", str(port)]


def test_a_taken_port_is_one_line_and_no_url() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(serve(port), capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use\n" in done.stderr


def test_port_0_is_announced_as_what_it_became() -> None:
    process = subprocess.Popen(serve(0), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        announced = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9][0-9]+/", announced)
        assert httpx.get(f"{announced}healthz", timeout=TIMEOUT_S).status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0


def test_connections_wait_until_somebody_serves() -> None:
    with listen("127.0.0.1", 0) as listening:
        socket.create_connection(listening.getsockname(), timeout=5).close()


@pytest.mark.parametrize(
    ("host", "words"), [("203.0.113.7", "assign"), ("no.such.host.invalid", "")]
)
def test_a_host_that_is_not_ours_is_named(host: str, words: str) -> None:
    with pytest.raises(PortError, match=f"cannot listen on {re.escape(host)} port 8000: .*{words}"):
        listen(host, 8000)


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6")
def test_ipv6_is_listened_to() -> None:
    with listen("::1", 0) as listening:
        assert listening.family == socket.AF_INET6


def test_a_made_up_token_stays_in_the_url_of_another_port() -> None:
    settings = ServiceSettings(host="0.0.0.0", port=0)
    assert settings.token is not None
    moved = settings.model_copy(update={"port": 8123})
    assert moved.url.endswith(f":8123/#token={settings.token.get_secret_value()}")
