"""Deployment's parts: packages for the board's processor, the unit, and both ways to run it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from lutlens.board import services
from lutlens.board.services import Runner, ServiceError, Systemd, parse_environment, parse_unit
from lutlens.host.deployment import DeploymentError, packages, unit
from lutlens.host.deployment.packages import Facts
from lutlens.host.deployment.unit import ServiceOptions
from packaging.requirements import Requirement

CONSTRAINTS = (Path(__file__).parents[2] / "constraints.txt").read_text()
METADATA = """\
Requires-Dist: pynq==4.0.0; extra == "board"
Requires-Dist: numpy<2; extra == "board"
Requires-Dist: opencv-python-headless<4.12; extra == "board"
Requires-Dist: fastapi; extra == "board"
Requires-Dist: lutlens[board]; extra == "host"
Requires-Dist: typer; extra == "host"
"""
PYNQ_IMAGE = Facts(
    root="/home/xilinx/lutlens",
    user_id=1000,
    python="3.10.4",
    machine="linux-armv7l",
    glibc="2.35",
    site_packages=["/usr/local/share/pynq-venv/lib/python3.10/site-packages"],
    installed={"numpy": "1.21.5", "pynq": "3.0.1", "pydantic": "1.9.1", "cffi": "1.15.0"}
    | {"typing_extensions": "4.3.0", "pycparser": "2.19", "setuptools": "59.6.0"}
    | {"pynqmetadata": "0.1.2", "ipython": "8.10.0", "fastapi": "0.100.0"},
    opencv=True,
    systemd=True,
    environment={"BOARD": "Pynq-Z2", "XILINX_XRT": "/usr", "PATH": "/usr/bin"},
    free_bytes=1 << 30,
    current=None,
    complete=[],
)


def missing(facts: Facts, extra: str = "board") -> dict[str, str]:
    return packages.missing(packages.of_wheel(METADATA, extra), facts, CONSTRAINTS)


def test_an_extra_brings_what_it_names_and_the_extras_that_it_names() -> None:
    assert {r.name for r in packages.of_wheel(METADATA, "board")} == {
        "pynq", "numpy", "opencv-python-headless", "fastapi"
    }  # fmt: skip
    assert "numpy" in {r.name for r in packages.of_wheel(METADATA, "host")}


def test_what_the_image_has_stays_and_what_is_too_old_comes_with_what_it_needs() -> None:
    found = missing(PYNQ_IMAGE)
    assert not {"numpy", "opencv-python-headless", "cffi", "pycparser"} & set(found)
    assert found["pynq"] == "4.0.0"
    assert found["pydantic"].startswith("2."), "the image's is of version 1"
    assert found["pynqmetadata"] == "0.2.0", "the image's fits the image's pynq only"
    assert "ipython" not in found, "pynqmetadata takes any"
    assert "fastapi" in found, "we are tested with another"
    assert {"pydantic-core", "starlette", "anyio"} <= set(found), "what fastapi needs in turn"
    assert "exceptiongroup" in found, "anyio needs it before Python 3.11"
    assert "setuptools" in found, "pynq is built from its source there"
    assert "uvicorn" not in found, "nobody asked for it"


def test_versions_are_those_for_the_far_ends_python() -> None:
    old, new = missing(PYNQ_IMAGE), missing(replace(PYNQ_IMAGE, python="3.12.3"))
    pinned = [line for line in CONSTRAINTS.splitlines() if line.startswith("fastapi==")]
    assert len(pinned) == 2
    assert f"fastapi=={old['fastapi']} ; python_full_version < '3.11'" in pinned
    assert f"fastapi=={new['fastapi']} ; python_full_version >= '3.11'" in pinned
    assert "exceptiongroup" not in new


def test_nothing_is_missing_where_everything_is() -> None:
    bare = replace(PYNQ_IMAGE, installed={}, opencv=False)
    full = replace(bare, installed=missing(bare, "host"))
    assert {"numpy", "opencv-python-headless", "typer", "pynqutils"} <= set(full.installed)
    assert missing(full, "host") == {}


def test_a_package_that_is_not_pinned_is_named() -> None:
    with pytest.raises(DeploymentError, match="pins no version of unheard-of"):
        packages.missing([Requirement("unheard-of>1")], PYNQ_IMAGE, CONSTRAINTS)


def test_pip_is_asked_for_wheels_of_the_boards_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def pip(command: list[str], **kwargs: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        error = "ERROR: No matching distribution found for numpy==1.26.4\n"
        return subprocess.CompletedProcess(command, int("numpy==1.26.4" in command), "", error)

    monkeypatch.setattr(subprocess, "run", pip)
    packages.collect({"pydantic-core": "2.50.4", "pynq": "4.0.0"}, PYNQ_IMAGE, tmp_path)
    binary, source = asked
    assert {"--only-binary=:all:", "--python-version=3.10", "--no-deps"} <= set(binary)
    platforms = [a.partition("=")[2] for a in binary if a.startswith("--platform=")]
    assert platforms[0] == "manylinux_2_35_armv7l"
    assert platforms[-2:] == ["manylinux2014_armv7l", "linux_armv7l"]
    assert "pynq==4.0.0" in source
    assert "--no-binary=pynq,pynqmetadata,pynqutils" in source
    with pytest.raises(DeploymentError, match=r"numpy 1\.26\.4 has no wheel for armv7l and Python"):
        packages.collect({"numpy": "1.26.4"}, PYNQ_IMAGE, tmp_path)


def test_installing_uses_no_network_offline_and_never_compiles_online() -> None:
    pins = {"pydantic": "2.14.3", "pynq": "4.0.0", "setuptools": "80.0.0"}
    offline = list(packages.install_commands(pins, "python", "/wheels"))
    assert [command[-1] for command in offline] == ["setuptools==80.0.0", "pynq==4.0.0"]
    assert all({"--no-index", "--find-links=/wheels", "--no-deps"} <= set(c) for c in offline)
    assert all("--unset=PYNQ_JUPYTER_NOTEBOOKS" in c for c in offline)
    for command in packages.install_commands(pins, "python", None):
        assert {"--only-binary=:all:", "--no-binary=pynq,pynqmetadata,pynqutils"} <= set(command)
        assert "--no-index" not in command


OPTIONS = ServiceOptions(
    listen="0.0.0.0",
    port=8001,
    allow_hosts=("pynq.local",),
    sources=('folder:/a "b" 5%/$HOME',),
    k=3,
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A root directory with a release as deployment writes it; an unusual name for a directory."""
    root = tmp_path / "a root"
    (root / "current").mkdir(parents=True)
    return root


