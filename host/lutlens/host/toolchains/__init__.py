"""Toolchains that make a bitstream, each behind the interface of `base`.

They are entry points of the group `lutlens.toolchains`: name to a class that derives from `Toolchain`.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from lutlens.host.toolchains.base import Toolchain, ToolchainMissing

GROUP = "lutlens.toolchains"


def names() -> list[str]:
    """The toolchains that are registered, whether or not their tools are here."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def load(name: str) -> type[Toolchain]:
    """The toolchain of that name. Raises ToolchainMissing."""
    for entry in entry_points(group=GROUP, name=name):
        found: type[Toolchain] = entry.load()
        return found
    raise ToolchainMissing(f"toolchain: {name!r}, must be one of {', '.join(names())}")
