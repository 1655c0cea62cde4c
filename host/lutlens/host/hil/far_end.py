"""`python -m lutlens.host.hil.far_end OVERLAY --device KIND`: the checks that need the device, at the far end.

Prints one JSON object a line (see `events`). On a board nothing of the host room's packages is there: a simulated
device, which needs them, is imported where it is asked for.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lutlens.board.hil import suite
from lutlens.board.hil.bench import SOAK_S, Bench
from lutlens.board.hil.facts import device_facts, tool_versions
from lutlens.board.hil.reference import Reference
from lutlens.host.hil.events import Lines, Ran, run_checks

ALIVE_S = 10.0


def main() -> int:
    """Exit status 1 if the checks could not be run; their outcomes do not matter here."""
    parser = argparse.ArgumentParser(prog="python -m lutlens.host.hil.far_end")
    parser.add_argument("overlay", type=Path)
    parser.add_argument("--device", required=True, choices=("board", "model", "rtl"))
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--soak", type=float, default=SOAK_S)
    options = parser.parse_args()
    lines = Lines()
    try:
        reference = Reference.load(options.reference) if options.reference else None
        with _alive(lines), _device(options.device) as device:
            with Bench(options.overlay, device, reference, options.soak, tell=lines.told) as bench:
                outcomes = run_checks(suite.ON_THE_DEVICE, bench, lines)
            lines.ran(Ran(device_facts(device), outcomes, tool_versions()))
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _device(kind: str) -> Iterator[object]:
    if kind == "board":
        from pynq.pl_server.device import Device

        yield Device.active_device
        return
    from lutlens.host.devices import open_device

    with open_device(kind) as device:  # type: ignore[arg-type]
        yield device


@contextmanager
def _alive(lines: Lines) -> Iterator[None]:
    """Say so every now and then: a machine whose bus hangs says nothing any more."""
    ended = threading.Event()

    def say() -> None:
        while not ended.wait(ALIVE_S):
            lines.alive()

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


if __name__ == "__main__":
    sys.exit(main())
