"""Where a network is trained: `--device`."""

from __future__ import annotations

import platform
from enum import Enum
from pathlib import Path

import torch


class DeviceError(ValueError):
    """A device that is not there."""


class DeviceName(str, Enum):
    """What `--device` takes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def device_of(name: DeviceName, index: int = 0) -> torch.device:
    """auto: a CUDA device if there is one. index: which, where there are several.

    Raises DeviceError.
    """
    if name == DeviceName.cpu or (name == DeviceName.auto and not torch.cuda.is_available()):
        return torch.device("cpu")
    found = torch.cuda.device_count()
    if index >= found:
        built = "" if torch.version.cuda else "; this PyTorch is built without CUDA"
        raise DeviceError(f"device cuda:{index}: there are {found} CUDA devices{built}")
    return torch.device("cuda", index)


def description(device: torch.device) -> str:
    """The device's name, as its maker has it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def synchronise(device: torch.device) -> None:
    """Wait for all that was asked of the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
