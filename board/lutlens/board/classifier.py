"""A loaded overlay, and the kind of it that takes single images."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board.driver import (
    PATIENCE_S,
    SLOTS,
    WATCHDOG_MARGIN,
    CoreError,
    HardwareCounters,
    LutlensDriver,
)
from lutlens.board.manifest import Manifest
from lutlens.board.records import answers, record_dtype
from lutlens.board.rings import FrameRing, ResultRing

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Results:
    """What the core answered to n images.

    classes: uint8 `[n]`; the class of the highest score.
    margins: uint16 `[n]`; distance of the highest score to the second.
    best: uint16 `[n]`; the highest score, added over passes.
    scores: uint16 `[n, classes]`, added over passes; None from a core that scans, which keeps the best only.

    Where outputs are numbers, `scores` are what counts, and `Values.numbers` says what they stand for; of more than
    256 the `classes` are lowest bytes.
    """

    classes: npt.NDArray[np.uint8]
    margins: npt.NDArray[np.uint16]
    best: npt.NDArray[np.uint16]
    scores: npt.NDArray[np.uint16] | None


class LoadedOverlay(ABC):
    """An overlay on a device. Its methods may be called from any thread; calls queue up.

    device_name: "board", or which simulated one: "model" or "rtl".
    clock_mhz: FCLK0 as read back from the clock registers.
    """

    def __init__(
        self, manifest: Manifest, driver: LutlensDriver, device_name: str, clock_mhz: float
    ) -> None:
        self.manifest, self.device_name, self.clock_mhz = manifest, device_name, clock_mhz
        self._driver = driver
        self._lock = threading.RLock()
        self._thresholds = {
            k: np.array(passes, np.uint8) for k, passes in manifest.thresholds.items()
        }
        self._open = True

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def driver(self) -> LutlensDriver:
        """The core's driver, for tests of the hardware; nobody else may use the overlay meanwhile."""
        self._check_open()
        return self._driver

    @abstractmethod
    def classify(
        self, images: Images, k: int | None = None, timeout_s: float = PATIENCE_S
    ) -> Results:
        """Recognise images at K passes (default: the fewest that there are thresholds for).

        images: uint8 `[n, height, width]`, 255 = ink; `[n, height, width, channels]` for a network of colours.
        timeout_s: how long to wait without a single one being finished.

        Raises ValueError for images or a K that do not fit the overlay, CoreError, CoreTimeout.
        """

    def counters(self) -> HardwareCounters:
        """The core's own counters."""
        with self._lock:
            self._check_open()
            return self._driver.counters()

    def close(self) -> None:
        """Stop the core and free its memory."""
        with self._lock:
            if self._open:
                self._open = False
                self._driver.halt()
                self._free()

    @abstractmethod
    def _free(self) -> None:
        """Free the rings; the core is at rest."""

    def _check_open(self) -> None:
        if not self._open:
            raise CoreError(f"overlay {self.name} was closed")

    def _levels(self, k: int | None) -> npt.NDArray[np.uint8]:
        k = min(self._thresholds) if k is None else k
        if k not in self._thresholds:
            raise ValueError(
                f"k: {k}; this overlay has thresholds for K = {sorted(self._thresholds)}"
            )
        return self._thresholds[k]

    def _check_images(self, images: Images) -> None:
        geometry = self.manifest.geometry
        shape: tuple[int, ...] = (geometry.image_height, geometry.image_width)
        if geometry.channels > 1:
            shape = (*shape, geometry.channels)
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            raise ValueError(
                f"images: {images.dtype} {list(images.shape)}, must be uint8 "
                f"[n, {', '.join(map(str, shape))}]"
            )


class Classifier(LoadedOverlay):
    """A core that takes single images, and gives every class's score."""

    def __init__(
        self, manifest: Manifest, driver: LutlensDriver, device_name: str, clock_mhz: float
    ) -> None:
        super().__init__(manifest, driver, device_name, clock_mhz)
        geometry = manifest.geometry
        self._record = record_dtype(len(geometry.classes))
        values = geometry.image_width * geometry.image_height * geometry.channels
        self._frames = FrameRing(SLOTS, values, driver.device)
        self._results = ResultRing(SLOTS, self._record.itemsize, driver.device)
        watchdog = WATCHDOG_MARGIN * values * geometry.max_passes
        driver.begin(self._frames, self._results, {reg.WATCHDOG_CYCLES: watchdog})

    def classify(
        self, images: Images, k: int | None = None, timeout_s: float = PATIENCE_S
    ) -> Results:
        levels = self._levels(k)
        self._check_images(images)
        with self._lock:
            self._check_open()
            most = self.manifest.geometry.max_passes
            rounds = [
                self._round(images, levels[first : first + most], timeout_s)
                for first in range(0, len(levels), most)
            ]
        if len(rounds) == 1:
            (found,) = rounds
            return Results(
                found["answer"], found["margin"], found["scores"].max(axis=1), found["scores"]
            )
        scores = np.sum([found["scores"] for found in rounds], axis=0, dtype=np.uint16)
        classes, margins = answers(scores)
        return Results(
            classes.astype(np.uint8), margins.astype(np.uint16), scores.max(axis=1), scores
        )

    def _round(
        self, images: Images, levels: npt.NDArray[np.uint8], timeout_s: float
    ) -> npt.NDArray[np.void]:
        """The images' records, of at most as many passes as the core adds by itself."""
        self._driver.set_thresholds(levels)
        return self._driver.run(images, timeout_s).view(self._record)[:, 0]

    def _free(self) -> None:
        self._frames.close()
        self._results.close()
