"""Checks at the far end of an ssh connection: of the release that is deployed there, its service stopped meanwhile.

The service is stopped, and started again, by one command at the far end that carries on without a connection
(`lutlens.board.activation`, `borrow`). Its REST contract is checked afterwards, over the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from lutlens.board.activation import BORROWED, CURRENT, Release
from lutlens.board.hil import suite
from lutlens.board.hil.bench import Bench, NotApplicable, Service
from lutlens.board.hil.reference import Reference
from lutlens.board.hil.report import CHANGES_WITH_THE_REPORT, DeviceFacts, Outcome
from lutlens.board.manifest import MANIFEST_NAME, Manifest, ManifestError
from lutlens.board.schema import parse
from lutlens.board.services import UNIT
from lutlens.host.deployment import DeploymentError
from lutlens.host.deployment.deploy import current_release, needs_root
from lutlens.host.deployment.ssh import Connection, ConnectionLost
from lutlens.host.hil.events import Listener, Ran, run_checks
from lutlens.host.paths import REPOSITORY

LIMIT_S = 3600.0
"""For everything but the soak; what hangs longer is killed at the far end."""
PATIENCE_S = 120.0
SILENCE_S = PATIENCE_S + 60.0
"""The far end says every few seconds that it is alive, but while its service starts."""
REFERENCE = f"{BORROWED}/reference.npz"
KEPT_LINES = 8
_LISTEN = re.compile(r"^ExecStart=.* --host (\S+)", re.MULTILINE)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Deployed:
    """What is deployed at the far end. root: directory there. directory: the same overlay, here."""

    far: Connection
    root: str
    release: Release
    directory: Path
    manifest: Manifest
    loopback: bool

    @property
    def port(self) -> int:
        return int(self.release.url.rpartition(":")[2])


def find(far: Connection, root: str, directory: Path | None) -> Deployed:
    """The release that runs there, and the same overlay here.

    directory: None for the shipped overlay of the same name.
    Raises DeploymentError if nothing is deployed, or another overlay, ManifestError if there is none here.
    """
    where, release = current_release(far, root)
    directory = directory or REPOSITORY / "overlays" / release.overlay
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    path = f"{where}/{CURRENT}/overlays/{release.overlay}/{MANIFEST_NAME}"
    text = far.run(["cat", path], doing="reading the overlay's manifest").output
    try:
        there = parse(Manifest, text.encode(), path, ManifestError)
    except ManifestError as error:
        raise DeploymentError(f"{far.target.host}: {error}") from error
    if difference := _difference(manifest, there):
        raise DeploymentError(
            f"{far.target.host} runs another overlay than {directory}: {difference}. "
            "Deploy this one first, or name the directory of that one"
        )
    unit = far.run(["cat", f"{where}/{CURRENT}/{UNIT}"], doing="reading the service's unit").output
    listen = _LISTEN.search(unit)
    loopback = listen is not None and listen[1] in _LOOPBACK
    return Deployed(far, where, release, directory, manifest, loopback)


def run(deployed: Deployed, reference: Reference | None, soak_s: float, listener: Listener) -> Ran:
    """All checks. Raises DeploymentError if the connection is lost, or the service does not come back."""
    with _sent(deployed, reference, listener):
        ran = _on_the_device(deployed, reference is not None, soak_s, listener)
    device = SimpleNamespace(kind=deployed.release.device)
    rest = [check for check in suite.CHECKS if check not in suite.ON_THE_DEVICE]

    @contextmanager
    def serving() -> Iterator[Service]:
        if deployed.loopback:
            raise NotApplicable("the service listens at the far end itself only")
        token = deployed.far.read_secret(f"{deployed.root}/secrets")
        host = deployed.far.target.host
        url = f"http://{f'[{host}]' if ':' in host else host}:{deployed.port}"
        yield Service(url, token.strip().partition("=")[2] if token else None)

    with Bench(deployed.directory, device, reference, soak_s, serving, listener.told) as bench:
        return replace(ran, outcomes=[*ran.outcomes, *run_checks(rest, bench, listener)])


@contextmanager
def _sent(deployed: Deployed, reference: Reference | None, listener: Listener) -> Iterator[None]:
    """The test images are at the far end."""
    if reference is None:
        yield
        return
    with TemporaryDirectory() as scratch:
        path = Path(scratch, "reference.npz")
        reference.save(path)
        data = path.read_bytes()
    listener.told(f"sending {len(reference):,} test images, {len(data) / 1e6:.1f} MB")
    far, folder = deployed.far, f"{deployed.root}/{BORROWED}"
    far.upload({REFERENCE: data}, deployed.root, doing="sending test images", told=lambda _: None)
    try:
        yield
    finally:
        with suppress(
            DeploymentError
        ):  # no connection any more; `lutlens undeploy` removes them, too
            root = needs_root(deployed.release)
            far.run(["rm", "-rf", folder], doing="removing the test images", root=root)


def _on_the_device(deployed: Deployed, with_images: bool, soak_s: float, listener: Listener) -> Ran:
    """The checks that need the device, and the service running again."""
    release, root = deployed.release, deployed.root
    python = f"{root}/{CURRENT}/venv/bin/python"
    command = [python, "-m", "lutlens.board.activation", "--limit", f"{LIMIT_S + soak_s:g}"]
    command += ["--patience", f"{PATIENCE_S:g}", "borrow", root, "--"]
    command += [python, "-m", "lutlens.host.hil.far_end"]
    command += [f"{root}/{CURRENT}/overlays/{release.overlay}", "--device", release.device]
    command += ["--soak", f"{soak_s:g}"]
    command += ["--reference", f"{root}/{REFERENCE}"] if with_images else []
    doing = "checking the device"
    heard = _Heard(listener)
    pieces = deployed.far.stream(
        command, doing=doing, root=needs_root(release), silence_s=SILENCE_S
    )
    try:
        for line in _lines(pieces):
            heard.hear(line)
    except ConnectionLost as error:
        raise DeploymentError(
            f"{doing}: the connection to {deployed.far.target.host} was lost. The checks end there, and "
            "the service comes back by itself: `lutlens status`"
        ) from error
    last = heard.last
    if last is not None and (problem := last["problem"]):
        if "was_running" not in last:  # the device was not borrowed at all
            raise DeploymentError(f"{doing}: {problem}")
        host = deployed.far.target.host
        raise DeploymentError(
            f"the service on {host} does not run again: {problem}: `lutlens logs`"
        )
    if last is None or not heard.began:
        raise DeploymentError(
            f"{doing}: {heard.complaint or 'the far end said nothing'}. If the release there is older "
            "than this lutlens, deploy it again"
        )
    return heard.result(last, deployed)


class _Heard:
    """What the far end said: outcomes, facts, and lines that are no events."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._outcomes: list[Outcome] = []
        self._facts: dict[str, Any] | None = None
        self.began = False
        self._others: list[str] = []
        self.last: dict[str, Any] | None = None

    @property
    def complaint(self) -> str:
        return "\n".join(self._others[-KEPT_LINES:])

    def hear(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self._others.append(line)
        elif "begin" in event:
            self.began = True
            self._listener.begin(event["begin"])
        elif "told" in event:
            self._listener.told(event["told"])
        elif "outcome" in event:
            outcome = Outcome.model_validate(event["outcome"])
            self._outcomes.append(outcome)
            self._listener.ended(outcome)
        elif "device" in event:
            self._facts = event
        elif "problem" in event:
            self.last = {"status": None, **event}

    def result(self, last: dict[str, Any], deployed: Deployed) -> Ran:
        """What was run; where it broke off, the check at work has failed, and the others were not done."""
        host = deployed.far.target.host
        if self._facts is not None:
            device = DeviceFacts.model_validate(self._facts["device"])
            versions = dict(self._facts["tool_versions"])
            return Ran(device.model_copy(update={"host": host}), self._outcomes, versions)
        why = "was killed" if last["status"] is None else f"ended with status {last['status']}"
        if self.complaint:
            why += f": {self.complaint}"
        missing = suite.ON_THE_DEVICE[len(self._outcomes) :]
        for i, check in enumerate(missing):
            outcome = Outcome(
                check=check.name,
                state="skipped" if i else "failed",
                detail="not reached"
                if i
                else f"the process at the far end {why}"[: suite.MAX_DETAIL],
                seconds=0,
            )
            self._outcomes.append(outcome)
            self._listener.ended(outcome)
        kind: Any = deployed.release.device
        device = DeviceFacts(kind=kind, name="not told", host=host, machine="not told", model=None)
        return Ran(device, self._outcomes, {})


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from lines
    if rest:
        yield rest


def _difference(ours: Manifest, theirs: Manifest) -> str | None:
    """What of two manifests is not of the same build; None if nothing."""
    if ours.build_id != theirs.build_id:
        return f"build {theirs.build_id} there, {ours.build_id} here"
    for name in sorted({*ours.files, *theirs.files}.difference(CHANGES_WITH_THE_REPORT)):
        if ours.files.get(name) != theirs.files.get(name):
            return f"files.{name} differs"
    return None
