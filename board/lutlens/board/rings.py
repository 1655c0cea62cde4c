"""The two rings in memory through which frames go to the core and results come back.

Heads and tails are free-running 32-bit counts; item n lies in slot n modulo the number of slots, which
is a power of two so that the counts may wrap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pynq

COUNT_MASK = 0xFFFF_FFFF
ALIGNMENT = 32
"""Bytes: a result slot of a scan build begins at a multiple of so many, which suits frames too."""


def distance(head: int, tail: int) -> int:
    """Items from tail to head, counts modulo 2**32."""
    return (head - tail) & COUNT_MASK


def slots_for(items: int) -> int:
    """The number of slots, a power of two, that holds so many items."""
    return 1 << (items - 1).bit_length()


def pieces(start: int, count: int, slots: int) -> Iterator[tuple[slice, slice]]:
    """Where items start ... start + count - 1 lie: (slots, items) of each unbroken piece, at most two."""
    if count > slots:
        raise ValueError(f"count: {count} items do not fit a ring of {slots} slots")
    first = start % slots
    straight = min(count, slots - first)
    yield slice(first, first + straight), slice(0, straight)
    if straight < count:
        yield slice(0, count - straight), slice(straight, count)


class _Ring:
    """item_bytes: of the largest item; slots lie `stride` bytes apart."""

    def __init__(self, slots: int, item_bytes: int, device: Any) -> None:
        if slots < 1 or slots & (slots - 1):
            raise ValueError(f"slots: {slots}, must be a power of two")
        self.slots, self.item_bytes = slots, item_bytes
        self.stride = -(-item_bytes // ALIGNMENT) * ALIGNMENT
        # Not cacheable: every byte is written or read once, and nothing has to be flushed.
        self._buffer = pynq.allocate((slots, self.stride), np.uint8, target=device, cacheable=False)

    @property
    def address(self) -> int:
        """Physical address of slot 0."""
        return int(self._buffer.device_address)

    def close(self) -> None:
        self._buffer.freebuffer()


class FrameRing(_Ring):
    """Frames on their way to the core, one a slot."""

    def write(self, head: int, images: npt.NDArray[np.uint8]) -> None:
        """Put uint8 `[n, ...]` images of one size, at most `item_bytes` each, into slots head, head + 1, ..."""
        flat = images.reshape(len(images), math.prod(images.shape[1:]))
        for slots, items in pieces(head, len(images), self.slots):
            self._buffer[slots, : flat.shape[1]] = flat[items]


class ResultRing(_Ring):
    """Results on their way from the core."""

    def read(self, tail: int, count: int) -> npt.NDArray[np.uint8]:
        """A copy of results tail, tail + 1, ...: uint8 `[count, stride]`."""
        found = np.empty((count, self.stride), np.uint8)
        for slots, items in pieces(tail, count, self.slots):
            found[items] = self._buffer[slots]
        return found