def write_unit(root: Path, options: ServiceOptions = OPTIONS) -> Path:
    text = unit.unit(str(root), "digits", options, 120)
    path = root / "current" / "lutlens.service"
    path.write_text(text)
    login = {**PYNQ_IMAGE.environment, "LD_LIBRARY_PATH": 'with "quotes" and $'}
    (root / "current" / "environment").write_text(unit.environment(str(root), login, options))
    return path


def test_the_unit_is_read_as_it_was_meant(release: Path) -> None:
    path = write_unit(release)
    (release / "secrets").write_text("LUTLENS_TOKEN=a-b_c\n")
    command, environment = parse_unit(path)
    assert command == unit.command(str(release), "digits", OPTIONS)
    assert 'folder:/a "b" 5%/$HOME' in command
    assert environment["XILINX_XRT"] == "/usr"
    assert environment["BOARD"] == "Pynq-Z2"
    assert environment["PATH"] == f"{release}/current/venv/bin:/usr/bin"
    assert environment["LD_LIBRARY_PATH"] == 'with "quotes" and $'
    assert environment["LUTLENS_TOKEN"] == "a-b_c"
    text = path.read_text()
    assert "Type=notify" in text
    assert "WatchdogSec=" in text
    assert "Restart=on-failure" in text


def test_pynq_finds_the_board_where_no_login_shell_says_so() -> None:
    assert parse_environment(unit.environment("/r", {}, OPTIONS))["XILINX_XRT"] == "/usr"
    model = unit.environment("/r", {}, replace(OPTIONS, device="model"))
    assert "XILINX_XRT" not in parse_environment(model)
    assert parse_environment(model)["LUTLENS_REPOSITORY"] == "/r/current"


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """systemd's own check, where it is installed. Its command has to exist for it."""
    binary = tmp_path / "current" / "venv" / "bin" / "python"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(sys.executable)
    path = write_unit(tmp_path)
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError:
        pytest.skip("systemd-analyze is part of systemd, which containers mostly lack")
    assert "lutlens.service" not in done.stderr, done.stderr


