"""The simulated board's memory: what `pynq.allocate` hands out and the programmable logic reads.

Buffers that are `cacheable` behave as on the ARM: the processor sees its own copy, and the memory
only what was flushed, so that a driver that forgets `flush` or `invalidate` fails here too.
"""

from __future__ import annotations

import ctypes
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pynq.buffer import PynqBuffer

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE = 0x1000_0000
SIZE = 64 << 20
PAGE = 4096


class DeviceError(RuntimeError):
    """What a real board would answer with a bus error or a hang; the message says which access."""


class Ddr:
    """A stretch of physical memory, allocated in pages of 4 KiB.

    base, size: bytes; multiples of a page.
    memory: uint8 `[size]`, what lies at physical address `base` and above.
    mapped: uint8 `[size / 4096]`, 1 for pages that are allocated; the bus answers accesses to
        others with an error.
    """

    def __init__(self, base: int = BASE, size: int = SIZE) -> None:
        self.base = base
        self.size = size
        self.memory: npt.NDArray[np.uint8] = np.zeros(size, np.uint8)
        self.mapped: npt.NDArray[np.uint8] = np.zeros(size // PAGE, np.uint8)
        self._lengths: dict[int, int] = {}
        self._lock = threading.Lock()

    def allocate(
        self, shape: int | Sequence[int], dtype: Any, device: Any, *, cacheable: bool = False
    ) -> Any:
        """A `PynqBuffer` of zeros, as `pynq.allocate` returns it. Raises MemoryError when full."""
        dimensions = (shape,) if isinstance(shape, int) else tuple(shape)
        length = max(1, math.prod(dimensions) * np.dtype(dtype).itemsize)
        address = self._take(-(-length // PAGE))
        offset = address - self.base
        own: npt.NDArray[np.uint8] = (
            np.zeros(length, np.uint8) if cacheable else self.memory[offset : offset + length]
        )
        buffer = PynqBuffer(
            dimensions,
            dtype,
            buffer=own,
            device=device,
            device_address=address,
            bo=address,
            coherent=not cacheable,
        )
        # pynq returns the pages through these three when the buffer is freed or collected;
        # `freed` keeps it from unmapping memory that is not its own.
        buffer.memory, buffer.pointer, buffer.return_to = self, address, self
        buffer.freed = True
        return buffer

    def return_pointer(self, address: int) -> None:
        """Take an allocation back; called by PynqBuffer."""
        with self._lock:
            pages = self._lengths.pop(address)
            first = (address - self.base) // PAGE
            self.mapped[first : first + pages] = 0

    def is_mapped(self, address: int, length: int) -> bool:
        """Whether every byte of `[address, address + length)` is allocated."""
        if address < self.base or address + length > self.base + self.size:
            return False
        first = (address - self.base) // PAGE
        last = (address + length - 1 - self.base) // PAGE
        return bool(self.mapped[first : last + 1].all())

    def view(self, address: int, length: int) -> npt.NDArray[np.uint8]:
        """The memory itself, uint8 `[length]`. Raises DeviceError outside of allocations."""
        if not self.is_mapped(address, length):
            raise DeviceError(
                f"memory access to {length} bytes at {address:#010x}, which nobody allocated"
            )
        offset = address - self.base
        return self.memory[offset : offset + length]

    def flush(self, address: int, pointer: int, length: int) -> None:
        """Write the processor's copy, `length` bytes at host address `pointer`, to the memory."""
        target = self.view(address, length)
        ctypes.memmove(target.ctypes.data, pointer, length)

    def invalidate(self, address: int, pointer: int, length: int) -> None:
        """Make the processor's copy what the memory holds."""
        source = self.view(address, length)
        ctypes.memmove(pointer, source.ctypes.data, length)

    def _take(self, pages: int) -> int:
        """First fit."""
        with self._lock:
            position = 0
            for address in sorted(self._lengths):
                start = (address - self.base) // PAGE
                if start - position >= pages:
                    break
                position = start + self._lengths[address]
            if position + pages > self.mapped.size:
                raise MemoryError(
                    f"{pages * PAGE} bytes do not fit into what is left of the simulated board's "
                    f"{self.size >> 20} MiB"
                )
            self.mapped[position : position + pages] = 1
            self.memory[position * PAGE : (position + pages) * PAGE] = 0
            address = self.base + position * PAGE
            self._lengths[address] = pages
            return address
