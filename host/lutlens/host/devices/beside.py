"""The `model` device on a processor of its own.

Programmable logic is no share of a board's processors: it works beside them, from its ring, while software does
something else. The plain `model` device borrows the thread that gives it work. This one has a thread, and a processor
that nothing else of the process runs on; software runs on the others.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from lutlens.board import registers as reg
from lutlens.board.manifest import Manifest
from lutlens.host.c import Executor
from lutlens.host.devices.ddr import DeviceError
from lutlens.host.devices.model import Model, ModelDevice
from lutlens.host.lutnet import Lutnet

TOGETHER = 8
"""Frames that are worked on at once, at most: software sees them come in such portions."""
SWITCH_S = 0.2e-3
"""How long Python code may keep the others of its process waiting; by default 5 ms, several frames' time."""
JOIN_S = 30.0

log = logging.getLogger(__name__)


def apart() -> tuple[int, set[int]]:
    """Of the processors that this process may use one for the device, and the others. Raises DeviceError."""
    *others, own = sorted(os.sched_getaffinity(0))
    if not others:
        raise DeviceError("a device with a processor of its own needs two, this process has one")
    return own, set(others)


class BesideDevice(ModelDevice):
    """Until it is closed, the thread that made it, and those which that begins, are kept off its processor."""

    def __init__(self) -> None:
        own, others = apart()
        super().__init__()
        self._own = own
        self._before = os.sched_getaffinity(0), sys.getswitchinterval()
        os.sched_setaffinity(0, others)
        sys.setswitchinterval(SWITCH_S)

    def configure(self, lutnet: Lutnet, manifest: Manifest) -> Model:
        if self._executor is None or self._executor[0] != lutnet.build_id:
            self._executor = lutnet.build_id, Executor(lutnet, threads=1)
        return Beside(
            *(lutnet, self._executor[1], manifest.geometry, self.ddr, lambda: self.fclk0_mhz),
            processor=self._own,
        )

    def close(self) -> None:
        super().close()
        processors, interval = self._before
        os.sched_setaffinity(0, processors)
        sys.setswitchinterval(interval)


class Beside(Model):
    """The core as software sees it, at work in a thread.

    Counts of the rings are written by one side each; whatever else both could touch is only touched between two
    portions of frames. Raises DeviceError at an access if the thread has failed.
    """

    def __init__(self, *arguments: Any, processor: int) -> None:
        super().__init__(*arguments)
        self._at_work = threading.Lock()
        self._wanted = threading.Event()
        self._error: Exception | None = None
        self._open = True
        self._thread = threading.Thread(
            target=self._work, args=(processor,), name="logic", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._open = False
        self._wanted.set()
        self._thread.join(JOIN_S)

    def read(self, offset: int) -> int:
        self._check()
        value = super().read(offset)
        if offset == reg.STATUS and (self._at_work.locked() or self._ready):
            value |= reg.STATUS_BUSY
        return value

    def write(self, offset: int, value: int) -> None:
        self._check()
        if offset in (reg.CONTROL, reg.IRQ_STATUS):
            with self._at_work:
                super().write(offset, value)
        else:
            super().write(offset, value)

    @property
    def _ready(self) -> int:
        return min(TOGETHER, super()._ready)

    def _run(self) -> None:
        self._wanted.set()

    def _work(self, processor: int) -> None:
        os.sched_setaffinity(0, {processor})  # of this thread
        try:
            while self._open:
                with self._at_work:
                    frames = self._next()
                    if frames:
                        self._recognise(frames)
                if not frames:
                    self._wanted.wait()
                    self._wanted.clear()
        except Exception as error:
            self._error = error
            log.exception("the simulated logic has failed")

    def _check(self) -> None:
        if self._error is not None:
            raise DeviceError(f"the simulated logic has failed: {self._error}") from self._error
