"""The steps of `lutlens deploy`, and of `status`, `logs` and `undeploy`.

Until the last step nothing of what runs at the far end is touched. The last step is one command
there, which ends with the new release answering or with the old one back, connection or not.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lutlens.board.activation import COMPLETE, CURRENT, FACTS, KEPT, Release
from lutlens.board.manifest import Manifest
from lutlens.board.service.settings import TOKEN_VARIABLE, ServiceSettings
from lutlens.host.deployment import DeploymentError, packages, release, unit
from lutlens.host.deployment.packages import Facts
from lutlens.host.deployment.release import HASHES, WHEELS, Package
from lutlens.host.deployment.ssh import Connection, Target
from lutlens.host.deployment.unit import ServiceOptions
from lutlens.host.paths import REPOSITORY

PYNQ_PYTHON = "/usr/local/share/pynq-venv/bin/python"
DEFAULT_ROOT = "~/lutlens"
INSTALL_S = 1800.0
SPARE_BYTES = 8 << 20

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to deploy, and how.

    python: the far end's environment to layer the release over. root: the directory there.
    init: "systemd", "none", or None: what is found. offline: collect packages here. patience_s: how
    long the service may take to get ready. dry_run: look at the far end, and say what would be done.
    """

    overlay: Path
    service: ServiceOptions
    python: str = PYNQ_PYTHON
    root: str = DEFAULT_ROOT
    init: str | None = None
    offline: bool = False
    patience_s: float = 120.0
    dry_run: bool = False


@dataclass(frozen=True)
class Deployed:
    """What runs now. url: with the token, if the service asks for one; None after a dry run."""

    host: str
    release: str
    overlay: str
    build_id: str
    previous: str | None
    packages: dict[str, str]
    copied_bytes: int
    url: str | None


def deploy(target: Target, plan: Plan, tell: Tell) -> Deployed:
    """Bring an overlay to a board, and let it run there. Raises ManifestError, DeploymentError."""
    manifest = Manifest.load(plan.overlay)
    manifest.verify(plan.overlay)
    if plan.service.device == "board" and not manifest.bitstream:
        raise DeploymentError(
            f"{plan.overlay / manifest.bit_name}: there is no bitstream yet, and a board needs one; "
            "--device model deploys to a machine without programmable logic"
        )
    with tempfile.TemporaryDirectory() as scratch:
        tell("building the wheel")
        wheel = release.build_wheel(Path(scratch))
        tell(f"connecting to {target}")
        with Connection(target) as far:
            facts = look(far, plan)
            tell(
                f"found {facts.machine}, Python {facts.python}, running {facts.current or 'nothing'}"
            )
            pins, collected = _packages(plan, facts, wheel, Path(scratch, "collected"), tell)
            package = release.assemble(
                plan.overlay,
                manifest,
                {wheel.name: wheel.read_bytes(), **collected},
                facts,
                _named(plan.service, target),
                plan.python,
                plan.init or ("systemd" if facts.systemd else "none"),
                plan.patience_s,
            )
            steps = _Steps(far, plan, facts, package, wheel.name, pins, tell)
            return steps.rehearse_only() if plan.dry_run else steps.carry_out()


def look(far: Connection, plan: Plan) -> Facts:
    """Run `probe.py` at the far end."""
    command = [plan.python, "-", plan.root, *unit.LOGIN_VARIABLES]
    result = far.run(
        command, doing="looking at the far end", stdin=packages.PROBE.read_bytes(), check=False
    )
    if result.status in (126, 127):
        raise DeploymentError(
            f"{far.target.host} has no Python at {plan.python}; --python says where it is"
        )
    try:
        return Facts(**json.loads(result.output))
    except (ValueError, TypeError) as error:
        raise DeploymentError(f"looking at the far end: {result.message}") from error


