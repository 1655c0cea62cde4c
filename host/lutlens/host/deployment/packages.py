"""The Python packages that the far end lacks, and where they come from without a network there.

What to install is worked out here, from the wheel's requirements, what the far end has, and the
pinned versions of constraints.txt. pip there could do it alone, but would try to compile for hours
what has no wheel for its processor: numpy, OpenCV and cffi have none for armv7l, and PYNQ's image
brings its own. OpenCV there is a system package that pip knows nothing of.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lutlens.host.deployment import DeploymentError
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROBE = Path(__file__).with_name("probe.py")
OPENCV = "opencv-python-headless"
SYSTEM = ("numpy", "cffi", OPENCV)
"""Distributions without wheels for the board's processor: the image's are used as they are."""
SOURCES = ("pynq", "pynqmetadata", "pynqutils")
"""Distributions without wheels, pure Python on this processor: built at the far end, which takes seconds."""
BUILD_TOOL = "setuptools"
DOWNLOAD_S = 900.0
_NO_WHEEL = re.compile(r"No matching distribution found for ([\w.-]+)==(\S+)")


@dataclass(frozen=True)
class Facts:
    """What `probe.py` found at the far end; its variables have the same names."""

    root: str
    user_id: int
    python: str
    machine: str
    glibc: str
    site_packages: list[str]
    installed: dict[str, str]
    opencv: bool
    systemd: bool
    environment: dict[str, str]
    free_bytes: int
    current: str | None
    complete: list[str]

    @property
    def markers(self) -> dict[str, Any]:
        """The environment that requirements' markers ask about."""
        here = {key: str(value) for key, value in default_environment().items()}
        return {
            **here,
            "python_version": ".".join(self.python.split(".")[:2]),
            "python_full_version": self.python,
            "implementation_version": self.python,
            "platform_machine": self.machine.rpartition("-")[2],
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "extra": "",
        }

    @property
    def platforms(self) -> list[str]:
        """pip's tags of wheels that run there, best first: manylinux up to its glibc, PEP 600."""
        machine = self.machine.rpartition("-")[2]
        minor = int(self.glibc.partition(".")[2] or 17)
        tags = [f"manylinux_2_{version}_{machine}" for version in range(minor, 16, -1)]
        return [*tags, f"manylinux2014_{machine}", f"linux_{machine}"]


def missing(requirements: Iterable[Requirement], facts: Facts, constraints: str) -> dict[str, str]:
    """Pinned version by name of what has to be installed over what the far end has.

    What the wheel asks for itself, and pynq's parts, which only fit each other, become the versions
    that the project is tested with. What those ask for in turn may stay as it is there, if it
    satisfies them.

    requirements: of the wheel, its extra chosen. constraints: the text of constraints.txt.

    What a package needs in turn is read from this environment's copy of it, which may be of another
    version if the far end's Python is older; constraints.txt pins all that the right one needs.
    Raises DeploymentError for a requirement that it does not pin.
    """
    markers = facts.markers
    installed = {canonicalize_name(name): v for name, v in facts.installed.items()}
    pins = _pins(constraints, markers)
    wanted: dict[str, str] = {}
    queue = list(requirements)
    for requirement in queue:
        if canonicalize_name(requirement.name) not in pins:
            raise DeploymentError(f"constraints.txt pins no version of {requirement}")
    exact = {canonicalize_name(r.name) for r in queue}.union(SOURCES).difference(SYSTEM)
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate(markers):
            continue
        if name == OPENCV and facts.opencv and name not in installed:
            continue
        there = wanted.get(name) or installed.get(name)
        satisfied = there and requirement.specifier.contains(there, prereleases=True)
        if satisfied and (name not in exact or there == pins[name]):
            continue
        if name in pins and name not in wanted:
            wanted[name] = pins[name]
            queue += _requirements(name, requirement.extras, markers)
    if any(name in SOURCES for name in wanted):
        wanted[BUILD_TOOL] = pins[BUILD_TOOL]
    return dict(sorted(wanted.items()))


