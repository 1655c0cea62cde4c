"""Training batches: shuffled, shifted, bent, made in a thread beside the training.

Everything random is a function of (seed, epoch) or (seed, step) alone, so that a training that
resumes at a step sees exactly the images that it would have seen.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from lutlens.training.data import Int64, Labelled
from lutlens.training.deformation import Deformation

T = TypeVar("T", covariant=True)

_ORDER, _BATCH, _DEFORMATION = 0, 1, 2
"""Streams of randomness: the order of an epoch's images; what happens to a batch, and how it is bent."""

ScoreFrame = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.integer[Any]]]
"""A frame uint8 `[height, width]` to the network's scores, integers `[rows, columns, classes]`."""


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's images.

    pixels: uint8 `[batch, height, width(, 3)]`, augmented.
    labels: as of `Labelled`.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]


class Steps(Protocol[T]):
    """Something for every step."""

    def __getitem__(self, step: int) -> T: ...


class BatchSource(Protocol):
    """What a training takes its batches from."""

    @property
    def batch_size(self) -> int:
        """Images in a batch."""

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""

    def __getitem__(self, step: int) -> Batch:
        """The batch of any step: a function of the step and of `state`."""

    def review(self, epoch: int, progress: float, score: Callable[[], ScoreFrame]) -> bool:
        """Called after `epoch` epochs; whether the batches from here on are others than before.

        progress: share of the training that is done. score: gets the network ready, as it is by now, which takes some
            seconds.
        """

    def state(self) -> dict[str, npt.NDArray[np.uint8]]:
        """What reviews have left, for a checkpoint."""

    def restore(self, state: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """Take a checkpoint's state over."""


class Batches:
    """Batches of a training set, any step of them on demand: a `BatchSource`.

    An epoch is a permutation of the images; what does not fill its last batch is left out of it.

    padded: uint8 `[n, height + 2 * shift, width + 2 * shift(, 3)]`; labels: int64 `[n]`.

    What is done to images here but for deformation `lutlens.training.feeding.Resident` does on a CUDA device.
    """

    def __init__(
        self,
        data: Labelled,
        batch_size: int,
        *,
        seed: int,
        shift: int,
        mirror: bool = False,
        deformation: Deformation | None = None,
    ) -> None:
        """shift: images move by up to so many pixels along both axes, uniformly; zeros move in.

        mirror: whether half of them, at random, have left and right exchanged.
        deformation: how they are bent, after that.
        """
        self.labels = data.labels
        shape = data.images.shape[1:]
        padding = ((0, 0), (shift, shift), (shift, shift), (0, 0))
        self.padded = np.pad(data.images, padding[: data.images.ndim])
        # [n, 2 * shift + 1, 2 * shift + 1, height, width(, 3)], a view: every shift of every image.
        windows = np.lib.stride_tricks.sliding_window_view(self.padded, (1, *shape))
        self._windows = windows.squeeze(axis=tuple(range(3, 2 + len(shape))))
        self.batch_size = min(batch_size, len(data))
        self._seed, self._mirror = seed, mirror
        self.deformation = deformation
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.labels) // self.batch_size

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width, without the padding."""
        return self._windows.shape[3], self._windows.shape[4]

    def __getitem__(self, step: int) -> Batch:
        images, dy, dx, mirrored = self.choice(step)
        pixels = self._windows[images, dy, dx]
        turned = mirrored == 1
        pixels[turned] = pixels[turned, :, ::-1]
        if self.deformation is not None:
            random = np.random.default_rng((self._seed, _DEFORMATION, step))
            pixels = self.deformation.apply(pixels, random)
        return Batch(pixels, self.labels[images])

    def choice(self, step: int) -> tuple[Int64, Int64, Int64, Int64]:
        """Of every image of a step's batch, its index, its corner in `padded`, y and x, and 1 if it is mirrored."""
        epoch, position = divmod(step, self.per_epoch)
        if self._order is None or self._order[0] != epoch:
            random = np.random.default_rng((self._seed, _ORDER, epoch))
            self._order = epoch, random.permutation(len(self.labels))
        images = self._order[1][position * self.batch_size : (position + 1) * self.batch_size]
        random = np.random.default_rng((self._seed, _BATCH, step))
        shifts = self._windows.shape[1]
        dy, dx = random.integers(0, shifts, (2, len(images)))
        mirrored = random.integers(0, 2, len(images)) if self._mirror else np.zeros_like(images)
        return images, dy, dx, mirrored

    def review(self, epoch: int, progress: float, score: Callable[[], ScoreFrame]) -> bool:
        """Whatever the network does, the images stay the same."""
        return False

    def state(self) -> dict[str, npt.NDArray[np.uint8]]:
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        pass


def prefetch(batches: Steps[T], first: int, depth: int = 4) -> Generator[T]:
    """Those from step `first` on, made ahead in a thread that ends with the iterator."""
    ready: queue.Queue[T | BaseException] = queue.Queue(depth)
    done = threading.Event()

    def put(item: T | BaseException) -> None:
        while not done.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        step = first
        try:
            while not done.is_set():
                put(batches[step])
                step += 1
        except BaseException as error:  # shown where the batches are used
            put(error)

    threading.Thread(target=work, name="lutlens-batches", daemon=True).start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        done.set()
