"""Sent to the far end's Python on its standard input: tells what is there, as one JSON object.

Standard library only. Arguments: the root directory, the unit's environment
variables to ask a login shell for.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def login_environment(names: list[str]) -> dict[str, str]:
    """Variables as a login shell has them: PYNQ images set theirs in /etc/profile.d."""
    clean = {"HOME": "/root", "PATH": os.defpath, "TERM": "dumb"}
    try:
        done = subprocess.run(
            ["bash", "-lc", "env -0"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=clean,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = (entry.decode(errors="replace").partition("=") for entry in done.stdout.split(b"\0"))
    return {name: value for name, _, value in found if name in names}


def main() -> None:
    root = Path(sys.argv[1]).expanduser()
    existing = next(path for path in (root, *root.parents) if path.exists())
    releases = root / "releases"
    current = root / "current"
    facts = {
        "root": str(root.absolute()),
        "user_id": os.getuid(),
        "python": platform.python_version(),
        "machine": sysconfig.get_platform().partition("-")[2],
        "glibc": platform.libc_ver()[1],
        "site_packages": sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}),
        "installed": {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()},
        "opencv": importlib.util.find_spec("cv2") is not None,
        "systemd": os.path.isdir("/run/systemd/system"),
        "environment": login_environment(sys.argv[2:]),
        "free_bytes": shutil.disk_usage(existing).free,
        "current": os.path.basename(os.readlink(current)) if current.is_symlink() else None,
        "complete": sorted(p.parent.name for p in releases.glob("*/complete")),
    }
    print(json.dumps(facts))


main()