def of_wheel(metadata: str, extra: str) -> list[Requirement]:
    """The requirements in a wheel's METADATA that one of its own extras brings."""
    found = []
    for line in metadata.splitlines():
        if line.startswith("Requires-Dist: "):
            requirement = Requirement(line.removeprefix("Requires-Dist: "))
            if requirement.marker and requirement.marker.evaluate({"extra": extra}):
                requirement.marker = None
                if requirement.name == "lutlens":
                    found += [r for e in requirement.extras for r in of_wheel(metadata, e)]
                else:
                    found.append(requirement)
    return found


def collect(pins: dict[str, str], facts: Facts, folder: Path) -> dict[str, bytes]:
    """Download the packages for the far end's processor and Python. File name to content.

    Raises DeploymentError naming the package that has no wheel for it.
    """
    version, machine = (facts.markers[name] for name in ("python_version", "platform_machine"))
    tags = ["--only-binary=:all:", "--implementation=cp", f"--python-version={version}"]
    tags += [f"--platform={tag}" for tag in facts.platforms]
    binaries = [f"{name}=={pins[name]}" for name in pins if name not in SOURCES]
    sources = [f"{name}=={pins[name]}" for name in pins if name in SOURCES]
    for chosen, how in ((binaries, tags), (sources, [f"--no-binary={','.join(SOURCES)}"])):
        reason = _download([*chosen, *how], folder) if chosen else None
        if reason and (found := _NO_WHEEL.search(reason)):
            raise DeploymentError(
                f"{found[1]} {found[2]} has no wheel for {machine} and Python {version}. PYNQ's image "
                "brings what has none: is --python the image's own environment? An index that has "
                "one can be named by PIP_EXTRA_INDEX_URL"
            )
        if reason:
            raise DeploymentError(f"downloading packages: {reason}")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def layer_commands(layer: str, base: str, facts: Facts) -> Iterator[list[str]]:
    """The far end's commands that make a virtual environment over another, its Python `base`.

    What the layer has comes first, then what `base` has, then the system's.
    """
    yield [base, "-m", "venv", "--without-pip", "--system-site-packages", layer]
    yield [f"{layer}/bin/python", "-c", _JOIN, *facts.site_packages]


_JOIN = (
    "import sys, sysconfig, pathlib; pathlib.Path(sysconfig.get_path('purelib'), 'pynq.pth')"
    ".write_text(''.join(f'import site; site.addsitedir({p!r})\\n' for p in sys.argv[1:]))"
)


def install_commands(pins: dict[str, str], python: str, wheels: str | None) -> Iterator[list[str]]:
    """The far end's pip commands; `wheels`: its folder of collected packages, None with a network."""
    # PYNQ's setup would copy its notebooks over the user's if these were set.
    clean = [
        "env",
        *(f"--unset={name}" for name in ("BOARD", "PYNQ_JUPYTER_NOTEBOOKS", "PYTHONPATH")),
    ]
    pip = [*clean, python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    pip += ["--quiet", "--no-deps", "--no-build-isolation"]
    if wheels is None:
        pip += ["--only-binary=:all:", f"--no-binary={','.join(SOURCES)}"]
    else:
        pip += ["--no-index", f"--find-links={wheels}"]
    # What builds the others has to be there first.
    for group in ([BUILD_TOOL], [name for name in pins if name != BUILD_TOOL]):
        if chosen := [f"{name}=={pins[name]}" for name in group if name in pins]:
            yield [*pip, *chosen]


def _download(arguments: list[str], folder: Path) -> str | None:
    """pip's complaint, if it has one."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--quiet", "--no-deps", f"--dest={folder}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S)
    except subprocess.TimeoutExpired:
        return f"no end after {DOWNLOAD_S:g} s"
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
    return (errors or ["pip failed"])[-1] if done.returncode else None


def _pins(constraints: str, markers: dict[str, Any]) -> dict[str, str]:
    pins = {}
    for line in constraints.splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if not requirement.marker or requirement.marker.evaluate(markers):
            (version,) = (specifier.version for specifier in requirement.specifier)
            pins[str(canonicalize_name(requirement.name))] = version
    return pins


def _requirements(name: str, extras: set[str], markers: dict[str, Any]) -> list[Requirement]:
    """What a package asks for, by this environment's copy of it; nothing is known of others."""
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**markers, "extra": e}) for e in extras or {""}):
            requirement.marker = None
            found.append(requirement)
    return found
