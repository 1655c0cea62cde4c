"""The pipeline with a core that scans: cameras by detector, patterns by replay, and nothing unaccounted for."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board import contrast, pipeline, results
from lutlens.board.driver import CoreError
from lutlens.board.overlay import Scanner, load
from lutlens.board.pipeline import Pipeline
from lutlens.board.sources import Frame, PatternSpec, SourceSpec
from lutlens.board.sources.pattern import draw
from lutlens.board.streams import Stream
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.scores import cells
from support.networks import digits_lutnet
from support.service import wait_for
from support.squares import Squares, SquaresSpec, picture, squares_lutnet

PATTERN = PatternSpec(width=160, height=48, frames=32)


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanner]:
    folder = tmp_path_factory.mktemp("overlays")
    squares_lutnet().save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net", scan=True)
    with open_device("model") as device:
        scanner = load(folder / "net", device)
        assert isinstance(scanner, Scanner)
        yield scanner
        scanner.close()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "CORE_RETRY_S", 0.02)


@pytest.fixture
def grey_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares as they are: local contrast leaves of filled ones their edges."""
    monkeypatch.setattr(contrast, "normalise", lambda grey: grey)


@pytest.fixture
def run(scanner: Scanner) -> Iterator[Callable[..., Pipeline]]:
    """Starts a pipeline; at the end it is stopped, has accounted for every frame and freed its rings."""
    started = []

    def start(source: SourceSpec, **options: Any) -> Pipeline:
        pipeline = Pipeline(scanner, source, **options)
        started.append(pipeline)
        pipeline.start()
        return pipeline

    yield start
    for used in started:
        used.stop()
        assert not used.running
        assert used.counts.at_work == 0
    assert scanner._core.streams == []


@pytest.mark.usefixtures("grey_levels")
def test_a_cameras_frames_are_scanned_and_followed(run: Callable[..., Pipeline]) -> None:
    pipeline = run(SquaresSpec())
    subscription = pipeline.subscribe(maxlen=200)
    wait_for(lambda: pipeline.counts.recognised >= 20, "frames")
    pipeline.stop()
    shown = [result for _ in range(200) if (result := subscription.get(0)) is not None]
    assert pipeline.error is None
    assert not pipeline.replaying
    tracks = set()
    for result in shown[5:]:
        ((box, _),) = result.truth or ()
        (found,) = result.detections
        assert abs(found.box[0] + found.box[2] / 2 - box[0] - 12) < 12
        assert found.label == "square"
        tracks.add(found.track)
        assert result.class_map is not None
        assert result.class_map.cells.shape == (54, 74)
    assert len(tracks) == 1
    recent = [frame.sequence for frame in pipeline.history.snapshot()]
    numbers = [result.sequence for result in shown]
    assert 0 < len(recent) <= len(numbers)
    assert recent == numbers[-len(recent) :]


@pytest.mark.usefixtures("grey_levels")
def test_another_sources_digits_are_others(run: Callable[..., Pipeline]) -> None:
    pipeline = run(SquaresSpec(fps=20))
    wait_for(lambda: bool(pipeline.latest and pipeline.latest.detections), "a square")
    before = pipeline.latest
    assert before is not None
    pipeline.set_source(SquaresSpec(fps=21))  # its square begins where the other one just was
    last = pipeline.counts.captured
    wait_for(lambda: bool(pipeline.latest and pipeline.latest.sequence > last + 2), "frames")
    assert pipeline.latest is not None
    assert pipeline.latest.detections[0].track != before.detections[0].track


@pytest.mark.usefixtures("grey_levels")
def test_weak_detections_are_left_out(run: Callable[..., Pipeline]) -> None:
    pipeline = run(SquaresSpec())
    wait_for(lambda: bool(pipeline.latest and pipeline.latest.detections), "a detection")
    pipeline.min_margin = 1000
    wait_for(lambda: bool(pipeline.latest and not pipeline.latest.detections), "none")


