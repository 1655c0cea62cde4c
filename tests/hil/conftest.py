"""What the hardware-in-the-loop suite runs on: `pytest tests/hil --device model|rtl|board`."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption("--device", choices=("model", "rtl", "board"), help="Default: model.")
    group.addoption("--overlay", action="append", type=Path, help="Default: those that ship.")
    group.addoption("--soak", type=float, metavar="S", help="Default: 0.3.")
