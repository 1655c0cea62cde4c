"""Source to results: one thread captures, one recognises, and whoever subscribed gets the results.

    source -> newest frame -> detector, with the core -> FrameResult -> subscriptions, history

Between any two of them stands a place of bounded size that counts what it had to drop. A pattern, where the core scans,
takes no part in that: it lies in the core's ring already, and is replayed at the core's rate.
"""

from __future__ import annotations

import logging
import threading
import time

from lutlens.board import pictures
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.detection import Detector, PictureDetector, RegionDetector
from lutlens.board.driver import CoreError
from lutlens.board.rates import Counts, Latencies, Meter, Rates
from lutlens.board.replay import TICK_S, Replay
from lutlens.board.results import FrameResult, History, Recorded, Subscription
from lutlens.board.scan_detection import ScanDetector
from lutlens.board.scanner import Scanner
from lutlens.board.sources import Frame, PatternSpec, SourceSpec

RETRY_S = (0.5, 5.0)
CORE_RETRY_S = 0.5
JOIN_S = 5.0

log = logging.getLogger(__name__)


class Pipeline:
    """Runs from `start` to `stop`. Attributes without a method to change them are for reading.

    source_failures: how often the source could not be opened, or failed.
    error: what is wrong with the source or the core right now; None if nothing is.
    k, min_margin: may be set at any time; detections with a smaller margin are left out.
    latest: the newest result.
    history: everything recognised in the last two seconds.

    Raises ValueError for a K that the overlay has no thresholds for, for one whose outputs are numbers, or whose images
    are neither grey nor of red, green and blue.
    """

    def __init__(
        self,
        classifier: LoadedOverlay,
        source: SourceSpec,
        *,
        k: int | None = None,
        min_margin: int = 0,
        centre_box: bool = False,
    ) -> None:
        self.classifier = _of_pictures(classifier)
        self.k = min(classifier.manifest.thresholds) if k is None else k
        if self.k not in classifier.manifest.thresholds:
            offered = sorted(classifier.manifest.thresholds)
            raise ValueError(f"k: {self.k}; this overlay has thresholds for K = {offered}")
        self.min_margin = min_margin
        self.source_failures = 0
        self.latest: FrameResult | None = None
        self.history = History()
        self._centre_box = centre_box
        self._detector: Detector | None = None
        self._replay: Replay | None = None
        self._spec = source
        self._source_error: str | None = None
        self._core_error: str | None = None
        self._newest: tuple[int, Frame] | None = None
        self._changed = threading.Condition()
        self._working = threading.Lock()  # held while a frame is at the core
        self._paused = self._reopen = self._anew = False
        self._stop = threading.Event()  # of this run: a thread that was left behind keeps its own
        self._threads: list[threading.Thread] = []
        self._subscriptions: list[Subscription] = []
        self._meter = Meter()
        self._latencies = Latencies()

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
    def counts(self) -> Counts:
        """Frames so far.

        captured: from the source, or given to the core in a replay.
        recognised, dropped: of these; captured = recognised + dropped + those at work (two at most; in a replay,
            as many as the ring holds).
        shown: results that subscribers were offered; in a replay only the newest at every look.
        """
        return self._meter.counts

    @property
    def rates(self) -> Rates:
        """The same, a second."""
        return self._meter.rates

    @property
    def replaying(self) -> bool:
        """Whether the core replays a pattern from memory, at its own rate."""
        return isinstance(self._spec, PatternSpec) and isinstance(self.classifier, Scanner)

    @property
    def _replays(self) -> bool:
        """Whether a replay is wanted, or one that was wanted still has the core."""
        return self.replaying or self._replay is not None

    @property
    def latency_p50(self) -> float | None:
        """Of the last results, `latency_ms`, median; None before the first."""
        return self._latencies.percentile(50)

    @property
    def latency_p99(self) -> float | None:
        return self._latencies.percentile(99)

    def pause(self) -> None:
        """Capture no more; returns when the core is idle, and none of its memory in use."""
        with self._changed:
            self._paused = True
            self._drop_newest()
        with self._working:
            try:
                self._rest()
            except CoreError as error:  # it hangs: whoever goes on will find the same
                log.warning("%s", error)

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def set_source(self, source: SourceSpec) -> None:
        """Go on with another source; all its frames are captured after those of the one before."""
        with self._changed:
            self._spec = source
            self._begin_anew()
        self._latencies.clear()

    def swap_classifier(self, classifier: LoadedOverlay) -> None:
        """Go on with another overlay; K becomes the nearest that it has thresholds for.

        Raises ValueError for one whose outputs are numbers, or whose images have other channels than pictures.
        """
        _of_pictures(classifier)
        with self._working:
            self._release()
            with self._changed:
                self.classifier = classifier
                self._begin_anew()
            offered = classifier.manifest.thresholds
            self.k = min(offered, key=lambda k: (abs(k - self.k), k))
            self._core_error = None
            self._latencies.clear()

    def subscribe(self, maxlen: int = 8) -> Subscription:
        subscription = Subscription(maxlen, self._unsubscribe)
        with self._changed:
            self._subscriptions = [*self._subscriptions, subscription]
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        with self._changed:
            self._subscriptions = [s for s in self._subscriptions if s is not subscription]

    def _begin_anew(self) -> None:
        """Open the source again; no frame from before is recognised any more, no digit from before followed."""
        self._reopen = self._anew = True
        self._drop_newest()
        self._changed.notify_all()

    def _drop_newest(self) -> None:
        if self._newest is not None:
            self._newest = None
            self._meter.add(dropped=1)

    def _capture(self, stop: threading.Event) -> None:
        """Keep the newest frame on offer; open the source again, ever more patiently, when it fails."""
        shortest, longest = RETRY_S
        delay = shortest
        while not stop.is_set():
            with self._changed:
                spec, self._reopen = self._spec, False
                if self.replaying:
                    self._source_error = None
                self._changed.wait_for(lambda: stop.is_set() or self._reopen or not self._replays)
                if stop.is_set() or self._reopen:
                    continue
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
            number = self._meter.add(captured=1).captured
            self._drop_newest()
            self._newest = (number, frame)
            if self._paused or self._reopen or stop.is_set():
                self._drop_newest()
            self._changed.notify_all()
            self._changed.wait_for(lambda: stop.is_set() or self._reopen or not self._paused)
            return not (stop.is_set() or self._reopen)

    def _recognise(self, stop: threading.Event) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (
                        stop.is_set()
                        or self._newest is not None
                        or (not self._paused if self.replaying else self._replays)
                    )
                )
            if stop.is_set():
                with self._working:
                    self._release()
                return
            began = time.monotonic()
            try:
                with self._working:
                    result = self._look() if self._replays else self._next_result()
                self._core_error = None
            except Exception as error:  # as above
                log.warning("%s", error)
                self._core_error = str(error)
                stop.wait(CORE_RETRY_S)
                continue
            if result is not None:
                self._publish(result)
            if self.replaying:
                stop.wait(max(0.0, began + TICK_S - time.monotonic()))

    def _next_result(self) -> FrameResult | None:
        """Recognise the newest frame; None if there is none any more."""
        with self._changed:
            if self._newest is None:  # the pipeline was paused
                return None
            (sequence, frame), self._newest = self._newest, None
            anew, self._anew = self._anew, False
        try:
            if anew and self._detector is not None:
                self._detector.close()
            result = self._result(sequence, frame)
        except Exception:
            self._meter.add(dropped=1)
            self._release()
            raise
        self._meter.add(recognised=1, shown=1)
        recorded = Recorded(sequence, frame.captured_at, lambda: result)
        self.history.add([recorded], frame.image.nbytes)
        return result

    def _result(self, sequence: int, frame: Frame) -> FrameResult:
        if self._detector is None:
            self._detector = self._new_detector()
        found = self._detector.detect(frame.image, sequence, self.k, self.min_margin)
        return FrameResult(
            sequence=sequence,
            captured_at=frame.captured_at,
            latency_ms=1000 * (time.monotonic() - frame.captured_at),
            image=frame.image,
            detections=found.detections,
            truth=frame.truth,
            class_map=found.class_map,
        )

    def _new_detector(self) -> Detector:
        if isinstance(self.classifier, Scanner):
            return ScanDetector(self.classifier)
        if self.classifier.manifest.geometry.reads_ink:
            return RegionDetector(self.classifier, centre_box=self._centre_box)
        return PictureDetector(self.classifier)

    def _look(self) -> FrameResult | None:
        """Look at what the core did with the pattern; the newest of it, if there is any."""
        replay = self._replay
        if not replay or (replay.scanner, replay.spec) != (self.classifier, self._spec):
            self._release()
        with self._changed:
            scanner, spec = self.classifier, self._spec
            if self._paused or not (isinstance(scanner, Scanner) and isinstance(spec, PatternSpec)):
                return None
            if self._replay is None:
                first = self._meter.counts.captured + 1
                self._replay = Replay(scanner, spec, self._meter, first=first)
        look = self._replay.look(self.k, self.min_margin)
        self.history.add(look.recorded, look.size)
        return look.shown

    def _rest(self) -> None:
        """Give back what the core's memory is used for; the next frame takes it anew. Raises CoreError."""
        if self._detector is not None:
            self._detector.close()
        if self._replay is not None:
            self._replay.rest()

    def _release(self) -> None:
        """Let go of whatever used the core. Raises CoreError."""
        try:
            self._rest()
        finally:
            with self._changed:
                self._detector = self._replay = None
                self._changed.notify_all()

    def _publish(self, result: FrameResult) -> None:
        self.latest = result
        self._latencies.add(result.latency_ms)
        for subscription in self._subscriptions:
            subscription.put(result)


def _of_pictures(overlay: LoadedOverlay) -> LoadedOverlay:
    """Raises ValueError for an overlay that makes nothing of pictures."""
    if why := pictures.why_none(overlay.manifest.geometry):
        raise ValueError(f"overlay {overlay.name}: {why}")
    return overlay
