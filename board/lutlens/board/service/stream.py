"""From the pipeline's thread to any number of viewers, none of which can slow it or another.

A viewer has a mailbox of fixed depth; what does not fit pushes the oldest out, and is counted. Each
message is made once, each picture encoded once, in a worker thread, when the first viewer wants it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from lutlens.board.pipeline import Pipeline
from lutlens.board.results import FrameResult
from lutlens.board.service import models, present
from lutlens.board.service.annotate import annotated, to_jpeg

POLL_S = 0.25
PUBLISH_TIMEOUT_S = 5.0


class SharedFrame:
    """A recognised frame, its message and its pictures, each made at most once. Lives on the event loop."""

    def __init__(self, result: FrameResult, quality: int) -> None:
        self.result = result
        self._quality = quality
        self._jpegs: dict[bool, asyncio.Task[bytes]] = {}
        self._models: dict[bool, models.Result] = {}
        self._texts: dict[bool, str] = {}

    def model(self, *, with_map: bool = False) -> models.Result:
        """The result for the wire, with or without the class map."""
        if with_map not in self._models:
            self._models[with_map] = present.result(self.result, with_map=with_map)
        return self._models[with_map]

    def message(self, skipped: int, *, with_map: bool = False) -> str:
        """The result as JSON, for a viewer that was too slow for `skipped` others."""
        if with_map not in self._texts:
            model = self.model(with_map=with_map)
            self._texts[with_map] = model.model_dump_json(exclude={"skipped"}).removesuffix("}")
        return f'{self._texts[with_map]},"skipped":{skipped}}}'

    async def jpeg(self, *, annotate: bool) -> bytes:
        """The frame as JPEG, with or without boxes."""
        if annotate not in self._jpegs:
            encode = asyncio.to_thread(self._encode, annotate)
            self._jpegs[annotate] = asyncio.get_running_loop().create_task(encode)
        # A viewer that leaves must not cancel what others wait for.
        return await asyncio.shield(self._jpegs[annotate])

    def _encode(self, annotate: bool) -> bytes:
        image = annotated(self.result) if annotate else self.result.image
        return to_jpeg(image, self._quality)


class Viewer:
    """A mailbox on the event loop. `skipped` counts the frames that it was too slow for.

    first: what is in it to begin with, which a newer frame may replace at once: that is no slowness.

    fps: it is opened so often a second at most, at moments that all viewers of that rate have in common: they take the
        same frames then, so that a frame's picture serves them all.
    """

    def __init__(self, depth: int, fps: float, first: SharedFrame | None = None) -> None:
        self.skipped = 0
        self._frames: deque[SharedFrame] = deque([first] if first else (), maxlen=depth)
        self._first = first
        self._arrived = asyncio.Event()
        if first:
            self._arrived.set()
        self._interval = 1 / fps
        self._due = 0  # intervals of the loop's clock
        self._closed = False

    def put(self, frame: SharedFrame) -> None:
        if len(self._frames) == self._frames.maxlen and self._frames[0] is not self._first:
            self.skipped += 1
        self._frames.append(frame)
        self._arrived.set()

    def close(self) -> None:
        self._closed = True
        self._arrived.set()

    async def next(self) -> SharedFrame | None:
        """The oldest frame in the box, at most `fps` a second; None once the service ends."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._due * self._interval - loop.time()))
        await self._arrived.wait()
        if self._closed:
            return None
        frame = self._frames.popleft()
        if not self._frames:
            self._arrived.clear()
        self._due = max(self._due, int(loop.time() / self._interval)) + 1
        return frame


class FrameHub:
    """Takes results off the pipeline in a thread of its own and hands them to the viewers."""

    def __init__(self, pipeline: Pipeline, quality: int) -> None:
        self._pipeline = pipeline
        self._quality = quality
        self._viewers: set[Viewer] = set()
        self._skipped_by_former_viewers = 0
        self._latest: SharedFrame | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def skipped(self) -> int:
        """Frames that viewers were too slow for, over all of them."""
        return self._skipped_by_former_viewers + sum(v.skipped for v in self._viewers)

    def latest(self) -> SharedFrame | None:
        """The newest frame, or None before the first."""
        result = self._pipeline.latest
        if result is None:
            return None
        if self._latest is None or self._latest.result is not result:
            self._latest = SharedFrame(result, self._quality)
        return self._latest

    @contextlib.contextmanager
    def viewer(self, fps: float, depth: int = 1) -> Iterator[Viewer]:
        """A mailbox while the viewer watches; it begins with the newest frame there is."""
        viewer = Viewer(depth, fps, self.latest())
        if self._stopping.is_set():
            viewer.close()
        self._viewers.add(viewer)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            self._skipped_by_former_viewers += viewer.skipped

    def start(self) -> None:
        """Begin; on the event loop that the viewers live on."""
        self._stopping.clear()
        args = (asyncio.get_running_loop(),)
        self._thread = threading.Thread(target=self._pump, args=args, name="frame-hub", daemon=True)
        self._thread.start()

    def dismiss(self) -> None:
        """End every viewer's stream."""
        self._stopping.set()
        for viewer in self._viewers:
            viewer.close()

    async def stop(self) -> None:
        self.dismiss()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, POLL_S + PUBLISH_TIMEOUT_S)

    def _pump(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.closing(self._pipeline.subscribe(maxlen=4)) as subscription:
            while not self._stopping.is_set():
                result = subscription.get(timeout=POLL_S)
                if result is None or not self._viewers:
                    continue
                # Waiting for the loop keeps what is on its way bounded: a busy loop makes the
                # subscription drop, not the memory grow.
                published = threading.Event()
                try:
                    loop.call_soon_threadsafe(self._publish, result, published)
                except RuntimeError:  # the loop is closed
                    return
                published.wait(PUBLISH_TIMEOUT_S)

    def _publish(self, result: FrameResult, published: threading.Event) -> None:
        if self._latest is None or self._latest.result is not result:
            self._latest = SharedFrame(result, self._quality)
        for viewer in self._viewers:
            viewer.put(self._latest)
        published.set()
