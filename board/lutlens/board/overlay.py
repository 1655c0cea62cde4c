"""An overlay directory on a device: loaded, checked, tested, ready to classify."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pynq
from lutlens.board import selftest
from lutlens.board.driver import (
    PATIENCE_S,
    VLNV,
    CoreError,
    HardwareCounters,
    LutlensDriver,
)
from lutlens.board.manifest import Manifest

CLOCK_TOLERANCE = 0.01

log = logging.getLogger(__name__)


class OverlayError(RuntimeError):
    """An overlay that this device cannot run."""


@dataclass(frozen=True)
class Results:
    """What the core answered to n images.

    classes: uint8 `[n]`; the class of the highest score.
    margins: uint16 `[n]`; distance of the highest score to the second.
    scores: uint16 `[n, classes]`, added over passes.
    sequence: uint32 `[n]`; the frames' numbers since the core was reset.
    """

    classes: npt.NDArray[np.uint8]
    margins: npt.NDArray[np.uint16]
    scores: npt.NDArray[np.uint16]
    sequence: npt.NDArray[np.uint32]


class Classifier:
    """A loaded overlay. Its methods may be called from any thread; calls queue up.

    device_name: "board", or which simulated one: "model" or "rtl".
    clock_mhz: FCLK0 as read back from the clock registers.
    """

    def __init__(
        self, manifest: Manifest, driver: LutlensDriver, device_name: str, clock_mhz: float
    ) -> None:
        self.manifest, self.device_name, self.clock_mhz = manifest, device_name, clock_mhz
        self._driver = driver
        self._lock = threading.Lock()
        self._thresholds = {
            k: np.array(passes, np.uint8) for k, passes in manifest.thresholds.items()
        }
        self._open = True

    @property
    def name(self) -> str:
        return self.manifest.name

    def classify(
        self,
        images: npt.NDArray[np.uint8],
        k: int | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Results:
        """Recognise images at K passes (default: the fewest that there are thresholds for).

        images: uint8 `[n, height, width]`, 255 = ink.
        timeout_s: how long to wait without a single image being finished.

        Raises ValueError for images or a K that do not fit the overlay, CoreError, CoreTimeout.
        """
        k = min(self._thresholds) if k is None else k
        if k not in self._thresholds:
            raise ValueError(
                f"k: {k}; this overlay has thresholds for K = {sorted(self._thresholds)}"
            )
        geometry = self.manifest.geometry
        shape = (geometry.image_height, geometry.image_width)
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != shape:
            raise ValueError(
                f"images: {images.dtype} {list(images.shape)}, must be uint8 [n, {shape[0]}, {shape[1]}]"
            )
        with self._lock:
            if not self._open:
                raise CoreError(f"overlay {self.name} was closed")
            self._driver.set_thresholds(self._thresholds[k])
            records = self._driver.run(images, timeout_s)
        return Results(records["answer"], records["margin"], records["scores"], records["sequence"])

    def counters(self) -> HardwareCounters:
        """The core's own counters."""
        with self._lock:
            if not self._open:
                raise CoreError(f"overlay {self.name} was closed")
            return self._driver.counters()

    def close(self) -> None:
        """Stop the core and free its memory."""
        with self._lock:
            if self._open:
                self._open = False
                self._driver.close()


def load(
    directory: str | os.PathLike[str], device: Any | None = None, *, self_test: bool = True
) -> Classifier:
    """Load an overlay directory onto a device, and replay its golden vectors before it is handed out.

    The classifier that was loaded on this device before is closed, once the directory is found whole.

    device: a `pynq` device; None for pynq's active one.

    Raises ManifestError if a file is missing or not of this build, OverlayError, CoreError, SelfTestError.
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
    driver.open(manifest)
    classifier = Classifier(manifest, driver, kind, clock_mhz)
    _loaded[device] = classifier
    try:
        if self_test:
            selftest.replay(classifier, root)
    except BaseException:
        classifier.close()
        raise
    return classifier


def _active_device() -> Any:
    try:
        return pynq.Device.active_device
    except RuntimeError as error:
        raise OverlayError(f"pynq finds no board on this machine: {error}") from error


# What runs on each device: its registers would be the next overlay's, so it has to stop before.
_loaded: weakref.WeakKeyDictionary[Any, Classifier] = weakref.WeakKeyDictionary()


def _close_former(device: Any) -> None:
    former = _loaded.pop(device, None)
    if former is None:
        return
    try:
        former.close()
    except CoreError as error:  # it hangs, and loading the next overlay is what ends that
        log.warning("overlay %s did not stop: %s", former.name, error)
