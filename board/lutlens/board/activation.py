"""`python -m lutlens.board.activation`: what `lutlens deploy` does on this machine in one go.

    activate ROOT RELEASE   let it run; if it does not get ready, bring back what ran before
    status ROOT             what runs
    log ROOT                what it wrote
    remove ROOT             stop it and delete it
    borrow ROOT COMMAND...  run a command that needs the device, while the service is stopped

Each prints one JSON object, but for `log`; of `borrow` it is the last line, after what the command printed. It needs no
connection to whoever started it: once begun, a switch is carried through, or taken back. Standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lutlens.board.services import UNIT, ServiceError, parse_unit, service

CURRENT, RELEASES, FACTS, COMPLETE = "current", "releases", "release.json", "complete"
BORROWED = "hil"
"""Directory of what was sent for a borrowed device; it stays where a connection broke."""
KEPT = 2
POLL_S = 0.2
ANSWER_S = 5.0
LOG_LINES = 15


@dataclass(frozen=True)
class Release:
    """`release.json`: what a release is, and where its service answers on this machine."""

    release: str
    overlay: str
    build_id: str
    device: str
    python: str
    init: str
    url: str


@dataclass(frozen=True)
class Outcome:
    """problem: why the release does not run; None if it does.

    log: the end of what the failed service wrote. previous: the release that ran before.
    restored: whether that answers again; None if there was none, or no need.
    """

    problem: str | None
    log: str = ""
    previous: str | None = None
    restored: bool | None = None


def read_release(directory: Path) -> Release:
    """What a release's directory says of it. Raises OSError, or ValueError that names file and field."""
    path = directory / FACTS
    try:
        facts = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    names = [field.name for field in fields(Release)]
    if not isinstance(facts, dict):
        raise ValueError(f"{path}: must be an object of {', '.join(names)}")
    for name in (*names, *facts):
        if name not in facts:
            raise ValueError(f"{path}: {name}: missing")
        if name not in names:
            raise ValueError(f"{path}: {name}: unknown; it has {', '.join(names)}")
        if not isinstance(facts[name], str):
            raise ValueError(f"{path}: {name}: {facts[name]!r}, must be a string")
    return Release(**facts)


def current(root: Path) -> str | None:
    """The release that `ROOT/current` points at."""
    try:
        return os.path.basename(os.readlink(root / CURRENT))
    except OSError:
        return None


def activate(root: Path, name: str, patience_s: float) -> Outcome:
    """Let a release run. The programmable logic holds one overlay, so the one before has to stop first."""
    previous = current(root)
    new = read_release(root / RELEASES / name)
    if previous == name and not problem_of(new):
        return Outcome(None, previous=previous)
    if previous:
        _service(root, previous).stop()
    problem, log = _let_run(root, name, patience_s)
    if problem is None:
        _prune(root, keep={name, previous})
        return Outcome(None, previous=previous)
    if previous in (None, name):
        if previous is None:
            (root / CURRENT).unlink()
        return Outcome(problem, log, previous)
    assert previous is not None
    worse, _ = _let_run(root, previous, patience_s)
    return Outcome(problem, log, previous, restored=worse is None)


def borrow(root: Path, command: Sequence[str], limit_s: float, patience_s: float) -> dict[str, Any]:
    """Run a command in the service's environment while that is stopped; it comes back whatever becomes of the command.

    limit_s: the command is killed after it. patience_s: the service gets ready within it.

    status: the command's; None if it was killed. problem: why the service does not run again; `was_running` says
    whether it did before.
    """
    name = current(root)
    if name is None:
        raise ServiceError(f"nothing is deployed under {root}")
    running = _service(root, name)
    _, environment = parse_unit(root / CURRENT / UNIT)
    # One that systemd has had to start again runs, too, though it is not `alive` as a new release has to be.
    was_running = running.alive() or problem_of(read_release(root / CURRENT)) is None
    status = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through `finally`
    child = None
    problem: str | None = None
    try:
        running.stop()
        child = subprocess.Popen(
            command, env=environment, cwd=root, stdin=subprocess.DEVNULL, start_new_session=True
        )
        with suppress(subprocess.TimeoutExpired):
            status = child.wait(limit_s)
    finally:
        if child is not None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                child.wait(ANSWER_S)  # it may have the device open until then
        if was_running:
            problem, _ = _let_run(root, name, patience_s)
    return {"status": status, "was_running": was_running, "problem": problem}


