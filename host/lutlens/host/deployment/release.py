"""A release: every file of it, and the name that their hashes give it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from lutlens.board.activation import FACTS, RELEASES, Release
from lutlens.board.manifest import MANIFEST_NAME, Manifest
from lutlens.board.services import UNIT
from lutlens.host.deployment import DeploymentError, unit
from lutlens.host.deployment.packages import Facts
from lutlens.host.deployment.unit import ServiceOptions
from lutlens.host.paths import REPOSITORY

HASHES = "SHA256SUMS"
WHEELS = "wheels"
ROOMS = ("board", "host", "training")
BUILD_S = 300.0
UNPACKED = 4
"""Bytes that an installed wheel takes, byte code included, for each of the wheel's own."""


@dataclass(frozen=True)
class Package:
    """What is copied to the far end.

    files: content by path below `directory`, the release's directory there.
    """

    release: Release
    directory: str
    files: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes to copy."""
        return sum(map(len, self.files.values()))

    @property
    def needs(self) -> int:
        """Bytes at the far end once it is installed."""
        wheels = sum(len(data) for name, data in self.files.items() if name.startswith(WHEELS))
        return self.size + UNPACKED * wheels


def build_wheel(folder: Path) -> Path:
    """Build lutlens' wheel from the checkout; the same sources give the same bytes.

    Raises DeploymentError if there is no checkout, or it does not build.
    """
    if not (REPOSITORY / "pyproject.toml").is_file():
        raise DeploymentError(f"{REPOSITORY}: no checkout of lutlens; deploy from one")
    with tempfile.TemporaryDirectory() as scratch:  # setuptools leaves its traces where it builds
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, scratch)
        for room in ROOMS:
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(REPOSITORY / room, Path(scratch, room), ignore=ignored)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
        command += [
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            f"--wheel-dir={folder}",
            scratch,
        ]
        epoch = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}  # a zip file's first day
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=epoch, timeout=BUILD_S
            )
        except subprocess.TimeoutExpired as error:
            raise DeploymentError(f"building the wheel: no end after {BUILD_S:g} s") from error
    wheels = sorted(folder.glob("lutlens-*.whl"))
    if done.returncode or not wheels:
        raise DeploymentError(f"building the wheel: {done.stderr.strip()[-2000:]}")
    return wheels[-1]


def metadata_of(wheel: Path) -> str:
    """A wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def assemble(
    overlay: Path,
    manifest: Manifest,
    wheels: dict[str, bytes],
    facts: Facts,
    options: ServiceOptions,
    python: str,
    init: str,
    patience_s: float,
) -> Package:
    """Put a release together. wheels: lutlens', and those collected for the far end, by file name.

    python: the environment that the release is layered over. init: "systemd" or "none".
    """
    files = {f"{WHEELS}/{name}": data for name, data in wheels.items()}
    for name in (*manifest.files, MANIFEST_NAME):
        files[f"overlays/{manifest.name}/{name}"] = (overlay / name).read_bytes()
    if options.device != "board":  # the simulated devices read the register map
        files["rtl/lutlens.rdl"] = (REPOSITORY / "rtl" / "lutlens.rdl").read_bytes()
    files[UNIT] = unit.unit(facts.root, manifest.name, options, patience_s).encode()
    files["environment"] = unit.environment(facts.root, facts.environment, options).encode()
    listen = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(options.listen, options.listen)
    about = {
        "overlay": manifest.name,
        "build_id": manifest.build_id,
        "device": options.device,
        "python": python,
        "init": init,
        "url": f"http://{listen}:{options.port}",
    }
    sums = "".join(f"{_sha256(data)}  {name}\n" for name, data in sorted(files.items()))
    name = _sha256((sums + json.dumps(about)).encode())[:16]
    release = Release(release=name, **about)
    files[FACTS] = json.dumps(asdict(release), indent=2).encode() + b"\n"
    files[HASHES] = f"{sums}{_sha256(files[FACTS])}  {FACTS}\n".encode()
    return Package(release, f"{facts.root}/{RELEASES}/{name}", files)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