@dataclass(frozen=True)
class _Steps:
    far: Connection
    plan: Plan
    facts: Facts
    package: Package
    wheel: str
    pins: dict[str, str]
    tell: Tell

    @property
    def complete(self) -> bool:
        """Whether this very release has been installed there before."""
        return self.package.release.release in self.facts.complete

    @property
    def directory(self) -> str:
        return self.package.directory

    def carry_out(self) -> Deployed:
        if not self.complete:
            self._check_space()
            self.far.run(["rm", "-rf", self.directory], doing="clearing the release's place")
            self._copy()
        for doing, command in self._commands():
            self.tell(doing)
            self.far.run(command, doing=doing, timeout_s=INSTALL_S)
        token = self._token()
        previous = self._switch()
        return self._deployed(previous, self._url(token))

    def rehearse_only(self) -> Deployed:
        """Say what `carry_out` would do."""
        if not self.complete:
            self._check_space()
            for name, data in self.package.files.items():
                self.tell(f"would copy {len(data):>9,} bytes to {self.directory}/{name}")
        for doing, command in self._commands():
            self.tell(f"would be {doing}: {shlex.join(command)}")
        if self.package.release.init == "systemd":
            self.tell("would write and enable /etc/systemd/system/lutlens.service")
        doing, command = self._activation()
        self.tell(f"would be {doing}: {shlex.join(command)}")
        return self._deployed(self.facts.current, None)

    def _deployed(self, previous: str | None, url: str | None) -> Deployed:
        about = self.package.release
        return Deployed(
            host=self.far.target.host,
            release=about.release,
            overlay=about.overlay,
            build_id=about.build_id,
            previous=previous,
            packages=self.pins,
            copied_bytes=0 if self.complete else self.package.size,
            url=url,
        )

    def _check_space(self) -> None:
        needs = self.package.needs + SPARE_BYTES
        if needs > self.facts.free_bytes:
            raise DeploymentError(
                f"the disk of {self.far.target.host} is full: {self.facts.root} needs "
                f"{needs / 1e6:.0f} MB, {self.facts.free_bytes / 1e6:.0f} MB are free; what runs there "
                f"runs on"
            )

    def _copy(self) -> None:
        files, sent, told = self.package.files, 0, 0
        self.tell(f"copying {len(files)} files, {self.package.size / 1e6:.1f} MB")

        def progress(count: int) -> None:
            nonlocal sent, told
            sent += count
            if sent - told >= 4 << 20:
                told = sent
                self.tell(f"copied {sent / 1e6:.0f} of {self.package.size / 1e6:.0f} MB")

        self.far.upload(files, self.directory, doing="copying", told=progress)

    def _commands(self) -> Iterator[tuple[str, list[str]]]:
        """From verifying to the rehearsal; for a release that is there already, verifying alone."""
        where, python = self.directory, f"{self.directory}/venv/bin/python"
        about = self.package.release
        check = shlex.join(["cd", where]) + f" && sha256sum --check --quiet --strict {HASHES}"
        yield "verifying every file's hash", ["sh", "-c", check]
        if not self.complete:
            for command in packages.layer_commands(f"{where}/venv", self.plan.python, self.facts):
                yield f"layering over {self.plan.python}", command
            wheels = f"{where}/{WHEELS}" if self.plan.offline else None
            for command in packages.install_commands(self.pins, python, wheels):
                yield f"installing {len(self.pins)} packages", command
            pip = [
                python,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "install",
                "--quiet",
                "--no-deps",
            ]
            yield "installing lutlens", [*pip, "--no-index", f"{where}/{WHEELS}/{self.wheel}"]
            rehearsal = ["env", f"{unit.REPOSITORY_VARIABLE}={where}", python, "-m"]
            rehearsal += ["lutlens.host.deployment.rehearsal", f"{where}/overlays/{about.overlay}"]
            yield "rehearsing", [*rehearsal, "--device", about.device]
            yield "marking it complete", ["touch", f"{where}/{COMPLETE}"]

    def _activation(self) -> tuple[str, list[str]]:
        about = self.package.release
        command = [
            f"{self.directory}/venv/bin/python",
            "-m",
            "lutlens.board.activation",
            "activate",
        ]
        command += [self.facts.root, about.release, "--patience", f"{self.plan.patience_s:g}"]
        return f"switching to {about.release}, {KEPT} releases kept", command

    def _switch(self) -> str | None:
        doing, command = self._activation()
        self.tell(doing)
        # Twice the patience: the old release may have to come back.
        patience = 2 * self.plan.patience_s + 60
        root = needs_root(self.package.release)
        result = self.far.run(command, doing=doing, root=root, check=False, timeout_s=patience)
        outcome = _json(result.output, doing, result.message)
        if problem := outcome.get("problem"):
            raise DeploymentError(
                f"{self.package.release.overlay} does not run: {problem}. {_what_runs(outcome)}"
                + (
                    f"\nIts log ended with:\n{outcome['log'].rstrip()}"
                    if outcome.get("log")
                    else ""
                )
            )
        previous: str | None = outcome.get("previous")
        return previous

    def _token(self) -> str | None:
        """The service's token, the same for every release; made here the first time."""
        if ServiceSettings(host=self.plan.service.listen).loopback:
            return None
        path = f"{self.facts.root}/secrets"
        if text := self.far.read_secret(path):
            return text.strip().partition("=")[2]
        token = secrets.token_urlsafe(24)
        self.far.write_secret(path, f"{TOKEN_VARIABLE}={token}\n")
        return token

    def _url(self, token: str | None) -> str:
        options = self.plan.service
        outside = self.far.target.host if options.listen in ("0.0.0.0", "::") else options.listen
        host = f"[{outside}]" if ":" in outside else outside
        return f"http://{host}:{options.port}/" + (f"#token={token}" if token else "")


