"""The host room: from a lutnet to something that runs.

Reading and writing lutnets, netlists, code generation, simulation, overlays, the command line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lutlens.host.lutnet import Layer, Lutnet, LutnetError, Stage

__all__ = ["Layer", "Lutnet", "LutnetError", "Stage"]


def __getattr__(name: str) -> Any:
    """Imported when asked for: `lutlens --help` should not have to wait for numpy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.lutnet"), name)
