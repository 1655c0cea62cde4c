"""How a deployed release is run on this machine: by systemd, or from its unit file without one.

Needs the standard library only. A release's directory holds its unit, `lutlens.service`, which
refers to everything through `ROOT/current`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

UNIT = "lutlens.service"
SYSTEMD_UNITS = Path("/etc/systemd/system")
STOP_S = 20.0
COMMAND_S = 60.0


class ServiceError(RuntimeError):
    """The init system, or the operating system, does not do what it was asked."""


class Service(Protocol):
    """The one service of a root directory."""

    def start(self) -> None:
        """Start what `ROOT/current` is, not waiting until it is ready."""

    def stop(self) -> None:
        """Stop it; nothing happens if it does not run."""

    def alive(self) -> bool:
        """Whether it runs, or starts for the first time."""

    def log(self, lines: int) -> str:
        """The last lines that it wrote."""

    def log_command(self, lines: int, follow: bool) -> list[str]:
        """The command that shows them."""

    def remove(self) -> None:
        """Stop it, and leave no trace of it outside the root directory."""


def service(kind: str, root: Path) -> Service:
    """kind: "systemd", or "none": run from the unit file. Raises ServiceError for another."""
    if kind == "systemd":
        return Systemd(root)
    if kind == "none":
        return Runner(root)
    raise ServiceError(f"init: {kind}; must be systemd or none")


class Systemd:
    """A system unit; needs root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def start(self) -> None:
        beside = SYSTEMD_UNITS / f".{UNIT}.new"
        shutil.copyfile(self._root / "current" / UNIT, beside)
        os.replace(beside, SYSTEMD_UNITS / UNIT)
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", UNIT, check=False)
        self._systemctl("enable", "--quiet", UNIT)
        self._systemctl("restart", "--no-block", UNIT)

    def stop(self) -> None:
        self._systemctl("stop", UNIT, check=False)

    def alive(self) -> bool:
        shown = self._systemctl("show", "--property=ActiveState,NRestarts", UNIT, check=False)
        state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        running = state.get("ActiveState") in ("active", "activating", "reloading")
        return running and state.get("NRestarts", "0") == "0"

    def log(self, lines: int) -> str:
        return _run(self.log_command(lines, follow=False), check=False)

    def log_command(self, lines: int, follow: bool) -> list[str]:
        command = ["journalctl", "--no-pager", "--unit", UNIT, "--lines", str(lines)]
        return [*command, "--follow"] if follow else command

    def remove(self) -> None:
        self._systemctl("disable", "--now", "--quiet", UNIT, check=False)
        (SYSTEMD_UNITS / UNIT).unlink(missing_ok=True)
        self._systemctl("daemon-reload")

    @staticmethod
    def _systemctl(*arguments: str, check: bool = True) -> str:
        return _run(["systemctl", *arguments], check=check)


class Runner:
    """The unit's command, environment and working directory, without an init system.

    For containers and tests: it starts nothing again, neither after a crash nor after a reboot.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pid_file = root / "run" / "service.pid"
        self._log_file = root / "run" / "service.log"

    def start(self) -> None:
        self.stop()
        command, environment = parse_unit(self._root / "current" / UNIT)
        self._pid_file.parent.mkdir(exist_ok=True)
        with self._log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=self._root / "current",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{process.pid} {_started(process.pid)}")

    def stop(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                break
            os.killpg(self._pid(), sign)
            deadline = time.monotonic() + STOP_S
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.05)
        self._pid_file.unlink(missing_ok=True)

    def alive(self) -> bool:
        return self._pid() != 0

    def log(self, lines: int) -> str:
        return _run(self.log_command(lines, follow=False), check=False)

    def log_command(self, lines: int, follow: bool) -> list[str]:
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(self._log_file)]

    def remove(self) -> None:
        self.stop()

    def _pid(self) -> int:
        """Of the process that was started, and not of a later one that got its number; 0 if none."""
        try:
            pid, started = self._pid_file.read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if _started(int(pid)) == started else 0


def parse_unit(path: Path) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a unit file, of what we write into ours: no specifiers, no lists."""
    command: list[str] = []
    environment = {"PATH": os.defpath, "HOME": str(Path.home())}
    for line in path.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "EnvironmentFile":
            file = Path(value.removeprefix("-"))
            if file.exists() or not value.startswith("-"):
                environment.update(parse_environment(file.read_text()))
        elif key == "ExecStart":
            command = [_plain(word) for word in shlex.split(value)]
    if not command:
        raise ServiceError(f"{path}: has no ExecStart=")
    return command, environment


def parse_environment(text: str) -> dict[str, str]:
    """NAME="value" lines."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(word.split("=", 1) for line in lines for word in shlex.split(line))


def _plain(word: str) -> str:
    return word.replace("%%", "%").replace("$$", "$")


def _started(pid: int) -> str:
    """When a process was started, in clock ticks since boot; "" if it has ended (proc(5), stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _run(command: Sequence[str], *, check: bool) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_S, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"{shlex.join(command)}: {error}") from error
    if check and done.returncode:
        raise ServiceError(f"{shlex.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