def test_a_pattern_is_replayed_and_every_frame_recorded(run: Callable[..., Pipeline]) -> None:
    pipeline = run(PATTERN)
    assert pipeline.replaying
    subscription = pipeline.subscribe(maxlen=4000)
    wait_for(lambda: pipeline.counts.recognised >= 300, "frames")
    assert pipeline.rates.captured > 0
    assert pipeline.rates.recognised > 0
    recorded = pipeline.history.snapshot()
    numbers = [frame.sequence for frame in recorded]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    times = [frame.captured_at for frame in recorded]
    assert times == sorted(times)
    pattern = draw(PATTERN)
    executor = Executor(squares_lutnet())
    for frame in recorded[:: max(1, len(recorded) // 5)]:
        result = frame.result()
        i = (frame.sequence - 1) % len(pattern.images)
        assert np.array_equal(result.image[..., 0], pattern.images[i])
        assert result.truth == pattern.truth[i]
        assert result.class_map is not None
        seen = contrast.normalise(pattern.images[i])
        right = cells(executor.scores(seen[np.newaxis], k=1)[0])
        assert np.array_equal(result.class_map.cells, right)
    pipeline.stop()
    shown = []
    while (result := subscription.get(0)) is not None:
        shown.append(result.sequence)
    assert shown == sorted(set(shown))
    assert len(shown) == pipeline.counts.shown <= pipeline.counts.recognised


def test_frames_of_the_next_source_are_later_than_those_of_a_replay(
    run: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Stream.collect

    def slow(self: Stream, wait_s: float = 0.0) -> Any:
        scans = real(self, wait_s)
        time.sleep(0.1)  # a camera is opened and gives frames meanwhile
        return scans

    monkeypatch.setattr(Stream, "collect", slow)
    pipeline = run(PATTERN)
    for source in (SquaresSpec(fps=200), PATTERN, SquaresSpec(fps=200)):
        stood = pipeline.counts.shown
        wait_for(lambda stood=stood: pipeline.counts.shown > stood + 2, "frames")  # type: ignore[misc]
        pipeline.set_source(source)
    stood = pipeline.counts.shown
    wait_for(lambda: pipeline.counts.shown > stood + 2, "frames")
    recorded = pipeline.history.snapshot()
    assert len({frame.result().image.shape for frame in recorded}) == 2
    numbers = [frame.sequence for frame in recorded]
    assert numbers == sorted(set(numbers))
    times = [frame.captured_at for frame in recorded]
    assert times == sorted(times)


def test_a_frame_that_comes_after_the_change_is_not_shown_as_the_next_sources(
    run: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, late = Squares.read, Frame(picture(64, 64, []))
    reading, arrives, gone = threading.Event(), threading.Event(), threading.Event()

    def read(self: Squares) -> Frame:
        if gone.is_set():
            time.sleep(0.1)  # until then nothing takes the late frame's place
            return real(self)
        reading.set()
        arrives.wait(20)
        return late

    monkeypatch.setattr(Squares, "read", read)
    monkeypatch.setattr(Squares, "close", lambda self: gone.set())
    pipeline = run(SquaresSpec())
    subscription = pipeline.subscribe(maxlen=4000)
    assert reading.wait(5)
    pipeline.set_source(PATTERN)
    wait_for(lambda: pipeline.counts.shown > 0, "the pattern")
    arrives.set()
    assert gone.wait(5)
    pipeline.set_source(SquaresSpec(fps=200))
    stood = pipeline.counts.shown
    wait_for(lambda: pipeline.counts.shown > stood + 5, "squares")
    shapes = set()
    while (result := subscription.get(0)) is not None:
        shapes.add(result.image.shape)
    assert shapes == {(48, 160, 3), (120, 160, 3)}


def test_a_pause_is_no_time_of_frames(run: Callable[..., Pipeline], scanner: Scanner) -> None:
    pipeline = run(PATTERN)
    wait_for(lambda: pipeline.counts.recognised >= 20, "frames")
    pipeline.pause()
    assert scanner._core.streams == []
    assert pipeline.counts.at_work == 0
    last = pipeline.history.snapshot()[-1]
    time.sleep(0.3)
    resumed = time.monotonic()
    pipeline.resume()
    wait_for(lambda: pipeline.history.snapshot()[-1].sequence > last.sequence + 20, "frames")
    later = [f for f in pipeline.history.snapshot() if f.sequence > last.sequence]
    assert all(frame.captured_at >= resumed for frame in later)


def test_history_is_bounded(run: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "HISTORY_FRAMES", 50)
    pipeline = run(PATTERN)
    wait_for(lambda: pipeline.counts.recognised >= 200, "frames")
    assert 0 < len(pipeline.history.snapshot()) <= 50 + PATTERN.frames
    monkeypatch.setattr(results, "HISTORY_BYTES", 1)
    stood = pipeline.counts.recognised
    wait_for(lambda: pipeline.counts.recognised > stood + 40, "frames")
    assert len(pipeline.history.snapshot()) <= PATTERN.frames


def test_a_core_that_fails_in_a_replay_is_shown_and_begun_anew(
    run: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = run(PATTERN)
    wait_for(lambda: pipeline.counts.recognised > 0, "frames")
    with monkeypatch.context() as patch:

        def fail(self: Stream, wait_s: float = 0.0) -> Any:
            raise CoreError("register STATUS holds 0x8")

        patch.setattr(Stream, "collect", fail)
        wait_for(lambda: pipeline.error == "register STATUS holds 0x8", "the error")
    stood = pipeline.counts.recognised
    wait_for(lambda: pipeline.error is None and pipeline.counts.recognised > stood, "recovery")
    assert pipeline.counts.dropped > 0
    assert pipeline.running


def test_other_users_of_the_core_do_not_disturb_a_replay(
    run: Callable[..., Pipeline], scanner: Scanner
) -> None:
    pipeline = run(PATTERN)
    image = picture(14, 14, [(2, 2, 10, 10)])[np.newaxis, ..., 0]
    for _ in range(20):
        assert scanner.classify(image, k=2).classes.tolist() == [1]
    wait_for(lambda: pipeline.counts.recognised > 100, "frames")
    assert pipeline.error is None
    assert pipeline.counts.dropped == 0


def test_an_overlay_for_single_images_shows_the_pattern_at_its_own_pace(
    scanner: Scanner, run: Callable[..., Pipeline], tmp_path: Path
) -> None:
    pipeline = run(PATTERN)
    wait_for(lambda: pipeline.counts.recognised > 0, "frames")
    digits_lutnet(2).save(tmp_path / "net.lutnet")
    overlay.generate(tmp_path / "net.lutnet", tmp_path / "net")
    with open_device("model") as device:
        other = load(tmp_path / "net", device)
        pipeline.swap_classifier(other)
        assert not pipeline.replaying
        stood = pipeline.counts.captured
        wait_for(lambda: pipeline.counts.captured > stood + 5, "frames by the other one")
        assert pipeline.rates.captured < 1000
        pipeline.swap_classifier(scanner)
        stood = pipeline.counts.recognised
        wait_for(lambda: pipeline.counts.recognised > stood + 5, "the replay again")
        pipeline.stop()
        other.close()


def test_seconds_of_pauses_and_changes_lose_no_frame_and_no_memory(
    run: Callable[..., Pipeline], scanner: Scanner
) -> None:
    rng = random.Random(1)
    pipeline = run(PATTERN)
    subscription = pipeline.subscribe(maxlen=5000)
    mapped = scanner._driver.device.ddr.mapped
    most = []
    actions: list[Callable[[], None]] = [
        pipeline.pause,
        lambda: pipeline.set_source(SquaresSpec(fps=rng.choice([20, 200]))),
        lambda: pipeline.set_source(PATTERN),
        lambda: setattr(pipeline, "k", rng.choice([1, 2])),
        lambda: setattr(pipeline, "min_margin", rng.choice([0, 3])),
    ]
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        rng.choice(actions)()
        time.sleep(rng.uniform(0, 0.1))
        pipeline.resume()
        time.sleep(rng.uniform(0, 0.2))
        most.append(int(mapped.sum()))
        assert 0 <= pipeline.counts.at_work <= PATTERN.frames + 2
    assert pipeline.error is None
    pipeline.stop()
    assert pipeline.counts.at_work == 0
    assert pipeline.counts.recognised > 5
    numbers, times = [], []
    while (result := subscription.get(0)) is not None:
        numbers.append(result.sequence)
        times.append(result.captured_at)
    assert len(numbers) == pipeline.counts.shown
    assert numbers == sorted(set(numbers))
    assert times == sorted(times)
    assert max(most[len(most) // 2 :]) <= max(most[: len(most) // 2])
