"""A device that is borrowed from its service: whatever becomes of the borrower, the service comes back."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lutlens.board import activation
from lutlens.board.services import UNIT, Runner, ServiceError

SERVICE = """
import http.server, json, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"overlay": {"build_id": "b"}}).encode())
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
ALIVE = "grep -qs '^State:.[^Z]' /proc/{}/status"
"""Of a process that has ended its parent may not have heard yet."""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A release whose service answers as one does, and runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    release = tmp_path / "releases" / "r"
    release.mkdir(parents=True)
    (tmp_path / "service.py").write_text(SERVICE)
    (release / UNIT).write_text(
        f"ExecStart={sys.executable} -S {tmp_path}/service.py {port}\nEnvironmentFile={release}/environment\n"
    )
    (release / "environment").write_text('FROM_THE_UNIT="yes"\n')
    about = {
        "release": "r", "overlay": "net", "build_id": "b", "device": "model", "python": "python",
        "init": "none", "url": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    (release / "release.json").write_text(json.dumps(about))
    (tmp_path / "current").symlink_to("releases/r")
    Runner(tmp_path).start()
    deadline = time.monotonic() + 20
    while not runs(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield tmp_path
    Runner(tmp_path).stop()


def borrow(root: Path, script: str, *, limit_s: float = 30.0) -> dict[str, Any]:
    """In a process of its own, as at a far end."""
    process = start(root, script, limit_s)
    out, _ = process.communicate(timeout=60)
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {**found, "said": out.splitlines()[:-1]}


def start(root: Path, script: str, limit_s: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lutlens.board.activation", "--limit", str(limit_s)]
    command += ["--patience", "20", "borrow", str(root), "--", "sh", "-c", script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def runs(root: Path) -> bool:
    return activation.problem_of(activation.read_release(root / "current")) is None


def test_the_service_is_away_meanwhile_and_back_afterwards(root: Path) -> None:
    pid = (root / "run" / "service.pid").read_text().split()[0]
    found = borrow(root, f"{ALIVE.format(pid)} && echo alive; echo $FROM_THE_UNIT; exit 7")
    assert found == {"status": 7, "was_running": True, "problem": None, "said": ["yes"]}
    assert runs(root)


def test_a_command_that_hangs_is_killed_with_its_children(root: Path) -> None:
    found = borrow(root, "sleep 1000 & echo $!; wait", limit_s=0.3)
    assert found["status"] is None
    assert runs(root)
    assert subprocess.run(["sh", "-c", ALIVE.format(found["said"][0])]).returncode


def test_the_service_comes_back_though_nobody_listens_and_it_is_told_to_end(root: Path) -> None:
    process = start(root, "echo begun; sleep 1000", 100.0)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.stdout.close()
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert runs(root)


def test_a_service_that_does_not_come_back_is_said(root: Path) -> None:
    found = borrow(root, "echo 'raise SystemExit(1)' > service.py")
    assert "its service ended before it was ready" in found["problem"]


def test_what_did_not_run_is_not_started(root: Path) -> None:
    Runner(root).stop()
    assert borrow(root, "true")["was_running"] is False
    time.sleep(0.1)
    assert not Runner(root).alive()


def test_a_service_that_was_restarted_is_stopped_and_comes_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd's, after its watchdog had to start it again: not `alive`, but it answers."""
    did: list[str] = []

    class Restarted:
        def alive(self) -> bool:
            return "start" in did

        def stop(self) -> None:
            did.append("stop")

        def start(self) -> None:
            did.append("start")

    monkeypatch.setattr(activation, "service", lambda kind, root: Restarted())
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert activation.borrow(root, ["true"], 10.0, 10.0)["was_running"] is True
    assert did == ["stop", "start"]


def test_there_has_to_be_a_release(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="nothing is deployed under"):
        activation.borrow(tmp_path, ["true"], 1.0, 1.0)
