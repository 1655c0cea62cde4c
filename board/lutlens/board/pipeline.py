"""Source to results: one thread captures, one recognises, and whoever subscribed gets the results.

    source -> newest frame -> regions -> core -> FrameResult -> subscriptions

Between any two of them stands a place of bounded size that counts what it had to drop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import regions
from lutlens.board.detection import Detection, detect
from lutlens.board.driver import CoreError
from lutlens.board.overlay import Classifier
from lutlens.board.sources.base import Box, Frame, Source, SourceError, SourceSpec

__all__ = ["Detection", "FrameResult", "Pipeline", "Subscription"]

RETRY_S = (0.5, 5.0)
JOIN_S = 5.0
RATE_WINDOW_S = 2.0
LATENCIES = 512

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FrameResult:
    """A recognised frame.

    sequence: number of the frame as captured.
    captured_at: `time.monotonic()` when it came from the source.
    latency_ms: from then until it was recognised.
    image: BGR uint8 `[h, w, 3]`; not to be written to.
    truth: see `Frame`.
    """

    sequence: int
    captured_at: float
    latency_ms: float
    image: npt.NDArray[np.uint8]
    detections: tuple[Detection, ...]
    truth: tuple[tuple[Box, int], ...] | None


class Subscription:
    """The results from now on, newest kept: what does not fit pushes the oldest out. `dropped` counts those."""

    def __init__(self, pipeline: Pipeline, maxlen: int) -> None:
        self.dropped = 0
        self._pipeline = pipeline
        self._results: deque[FrameResult] = deque(maxlen=maxlen)
        self._arrived = threading.Condition()

    def get(self, timeout: float | None = None) -> FrameResult | None:
        """The oldest result in the box; None if none comes within `timeout` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._results), timeout)
            return self._results.popleft() if self._results else None

    def close(self) -> None:
        self._pipeline._unsubscribe(self)

    def _put(self, result: FrameResult) -> None:
        with self._arrived:
            if len(self._results) == self._results.maxlen:
                self.dropped += 1
            self._results.append(result)
            self._arrived.notify()


