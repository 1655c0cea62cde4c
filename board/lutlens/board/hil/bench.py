"""What a check is given: a device, an overlay, and what the right answers are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.driver import PATIENCE_S, CoreError
from lutlens.board.hil.reference import Reference
from lutlens.board.manifest import Manifest
from lutlens.board.overlay import load
from lutlens.board.selftest import Vectors

RTL_PATIENCE_S = 300.0
"""For a single frame, simulated clock by clock on a machine that does other things too."""
SOAK_S = 600.0


class CheckFailed(RuntimeError):
    """The device does not do what it should; the message says what it did, and what would be right."""


class NotApplicable(Exception):
    """The check makes no sense for this device or this overlay; the message says why."""


class Skipped(Exception):
    """The check makes sense, and cannot be done; the message says what is missing."""


@dataclass(frozen=True)
class Found:
    """What a check that passed found: one sentence, and figures by name, with the unit in the name."""

    detail: str
    figures: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """Where the service answers: its URL, without a slash at the end, and the token that changes ask for."""

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass
class Bench:
    """A device on the bench, with one overlay. Who leaves its registers other than the driver knows them calls `drop`.

    directory: of the overlay. device: a `pynq` device. reference: None if there are no test images.
    soak_s: how long to keep the core busy.
    serving: while it is entered a service answers for this overlay; None if nothing does. NotApplicable may come of it.
    tell: hears how far a check that takes long has come.
    seen: what the core answered to the test images: classes, uint8 `[n]`, by K.
    """

    directory: Path
    device: Any = None
    reference: Reference | None = None
    soak_s: float = SOAK_S
    serving: Callable[[], AbstractContextManager[Service]] | None = None
    tell: Callable[[str], None] = lambda text: None
    seen: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict)
    _overlay: LoadedOverlay | None = None

    @cached_property
    def manifest(self) -> Manifest:
        return Manifest.load(self.directory)

    @cached_property
    def vectors(self) -> Vectors:
        return Vectors.load(self.directory, scans=self.manifest.geometry.scan is not None)

    @property
    def kind(self) -> str:
        """ "board", or which simulated device."""
        return getattr(self.device, "kind", "board")

    @cached_property
    def patience_s(self) -> float:
        """How long the core may take for a frame."""
        return RTL_PATIENCE_S if self.kind == "rtl" else PATIENCE_S

    @property
    def few(self) -> bool:
        """Whether the device is so slow that frames are to be counted singly."""
        return self.kind == "rtl"

    @property
    def ks(self) -> list[int]:
        """The fewest and the most passes that there are thresholds for."""
        return sorted({min(self.manifest.thresholds), max(self.manifest.thresholds)})

    @property
    def overlay(self) -> LoadedOverlay:
        """The overlay, loaded. Raises what `load` raises."""
        if self._overlay is None:
            self._overlay = load(self.directory, self.device, self_test=False)
        return self._overlay

    def drop(self) -> None:
        """Forget what is loaded: the next check programs the device anew."""
        overlay, self._overlay = self._overlay, None
        if overlay is not None:
            with suppress(
                CoreError, OSError
            ):  # what hangs does not hang any more once it is programmed
                overlay.close()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: object) -> None:
        self.drop()
