"""Records and rings: every item in its slot, across the wrap of ring and count."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board.manifest import record_bytes
from lutlens.board.records import record_dtype, sequence
from lutlens.board.rings import COUNT_MASK, FrameRing, ResultRing, distance, pieces, slots_for

COUNTS = st.integers(0, COUNT_MASK) | st.integers(COUNT_MASK - 40, COUNT_MASK)
SLOTS = st.sampled_from([1, 2, 8, 16])


class Memory(npt.NDArray[np.uint8]):
    """As much of a PynqBuffer as the rings use."""

    device_address = 0x1000_0000

    def freebuffer(self) -> None:
        self.freed = True


class Allocator:
    """A `pynq` device that can only allocate."""

    def __init__(self) -> None:
        self.memory = np.zeros(0, np.uint8).view(Memory)

    def allocate(self, shape: Any, dtype: Any, **options: Any) -> Memory:
        assert options["cacheable"] is False
        self.memory = np.full(shape, 0xEE, dtype).view(Memory)
        return self.memory


@settings(deadline=None)
@given(st.integers(2, 256))
def test_the_record_is_laid_out_as_the_core_writes_it(classes: int) -> None:
    dtype = record_dtype(classes)
    assert dtype.itemsize == record_bytes(classes)
    raw = np.zeros(dtype.itemsize, np.uint8)
    raw[:8] = [0x78, 0x56, 0x34, 0x12, 7, 1, 0xCD, 0xAB]
    raw[8 : 8 + 2 * classes] = np.arange(2 * classes) % 251
    (record,) = raw.view(dtype)
    assert (record["sequence"], record["answer"]) == (0x12345678, 7)
    assert (record["flags"], record["margin"]) == (1, 0xABCD)
    low, high = raw[8 : 8 + 2 * classes : 2], raw[9 : 8 + 2 * classes : 2]
    assert record["scores"].tolist() == (low.astype(int) + 256 * high).tolist()


@settings(deadline=None)
@given(COUNTS, st.integers(0, 100))
def test_distance_counts_across_the_wrap(tail: int, count: int) -> None:
    assert distance((tail + count) & COUNT_MASK, tail) == count


@settings(deadline=None)
@given(COUNTS, st.data(), SLOTS)
def test_pieces_are_at_most_two_and_name_every_slot(
    start: int, data: st.DataObject, slots: int
) -> None:
    count = data.draw(st.integers(0, slots))
    found = list(pieces(start, count, slots))
    assert len(found) <= 2
    where = [slot for ring, _ in found for slot in range(ring.start, ring.stop)]
    items = [item for _, part in found for item in range(part.start, part.stop)]
    assert items == list(range(count))
    assert where == [((start + i) & COUNT_MASK) % slots for i in range(count)]


@given(st.integers(1, 1 << 16))
def test_slots_are_the_next_power_of_two(items: int) -> None:
    slots = slots_for(items)
    assert slots & (slots - 1) == 0
    assert items <= slots < 2 * items


def test_more_than_the_ring_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="9 items do not fit a ring of 8 slots"):
        list(pieces(0, 9, 8))


@pytest.mark.parametrize("slots", [0, 3, 12, -4])
def test_slots_are_a_power_of_two(slots: int) -> None:
    with pytest.raises(ValueError, match=f"slots: {slots}, must be a power of two"):
        FrameRing(slots, 8, Allocator())


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.data(), SLOTS, st.integers(1, 30))
def test_images_lie_in_their_slots_and_touch_no_other(
    head: int, data: st.DataObject, slots: int, size: int
) -> None:
    device = Allocator()
    ring = FrameRing(slots, size, device)
    assert ring.address == Memory.device_address
    assert ring.stride % 32 == 0
    count = data.draw(st.integers(0, slots))
    images = np.arange(count * size, dtype=np.uint8).reshape(count, 1, size)
    ring.write(head, images)
    written = {((head + i) & COUNT_MASK) % slots: image for i, image in enumerate(images)}
    for slot, row in enumerate(np.asarray(device.memory)):
        if slot in written:
            assert np.array_equal(row[:size], written[slot][0])
        else:
            assert (row == 0xEE).all()
        assert (row[size:] == 0xEE).all()


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.data(), SLOTS)
def test_results_come_back_in_order_as_copies(tail: int, data: st.DataObject, slots: int) -> None:
    device = Allocator()
    dtype = record_dtype(10)
    ring = ResultRing(slots, dtype.itemsize, device)
    assert ring.stride == dtype.itemsize  # as the core lays records out
    memory = np.asarray(device.memory).view(dtype)[:, 0]
    memory["sequence"] = np.arange(slots)
    count = data.draw(st.integers(0, slots))
    results = ring.read(tail, count)
    device.memory[:] = 0
    expected = [((tail + i) & COUNT_MASK) % slots for i in range(count)]
    assert sequence(results).tolist() == expected
    ring.close()
    assert device.memory.freed