def manage(target: Target, root: str, action: str) -> dict[str, Any]:
    """Status, or removal, of what is deployed. Raises DeploymentError if that is nothing."""
    with Connection(target) as far:
        command, as_root = _activation_command(far, root, action)
        result = far.run(command, doing=action, root=as_root, check=False)
        return _json(result.output, action, result.message)


def follow(target: Target, root: str, lines: int, more: bool) -> Iterator[str]:
    """The service's log, as it comes. Raises DeploymentError if nothing is deployed."""
    with Connection(target) as far:
        command, as_root = _activation_command(far, root, "log")
        command += ["--lines", str(lines), *(["--follow"] if more else [])]
        yield from far.stream(command, doing="reading the log", root=as_root)


def current_release(far: Connection, root: str) -> tuple[str, Release]:
    """The root directory's absolute path, and what runs there. Raises DeploymentError if nothing is deployed."""
    doing = "looking for a deployment"
    shell = f"cd {root} && pwd -P && readlink {CURRENT} && cat {CURRENT}/{FACTS}"
    result = far.run(["sh", "-c", shell], doing=doing, check=False)
    lines = result.output.splitlines()
    if result.status or len(lines) < 3:
        raise DeploymentError(f"{far.target.host}: nothing is deployed under {root}")
    try:
        return lines[0], Release(**_json("".join(lines[2:]), doing, result.message))
    except TypeError as error:
        raise DeploymentError(f"{doing}: {CURRENT}/{FACTS}: {error}") from error


def _activation_command(far: Connection, root: str, action: str) -> tuple[list[str], bool]:
    """The far end's own tool, and whether it has to be root."""
    where, about = current_release(far, root)
    python = f"{where}/{CURRENT}/venv/bin/python"
    return [python, "-m", "lutlens.board.activation", action, where], needs_root(about)


def needs_root(about: Release) -> bool:
    """Whether a release is root's to start and stop: systemd's units are, and so is the board's logic."""
    return about.init == "systemd" or about.device == "board"


def _packages(
    plan: Plan, facts: Facts, wheel: Path, folder: Path, tell: Tell
) -> tuple[dict[str, str], dict[str, bytes]]:
    """Pinned versions of what is missing at the far end, and the files if they are collected here."""
    extra = "board" if plan.service.device == "board" else "host"
    requirements = packages.of_wheel(release.metadata_of(wheel), extra)
    pins = packages.missing(requirements, facts, (REPOSITORY / "constraints.txt").read_text())
    if pins:
        tell("missing there: " + ", ".join(f"{name} {version}" for name, version in pins.items()))
    if not plan.offline or not pins:
        return pins, {}
    tell(f"collecting {len(pins)} packages for {facts.machine}, Python {facts.python}")
    folder.mkdir()
    return pins, packages.collect(pins, facts, folder)


def _named(options: ServiceOptions, target: Target) -> ServiceOptions:
    """With the name that the user knows the board by, for browsers to call it by."""
    try:
        ipaddress.ip_address(target.host)
    except ValueError:
        return replace(options, allow_hosts=(target.host, *options.allow_hosts))
    return options


def _what_runs(outcome: dict[str, Any]) -> str:
    if outcome.get("previous") is None:
        return "Nothing ran there before"
    if outcome.get("restored"):
        return f"Release {outcome['previous']} is back"
    return (
        f"Release {outcome['previous']}, which ran before, did not come back either: `lutlens logs`"
    )


def _json(text: str, doing: str, message: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DeploymentError(f"{doing}: {message}")
    return found
