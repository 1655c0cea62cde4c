"""What the simulated devices share: the processing system's side of the board, as `pynq` sees it.

A simulated device loads an overlay directory, not a bitstream. `pynq.Overlay` insists on a file
that exists; give it `NAME.hwh`, or `NAME.bit` where that has been built: both load what lies beside
them.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol

from lutlens.board.manifest import Manifest
from lutlens.host.devices.ddr import Ddr, DeviceError
from lutlens.host.hwh import ADDRESS_RANGE, BASE_ADDRESS
from lutlens.host.lutnet import Lutnet
from pynq.pl_server.device import Device
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

SLCR_BASE = 0xF800_0000
SLCR_SIZE = 0x1000
# Clock registers as PYNQ's boot loader leaves them, for a 50 MHz crystal: PLL_FDIV at bit 12;
# divisors at bits 8 and 20.
_SLCR_RESET = {
    0x100: 26 << 12,  # ARM PLL, 1300 MHz
    0x104: 21 << 12,  # DDR PLL, 1050 MHz
    0x108: 20 << 12,  # IO PLL, 1000 MHz
    0x120: 2 << 8,  # ARM_CLK_CTRL, 650 MHz
    **{0x170 + 0x10 * i: 1 << 20 | 10 << 8 for i in range(4)},  # FPGAn_CLK_CTRL, 100 MHz
}


class ProgrammableLogic(Protocol):
    """What an overlay becomes on a device."""

    def read(self, offset: int) -> int:
        """Read the 32-bit register at `offset` bytes, a multiple of 4."""

    def write(self, offset: int, value: int) -> None:
        """Write it."""

    def close(self) -> None:
        """Free what it holds."""


class SimulatedDevice(Device):  # type: ignore[misc]
    """A Zynq-7000 without a board: memory, clocks, and a window of registers into what is loaded.

    kind: "model" or "rtl".
    ddr: the memory.
    logic: what the last overlay became; None before the first.
    """

    kind: str
    arch = "armv7l"

    def __init__(self) -> None:
        super().__init__(f"lutlens-{self.kind}")
        self.name = f"lutlens simulated device, {self.kind}"
        self.capabilities = {"REGISTER_RW": True}
        self.ddr = Ddr()
        self.logic: ProgrammableLogic | None = None
        self.timestamp = ""
        self._slcr = dict(_SLCR_RESET)
        self._lock = threading.RLock()

    def configure(self, lutnet: Lutnet, manifest: Manifest) -> ProgrammableLogic:
        """Make programmable logic of a network."""
        raise NotImplementedError  # an abstract class would need pynq's metaclass

    @property
    def fclk0_mhz(self) -> float:
        """The clock of the programmable logic, from the clock registers."""
        control, pll = self._slcr[0x170], self._slcr[0x108]
        return 50.0 * (pll >> 12 & 0x7F) / ((control >> 8 & 0x3F) * (control >> 20 & 0x3F))

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """Called by `pynq.Overlay`: the parsed `.hwh` beside the file."""
        return RuntimeMetadataParser(Metadata(input=str(Path(bitfile_name).with_suffix(".hwh"))))

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Called by `pynq.Overlay`: replace what is loaded by the overlay directory's network."""
        directory = Path(bitstream.bitfile_name).parent
        manifest = Manifest.load(directory)
        lutnet = Lutnet.load(directory / manifest.lutnet_name)
        with self._lock:
            logic = self.configure(lutnet, manifest)
            self._unload()
            self.logic = logic
        self.post_download(bitstream, parser, self.name)

    def allocate(self, shape: Any, dtype: Any, **kwargs: Any) -> Any:
        """Called by `pynq.allocate`."""
        return self.ddr.allocate(shape, dtype, self, cacheable=bool(kwargs.get("cacheable", False)))

    def flush(self, bo: int, offset: int, ptr: int, size: int) -> None:
        """Called by `PynqBuffer.flush` of a cacheable buffer."""
        self.ddr.flush(bo + offset, ptr, size)

    def invalidate(self, bo: int, offset: int, ptr: int, size: int) -> None:
        """Called by `PynqBuffer.invalidate` of a cacheable buffer."""
        self.ddr.invalidate(bo + offset, ptr, size)

    def read_registers(self, address: int, length: int) -> bytes:
        """Called by `pynq.MMIO`. Raises DeviceError where nothing would answer."""
        with self._lock:
            words = [self._read(a) for a in range(address, address + length, 4)]
        return b"".join(word.to_bytes(4, "little") for word in words)[:length]

    def write_registers(self, address: int, data: bytes) -> None:
        """Called by `pynq.MMIO`; `data` is a multiple of 4 bytes. Raises DeviceError."""
        with self._lock:
            for i in range(0, len(data), 4):
                self._write(address + i, int.from_bytes(bytes(data[i : i + 4]), "little"))

    def close(self) -> None:
        """Unload; further accesses raise DeviceError."""
        with self._lock:
            self._unload()

    def _unload(self) -> None:
        if self.logic is not None:
            self.logic.close()
            self.logic = None

    def _read(self, address: int) -> int:
        if SLCR_BASE <= address < SLCR_BASE + SLCR_SIZE:
            return self._slcr.get(address - SLCR_BASE, 0)
        return self._logic_at(address).read(address - BASE_ADDRESS)

    def _write(self, address: int, value: int) -> None:
        if SLCR_BASE <= address < SLCR_BASE + SLCR_SIZE:
            self._slcr[address - SLCR_BASE] = value
        else:
            self._logic_at(address).write(address - BASE_ADDRESS, value)

    def _logic_at(self, address: int) -> ProgrammableLogic:
        if address % 4 or not BASE_ADDRESS <= address < BASE_ADDRESS + ADDRESS_RANGE:
            raise DeviceError(f"register access at {address:#010x}, where nothing answers")
        if self.logic is None:
            raise DeviceError(f"register access at {address:#010x} before an overlay was loaded")
        return self.logic