def test_an_init_system_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    assert isinstance(services.service("systemd", tmp_path), Systemd)
    assert isinstance(services.service("none", tmp_path), Runner)
    with pytest.raises(ServiceError, match="init: openrc; must be systemd or none"):
        services.service("openrc", tmp_path)


def test_the_runner_starts_stops_and_knows_what_it_started(release: Path) -> None:
    path = write_unit(release)
    script = "import signal, sys, time; print(sys.argv[1:], flush=True); time.sleep(60)"
    path.write_text(
        f"EnvironmentFile=-{release}/none\n"
        f"ExecStart={sys.executable} -c {shlex.quote(script)} 100%%\n"
    )
    runner = Runner(release)
    assert not runner.alive()
    runner.start()
    try:
        assert runner.alive()
        deadline = time.monotonic() + 20
        while "['100%']" not in runner.log(5):
            assert time.monotonic() < deadline, runner.log(5)
            time.sleep(0.05)
        pid_file = release / "run" / "service.pid"
        pid, _ = pid_file.read_text().split()
        pid_file.write_text(f"{os.getpid()} 1")
        assert not runner.alive(), "another process that got its number"
        pid_file.write_text(f"{pid} {services._started(int(pid))}")
    finally:
        runner.stop()
    assert not runner.alive()
    assert services._started(int(pid)) == "", "it has ended"


def test_a_unit_without_a_command_is_refused(release: Path) -> None:
    (release / "current" / "lutlens.service").write_text("[Service]\n")
    with pytest.raises(ServiceError, match="has no ExecStart="):
        Runner(release).start()


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that writes down what it is asked; `shown` is what `systemctl show` prints."""
    tools, units = tmp_path / "tools", tmp_path / "units"
    tools.mkdir()
    units.mkdir()
    (tools / "systemctl").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ "$1" = show ] && cat {tmp_path}/shown\n'
        f"[ ! -e {tmp_path}/broken ] || {{ echo no bus >&2; exit 1; }}\n"
    )
    (tools / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(services, "SYSTEMD_UNITS", units)
    return tmp_path


def test_systemd_gets_the_unit_and_is_told(release: Path, systemctl: Path) -> None:
    write_unit(release)
    service = Systemd(release)
    service.start()
    installed = systemctl / "units" / "lutlens.service"
    assert installed.read_text() == (release / "current" / "lutlens.service").read_text()
    asked = (systemctl / "asked").read_text().splitlines()
    assert asked[0] == "daemon-reload"
    assert asked[-1] == "restart --no-block lutlens.service"
    for shown, alive in (
        ("ActiveState=active\nNRestarts=0", True),
        ("ActiveState=activating\nNRestarts=0", True),
        ("ActiveState=activating\nNRestarts=1", False),
        ("ActiveState=failed\nNRestarts=0", False),
    ):
        (systemctl / "shown").write_text(shown)
        assert service.alive() is alive
    service.remove()
    assert not installed.exists()
    assert "disable --now --quiet lutlens.service" in (systemctl / "asked").read_text()
    (systemctl / "broken").touch()
    with pytest.raises(ServiceError, match="systemctl daemon-reload: no bus"):
        service.start()
    assert json.dumps(service.log_command(5, follow=True)).count("--follow") == 1
