"""Do the rings wrap around, does a full one lose nothing, and does a frame that takes too long hurt no other?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.driver import CoreError, LutlensDriver
from lutlens.board.hil.bench import Bench, CheckFailed, Found
from lutlens.board.records import record_dtype
from lutlens.board.rings import FrameRing, ResultRing
from lutlens.board.scanner import Scanner
from lutlens.board.selftest import compare
from lutlens.board.streams import Stream

SLOTS = 4
ROUNDS = 8
LOOKS = 5
"""At a core that is to stand still: in simulation each lets it run on for a while."""

Image = npt.NDArray[np.uint8]


class Feeder(Protocol):
    """Frames one by one into a ring of SLOTS slots, and answers out of another."""

    def put(self, frame: Image) -> bool:
        """Whether there was room for it."""

    def take(self) -> list[npt.NDArray[Any]]:
        """The answers that have come, in order."""


class _Images:
    """Of a core that takes single images: the driver with rings of its own."""

    def __init__(self, overlay: LoadedOverlay, levels: npt.NDArray[np.uint8]) -> None:
        geometry = overlay.manifest.geometry
        self._record = record_dtype(len(geometry.classes))
        self._driver = overlay.driver
        pixels = geometry.image_width * geometry.image_height * geometry.channels
        self.frames = FrameRing(SLOTS, pixels, self._driver.device)
        self.results = ResultRing(SLOTS, self._record.itemsize, self._driver.device)
        self._driver.set_thresholds(levels)
        self._driver.begin(self.frames, self.results, {})

    def put(self, frame: Image) -> bool:
        if not self._driver.room:
            return False
        self._driver.put(frame[np.newaxis])
        self._driver.advance(1)
        return True

    def take(self) -> list[npt.NDArray[Any]]:
        return list(self._driver.take().view(self._record)[:, 0]["scores"])


class _Frames:
    """Of a core that scans."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def put(self, frame: Image) -> bool:
        return self._stream.submit([frame]) is not None

    def take(self) -> list[npt.NDArray[Any]]:
        scans = self._stream.collect()
        return [scans.cells(i) for i in range(len(scans))]


@contextmanager
def _feeder(bench: Bench, k: int) -> Iterator[Feeder]:
    overlay = bench.overlay
    if isinstance(overlay, Scanner):
        height, width = bench.vectors.inputs.shape[1:]
        with overlay.stream([(width, height)], k, frames=SLOTS) as stream:
            yield _Frames(stream)
        return
    feeder = _Images(overlay, np.array(bench.manifest.thresholds[k], np.uint8))
    try:
        yield feeder
    finally:
        bench.drop()  # it stops the core; its own rings are not the core's any more
        feeder.frames.close()
        feeder.results.close()


def rings(bench: Bench) -> Found:
    """Four slots in a ring: filled until nothing moves, then so many frames that they wrap again and again."""
    k = min(bench.ks)
    vectors = bench.vectors
    inputs, right = cycle(vectors.inputs), vectors.answers[k]
    frame, sent = next(inputs), 0
    answers: list[npt.NDArray[Any]] = []
    with _feeder(bench, k) as feeder:
        driver = bench.overlay.driver
        deadline = time.monotonic() + bench.patience_s
        while (
            sent < 2 * SLOTS
        ):  # a ring of results, which nobody takes, and a ring of frames behind it
            if feeder.put(frame):
                frame, sent = next(inputs), sent + 1
            elif time.monotonic() > deadline:
                raise CheckFailed(_held(driver, f"{sent} frames fit two rings of {SLOTS} slots"))
        for _ in range(LOOKS):
            if feeder.put(frame):
                raise CheckFailed(
                    _held(driver, f"room for frame {sent + 1} where both rings are full")
                )
        held = int(driver.read(reg.RESULT_HEAD))
        if held != SLOTS:
            raise CheckFailed(_held(driver, f"{SLOTS} results fit the ring, {held} were written"))
        total = sent + ROUNDS * SLOTS + 1
        deadline = time.monotonic() + bench.patience_s
        while len(answers) < total:
            new = feeder.take()
            answers += new
            while sent < total and feeder.put(frame):
                frame, sent = next(inputs), sent + 1
            if new:
                deadline = time.monotonic() + bench.patience_s
                bench.tell(f"{len(answers)} of {total} frames")
            elif time.monotonic() > deadline:
                raise CheckFailed(_held(driver, f"{len(answers)} of {sent} results came"))
    expected = np.resize(right, (total, *right.shape[1:]))
    axes = ("frame", "row", "column") if vectors.scans else ("frame", "class")
    compare("results through wrapping rings", np.stack(answers), expected, axes)
    return Found(
        f"{total} frames through rings of {SLOTS} slots, which stood still when full: all results are "
        "right and in order",
        {"frames": total},
    )


def watchdog(bench: Bench) -> Found:
    """Frames that take longer than allowed are dropped and counted; what comes after is right again."""
    k, overlay = min(bench.ks), bench.overlay
    count = min(3, len(bench.vectors.inputs))
    before = overlay.counters()
    frames = bench.vectors.inputs[:count]
    height, width = frames[0].shape[:2]
    clocks = k * height * width // bench.manifest.geometry.pixels_per_clock
    with _limited(bench, k) as (run, driver):
        bench.tell("frames that may take their time")
        run(frames[:1])
        allowed = int(driver.read(reg.WATCHDOG_CYCLES))
        driver.write(reg.WATCHDOG_CYCLES, clocks // 2)
        bench.tell("frames that may not")
        for i in range(count):
            try:
                run(frames[i : i + 1])
            except CoreError as error:
                if "dropped" not in str(error):
                    raise
            else:
                raise CheckFailed(
                    f"a frame of {clocks} clocks has a result, where WATCHDOG_CYCLES is {clocks // 2}"
                )
            if int(driver.read(reg.WATCHDOG_CYCLES)) != clocks // 2:
                raise CheckFailed("register WATCHDOG_CYCLES does not keep what was written")
        driver.write(reg.WATCHDOG_CYCLES, allowed)
        run(frames[:1])
    after = overlay.counters()
    for name in ("watchdog_timeouts", "frames_dropped"):
        grown = getattr(after, name) - getattr(before, name)
        if grown != count:
            raise CheckFailed(
                f"register {name.upper()} grew by {grown}, where the watchdog ended {count} frames"
            )
    bench.tell("golden vectors again")
    bench.vectors.ask(overlay, k, patience_s=bench.patience_s)
    return Found(
        f"{count} frames were dropped after {clocks // 2} clocks and counted; the next answers are right"
    )


@contextmanager
def _limited(bench: Bench, k: int) -> Iterator[tuple[Any, LutlensDriver]]:
    """What puts frames through the core without setting the watchdog anew, and the driver."""
    overlay = bench.overlay
    if not isinstance(overlay, Scanner):
        yield lambda frames: overlay.classify(frames, k, bench.patience_s), overlay.driver
        return
    height, width = bench.vectors.inputs.shape[1:]
    with overlay.stream([(width, height)], k) as stream:
        yield stream.scan, overlay.driver


def _held(driver: LutlensDriver, what: str) -> str:
    held = ", ".join(
        f"{name} {int(driver.read(getattr(reg, name))):#x}"
        for name in ("STATUS", "FRAME_HEAD", "FRAME_TAIL", "RESULT_HEAD", "RESULT_TAIL")
    )
    return f"{what}; registers hold {held}"
