"""From the pipeline to the viewers: nobody waits for a slow one, nothing is encoded twice."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

import numpy as np
import pytest
from lutlens.board.pipeline import Pipeline
from lutlens.board.results import FrameResult
from lutlens.board.service import models, stream
from lutlens.board.service.stream import FrameHub, Viewer


class Subscription:
    def __init__(self, maxlen: int) -> None:
        self.results: deque[FrameResult] = deque(maxlen=maxlen)
        self.arrived = threading.Condition()
        self.closed = False

    def get(self, timeout: float) -> FrameResult | None:
        with self.arrived:
            self.arrived.wait_for(lambda: self.results, timeout)
            return self.results.popleft() if self.results else None

    def close(self) -> None:
        self.closed = True


class Frames:
    """The two things that the hub asks of a pipeline, driven by the test."""

    def __init__(self) -> None:
        self.latest: FrameResult | None = None
        self.subscriptions: list[Subscription] = []

    def subscribe(self, maxlen: int = 4) -> Subscription:
        self.subscriptions.append(Subscription(maxlen))
        return self.subscriptions[-1]

    def emit(self, sequence: int) -> None:
        image = np.full((48, 64, 3), sequence % 256, np.uint8)
        self.latest = FrameResult(sequence, time.monotonic(), 1.0, image, (), None)
        for subscription in self.subscriptions:
            with subscription.arrived:
                subscription.results.append(self.latest)
                subscription.arrived.notify()


def with_hub(test: Callable[[FrameHub, Frames], Awaitable[None]]) -> None:
    async def main() -> None:
        frames = Frames()
        hub = FrameHub(cast(Pipeline, frames), quality=80)
        hub.start()
        try:
            await asyncio.wait_for(test(hub, frames), 20)
        finally:
            await hub.stop()
        assert all(subscription.closed for subscription in frames.subscriptions)

    asyncio.run(main())


async def sequence_of(viewer: Viewer) -> int:
    frame = await viewer.next()
    assert frame is not None
    return frame.result.sequence


def test_a_viewer_sees_every_frame_that_it_is_fast_enough_for() -> None:
    async def check(hub: FrameHub, frames: Frames) -> None:
        with hub.viewer(fps=1000, depth=8) as viewer:
            for sequence in range(20):
                frames.emit(sequence)
                assert await sequence_of(viewer) == sequence
            assert viewer.skipped == 0

    with_hub(check)


def test_a_slow_viewer_gets_the_newest_and_holds_up_nobody() -> None:
    async def check(hub: FrameHub, frames: Frames) -> None:
        with hub.viewer(fps=1000) as slow, hub.viewer(fps=1000) as fast:
            for sequence in range(50):
                frames.emit(sequence)
                assert await sequence_of(fast) == sequence
            assert await sequence_of(slow) == 49
            assert slow.skipped == 49
            assert fast.skipped == 0
        assert hub.viewers == 0
        assert hub.skipped == 49

    with_hub(check)


def test_a_blocked_event_loop_costs_frames_not_memory() -> None:
    async def check(hub: FrameHub, frames: Frames) -> None:
        with hub.viewer(fps=1000, depth=100) as viewer:
            frames.emit(0)
            assert await sequence_of(viewer) == 0
            for sequence in range(1, 200):
                frames.emit(sequence)
                time.sleep(0.001)  # the loop is blocked: this is a coroutine
            received = [await sequence_of(viewer)]
            while received[-1] != 199:
                received.append(await sequence_of(viewer))
            assert len(received) <= 6  # four in the subscription, one on its way

    with_hub(check)


def test_pictures_are_encoded_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Any] = []
    real = stream.to_jpeg

    def counting(image: Any, quality: int) -> bytes:
        encoded.append(threading.current_thread())
        return real(image, quality)

    monkeypatch.setattr(stream, "to_jpeg", counting)

    async def check(hub: FrameHub, frames: Frames) -> None:
        with hub.viewer(fps=1000) as a, hub.viewer(fps=1000) as b:
            frames.emit(1)
            first, second = await a.next(), await b.next()
            assert first is not None
            assert first is second
            pictures = await asyncio.gather(*(first.jpeg(annotate=True) for _ in range(5)))
            assert len(set(pictures)) == 1
            assert len(encoded) == 1
            assert await first.jpeg(annotate=False)
            assert len(encoded) == 2
            assert threading.main_thread() not in encoded

    with_hub(check)


def test_a_viewer_that_leaves_does_not_take_the_picture_with_it() -> None:
    async def check(hub: FrameHub, frames: Frames) -> None:
        frames.emit(1)
        frame = hub.latest()
        assert frame is not None
        leaving = asyncio.create_task(frame.jpeg(annotate=True))
        staying = asyncio.create_task(frame.jpeg(annotate=True))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).startswith(b"\xff\xd8")

    with_hub(check)


def test_the_rate_is_limited() -> None:
    async def check(hub: FrameHub, frames: Frames) -> None:
        with hub.viewer(fps=20) as viewer:
            frames.emit(0)
            await viewer.next()
            started = time.monotonic()
            for sequence in range(1, 6):
                frames.emit(sequence)
                await viewer.next()
            assert time.monotonic() - started >= 4 / 20

    with_hub(check)


class SimulatedTime(selectors.SelectSelector):
    """What an event loop would wait for passes at once: a busy machine changes nothing."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def test_viewers_of_one_rate_take_the_same_frames_whenever_they_came() -> None:
    frames = Frames()
    viewers: list[Viewer] = []

    async def emit() -> None:
        for sequence in range(200):
            frames.emit(sequence)
            assert frames.latest is not None
            shared = stream.SharedFrame(frames.latest, quality=80)
            for viewer in viewers:
                viewer.put(shared)
            await asyncio.sleep(0.0053)

    async def watch(delay: float, count: int) -> list[int]:
        await asyncio.sleep(delay)
        viewer = Viewer(depth=1, fps=20)
        viewers.append(viewer)
        return [await sequence_of(viewer) for _ in range(count)]

    async def check() -> tuple[list[int], list[int]]:
        emitting = asyncio.create_task(emit())
        early, late = await asyncio.gather(watch(0.001, 16), watch(0.131, 12))
        emitting.cancel()
        return early, late

    time_of_loop = SimulatedTime()
    loop = asyncio.SelectorEventLoop(time_of_loop)
    loop.time = lambda: time_of_loop.now  # type: ignore[method-assign]
    with contextlib.closing(loop):
        early, late = loop.run_until_complete(check())
    assert len(set(late)) == 12
    assert set(late[1:]) <= set(early)


def test_messages_differ_in_what_each_viewer_missed_only() -> None:
    frames = Frames()
    frames.emit(5)
    assert frames.latest is not None
    shared = stream.SharedFrame(frames.latest, 80)
    for skipped in (0, 17):
        expected = shared.model().model_copy(update={"skipped": skipped})
        assert models.Result.model_validate_json(shared.message(skipped)) == expected


def test_a_new_viewer_begins_with_the_newest_frame() -> None:
    async def check(hub: FrameHub, frames: Frames) -> None:
        frames.emit(7)
        with hub.viewer(fps=30) as viewer:
            assert await sequence_of(viewer) == 7

    with_hub(check)


def test_the_end_of_the_service_ends_every_stream() -> None:
    async def check(hub: FrameHub, frames: Frames) -> None:
        with hub.viewer(fps=30) as waiting:
            ending = asyncio.create_task(waiting.next())
            await asyncio.sleep(0.01)
            hub.dismiss()
            assert await ending is None
        with hub.viewer(fps=30) as late:
            assert await late.next() is None

    with_hub(check)
