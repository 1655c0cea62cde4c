"""The `model` device on a processor of its own: the same results, and software does not wait for them."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board.overlay import Scanner, load
from lutlens.host import overlay
from lutlens.host.devices import DeviceError, open_device
from lutlens.host.devices.beside import Beside, apart
from support.squares import squares_lutnet

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs a second processor")
SIZE = 160, 96
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlays")
    squares_lutnet().save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net", scan=True, max_width=SIZE[0])
    return folder / "net"


@pytest.fixture
def beside(squares: Path) -> Iterator[tuple[Any, Scanner]]:
    with open_device("model", own_processor=True) as device:
        scanner = load(squares, device)
        assert isinstance(scanner, Scanner)
        yield device, scanner
        scanner.close()


def frames(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, *SIZE[::-1]), np.uint8)


def test_results_are_those_of_the_plain_model(squares: Path, beside: tuple[Any, Scanner]) -> None:
    images = frames(20)
    with open_device("model") as device:
        plain = load(squares, device)
        assert isinstance(plain, Scanner)
        expected = plain.scan(images, 2)
        plain.close()
    assert np.array_equal(beside[1].scan(images, 2, PATIENCE_S), expected)


def test_software_goes_on_while_the_logic_works(beside: tuple[Any, Scanner]) -> None:
    device, scanner = beside
    release = threading.Event()
    assert isinstance(device.logic, Beside)
    recognise = device.logic._recognise

    def held(some: Any) -> None:
        assert release.wait(PATIENCE_S)
        recognise(some)

    device.logic._recognise = held
    with scanner.stream([SIZE], 1, frames=32) as stream:
        stream.fill(frames(32))
        assert stream.replay(32) == 32
        assert len(stream.collect()) == 0
        assert stream.pending == 32
        release.set()
        done, deadline = 0, time.monotonic() + PATIENCE_S
        while stream.pending and time.monotonic() < deadline:
            done += len(stream.collect(wait_s=1))
        assert (done, stream.dropped) == (32, 0)


def test_what_is_at_work_is_abandoned_by_a_reset(beside: tuple[Any, Scanner]) -> None:
    _, scanner = beside
    for _ in range(5):
        with scanner.stream([SIZE], 2, frames=32) as stream:
            stream.fill(frames(32))
            stream.replay(32)
            finished = len(stream.collect())
        assert finished + stream.dropped == stream.submitted == 32
    assert len(scanner.scan(frames(3), 1, PATIENCE_S)) == 3


def test_processors_are_kept_apart_and_given_back(squares: Path) -> None:
    before, interval = os.sched_getaffinity(0), sys.getswitchinterval()
    own, others = apart()
    with open_device("model", own_processor=True) as device:
        load(squares, device).close()
        assert os.sched_getaffinity(0) == others == before - {own}
        (thread,) = (t for t in threading.enumerate() if t.name == "logic")
        assert thread.native_id is not None
        assert os.sched_getaffinity(thread.native_id) == {own}
    assert (os.sched_getaffinity(0), sys.getswitchinterval()) == (before, interval)
    assert not thread.is_alive()


def test_logic_that_has_failed_says_so(beside: tuple[Any, Scanner]) -> None:
    device, scanner = beside

    def failing(some: Any) -> None:
        raise MemoryError("no memory for the network's maps")

    works, device.logic._recognise = device.logic._recognise, failing
    with pytest.raises(DeviceError, match="has failed: no memory for the network's maps"):
        scanner.scan(frames(1), 1, PATIENCE_S)
    device.logic._error, device.logic._recognise = None, works


def test_only_the_model_has_a_processor() -> None:
    with (
        pytest.raises(ValueError, match="the rtl device has none"),
        open_device("rtl", own_processor=True),
    ):
        pass
