"""The driver's streams on the model device: every frame is accounted for, whoever else uses the core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from lutlens.board import registers as reg
from lutlens.board import scanning, selftest, streams
from lutlens.board.driver import CoreError, CoreTimeout
from lutlens.board.overlay import Scanner, load
from lutlens.board.records import answers
from lutlens.board.selftest import SelfTestError
from lutlens.board.streams import Scans, Size, Stream
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.lutnet import Lutnet
from lutlens.host.scores import cells
from support.networks import random_lutnet

SIZES = [(48, 40), (32, 28), (24, 20)]

Frames = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def lutnet() -> Lutnet:
    return random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1)  # 11 rows, 10 columns


@pytest.fixture(scope="module")
def executor(lutnet: Lutnet) -> Executor:
    return Executor(lutnet)


@pytest.fixture(scope="module")
def directory(lutnet: Lutnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlays")
    lutnet.save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net", scan=True, max_width=256)
    return folder / "net"


@pytest.fixture(scope="module")
def device() -> Iterator[Any]:
    with open_device("model") as device:
        yield device


@pytest.fixture
def scanner(directory: Path, device: Any) -> Iterator[Scanner]:
    scanner = load(directory, device, self_test=False)
    assert isinstance(scanner, Scanner)
    yield scanner
    scanner.close()


def frames_of(sizes: list[Size], seed: int = 0) -> list[Frames]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (height, width), np.uint8) for width, height in sizes]


def check(scans: Scans, i: int, frame: Frames, executor: Executor, k: int) -> None:
    """Result i is what the network says of this frame."""
    right = cells(executor.scores(frame[np.newaxis], k=k)[0])
    header = scans.headers[i]
    assert (header["rows"], header["columns"]) == right.shape
    assert np.array_equal(scans.cells(i), right)
    windows = scanning.peaks(right, scanning.NO_BACKGROUND, 1)
    assert header["found"] == len(windows)
    assert scans.windows(i).tolist() == scanning.listed(windows, 64).tolist()


def test_the_self_test_passes_and_names_what_differs(
    scanner: Scanner, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selftest.replay(scanner, directory)
    real = scanner.scan

    def wrong(*arguments: Any) -> Any:
        found = real(*arguments)
        found[1, 2, 3] ^= 1
        return found

    monkeypatch.setattr(scanner, "scan", wrong)
    with pytest.raises(SelfTestError, match=r"cells_1, frame 1, row 2, column 3: the device gives"):
        selftest.replay(scanner, directory)


def test_frame_sets_come_back_in_order_with_every_scale(
    scanner: Scanner, lutnet: Lutnet, executor: Executor
) -> None:
    for k in sorted(lutnet.thresholds):
        stream = scanner.stream(SIZES, k)
        for n in range(2 * stream.slots):
            frames = frames_of(SIZES, n)
            assert stream.submit(frames) == n
            scans = stream.collect(wait_s=5)
            assert scans.sequence.tolist() == [3 * n, 3 * n + 1, 3 * n + 2]
            assert scans.headers["scale"].tolist() == [0, 1, 2]
            for i, frame in enumerate(frames):
                check(scans, i, frame, executor, k)
        assert stream.submitted == stream.finished == 6 * stream.slots
        assert stream.dropped == stream.refused == stream.pending == 0
        stream.close()


def test_many_are_collected_at_once(scanner: Scanner, executor: Executor) -> None:
    stream = scanner.stream([SIZES[0]], frames=16)
    sent = [frames_of([SIZES[0]], n) for n in range(11)]
    for frames in sent:
        stream.submit(frames)
    scans = stream.collect()
    assert scans.sequence.tolist() == scans.slot.tolist() == list(range(11))
    for i, (frame,) in enumerate(sent):
        check(scans, i, frame, executor, 1)
    assert len(stream.collect()) == 0


def test_without_room_a_set_is_refused_whole_and_counted(scanner: Scanner) -> None:
    stream = scanner.stream(SIZES, frames=8)
    taken = [stream.submit(frames_of(SIZES)) for _ in range(9)]
    accepted = [number for number in taken if number is not None]
    # The rings of frames and of results are full; a set is never taken in part.
    assert accepted == list(range(len(accepted)))
    assert 2 <= len(accepted) < 9
    assert stream.refused == 3 * (9 - len(accepted))
    collected = 0
    while stream.pending:
        collected += len(stream.collect(wait_s=5))
    collected += len(stream.collect())
    assert collected == stream.submitted == 3 * len(accepted)
    assert stream.submitted + stream.refused == collected + stream.dropped + stream.refused


def test_counts_may_wrap(scanner: Scanner, executor: Executor) -> None:
    stream = scanner.stream([SIZES[0]], frames=4)
    stream.submit(frames_of([SIZES[0]]))
    stream.collect()
    driver, near_the_end = scanner._driver, 2**32 - 3
    for offset in (reg.FRAME_HEAD, reg.FRAME_TAIL, reg.RESULT_HEAD, reg.RESULT_TAIL):
        driver.device.logic._values[offset] = near_the_end
    driver._head = driver._tail = near_the_end
    stream._begun = 1 - near_the_end
    for n in range(1, 9):
        (frame,) = frames_of([SIZES[0]], n)
        stream.submit([frame])
        scans = stream.collect()
        assert scans.sequence.tolist() == [n]
        assert scans.slot.tolist() == [(near_the_end + n - 1) % 4]
        check(scans, 0, frame, executor, 1)
    assert stream.dropped == 0


def test_streams_take_turns_and_lose_nothing(scanner: Scanner, executor: Executor) -> None:
    first, second = scanner.stream(SIZES), scanner.stream([(64, 30)], frames=8)
    collected = []
    for n in range(5):
        frames = frames_of(SIZES, n)
        first.submit(frames)
        (other,) = frames_of([(64, 30)], n)
        second.submit([other])  # which ends the first one's turn
        assert second.collect().sequence.tolist() == [n]
        if n % 2:
            image = np.random.default_rng(n).integers(0, 256, (3, 11, 10), np.uint8)
            scanner.classify(image)
        scans = first.collect()
        collected += scans.sequence.tolist()
        for i, frame in enumerate(frames):
            check(scans, i, frame, executor, 1)
    assert collected == list(range(15))
    assert first.dropped == second.dropped == 0


def test_frames_that_the_core_drops_are_counted(scanner: Scanner) -> None:
    stream = scanner.stream(SIZES, frames=16)
    stream.submit(frames_of(SIZES))
    pixels = SIZES[1][0] * SIZES[1][1]
    scanner._driver.write(reg.WATCHDOG_CYCLES, pixels)  # enough for two of the sizes
    for _ in range(3):
        stream.submit(frames_of(SIZES))
    scans = stream.collect()
    assert scans.sequence.tolist() == [0, 1, 2, 4, 5, 7, 8, 10, 11]
    assert (stream.submitted, stream.finished, stream.dropped) == (12, 12, 3)
    with pytest.raises(CoreError, match=r"of 3 frames 1 were dropped.*WATCHDOG_TIMEOUTS 4"):
        stream.scan(frames_of(SIZES))
    scanner._driver.write(reg.WATCHDOG_CYCLES, pixels - 1)
    stream.submit(frames_of(SIZES))
    assert stream.collect().sequence.tolist() == [17]
    assert stream.dropped == 6


def test_frames_that_were_read_with_errors_are_no_result(scanner: Scanner) -> None:
    stream = scanner.stream([SIZES[0]])
    stream.scan(frames_of([SIZES[0]]))
    scanner._driver.write(reg.FRAME_BASE, 0x0800_0000)
    with pytest.raises(CoreError, match=r"of 1 frames 0 were dropped and 1 read with errors"):
        stream.scan(frames_of([SIZES[0]]))


def test_results_out_of_order_are_refused_and_work_goes_on(
    scanner: Scanner, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = scanner.stream(SIZES)
    take = scanner._driver.take
    with monkeypatch.context() as patch:
        patch.setattr(scanner._driver, "take", lambda: take()[::-1])
        stream.submit(frames_of(SIZES))
        with pytest.raises(CoreError, match=r"carry the numbers \[2, 1, 0\], must ascend from 0"):
            stream.collect()
    assert (stream.submitted, stream.dropped, stream.pending) == (3, 3, 0)
    frames = frames_of(SIZES, 1)
    scans = stream.scan(frames)
    assert scans.sequence.tolist() == [3, 4, 5]
    check(scans, 2, frames[2], executor, 1)


def test_a_core_that_hangs_is_named_and_begun_anew(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PATIENCE_S", 0.05)
    stream = scanner.stream(SIZES)
    logic = scanner._driver.device.logic
    with monkeypatch.context() as patch:
        patch.setattr(type(logic), "_ready", 0)
        stream.submit(frames_of(SIZES))
        with pytest.raises(CoreTimeout, match=r"FRAME_TAIL holds 0x0, 3 frames pending for 0.05 s"):
            stream.collect(wait_s=5)
        stream.submit(frames_of(SIZES))
        scanner.stream([SIZES[0]]).replay(0)  # another one's turn does not wait for ever
    assert (stream.submitted, stream.dropped, stream.pending) == (6, 6, 0)
    assert stream.scan(frames_of(SIZES)).sequence.tolist() == [6, 7, 8]


def test_what_lies_in_the_ring_is_replayed(scanner: Scanner, executor: Executor) -> None:
    size = SIZES[1]
    stream = scanner.stream([size], frames=8)
    pattern = np.stack([frames_of([size], n)[0] for n in range(8)])
    stream.fill(pattern)
    sequence: list[int] = []
    for count in (3, 8, 1, 8, 8):
        given = stream.replay(count)
        assert given == count
        scans = stream.collect()
        assert len(scans) == count
        sequence += scans.sequence.tolist()
        for i, slot in enumerate(scans.slot):
            check(scans, i, pattern[slot], executor, 1)
    assert sequence == list(range(28))
    assert sum(stream.replay(5) for _ in range(9)) == 16  # both rings are full


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_single_images_are_classified_side_by_side(
    scanner: Scanner, lutnet: Lutnet, executor: Executor, count: int
) -> None:
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, *lutnet.input_shape[:2]), np.uint8)
    for k in sorted(lutnet.thresholds):
        results = scanner.classify(images, k)
        scores = executor.scores(images, k=k)[:, 0, 0]
        classes, margins = answers(scores)
        assert np.array_equal(results.classes, classes)
        assert np.array_equal(results.margins, margins)
        assert np.array_equal(results.best, scores.max(axis=1))
        assert results.scores is None


@pytest.mark.parametrize(
    ("sizes", "k", "words"),
    [
        ([], 1, "sizes: 0, must be 1 to 8"),
        ([(48, 40)] * 9, 1, "sizes: 9"),
        ([(44, 40)], 1, "44 pixels wide, must be 16 to 256 in steps of 8"),
        ([(8, 40)], 1, "8 pixels wide"),
        ([(264, 40)], 1, "264 pixels wide"),
        ([(48, 10)], 1, "10 pixels high, must be 11 to"),
        ([(48, 40)], 99, r"k: 99; this overlay has thresholds for K = \["),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    scanner: Scanner, sizes: list[Size], k: int, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        scanner.stream(sizes, k)


def test_more_windows_than_scores_can_be_added_for_are_refused(
    scanner: Scanner, lutnet: Lutnet
) -> None:
    size = (256, 1024)
    rows, columns = scanner.map_size(*size)
    assert rows * columns > scanner.max_positions
    scanner.stream([size], 1).close()
    with pytest.raises(ValueError, match=f"{rows * columns} windows; in more than one pass"):
        scanner.stream([size], max(lutnet.thresholds))


def test_other_frames_than_the_streams_are_refused(scanner: Scanner) -> None:
    stream = scanner.stream(SIZES)
    with pytest.raises(ValueError, match=r"width and height .* must be \[\(48, 40\)"):
        stream.submit(frames_of(SIZES[::-1]))
    with pytest.raises(ValueError, match=r"must be \[8, 40, 48\], of one scale"):
        stream.fill(np.zeros((8, 40, 48), np.uint8))


@pytest.mark.rtl
def test_the_programmable_logic_does_the_same(directory: Path, executor: Executor) -> None:
    """Self-test, streams that take turns, single images, replay: all of it under Verilator."""
    with open_device("rtl") as device:
        scanner = load(directory, device)
        assert isinstance(scanner, Scanner)
        with scanner.stream(SIZES) as stream, scanner.stream([SIZES[2]], frames=4) as other:
            for n in range(3):
                frames = frames_of(SIZES, n)
                scans = stream.scan(frames)
                assert scans.headers["scale"].tolist() == [0, 1, 2]
                for i, frame in enumerate(frames):
                    check(scans, i, frame, executor, 1)
            pattern = np.stack([frames_of([SIZES[2]], n)[0] for n in range(4)])
            other.fill(pattern)
            assert other.replay(4) == 4
            slots = []
            while other.pending:
                scans = other.collect(wait_s=10)
                slots += scans.slot.tolist()
                for i, slot in enumerate(scans.slot):
                    check(scans, i, pattern[slot], executor, 1)
            assert slots == [0, 1, 2, 3]
        images = np.random.default_rng(1).integers(0, 256, (5, 11, 10), np.uint8)
        classes, margins = answers(executor.scores(images, k=1)[:, 0, 0])
        results = scanner.classify(images, 1)
        assert np.array_equal(results.classes, classes)
        assert np.array_equal(results.margins, margins)
        scanner.close()


def test_closing_gives_the_memory_back(directory: Path, device: Any) -> None:
    before = int(device.ddr.mapped.sum())
    scanner = load(directory, device)
    assert isinstance(scanner, Scanner)
    stream: Stream = scanner.stream(SIZES)
    scanner.stream(SIZES).close()
    stream.submit(frames_of(SIZES))
    scanner.close()
    assert int(device.ddr.mapped.sum()) == before
    assert stream.pending == 0
    with pytest.raises(CoreError, match="closed"):
        stream.submit(frames_of(SIZES))
    with pytest.raises(CoreError, match="closed"):
        scanner.stream(SIZES)
    stream.close()
