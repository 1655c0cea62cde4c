"""An overlay directory on a device: loaded, checked, tested, ready to classify."""

from __future__ import annotations

import logging
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynq
from lutlens.board import selftest
from lutlens.board.classifier import Classifier, LoadedOverlay, Results
from lutlens.board.driver import VLNV, CoreError, LutlensDriver
from lutlens.board.manifest import Manifest
from lutlens.board.scanner import Scanner

__all__ = [
    "Classifier",
    "LoadedOverlay",
    "OverlayError",
    "Programmed",
    "Results",
    "Scanner",
    "load",
    "program",
]

CLOCK_TOLERANCE = 0.01

log = logging.getLogger(__name__)


class OverlayError(RuntimeError):
    """An overlay that this device cannot run."""


def load(
    directory: str | os.PathLike[str], device: Any | None = None, *, self_test: bool = True
) -> LoadedOverlay:
    """Load an overlay directory onto a device, and replay its golden vectors before it is handed out.

    A `Scanner` if the overlay scans frames, else a `Classifier`. The one that was loaded on this device before is
    closed, once the directory is found whole.

    device: a `pynq` device; None for pynq's active one.

    Raises ManifestError if a file is missing or not of this build, OverlayError, CoreError, SelfTestError.
    """
    programmed = program(directory, device)
    manifest, driver, device = programmed.manifest, programmed.driver, programmed.device
    driver.check(manifest)
    make = Scanner if manifest.geometry.scan else Classifier
    loaded: LoadedOverlay = make(manifest, driver, programmed.kind, programmed.clock_mhz)
    _loaded[device] = loaded
    try:
        if self_test:
            selftest.replay(loaded, directory)
    except BaseException:
        loaded.close()
        raise
    return loaded


@dataclass(frozen=True)
class Programmed:
    """A device with an overlay in its logic, whose registers nobody has written yet.

    kind: "board", or which simulated device. clock_mhz: FCLK0 as read back.
    """

    manifest: Manifest
    driver: LutlensDriver
    device: Any
    kind: str
    clock_mhz: float


def program(directory: str | os.PathLike[str], device: Any | None = None) -> Programmed:
    """Check an overlay directory, and put it into a device's logic. What ran there before is closed.

    Raises ManifestError, OverlayError.
    """
    root = Path(directory)
    manifest = Manifest.load(root)
    manifest.verify(root)
    device = _active_device() if device is None else device
    kind = getattr(device, "kind", "board")
    # A simulated device makes its logic of the directory; a board needs the bitstream.
    design = root / (manifest.bit_name if manifest.bitstream else manifest.hwh_name)
    if kind == "board" and not manifest.bitstream:
        raise OverlayError(
            f"{root / manifest.bit_name}: not built yet; the board needs a bitstream"
        )
    _close_former(device)
    overlay = pynq.Overlay(str(design), device=device)
    drivers = [name for name, ip in overlay.ip_dict.items() if ip["type"] == VLNV]
    if len(drivers) != 1:
        raise OverlayError(f"{root / manifest.hwh_name}: {len(drivers)} cores {VLNV}, must be one")
    clock_mhz = float(pynq.Clocks.fclk0_mhz)
    if abs(clock_mhz - manifest.clock_mhz) > CLOCK_TOLERANCE * manifest.clock_mhz:
        raise OverlayError(
            f"{root}: FCLK0 runs at {clock_mhz:g} MHz, overlay.json says {manifest.clock_mhz:g} MHz"
        )
    driver: LutlensDriver = getattr(overlay, drivers[0])
    return Programmed(manifest, driver, device, kind, clock_mhz)


def _active_device() -> Any:
    try:
        return pynq.Device.active_device
    except RuntimeError as error:
        raise OverlayError(f"pynq finds no board on this machine: {error}") from error


# What runs on each device: its registers would be the next overlay's, so it has to stop before.
_loaded: weakref.WeakKeyDictionary[Any, LoadedOverlay] = weakref.WeakKeyDictionary()


def _close_former(device: Any) -> None:
    former = _loaded.pop(device, None)
    if former is None:
        return
    try:
        former.close()
    except CoreError as error:  # it hangs, and loading the next overlay is what ends that
        log.warning("overlay %s did not stop: %s", former.name, error)
