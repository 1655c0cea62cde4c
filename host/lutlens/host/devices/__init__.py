"""Devices that `pynq` can talk to without a board, and the board itself, behind one function.

    with open_device("model") as device:
        classifier = lutlens.board.overlay.load("overlays/digits", device)

A simulated device takes its network from the overlay directory when `pynq.Overlay` loads
`NAME.hwh` (or `NAME.bit`) from it: the same device runs one overlay after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from lutlens.host.devices.base import SimulatedDevice
from lutlens.host.devices.ddr import DeviceError
from pynq import Clocks
from pynq.pl_server.device import Device

__all__ = ["DeviceError", "SimulatedDevice", "open_device"]

Kind = Literal["model", "rtl", "board"]


@contextmanager
def open_device(kind: Kind, *, own_processor: bool = False) -> Iterator[Any]:
    """A `pynq` device of this kind, closed at the end; until then it is `pynq`'s active device.

    kind: "model" (the network in C: fast), "rtl" (the whole programmable logic under Verilator:
        exact to the cycle), or "board" (what `pynq` finds on this machine).
    own_processor: of the model: it works beside the software, on a processor that does nothing else.

    Raises DeviceError if there is no board, or no second processor; ValueError for another kind's own processor.
    """
    if own_processor and kind != "model":
        raise ValueError(f"own_processor: the {kind} device has none; only the model does")
    if kind == "board":
        try:
            yield Device.active_device
        except RuntimeError as error:
            raise DeviceError(f"no board: {error}") from error
        return
    device: SimulatedDevice
    if kind == "rtl":
        from lutlens.host.devices.rtl import RtlDevice

        device = RtlDevice()
    elif own_processor:
        from lutlens.host.devices.beside import BesideDevice

        device = BesideDevice()
    else:
        from lutlens.host.devices.model import ModelDevice

        device = ModelDevice()
    before = Device.__dict__.get("_active_device")
    Device.active_device = device
    _forget_clocks()
    try:
        yield device
    finally:
        device.close()
        _forget_clocks()
        if before is None:
            del Device._active_device
        else:
            Device.active_device = before


def _forget_clocks() -> None:
    """`pynq.Clocks` keeps the first device that it ever met; make it meet the next one."""
    Clocks.device = None
    if "_real_instance" in Clocks.__dict__:
        del Clocks._real_instance
