"""`python -m lutlens.host.deployment.rehearsal OVERLAY --device KIND`, at the far end.

Everything that can be tried while another release runs. On a simulated device that is all: the
golden vectors are replayed. A board has one programmable logic, which is in use: there the files
are checked and the service's modules imported, and the golden vectors are replayed when the service
starts.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from lutlens.board.manifest import Manifest


def rehearse(directory: Path, device: str) -> str:
    """What was tried, for people. Raises what the service would raise."""
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    importlib.import_module("lutlens.board.serve")
    from lutlens.board.overlay import OverlayError, load

    if device == "board":
        if not manifest.bitstream:
            raise OverlayError(f"{directory / manifest.bit_name}: not built yet")
        return f"{manifest.name}: files verified, service imported"
    from lutlens.host.devices import open_device

    with open_device(device) as opened:  # type: ignore[arg-type]
        load(directory, opened).close()
    return f"{manifest.name}: golden vectors replayed on device {device}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lutlens.host.deployment.rehearsal")
    parser.add_argument("overlay", type=Path)
    parser.add_argument("--device", required=True, choices=("board", "model", "rtl"))
    options = parser.parse_args()
    try:
        print(rehearse(options.overlay, options.device))
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