def problem_of(release: Release) -> str | None:
    """Why the release does not answer as itself right now; None if it does."""
    try:
        with urllib.request.urlopen(f"{release.url}/readyz", timeout=ANSWER_S):
            pass
        with urllib.request.urlopen(f"{release.url}/api/v1/status", timeout=ANSWER_S) as answer:
            build_id = json.load(answer)["overlay"]["build_id"]
    except urllib.error.HTTPError as error:
        return f"{error.url} answers {error.code}"
    except (OSError, ValueError, LookupError, TypeError) as error:
        return f"{release.url} does not answer: {error}"
    if build_id != release.build_id:
        return f"{release.url} runs build {build_id}, not {release.build_id}: another service?"
    return None


def _let_run(root: Path, name: str, patience_s: float) -> tuple[str | None, str]:
    """Point `current` at a release and start it. What is wrong, if anything, and its log."""
    beside = root / f".{CURRENT}.new"
    beside.unlink(missing_ok=True)
    beside.symlink_to(Path(RELEASES, name))
    os.replace(beside, root / CURRENT)
    release, running = read_release(root / RELEASES / name), _service(root, name)
    deadline = time.monotonic() + patience_s
    try:
        running.start()
        while (problem := problem_of(release)) and time.monotonic() < deadline:
            if not running.alive():
                problem = "its service ended before it was ready"
                break
            time.sleep(POLL_S)
        else:
            problem = f"not ready within {patience_s:g} s: {problem}" if problem else None
        log = running.log(LOG_LINES) if problem else ""
        if problem:
            running.stop()
    except (ServiceError, OSError) as error:
        return str(error), ""
    return problem, log


def status(root: Path) -> dict[str, Any]:
    """What `lutlens status` shows."""
    name = current(root)
    if name is None:
        return {"release": None}
    release = read_release(root / RELEASES / name)
    problem = problem_of(release)
    kept = sorted(path.name for path in (root / RELEASES).iterdir() if path.name != name)
    running = _service(root, name).alive()
    return {**asdict(release), "running": running, "problem": problem, "other_releases": kept}


def remove(root: Path) -> dict[str, Any]:
    """Stop what runs; delete what a deployment made, and the root directory if that was all."""
    name = current(root)
    if name is not None:
        _service(root, name).remove()
    (root / CURRENT).unlink(missing_ok=True)
    for folder in (RELEASES, "run", BORROWED):
        shutil.rmtree(root / folder, ignore_errors=True)
    for file in ("secrets", "lock"):
        (root / file).unlink(missing_ok=True)
    with suppress(OSError):
        root.rmdir()
    return {"release": name}


def _service(root: Path, name: str) -> Any:
    return service(read_release(root / RELEASES / name).init, root)


def _prune(root: Path, keep: set[str | None]) -> None:
    releases = sorted((root / RELEASES).iterdir(), key=lambda path: path.stat().st_mtime)
    others = [path for path in releases if path.name not in keep]
    for path in others[: max(0, len(releases) - KEPT)]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One change at a time. Raises ServiceError."""
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ServiceError(f"{root}: another deployment is at work") from error
        yield


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 if what was asked for is so, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m lutlens.board.activation")
    parser.add_argument("action", choices=("activate", "status", "log", "remove", "borrow"))
    parser.add_argument("root", type=Path)
    parser.add_argument("what", nargs="*", help="the release, or the command")
    parser.add_argument("--patience", type=float, default=120.0)
    parser.add_argument("--limit", type=float, default=3600.0)
    parser.add_argument("--lines", type=int, default=100)
    parser.add_argument("--follow", action="store_true")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        if options.action == "log":
            return _show_log(options.root, options.lines, options.follow)
        if options.action == "status":
            result = status(options.root)
        else:
            with _alone(options.root):
                if options.action == "remove":
                    result = remove(options.root)
                elif options.action == "borrow":
                    result = borrow(options.root, options.what, options.limit, options.patience)
                else:
                    (release,) = options.what
                    result = asdict(activate(options.root, release, options.patience))
    except (ServiceError, OSError, ValueError) as error:
        result = {"problem": str(error)}
    with suppress(OSError):  # nobody may be listening any more
        print(json.dumps(result), flush=True)
    return 1 if result.get("problem") else 0


def _show_log(root: Path, lines: int, follow: bool) -> int:
    name = current(root)
    if name is None:
        print(f"nothing is deployed under {root}", file=sys.stderr)
        return 1
    command = _service(root, name).log_command(lines, follow)
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
