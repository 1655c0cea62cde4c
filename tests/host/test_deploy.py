"""Deployment to a real OpenSSH server on loopback: it runs, it is replaced, and what goes wrong."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board.activation import BORROWED
from lutlens.board.hil.report import REPORT_NAME, Report
from lutlens.board.manifest import Manifest
from lutlens.board.services import parse_environment
from lutlens.host import cli, overlay
from lutlens.host.deployment import DeploymentError, release
from lutlens.host.deployment import deploy as steps
from lutlens.host.deployment.deploy import Deployed, Plan
from lutlens.host.deployment.ssh import Connection, Target
from lutlens.host.deployment.unit import ServiceOptions
from lutlens.host.hil import reference
from support.networks import random_lutnet
from support.ssh_server import SshServer, breaking_connection, free_port, ssh_server

SECRET = "not-the-password"


@dataclass
class FarEnd:
    """The server, and what is deployed to it."""

    server: SshServer
    target: Target
    plan: Plan
    overlays: Path
    said: list[str]

    @property
    def root(self) -> Path:
        return Path(self.plan.root)

    def deploy(self, name: str = "first", target: Target | None = None, **changes: Any) -> Deployed:
        self.said.clear()
        plan = replace(self.plan, overlay=self.overlays / name, **changes)
        return steps.deploy(target or self.target, plan, self.said.append)

    def fails(self, name: str = "second", target: Target | None = None, **changes: Any) -> str:
        """The message of a deployment that does not succeed. What ran before has to run on."""
        before, running = self.get("/api/v1/status"), os.readlink(self.root / "current")
        with pytest.raises(DeploymentError) as caught:
            self.deploy(name, target, **changes)
        assert os.readlink(self.root / "current") == running
        assert self.get("/api/v1/status")["overlay"] == before["overlay"]
        return str(caught.value)

    def status(self) -> dict[str, Any]:
        return steps.manage(self.target, self.plan.root, "status")

    def get(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self.plan.service.port}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    def lutlens(self, *arguments: str, login: bool = True) -> int:
        """The command line. Its exit status."""
        where = ["--host", "127.0.0.1", "--port", str(self.server.port), "--user", self.server.user]
        where += ["--known-hosts", str(self.server.known_hosts), "--root", self.plan.root]
        with pytest.raises(SystemExit) as left:
            cli.main([*arguments, *where, *(["--key", str(self.server.key)] if login else [])])
        return int(left.value.code or 0)


@pytest.fixture(scope="module", autouse=True)
def _one_wheel() -> Iterator[None]:
    """The wheel is built once; every deployment gets a copy."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        wheel = release.build_wheel(Path(folder))
        patch.setattr(release, "build_wheel", lambda where: Path(shutil.copy(wheel, where)))
        yield


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    """A server with one release deployed, by a service that others can reach."""
    folder = tmp_path_factory.mktemp("far")
    overlays = folder / "overlays"
    for seed, name in enumerate(("first", "second")):
        lutnet = random_lutnet(seed + 6, stages=2, degenerate=0.1)
        lutnet.save(folder / f"{name}.lutnet")
        overlay.generate(folder / f"{name}.lutnet", overlays / name)
    with ssh_server(folder) as server:
        target = Target(
            "127.0.0.1", server.user, server.port, known_hosts=server.known_hosts, key=server.key
        )
        # A camera that is not there: the service runs, and takes no processor time.
        service = ServiceOptions("model", "0.0.0.0", free_port(), sources=("camera:99",))
        plan = Plan(
            overlays / "first",
            service,
            python=sys.executable,
            root=str(folder / "root"),
            init="none",
            patience_s=120,
        )
        far = FarEnd(server, target, plan, overlays, [])
        try:
            assert far.deploy().previous is None
            yield far
        finally:
            if (folder / "root" / "current").exists():
                steps.manage(target, plan.root, "remove")


@pytest.fixture(autouse=True)
def _plain_tools(far: FarEnd) -> Iterator[None]:
    yield
    far.server.no_tools()


