"""The pipeline: no frame is lost uncounted, nothing waits for ever, whatever fails is shown and retried."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from lutlens.board import handwriting, pipeline
from lutlens.board.driver import CoreError
from lutlens.board.overlay import LoadedOverlay, load
from lutlens.board.pipeline import Pipeline
from lutlens.board.sources import Frame, Source, SourceError, SourceSpec
from lutlens.board.sources.base import Pace
from lutlens.board.sources.synthetic import SyntheticSpec
from lutlens.host import overlay
from lutlens.host.devices import open_device
from support.networks import digits_lutnet
from support.service import wait_for


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlays")
    digits_lutnet(1).save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net")
    return folder / "net"


@pytest.fixture(scope="module")
def classifier(directory: Path) -> Iterator[LoadedOverlay]:
    with open_device("model") as device:
        classifier = load(directory, device)
        yield classifier
        classifier.close()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "RETRY_S", (0.02, 0.1))
    monkeypatch.setattr(pipeline, "CORE_RETRY_S", 0.02)


@pytest.fixture
def run(classifier: LoadedOverlay) -> Iterator[Callable[..., Pipeline]]:
    """Starts a pipeline; at the end it is stopped, and has to have accounted for every frame."""
    started = []

    def start(source: SourceSpec, **options: Any) -> Pipeline:
        pipeline = Pipeline(classifier, source, **options)
        started.append(pipeline)
        pipeline.start()
        return pipeline

    yield start
    for used in started:
        used.stop()
        assert not used.running
        assert used.counts.at_work == 0


class Page(Source):
    """One digit on paper, over and over, until `frames` of them; then `fails`, or the end."""

    opened = 0
    closed = 0
    image: ClassVar = np.full((120, 160, 3), 20, np.uint8)
    image[40:68, 60:88] = handwriting.draw(5, np.random.default_rng(1))[..., None]

    def __init__(self, spec: PageSpec) -> None:
        Page.opened += 1
        self._spec, self._left, self._pace = spec, spec.frames, Pace(spec.fps)

    def read(self) -> Frame | None:
        if self._left == 0:
            if self._spec.fails:
                raise SourceError("unplugged")
            return None
        self._left -= 1
        self._pace.wait()
        return Frame(self.image, (((60, 40, 28, 28), 5),))

    def close(self) -> None:
        Page.closed += 1


class PageSpec(SourceSpec):
    kind: Literal["page"] = "page"
    fps: float = 100
    frames: int = -1
    fails: bool = False

    @property
    def description(self) -> str:
        return "A page"

    def open(self) -> Source:
        return Page(self)


class NoSpec(PageSpec):
    def open(self) -> Source:
        raise SourceError("does not open")


def test_five_seconds_of_the_scene_are_accounted_for(
    run: Callable[..., Pipeline], classifier: LoadedOverlay
) -> None:
    before = classifier.counters()
    pipeline = run(SyntheticSpec())
    regions = frames = 0
    subscription = pipeline.subscribe(maxlen=1000)
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        result = subscription.get(timeout=1)
        if result is not None:
            frames += 1
            regions += len(result.detections)
            assert result.latency_ms > 0
            assert result.truth is not None
    assert pipeline.error is None
    assert pipeline.rates.captured > 0
    pipeline.stop()
    while (result := subscription.get(timeout=0)) is not None:
        frames += 1
        regions += len(result.detections)
    assert frames == pipeline.counts.recognised > 0
    assert pipeline.counts.at_work == 0
    assert subscription.dropped == 0
    after = classifier.counters()
    assert after.frames_in - before.frames_in == after.frames_out - before.frames_out == regions
    assert after.frames_dropped == 0


def test_a_detection_is_what_the_core_says_of_its_view(
    run: Callable[..., Pipeline], classifier: LoadedOverlay
) -> None:
    pipeline = run(PageSpec(), k=max(classifier.manifest.thresholds))
    wait_for(lambda: pipeline.latest is not None, "a frame")
    assert pipeline.latest is not None
    (found,) = pipeline.latest.detections
    x, y, width, height = found.box
    assert 60 <= x <= x + width <= 88
    assert 40 <= y <= y + height <= 68
    answer = classifier.classify(found.view[np.newaxis], pipeline.k)
    assert answer.scores is not None
    assert found.scores == tuple(answer.scores[0].tolist())
    assert (found.digit, found.margin) == (answer.classes[0], answer.margins[0])
    assert found.label == classifier.manifest.geometry.classes[found.digit]


def test_weak_detections_are_left_out(run: Callable[..., Pipeline]) -> None:
    pipeline = run(PageSpec())
    wait_for(lambda: bool(pipeline.latest and pipeline.latest.detections), "a detection")
    pipeline.min_margin = 10_000
    wait_for(lambda: bool(pipeline.latest and not pipeline.latest.detections), "none")


def test_a_fast_source_is_dropped_from_not_queued(
    run: Callable[..., Pipeline], classifier: LoadedOverlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = classifier.classify

    def slow(*args: Any) -> Any:
        time.sleep(0.1)
        return real(*args)

    monkeypatch.setattr(classifier, "classify", slow)
    pipeline = run(PageSpec(fps=200))
    subscription = pipeline.subscribe()
    wait_for(lambda: pipeline.counts.recognised >= 8, "frames")
    numbers = [result.sequence for _ in range(6) if (result := subscription.get(0)) is not None]
    assert numbers == sorted(set(numbers))
    assert pipeline.counts.dropped > pipeline.counts.recognised
    assert pipeline.counts.at_work <= 2
    p50, p99 = pipeline.latency_p50, pipeline.latency_p99
    assert p50 is not None
    assert p99 is not None
    assert 100 <= p50 <= p99
    assert pipeline.rates.recognised < 11


def test_a_subscriber_that_sleeps_gets_the_newest_and_a_count(run: Callable[..., Pipeline]) -> None:
    pipeline = run(PageSpec(frames=12))
    subscription = pipeline.subscribe(maxlen=3)
    wait_for(lambda: pipeline.error is not None, "the end of the source")
    wait_for(
        lambda: pipeline.counts.at_work == 0,
        "the last frame",
    )
    results = [subscription.get(timeout=0.2) for _ in range(4)]
    assert results[3] is None
    assert pipeline.latest is not None
    assert results[2] is pipeline.latest
    assert subscription.dropped >= pipeline.counts.recognised - 3 - 1
    subscription.close()
    assert not pipeline._subscriptions


def test_a_source_that_ends_says_so_and_is_not_opened_again(run: Callable[..., Pipeline]) -> None:
    opened = Page.opened
    pipeline = run(PageSpec(frames=3))
    wait_for(lambda: pipeline.error is not None, "the end")
    time.sleep(0.2)
    assert pipeline.error == "A page: has ended"
    assert pipeline.source_failures == 0
    assert Page.opened == opened + 1
    pipeline.set_source(PageSpec())
    wait_for(lambda: pipeline.error is None, "the other source")


def test_a_source_that_fails_is_shown_counted_and_opened_again(
    run: Callable[..., Pipeline],
) -> None:
    opened, closed = Page.opened, Page.closed
    pipeline = run(PageSpec(frames=2, fails=True))
    wait_for(lambda: pipeline.error == "A page: unplugged", "the failure")
    wait_for(lambda: pipeline.source_failures >= 3, "more of them")
    wait_for(lambda: pipeline.counts.captured >= 6, "frames after the failure")
    pipeline.stop()
    assert Page.opened - opened == Page.closed - closed >= 3


def test_a_source_that_never_opens_leaves_the_rest_alive(run: Callable[..., Pipeline]) -> None:
    pipeline = run(NoSpec())
    wait_for(lambda: pipeline.source_failures >= 3, "attempts")
    assert pipeline.running
    assert pipeline.error == "A page: does not open"
    pipeline.set_source(PageSpec())
    wait_for(lambda: pipeline.counts.recognised > 0, "the other source")
    assert pipeline.error is None


def test_the_core_failing_is_shown_and_its_frames_count_as_dropped(
    run: Callable[..., Pipeline], classifier: LoadedOverlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = run(PageSpec())
    with monkeypatch.context() as patch:

        def fail(*args: Any) -> Any:
            raise CoreError("register STATUS holds 0x8")

        patch.setattr(classifier, "classify", fail)
        wait_for(lambda: pipeline.error == "register STATUS holds 0x8", "the error")
        dropped = pipeline.counts.dropped
        wait_for(lambda: pipeline.counts.dropped > dropped, "further attempts")
    wait_for(lambda: pipeline.error is None, "recovery")
    assert pipeline.running


def test_pause_leaves_the_core_idle_and_resume_goes_on(
    run: Callable[..., Pipeline], classifier: LoadedOverlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, busy = classifier.classify, threading.Event()

    def slow(*args: Any) -> Any:
        busy.set()
        time.sleep(0.05)
        result = real(*args)
        busy.clear()
        return result

    monkeypatch.setattr(classifier, "classify", slow)
    pipeline = run(PageSpec())
    for _ in range(5):
        assert busy.wait(5)
        pipeline.pause()
        assert not busy.is_set()
        recognised = pipeline.counts.recognised
        time.sleep(0.1)
        assert pipeline.counts.recognised - recognised <= 1  # published after the core was done
        assert pipeline.paused
        pipeline.resume()
        wait_for(lambda stood=recognised: pipeline.counts.recognised > stood + 1, "frames again")  # type: ignore[misc]


def test_another_overlay_takes_over(
    run: Callable[..., Pipeline], classifier: LoadedOverlay, tmp_path: Path
) -> None:
    pipeline = run(PageSpec(), k=max(classifier.manifest.thresholds))
    levels = {k: np.full((k, 1), 128, np.uint8) for k in (1, 2)}
    replace(digits_lutnet(2), thresholds=levels).save(tmp_path / "net.lutnet")
    overlay.generate(tmp_path / "net.lutnet", tmp_path / "other")
    with open_device("model") as device:
        other = load(tmp_path / "other", device)
        pipeline.swap_classifier(other)
        assert pipeline.k == 2
        stood = pipeline.counts.recognised
        wait_for(lambda: pipeline.counts.recognised > stood + 1, "frames by the other one")
        assert pipeline.error is None
        assert other.counters().frames_out > 0
        pipeline.stop()
        other.close()


def test_it_starts_again_after_a_stop(run: Callable[..., Pipeline]) -> None:
    pipeline = run(PageSpec())
    for _ in range(3):
        stood = pipeline.counts.recognised
        wait_for(lambda stood=stood: pipeline.counts.recognised > stood, "frames")  # type: ignore[misc]
        pipeline.stop()
        pipeline.stop()
        assert not pipeline.running
        assert pipeline.counts.at_work == 0
        pipeline.start()
        pipeline.start()
        assert pipeline.running


def test_a_source_that_hangs_does_not_keep_it_from_stopping(
    run: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "JOIN_S", 0.1)
    hang, reading = threading.Event(), threading.Event()

    def read(self: Page) -> Frame:
        reading.set()
        hang.wait(20)
        return Frame(Page.image)

    monkeypatch.setattr(Page, "read", read)
    hanging = run(PageSpec())
    assert reading.wait(5)
    began = time.monotonic()
    hanging.stop()
    assert time.monotonic() - began < 2
    hang.set()


def test_a_k_without_thresholds_is_refused(classifier: LoadedOverlay) -> None:
    with pytest.raises(ValueError, match=r"k: 16; this overlay has thresholds for K = \["):
        Pipeline(classifier, PageSpec(), k=16)


def test_rates_and_latencies_are_none_at_first(classifier: LoadedOverlay) -> None:
    idle = Pipeline(classifier, PageSpec())
    assert idle.rates.captured == idle.rates.recognised == 0
    assert idle.latency_p50 is idle.latency_p99 is None
    assert idle.latest is None
    assert not idle.running
