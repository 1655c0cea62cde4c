"""`make test-arm`: the board's wheel, installed as on a board without a network, and its tests, on ARM.

An armhf Debian root, run by qemu's user mode emulation. Its packages are unpacked, not configured:
that takes a tenth of the time, as nothing of it is emulated. numpy, OpenCV and cffi are Debian's
there, as they are Ubuntu's on a PYNQ image; everything else comes from wheels that are
collected on this machine by the code of `lutlens deploy --offline`. Tests that need a simulated
device need the host room, which is not for boards: they are left out.

Needs root. The first run takes some minutes and 700 MB; the root is kept. Argument: its directory.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lutlens.host.deployment import packages, release
from lutlens.host.deployment.packages import Facts
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
DEFAULT_ROOT = REPOSITORY / "build" / "arm-root"
SUITE = "bookworm"
TOOLS = ("mmdebstrap", "qemu-user-static")
# What a PYNQ image brings as system packages.
SYSTEM = "bash,coreutils,dash,libc-bin,python3,python3-venv,python3-pip,python3-setuptools,"
SYSTEM += "python3-numpy,python3-opencv,python3-cffi,python3-ipython,libmagic1"
# Libraries that Debian finds by alternatives, which are made when packages are configured.
LIBRARIES = ("blas", "lapack")
TEST_TOOLS = ("pytest", "pytest-timeout", "hypothesis", "httpx")
HOME = "/opt/lutlens"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
# CI: hypothesis then does not mind that everything is slow.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "CI": "true",
}
NEEDS_HOST = re.compile(
    r"^(from|import) (lutlens\.host|support|playwright|IPython)|with_name\(.lutlens.\)",
    re.MULTILINE,
)
# What measures time, which emulation takes too much of.
TIMED = "tests/board/test_sources.py::test_a_video_plays_at_its_own_rate_and_begins_again"


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_ROOT).resolve()
    prepare(root)
    with mounted(root):
        home = root / HOME.lstrip("/")
        shutil.rmtree(home, ignore_errors=True)
        (home / "wheels").mkdir(parents=True)
        found = run(root, ["/usr/bin/python3", "-", HOME], stdin=packages.PROBE.read_bytes())
        facts = Facts(**json.loads(found))
        say(f"{facts.machine}, Python {facts.python}, glibc {facts.glibc}")
        install(root, home, facts)
        return test(root, home)


def prepare(root: Path) -> None:
    """Make the ARM root, once."""
    if not all(map(shutil.which, ("mmdebstrap", "qemu-arm-static"))):
        call(["apt-get", "update", "-qq"])
        call(["apt-get", "install", "-qq", "-y", *TOOLS])
    if not (BINFMT / "register").exists():
        call(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)])
    if not (BINFMT / "qemu-arm").exists():
        (BINFMT / "register").write_bytes(Path("/usr/lib/binfmt.d/qemu-arm.conf").read_bytes())
    complete = root / ".complete"
    if complete.exists() and complete.read_text() == SYSTEM:
        return
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    say(f"making {root}, some minutes")
    # This machine's own mirror: security's, which mmdebstrap adds by itself, is of no use here.
    targets = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    mirror = subprocess.run(targets, capture_output=True, text=True, check=True).stdout.split()[0]
    options = ["--quiet", "--variant=extract", "--architectures=armhf", f"--include={SYSTEM}"]
    call(["mmdebstrap", *options, SUITE, str(root), f"deb {mirror} {SUITE} main"])
    paths = "".join(f"/usr/lib/arm-linux-gnueabihf/{name}\n" for name in LIBRARIES)
    (root / "etc/ld.so.conf.d/alternatives.conf").write_text(paths)
    call(["chroot", str(root), "/sbin/ldconfig"])
    complete.write_text(SYSTEM)


def install(root: Path, home: Path, facts: Facts) -> None:
    """The wheel with its board extra, and the test tools, as `lutlens deploy --offline` does it."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = release.build_wheel(Path(scratch))
        wanted = packages.of_wheel(release.metadata_of(wheel), "board")
        wanted += [Requirement(name) for name in TEST_TOOLS]
        pins = packages.missing(wanted, facts, (REPOSITORY / "constraints.txt").read_text())
        say("collecting " + ", ".join(f"{name} {version}" for name, version in pins.items()))
        packages.collect(pins, facts, home / "wheels")
        shutil.copy(wheel, home / "wheels")
    layer, python = f"{HOME}/venv", f"{HOME}/venv/bin/python"
    for command in packages.layer_commands(layer, "/usr/bin/python3", facts):
        run(root, command)
    for command in packages.install_commands(pins, python, f"{HOME}/wheels"):
        run(root, command)
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run(root, [*pip, f"{HOME}/wheels/{wheel.name}"])
    imported = "lutlens.board.serve, lutlens.host.hil.far_end"
    machine = run(root, [python, "-c", f"import platform, {imported}; print(platform.machine())"])
    say(f"{imported}: imported on {machine.strip()}")


def test(root: Path, home: Path) -> int:
    """pytest's exit status."""
    for name in ("tests", "overlays"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, home / name, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", home)
    chosen = [
        f"tests/board/{path.name}"
        for path in sorted((REPOSITORY / "tests" / "board").glob("test_*.py"))
        if not NEEDS_HOST.search(path.read_text())
    ]
    say(f"{len(chosen)} test files")
    command = f"cd {HOME} && exec {HOME}/venv/bin/python -m pytest --deselect {TIMED} {shlex.join(chosen)}"
    return subprocess.run(["chroot", str(root), "sh", "-c", command], env=ENVIRONMENT).returncode


@contextmanager
def mounted(root: Path) -> Iterator[None]:
    """With /proc, which Python asks now and then."""
    call(["mount", "-t", "proc", "proc", str(root / "proc")])
    try:
        yield
    finally:
        call(["umount", str(root / "proc")])


def run(root: Path, command: Sequence[str], stdin: bytes = b"") -> str:
    """A command on ARM; its output."""
    done = subprocess.run(
        ["chroot", str(root), *command], input=stdin, stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    if done.returncode:
        raise SystemExit(f"on ARM: {shlex.join(command)}: exit status {done.returncode}")
    return done.stdout.decode()


def call(command: Sequence[str]) -> None:
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"{shlex.join(command)}: failed; make test-arm needs root")


def say(text: str) -> None:
    print(f"test-arm: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
