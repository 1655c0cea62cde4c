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

import numpy as np
import numpy.typing as npt
from lutlens.board import regions
from lutlens.board.detection import Detection, detect
from lutlens.board.overlay import Classifier
from lutlens.board.sources import Box, Frame, SourceSpec

__all__ = ["Detection", "FrameResult", "Pipeline", "Subscription"]

RETRY_S = (0.5, 5.0)
CORE_RETRY_S = 0.5
JOIN_S = 5.0
RATE_WINDOW_S = 2.0
LATENCIES = 512

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FrameResult:
    """A recognised frame.

    sequence: number of the frame as captured.
    captured_at: `time.monotonic()` when it was captured.
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
    source_failures: how often the source could not be opened, or failed.
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
        self._newest: tuple[int, Frame] | None = None
        self._changed = threading.Condition()
        self._working = threading.Lock()  # held while a frame is at the core
        self._paused = self._reopen = False
        self._stop = threading.Event()  # of this run: a thread that was left behind keeps its own
        self._threads: list[threading.Thread] = []
        self._subscriptions: list[Subscription] = []
        self._capture_rate, self._recognise_rate = _Rate(), _Rate()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)

    def start(self) -> None:
        """Begin. A source that cannot be opened is retried, not raised."""
        if self._threads:
            return
        self._stop = threading.Event()
        for name, work in (("capture", self._capture), ("recognise", self._recognise)):
            thread = threading.Thread(target=work, args=(self._stop,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End both threads; one that hangs in a camera's driver is left behind after some seconds."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                log.warning("thread %s did not end within %g s", thread.name, JOIN_S)
        self._threads.clear()
        with self._changed:
            self._drop_newest()

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
    def latency_p50(self) -> float | None:
        """Captured to recognised, milliseconds, median of the last frames; None before the first."""
        return self._latency(50)

    @property
    def latency_p99(self) -> float | None:
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

    def _latency(self, percentile: float) -> float | None:
        latencies = list(self._latencies)
        return float(np.percentile(latencies, percentile)) if latencies else None

    def _drop_newest(self) -> None:
        if self._newest is not None:
            self._newest = None
            self.dropped += 1

    def _capture(self, stop: threading.Event) -> None:
        """Keep the newest frame on offer; open the source again, ever more patiently, when it fails."""
        shortest, longest = RETRY_S
        delay = shortest
        while not stop.is_set():
            with self._changed:
                spec, self._reopen = self._spec, False
            try:
                source = spec.open()
                try:
                    while self._offer(source.read(), stop):
                        delay, self._source_error = shortest, None
                finally:
                    source.close()
                continue
            # Whatever a driver or a decoder raises: a thread that died would be a picture that stands still.
            except Exception as error:
                self._source_error = f"{spec.description}: {error}"
                self.source_failures += 1
                log.warning("%s; trying again in %g s", self._source_error, delay)
            with self._changed:
                self._changed.wait_for(lambda: stop.is_set() or self._reopen, delay)
            delay = shortest if self._reopen else min(longest, 2 * delay)

    def _offer(self, frame: Frame | None, stop: threading.Event) -> bool:
        """Make this the newest frame; None: there are no more. Whether another one is wanted."""
        with self._changed:
            if frame is None:
                self._source_error = f"{self._spec.description}: has ended"
                self._changed.wait_for(lambda: stop.is_set() or self._reopen)
                return False
            self.captured += 1
            self._capture_rate.tick()
            self._drop_newest()
            self._newest = (self.captured, frame)
            if self._paused:
                self._drop_newest()
            self._changed.notify_all()
            self._changed.wait_for(lambda: stop.is_set() or self._reopen or not self._paused)
            return not (stop.is_set() or self._reopen)

    def _recognise(self, stop: threading.Event) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: stop.is_set() or self._newest is not None)
                if stop.is_set():
                    return
            with self._working:
                with self._changed:
                    if self._newest is None:  # the pipeline was paused
                        continue
                    (sequence, frame), self._newest = self._newest, None
                result: FrameResult | None = None
                try:
                    result = self._result(sequence, frame)
                except Exception as error:  # as above
                    log.warning("frame %d: %s", sequence, error)
                    self._core_error = str(error)
                    with self._changed:
                        self.dropped += 1
            if result is None:
                stop.wait(CORE_RETRY_S)
            else:
                self._core_error = None
                self._publish(result)

    def _result(self, sequence: int, frame: Frame) -> FrameResult:
        boxes, views = regions.propose(frame.image, centre_box=self._centre_box)
        found = detect(self.classifier, boxes, views, self.k)
        return FrameResult(
            sequence=sequence,
            captured_at=frame.captured_at,
            latency_ms=1000 * (time.monotonic() - frame.captured_at),
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
