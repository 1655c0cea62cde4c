"""The driver and the loader on the model device: what is refused, what times out, what recovers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board import registers as reg
from lutlens.board.driver import SLOTS, CoreError, CoreTimeout
from lutlens.board.manifest import Manifest
from lutlens.board.overlay import Classifier, OverlayError, load
from lutlens.board.records import answers
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.lutnet import Lutnet
from support.networks import random_lutnet


@pytest.fixture(scope="module")
def lutnet() -> Lutnet:
    return random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1)


@pytest.fixture(scope="module")
def directory(lutnet: Lutnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlays")
    lutnet.save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net")
    return folder / "net"


@pytest.fixture(scope="module")
def device() -> Iterator[Any]:
    with open_device("model") as device:
        yield device


@pytest.fixture
def classifier(directory: Path, device: Any) -> Iterator[Classifier]:
    classifier = load(directory, device, self_test=False)
    assert isinstance(classifier, Classifier)
    yield classifier
    classifier.close()


@pytest.fixture
def images(lutnet: Lutnet) -> Any:
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (2 * SLOTS + 77, *lutnet.input_shape[:2]), np.uint8)


def test_every_image_is_answered_in_order_more_than_the_rings_hold(
    classifier: Classifier, lutnet: Lutnet, images: Any
) -> None:
    executor = Executor(lutnet)
    answered = 0
    for k in sorted(lutnet.thresholds):
        results = classifier.classify(images, k)
        scores = executor.scores(images, k=k)[:, 0, 0]
        classes, margins = answers(scores)
        assert np.array_equal(results.scores, scores)
        assert np.array_equal(results.classes, classes)
        assert np.array_equal(results.margins, margins)
        assert np.array_equal(results.best, scores.max(axis=1))
        answered += len(images)
    counters = classifier.counters()
    assert counters.frames_in == counters.frames_out == answered
    assert counters.frames_dropped == 0


def test_the_counts_may_wrap(classifier: Classifier, lutnet: Lutnet, images: Any) -> None:
    driver, near_the_end = classifier._driver, 2**32 - 100
    for offset in (reg.FRAME_HEAD, reg.FRAME_TAIL, reg.RESULT_HEAD, reg.RESULT_TAIL):
        driver.device.logic._values[offset] = near_the_end
    driver._head = driver._tail = near_the_end
    results = classifier.classify(images)
    k = min(lutnet.thresholds)
    assert np.array_equal(results.scores, Executor(lutnet).scores(images, k=k)[:, 0, 0])
    assert driver._tail == near_the_end + len(images) - 2**32


def test_results_of_other_frames_are_refused(
    classifier: Classifier, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = classifier._driver.take
    monkeypatch.setattr(classifier._driver, "take", lambda: take()[::-1])
    with pytest.raises(CoreError, match=r"carry the numbers \[2, 1, 0\], must be \[0, 1, 2\]"):
        classifier.classify(images[:3])


def test_counters_go_on_when_the_core_is_begun_anew(classifier: Classifier, images: Any) -> None:
    classifier.classify(images[:5])
    classifier._driver.write(reg.WATCHDOG_CYCLES, 1)
    with pytest.raises(CoreError):
        classifier.classify(images[:3])
    counters = classifier.counters()
    assert (counters.frames_in, counters.frames_out, counters.frames_dropped) == (8, 5, 3)
    assert counters.watchdog_timeouts == 3


def test_no_image_is_no_result(classifier: Classifier, images: Any) -> None:
    results = classifier.classify(images[:0])
    assert results.scores is not None
    assert results.scores.shape == (0, len(classifier.manifest.geometry.classes))


def test_what_does_not_fit_is_refused(classifier: Classifier, images: Any) -> None:
    with pytest.raises(ValueError, match=r"k: 9; this overlay has thresholds for K = \["):
        classifier.classify(images, k=9)
    for wrong in (images[0], images[:, 1:], images.astype(np.float32)):
        with pytest.raises(ValueError, match=r"images: .*must be uint8"):
            classifier.classify(wrong)


def test_a_wait_ends_and_names_the_register(
    classifier: Classifier, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that begins none of its frames: the model is kept from working."""
    logic = classifier._driver.device.logic
    with monkeypatch.context() as patch:
        patch.setattr(type(logic), "_ready", 0)
        with pytest.raises(CoreTimeout, match=r"FRAME_TAIL holds 0x0, waited 0.05 s for 0x3"):
            classifier.classify(images[:3], timeout_s=0.05)
    assert len(classifier.classify(images[:3]).classes) == 3


def test_a_dropped_frame_is_an_error_and_the_next_call_works(
    classifier: Classifier, images: Any
) -> None:
    driver = classifier._driver
    driver.write(reg.WATCHDOG_CYCLES, 1)
    with pytest.raises(CoreError, match=r"of 5 frames 5 were dropped.*WATCHDOG_TIMEOUTS 5"):
        classifier.classify(images[:5])
    driver.write(reg.WATCHDOG_CYCLES, 0)
    assert len(classifier.classify(images[:5]).classes) == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAGIC", 0),
        ("VERSION", 2 << 16),
        ("BUILD_ID_LOW", 1),
        ("BUILD_ID_HIGH", 1),
        ("IMAGE_WIDTH", 27),
        ("CLASSES", 11),
        ("ENCODER_BITS", 4),
        ("RECORD_BYTES", 64),
        ("FEATURES", 0x101),
        ("MAX_WIDTH", 320),
        ("MAX_POSITIONS", 4608),
    ],
)
def test_a_core_of_another_build_is_refused(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    driver = classifier._driver
    real = driver.read

    def read(offset: int) -> int:
        return value if offset == getattr(reg, name) else int(real(offset))

    monkeypatch.setattr(driver, "read", read)
    shown = name.removesuffix("_LOW").removesuffix("_HIGH")
    with pytest.raises(CoreError, match=f"register {shown} holds .*of another build"):
        driver.check(classifier.manifest)


def test_a_minor_version_is_accepted(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = classifier._driver
    real = driver.read
    monkeypatch.setattr(driver, "read", lambda at: int(real(at)) + 5 * (at == reg.VERSION))
    driver.check(classifier.manifest)


def test_loading_closes_what_ran_before(
    classifier: Classifier, directory: Path, device: Any, images: Any
) -> None:
    second = load(directory, device)
    with pytest.raises(CoreError, match="was closed"):
        classifier.classify(images)
    with pytest.raises(CoreError, match="was closed"):
        classifier.counters()
    classifier.close()  # again, and without touching the one that runs
    assert len(second.classify(images).classes) == len(images)
    second.close()


def test_memory_is_given_back(directory: Path, device: Any) -> None:
    before = int(device.ddr.mapped.sum())
    for _ in range(3):
        load(directory, device, self_test=False).close()
    assert int(device.ddr.mapped.sum()) == before


def test_a_clock_that_is_not_the_manifests_is_refused(
    directory: Path, device: Any, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(directory, tmp_path / "net"))
    manifest = Manifest.load(copy)
    manifest.model_copy(update={"clock_mhz": manifest.clock_mhz + 10}).save(copy)
    with pytest.raises(OverlayError, match="FCLK0 runs at"):
        load(copy, device)


def test_a_board_needs_a_bitstream(directory: Path) -> None:
    class Board:
        pass

    with pytest.raises(OverlayError, match=r"net\.bit: not built yet"):
        load(directory, Board())