class _Rate:
    """Events a second over the last two seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def tick(self) -> None:
        now = time.monotonic()
        self._times.append(now)
        while self._times[0] < now - RATE_WINDOW_S:
            self._times.popleft()

    @property
    def per_second(self) -> float:
        now = time.monotonic()
        recent = [t for t in list(self._times) if t >= now - RATE_WINDOW_S]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0


class Pipeline:
    """Runs from `start` to `stop`. Attributes without a method to change them are for reading.

    captured, recognised, dropped: frames; captured = recognised + dropped + those at work (two at most).
    source_failures: how often the source could not be opened or ended.
    error: what is wrong with the source or the core right now; None if nothing is.
    k, min_margin: may be set at any time; detections with a smaller margin are left out.
    latest: the newest result.
    """

    def __init__(
        self,
        classifier: Classifier,
        source: SourceSpec,
        *,
        k: int | None = None,
        min_margin: int = 0,
        centre_box: bool = False,
    ) -> None:
        self.classifier = classifier
        self.k = min(classifier.manifest.thresholds) if k is None else k
        if self.k not in classifier.manifest.thresholds:
            offered = sorted(classifier.manifest.thresholds)
            raise ValueError(f"k: {self.k}; this overlay has thresholds for K = {offered}")
        self.min_margin = min_margin
        self.captured = self.recognised = self.dropped = self.source_failures = 0
        self.latest: FrameResult | None = None
        self._centre_box = centre_box
        self._spec = source
        self._source_error: str | None = None
        self._core_error: str | None = None
        self._newest: tuple[int, float, Frame] | None = None
        self._changed = threading.Condition()
        self._working = threading.Lock()  # held while a frame is at the core
        self._paused = self._stopping = self._reopen = False
        self._threads: list[threading.Thread] = []
        self._subscriptions: list[Subscription] = []
        self._capture_rate, self._recognise_rate = _Rate(), _Rate()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)

    def start(self) -> None:
        """Begin. A source that cannot be opened is retried, not raised."""
        if self._threads:
            return
        self._stopping = False
        for name, work in (("capture", self._capture), ("recognise", self._recognise)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End both threads; one that hangs in a camera's driver is left behind after some seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                log.warning("%s did not end within %g s", thread.name, JOIN_S)
        self._threads.clear()

    @property
    def running(self) -> bool:
        """Whether both threads are alive."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def error(self) -> str | None:
        return self._core_error or self._source_error

    @property
    def source(self) -> SourceSpec:
        return self._spec

    @property
    def fps_captured(self) -> float:
        return self._capture_rate.per_second

    @property
    def fps_recognised(self) -> float:
        return self._recognise_rate.per_second

    @property
    def latency_p50(self) -> float:
        """Captured to recognised, milliseconds, median of the last frames; 0 before the first."""
        return self._latency(50)

    @property
    def latency_p99(self) -> float:
        return self._latency(99)

    def pause(self) -> None:
        """Capture no more; returns when the core is idle."""
        with self._changed:
            self._paused = True
            self._drop_newest()
        with self._working:
            pass

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def set_source(self, source: SourceSpec) -> None:
        """Go on with another source."""
        with self._changed:
            self._spec, self._reopen = source, True
            self._changed.notify_all()

    def swap_classifier(self, classifier: Classifier) -> None:
        """Go on with another overlay; K becomes the nearest that it has thresholds for."""
        with self._working:
            self.classifier = classifier
            offered = classifier.manifest.thresholds
            self.k = min(offered, key=lambda k: (abs(k - self.k), k))
            self._core_error = None

    def subscribe(self, maxlen: int = 8) -> Subscription:
        subscription = Subscription(self, maxlen)
        with self._changed:
            self._subscriptions = [*self._subscriptions, subscription]
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        with self._changed:
            self._subscriptions = [s for s in self._subscriptions if s is not subscription]

    def _latency(self, percentile: float) -> float:
        latencies = list(self._latencies)
        return float(np.percentile(latencies, percentile)) if latencies else 0.0

    def _drop_newest(self) -> None:
        if self._newest is not None:
            self._newest = None
            self.dropped += 1

    def _capture(self) -> None:
        """Keep the newest frame on offer; open the source again, ever more patiently, when it fails."""
        shortest, longest = RETRY_S
        delay = shortest
        while not self._stopping:
            with self._changed:
                spec, self._reopen = self._spec, False
            try:
                source = spec.open()
                try:
                    while self._watch(source):
                        delay, self._source_error = shortest, None
                finally:
                    source.close()
                continue
            except (SourceError, OSError, cv2.error) as error:
                self._source_error = f"{spec.description}: {error}"
                self.source_failures += 1
                log.warning("source: %s; trying again in %g s", self._source_error, delay)
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._reopen, delay)
            delay = shortest if self._reopen else min(longest, 2 * delay)

    def _watch(self, source: Source) -> bool:
        """Offer one frame. False when the source is not wanted any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._reopen or not self._paused)
            if self._stopping or self._reopen:
                return False
        frame = source.read()
        with self._changed:
            self.captured += 1
            self._capture_rate.tick()
            self._drop_newest()
            if self._paused:
                self.dropped += 1
            else:
                self._newest = (self.captured, time.monotonic(), frame)
                self._changed.notify_all()
        return True

    def _recognise(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._newest is not None)
                if self._stopping:
                    self._drop_newest()
                    return
            with self._working:
                with self._changed:
                    if self._newest is None:
                        continue
                    (sequence, captured_at, frame), self._newest = self._newest, None
                try:
                    result = self._result(sequence, captured_at, frame)
                except (CoreError, ValueError, cv2.error) as error:
                    log.warning("frame %d: %s", sequence, error)
                    self._core_error = str(error)
                    with self._changed:
                        self.dropped += 1
                    continue
            self._core_error = None
            self._publish(result)

    def _result(self, sequence: int, captured_at: float, frame: Frame) -> FrameResult:
        boxes, views = regions.propose(frame.image, centre_box=self._centre_box)
        found = detect(self.classifier, boxes, views, self.k)
        return FrameResult(
            sequence=sequence,
            captured_at=captured_at,
            latency_ms=1000 * (time.monotonic() - captured_at),
            image=frame.image,
            detections=tuple(d for d in found if d.margin >= self.min_margin),
            truth=frame.truth,
        )

    def _publish(self, result: FrameResult) -> None:
        with self._changed:
            self.recognised += 1
            subscriptions = self._subscriptions
        self.latest = result
        self._recognise_rate.tick()
        self._latencies.append(result.latency_ms)
        for subscription in subscriptions:
            subscription._put(result)