def test_the_service_answers_with_what_was_deployed(
    far: FarEnd, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((far.overlays / "first" / "overlay.json").read_text())
    status = far.get("/api/v1/status")
    assert status["overlay"]["build_id"] == manifest["build_id"]
    assert status["device"]["kind"] == "model"
    found = far.status()
    assert found["overlay"] == "first"
    assert found["running"]
    assert far.lutlens("status") == 0
    assert manifest["build_id"] in capsys.readouterr().out


def test_the_same_again_copies_nothing_and_does_not_restart(far: FarEnd) -> None:
    pid = (far.root / "run" / "service.pid").read_text()
    done = far.deploy()
    assert done.copied_bytes == 0
    assert done.release == done.previous
    assert (far.root / "run" / "service.pid").read_text() == pid


def test_the_token_is_in_the_url_and_nowhere_else(
    far: FarEnd, capsys: pytest.CaptureFixture[str]
) -> None:
    url = far.deploy().url
    assert url is not None
    token = url.partition("#token=")[2]
    secrets = far.root / "secrets"
    assert parse_environment(secrets.read_text()) == {"LUTLENS_TOKEN": token}
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert len(token) >= 24
    assert far.get("/api/v1/status")["token_required"]
    assert not [line for line in far.said if token in line]
    pid = (far.root / "run" / "service.pid").read_text().split()[0]
    assert token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert far.lutlens("logs", "--lines", "1000") == 0
    log = capsys.readouterr().out
    assert "http://" in log
    assert token not in log
    everything = [path for path in far.root.rglob("*") if path.is_file() and path != secrets]
    assert not [path for path in everything if token.encode() in path.read_bytes()]


def test_a_dry_run_says_every_step_and_does_none(
    far: FarEnd, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(far.root.rglob("*"))
    options = ["--device", "model", "--python", sys.executable, "--init", "none", "--json"]
    assert far.lutlens("deploy", str(far.overlays / "second"), *options, "--dry-run") == 0
    assert sorted(far.root.rglob("*")) == before
    captured = capsys.readouterr()
    would_be = json.loads(captured.out)
    assert (would_be["overlay"], would_be["url"]) == ("second", None)
    steps_in_order = ["would copy", "overlays/second/overlay.json", "sha256sum", "-m venv", "pip"]
    places = [captured.err.index(step) for step in [*steps_in_order, "rehearsal", "activate"]]
    assert places == sorted(places)


def test_what_does_not_get_ready_is_taken_back_and_tried_again_it_replaces(far: FarEnd) -> None:
    first = far.status()["release"]
    with socket.create_server(("0.0.0.0", 0)) as taken:
        service = replace(far.plan.service, port=taken.getsockname()[1])
        message = far.fails("second", service=service)
    assert "second does not run: its service ended before it was ready" in message
    assert f"Release {first} is back" in message
    assert "address already in use" in message.lower()

    far.plan = replace(far.plan, service=service)
    done = far.deploy("second")
    assert done.previous == first
    assert done.copied_bytes == 0, "what was wrong was not its files"
    assert far.get("/api/v1/status")["overlay"]["name"] == "second"
    assert far.status()["other_releases"] == [first]


def test_a_flipped_bit_is_found_before_anything_is_installed(far: FarEnd) -> None:
    flip = (
        "printf '\\377' | dd of=overlays/second/vectors.npz bs=1 seek=99 conv=notrunc 2>/dev/null"
    )
    far.server.tool("sha256sum", f'{flip}\nexec "$REAL" "$@"')
    message = far.fails(service=replace(far.plan.service, k=1))
    assert "verifying every file's hash" in message
    assert "overlays/second/vectors.npz: FAILED" in message


def test_a_core_of_another_build_fails_the_rehearsal(far: FarEnd) -> None:
    """The far end's device answers with another build id, as a bitstream of another build would."""
    folder = far.root.parent / "sitecustomize"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "from lutlens.host.devices import base\n"
        "real = base.SimulatedDevice._read\n"
        "def read(self, address):\n"
        "    return real(self, address) ^ (address & 0xFFF == 0x00C)\n"
        "base.SimulatedDevice._read = read\n"
    )
    far.server.tool("env", f'PYTHONPATH={folder} exec "$REAL" "$@"')
    message = far.fails(service=replace(far.plan.service, k=1))
    assert "rehearsing" in message
    assert "register BUILD_ID holds" in message
    assert "of another build" in message


def test_a_wrong_build_id_in_the_manifest_never_leaves_this_machine(
    far: FarEnd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(far.overlays / "second", tmp_path / "second")
    text = (copy / "overlay.json").read_text()
    build_id = json.loads(text)["build_id"]
    (copy / "overlay.json").write_text(text.replace(f'"{build_id}"', '"0123456789abcdef"'))
    assert far.lutlens("deploy", str(copy), "--device", "model") == 2
    assert "build_id must be the first 16 digits" in capsys.readouterr().err


def test_a_board_needs_a_bitstream(far: FarEnd) -> None:
    message = far.fails(service=replace(far.plan.service, device="board"))
    assert "second.bit" in message
    assert "--device model" in message


def test_a_dropped_connection_leaves_the_old_service_and_the_next_try_succeeds(far: FarEnd) -> None:
    with breaking_connection(far.server.port, after_bytes=150_000) as port:
        known = far.server.known_hosts
        known.write_text(
            known.read_text() + known.read_text().replace(str(far.server.port), str(port))
        )
        target = replace(far.target, port=port)
        message = far.fails(target=target, service=replace(far.plan.service, k=1))
    assert message.startswith("copying: the connection to 127.0.0.1 was lost")
    assert "runs on" in message


def test_too_little_room_is_said_before_anything_is_copied(
    far: FarEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DeploymentError, match=r"disk of 127\.0\.0\.1 is full: .* MB are free"):
        far.deploy(root=str(tmp_path / "root"))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_said(far: FarEnd, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "none", small]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(
            f"root may mount a small disk; users, and most containers' root, may not: {mounted.stderr}"
        )
    try:
        files = {"a": bytes(50_000), "b": bytes(200_000)}
        full = pytest.raises(DeploymentError, match=r"^copying: .*/b: the disk of .* is full")
        with Connection(far.target) as connection, full:
            connection.upload(files, str(small), doing="copying", told=lambda count: None)
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_wrong_password_is_said_and_not_repeated(
    far: FarEnd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
    assert far.lutlens("status", "--password-stdin", login=False) == 1
    captured = capsys.readouterr()
    assert "the password is not accepted" in captured.err
    assert SECRET not in captured.err + captured.out
    assert SECRET not in repr(replace(far.target, password=SECRET))


def test_an_unknown_host_key_is_refused_with_the_way_to_accept_it(
    far: FarEnd, tmp_path: Path
) -> None:
    known_hosts = tmp_path / "ssh" / "known_hosts"
    stranger = replace(far.target, known_hosts=known_hosts)
    with pytest.raises(DeploymentError, match="--host-key SHA256:") as caught:
        Connection(stranger)
    fingerprint = str(caught.value).split()[-1]
    shown = subprocess.run(
        ["ssh-keygen", "-lf", far.server.key.with_name("host.pub")], capture_output=True, text=True
    )
    assert fingerprint in shown.stdout
    assert not known_hosts.exists()
    with pytest.raises(DeploymentError, match=r"not SHA256:wrong"):
        Connection(replace(stranger, host_key="SHA256:wrong"))
    Connection(replace(stranger, host_key=fingerprint)).__exit__(None, None, None)
    with Connection(stranger) as remembered:
        assert remembered.run(["echo", "a b"], doing="test").output == "a b\n"


def test_a_changed_host_key_is_refused(far: FarEnd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    name, kind, _ = far.server.known_hosts.read_text().splitlines()[0].split()
    other = far.server.key.with_suffix(".pub").read_text().split()[1]
    known_hosts.write_text(f"{name} {kind} {other}\n")
    with pytest.raises(DeploymentError, match=r"host key has changed to SHA256:.*ssh-keygen -R"):
        Connection(replace(far.target, known_hosts=known_hosts))


def test_nobody_there_and_no_python_there(far: FarEnd) -> None:
    with pytest.raises(DeploymentError, match="nothing answers at port"):
        Connection(replace(far.target, port=free_port()))
    assert "has no Python at /nowhere/python; --python" in far.fails(python="/nowhere/python")


@pytest.mark.parametrize("password", [None, SECRET])
def test_root_by_sudo(far: FarEnd, password: str | None) -> None:
    """sudo's stand-in asks as sudo does: `-n` fails where a password is needed, `-S` reads it."""
    far.server.tool(
        "sudo",
        f'if [ "$1" = -n ]; then echo "sudo: a password is required" >&2; exit 1; fi\n'
        f'read -r given; [ "$given" = {SECRET} ] || {{ echo "sudo: 1 incorrect" >&2; exit 1; }}\n'
        'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
    )
    with Connection(far.target) as connection:
        connection.is_root = False
        connection.target = replace(far.target, password=password)
        if password is None:
            with pytest.raises(DeploymentError, match=r"does not become root by sudo"):
                connection.run(["id"], doing="asking", root=True)
        else:
            assert connection.run(["echo", "a b"], doing="asking", root=True).output == "a b\n"
            connection.target = replace(far.target, password="another")
            with pytest.raises(DeploymentError, match=r"does not become root") as caught:
                connection.run(["id"], doing="asking", root=True)
            assert "another" not in str(caught.value)


def test_the_hardware_in_the_loop_suite_runs_there_and_the_service_comes_back(
    far: FarEnd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The device checks at the far end, its service stopped; the REST contract over the network, with the token."""
    before = far.status()
    here, other = (str(far.overlays / name) for name in ("first", "second"))
    if before["overlay"] != "first":
        here, other = other, here
    monkeypatch.setattr(reference, "_export", partial(random_images, Path(here)))
    options = ["--soak", "0", "--out", str(tmp_path), "--json"]
    assert far.lutlens("hil", here, *options, "--record") == 2
    assert "runs device model" in capsys.readouterr().err
    assert far.lutlens("hil", other, *options) == 1
    assert "runs another overlay than" in capsys.readouterr().err
    pid = (far.root / "run" / "service.pid").read_text()

    assert far.lutlens("hil", here, *options) == 0
    report = Report.model_validate_json(capsys.readouterr().out)
    assert report == Report.load(tmp_path / REPORT_NAME)
    assert (report.device.kind, report.device.host) == ("model", "127.0.0.1")
    assert report.overlay.build_id == before["build_id"]
    states = {outcome.check: outcome.state for outcome in report.outcomes}
    assert {name for name, state in states.items() if state == "not applicable"} == {
        *("accuracy", "clocks", "clock", "rate")
    }
    assert {states[name] for name in ("registers", "images", "rings", "rest")} == {"passed"}
    after = far.status()
    assert after == before
    assert (far.root / "run" / "service.pid").read_text() != pid
    assert not (far.root / BORROWED).exists()


def random_images(directory: Path, arguments: list[str]) -> None:
    """In the place of `lutlens.training.test_set`, which knows real ones."""
    geometry = Manifest.load(directory).geometry
    size = (12, geometry.image_height, geometry.image_width)
    images = np.random.default_rng(5).integers(0, 256, size, np.uint8)
    about = {"name": np.array("random"), "sha256": np.array("00" * 32)}
    np.savez(arguments[1], images=images, labels=np.zeros(12, np.int64), **about)


def test_undeploy_leaves_nothing(far: FarEnd, capsys: pytest.CaptureFixture[str]) -> None:
    assert far.lutlens("undeploy", "--json") == 0
    assert json.loads(capsys.readouterr().out)["release"]
    assert not far.root.exists()
    with pytest.raises(OSError, match="refused"):
        far.get("/healthz")
    assert far.lutlens("status") == 1
    assert "nothing is deployed under" in capsys.readouterr().err
