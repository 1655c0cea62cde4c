"""The simulated board's memory, as `pynq.allocate` hands it out."""

from __future__ import annotations

import numpy as np
import pynq
import pytest
from lutlens.host.devices import DeviceError, open_device


def test_cacheable_buffers_need_flush_and_invalidate() -> None:
    with open_device("model") as device:
        buffer = pynq.allocate((2, 8), "u4", cacheable=True)
        behind = device.ddr.view(buffer.device_address, buffer.nbytes).view(np.uint32)
        buffer[1] = 7
        assert not behind.any()
        buffer[1].flush()
        assert behind.tolist() == [0] * 8 + [7] * 8
        behind[:] = 9
        assert buffer[0, 0] == 0
        buffer.invalidate()
        assert (buffer == 9).all()


def test_memory_is_returned_and_runs_out() -> None:
    with open_device("model") as device:
        size = device.ddr.size
        with pytest.raises(MemoryError, match="64 MiB"):
            pynq.allocate(size + 1, "u1")
        for _ in range(3):
            with pynq.allocate(size, "u1") as everything:
                assert everything.device_address == device.ddr.base
        first, second = pynq.allocate(5000, "u1"), pynq.allocate(1, "u1")
        assert second.device_address - first.device_address == 8192
        row = first[100:]
        del first
        assert device.ddr.is_mapped(row.device_address, 1)  # a view keeps its buffer
        del row
        assert not device.ddr.is_mapped(device.ddr.base, 1)
        with pytest.raises(DeviceError, match="0x10000000"):
            device.ddr.view(device.ddr.base, 1)
