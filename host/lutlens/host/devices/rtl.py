"""The `rtl` device: the whole programmable logic under Verilator, exact to the clock.

Time advances with register accesses: each takes the clocks that AXI4-Lite needs, and a register
that software polls runs the simulation further before it is read. The memory answers as a busy PS7
port does (`Stalls`), the same way on every run.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lutlens.board import registers as reg
from lutlens.board.manifest import Manifest
from lutlens.host import verilator
from lutlens.host.devices.base import SimulatedDevice
from lutlens.host.devices.ddr import Ddr, DeviceError
from lutlens.host.lutnet import Lutnet
from lutlens.host.rtl import Build, network_sources, pl_sources

POLL_CLOCKS = 1000
_POLLED = frozenset({reg.STATUS, reg.FRAME_TAIL, reg.RESULT_HEAD})
HARNESS = Path(__file__).with_name("harness.cpp")


class Stalls(NamedTuple):
    """How the memory behaves on the AXI master's port.

    latency_min, latency_max: clocks from a burst's address to its first data or its response, where
        nothing else is in the way.
    gap: probability, in 1/256, that a channel pauses on a clock; each channel for itself.
    burst_clocks: clocks for which a burst of 16 beats, read or written, keeps the memory busy;
        shorter ones in proportion. Bursts are served one after the other.
    others: probability, in 1/256, that a burst of another master is served before one of ours.
    refresh_interval, refresh_clocks: every so many clocks the memory serves nobody for so many
        clocks; 0 for never.
    outstanding: bursts that are accepted ahead, of reads and of writes each.
    """

    latency_min: int
    latency_max: int
    gap: int
    burst_clocks: int
    others: int
    refresh_interval: int
    refresh_clocks: int
    outstanding: int


STALLS = {
    "none": Stalls(1, 1, 0, 0, 0, 0, 0, 8),
    "busy": Stalls(25, 60, 0, 11, 26, 1170, 39, 8),
    "heavy": Stalls(60, 200, 128, 0, 0, 500, 150, 4),
}
"""By name. "heavy" is no memory's behaviour, but a hostile one, for finding faults.

"busy", the default, is what we take a PS7 port beside Linux and a camera for, at 150 MHz. Within a
burst it does not pause: the port has a FIFO of 1 KB between itself and the memory, which delivers a
burst faster (128 bytes in 11 clocks) than the port passes it on (16 clocks). The board's memory has 16
bits at 1,050 MT/s, 2.1 GB/s. Of such a one the controller makes 79 % where reads and writes of bursts
of 16 are mixed at random, 87 % where they are sequential, as ours are (Zynq-7000 TRM, UG585, DDR
Efficiency); 11 clocks a burst, and 260 ns of every 7.8 us for refreshing, are 80 %. A tenth of the bursts
are others': processors, USB, network, display, some 150 MB/s. From address to data it is 25 to 60
clocks, and a wait in the queue: reading 128 bytes at a time on this board, others have measured 0.37
us on average with 16 clocks of data at 100 MHz, and 0.85 us at worst
(github.com/ammrat13/pynqz2-ram-tester). We have measured none of it.
"""


class RtlDevice(SimulatedDevice):
    """Slow and exact.

    stalls: of the memory.
    seed: of the stalls and of flip-flops that have no reset.
    """

    kind = "rtl"

    def __init__(self, stalls: Stalls = STALLS["busy"], seed: int = 1) -> None:
        super().__init__()
        self.stalls = stalls
        self.seed = seed

    def configure(self, lutnet: Lutnet, manifest: Manifest) -> Rtl:
        library = compile_pl(lutnet, Build.of(manifest.geometry))
        return Rtl(library, self.ddr, self.stalls, self.seed)


class Rtl:
    """A running simulation.

    library: as `compile_pl` makes it.
    poll_clocks: how far a read of a polled register runs the simulation first.
    """

    def __init__(
        self,
        library: Path,
        ddr: Ddr,
        stalls: Stalls,
        seed: int,
        poll_clocks: int = POLL_CLOCKS,
    ) -> None:
        self._poll_clocks = poll_clocks
        self._library = ctypes.CDLL(str(library))
        self._library.lutlens_open.restype = ctypes.c_void_p
        for counter in ("clocks", "last_read", "last_response"):
            getattr(self._library, f"lutlens_{counter}").restype = ctypes.c_uint64
        self._library.lutlens_violation.restype = ctypes.c_char_p
        self._ddr = ddr  # keeps the memory alive
        self._board: ctypes.c_void_p | None = ctypes.c_void_p(
            self._library.lutlens_open(
                ctypes.c_void_p(ddr.memory.ctypes.data),
                ctypes.c_void_p(ddr.mapped.ctypes.data),
                ctypes.c_uint64(ddr.base),
                ctypes.c_uint64(ddr.size),
                (ctypes.c_uint32 * len(stalls))(*stalls),
                ctypes.c_uint64(seed),
            )
        )

    @property
    def clocks(self) -> int:
        """Clocks since the simulation began."""
        return int(self._library.lutlens_clocks(self._board))

    @property
    def last_read(self) -> int:
        """The clock at which the memory's last data were taken."""
        return int(self._library.lutlens_last_read(self._board))

    @property
    def last_response(self) -> int:
        """The clock at which the last response to a write was taken."""
        return int(self._library.lutlens_last_response(self._board))

    @property
    def interrupt(self) -> bool:
        """The interrupt line."""
        return bool(self._library.lutlens_interrupt(self._board))

    def advance(self, clocks: int) -> None:
        """Let time pass. Raises DeviceError if the logic broke a rule of AXI."""
        self._library.lutlens_advance(self._board, ctypes.c_uint64(clocks))
        self._check_rules()

    def read(self, offset: int) -> int:
        if offset in _POLLED:
            self.advance(self._poll_clocks)
        value = ctypes.c_uint32()
        status = self._library.lutlens_read(self._board, offset, ctypes.byref(value))
        self._check("read", offset, status)
        return value.value

    def write(self, offset: int, value: int) -> None:
        status = self._library.lutlens_write(self._board, offset, ctypes.c_uint32(value))
        self._check("write", offset, status)

    def close(self) -> None:
        if self._board is not None:
            self._library.lutlens_close(self._board)
            self._board = None

    def _check(self, access: str, offset: int, status: int) -> None:
        if status:
            answer = "no answer" if status < 0 else f"response {status}"
            raise DeviceError(f"register {access} at offset {offset:#06x}: {answer}")
        self._check_rules()

    def _check_rules(self) -> None:
        breach: bytes | None = self._library.lutlens_violation(self._board)
        if breach is not None:
            raise DeviceError(f"the programmable logic broke an AXI rule: {breach.decode()}")


def compile_pl(lutnet: Lutnet, build: Build) -> Path:
    """The simulation of the whole programmable logic with this network, compiled once.

    Raises GenerationError, VerilatorError or CompilationError.
    """
    return _compiled(lutnet.to_bytes(), build)


@cache
def _compiled(lutnet: bytes, build: Build) -> Path:
    sources = network_sources(Lutnet.from_bytes(lutnet), build) | pl_sources(build)
    return verilator.build(sources, "lutlens_pl", HARNESS.read_text())
