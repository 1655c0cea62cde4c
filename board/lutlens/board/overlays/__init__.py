"""Where the overlays lie, so that they are found by name: by `find`, and by `pynq.Overlay("NAME.bit")`.

pynq looks in the `__path__` of every module that an entry point of the group `pynq.overlays` names.
Ours is the folder of overlays: a deployed release's, or a checkout's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lutlens.board.manifest import MANIFEST_NAME

_HERE = Path(__file__).resolve()
_PLACES = (Path(sys.prefix).parent / "overlays", _HERE.parents[4] / "overlays")
FOLDER = next((place for place in _PLACES if any(place.glob(f"*/{MANIFEST_NAME}"))), _HERE.parent)
__path__ = [str(FOLDER)]


def names() -> list[str]:
    """The overlays that are here."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{MANIFEST_NAME}"))


def find(name: str) -> Path:
    """The directory of an overlay. Raises FileNotFoundError naming those that there are."""
    if name not in names():
        raise FileNotFoundError(
            f"no overlay {name!r} in {FOLDER}; there: {', '.join(names()) or 'none'}"
        )
    return FOLDER / name
