"""The demo as a visitor runs it: from nothing to the live page, and out again by Ctrl-C."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

LUTLENS = Path(sys.executable).with_name("lutlens")
PATIENCE_S = 240


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def demo(folder, *arguments):
    """A running demo; killed at the end if it still is."""
    with open(folder / "output", "w") as output:
        # What was started in a background shell passes on that it ignores SIGINT.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            [LUTLENS, "demo", *map(str, arguments)], cwd=folder, stdout=output, stderr=output
        )
        signal.signal(signal.SIGINT, before)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def wait_for(condition, process, folder):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if result := condition():
                return result
        except OSError:
            pass
        assert process.poll() is None, (folder / "output").read_text()
        assert time.monotonic() < deadline, (folder / "output").read_text()
        time.sleep(0.2)


def interrupt(process, folder):
    process.send_signal(signal.SIGINT)
    status = process.wait(timeout=30)
    text = (folder / "output").read_text()
    assert "Traceback" not in text
    return status, text


@pytest.mark.rtl
def test_from_nothing_to_the_live_page(tmp_path):
    port = free_port()
    with demo(tmp_path, "--minutes", "0.05", "--port", port) as process:
        wait_for(lambda: get(f"http://127.0.0.1:{port}/readyz"), process, tmp_path)
        status = get(f"http://127.0.0.1:{port}/api/v1/status")
        assert status["overlay"]["name"] == "digits"
        assert status["device"]["kind"] == "model"
        code, text = interrupt(process, tmp_path)
    assert code == 0
    assert f"http://127.0.0.1:{port}" in text
    assert "golden vectors: RTL and lutnet agree" in text
    build = tmp_path / "build"
    manifest = json.loads((build / "overlays" / "digits" / "overlay.json").read_text())
    assert manifest["build_id"] == status["overlay"]["build_id"]
    with np.load(build / "test-digits.npz") as scene:
        assert scene["images"].shape[1:] == (28, 28)
        assert len(scene["labels"]) == len(scene["images"])


def test_ctrl_c_while_training_stops_at_once(tmp_path):
    with demo(tmp_path, "--minutes", "10", "--port", free_port()) as process:
        wait_for(lambda: "train" in (tmp_path / "output").read_text(), process, tmp_path)
        time.sleep(1)
        code, text = interrupt(process, tmp_path)
    assert code == 130
    assert "stopped" in text
    assert not (tmp_path / "build" / "digits.lutnet").exists()


def test_a_taken_port_is_said_before_anything_is_trained(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo(tmp_path, "--port", port) as process:
            assert process.wait(timeout=60) == 2
    text = (tmp_path / "output").read_text()
    assert f"port {port}" in text
    assert "--port" in text
    assert not (tmp_path / "build").exists()
