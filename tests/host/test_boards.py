"""Boards as data."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from lutlens.host import boards
from lutlens.host.boards import BoardError, constraints


def description(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(files(boards).joinpath(f"{name}.json").read_text())
    return content


def test_every_description_is_right() -> None:
    assert boards.names() == ["pynq-z1", "pynq-z2", "zybo-z7-20"]
    for name in boards.names():
        board = boards.load(name)
        assert board.part == "xc7z020clg400-1"
        assert len({*board.leds.pins}) == 4
        assert 0 in board.memory.hp_ports
    assert [name for name in boards.names() if boards.load(name).complete] == ["pynq-z2"]


def test_the_board_of_the_design_page() -> None:
    board = boards.load("pynq-z2")
    assert board.leds.pins == ["R14", "P14", "N16", "M14"]
    assert (board.clocks["sysclk"].pin, board.clocks["sysclk"].mhz) == ("H16", 125)
    assert (board.cells.lut, board.cells.ff, board.cells.bram36) == (53_200, 106_400, 140)
    assert board.memory.bytes == 512 << 20


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("device", "xc7a35t", "device"),
        ("package", "CLG400", "package"),
        ("speed_grade", "1", "speed_grade"),
        ("leds", {"pins": ["R14", "P14", "N16"], "iostandard": "LVCMOS33"}, "leds.pins"),
        ("leds", {"pins": ["R14", "P14", "N16", "14"], "iostandard": "LVCMOS33"}, "leds.pins.3"),
        ("memory", {"bytes": "512M", "bus_bits": 16, "hp_ports": [0]}, "memory.bytes"),
        ("colour", "pink", "colour"),
    ],
)
def test_a_wrong_description_names_its_field(field: str, value: object, message: str) -> None:
    text = json.dumps({**description("pynq-z2"), field: value})
    with pytest.raises(BoardError, match=rf"^my\.json: {message}: "):
        boards.parse(text, "my.json")


def test_an_unknown_board() -> None:
    with pytest.raises(BoardError, match="'arty', must be one of pynq-z1, pynq-z2, zybo-z7-20"):
        boards.load("arty")


def test_constraints() -> None:
    board = boards.load("zybo-z7-20")
    lines = constraints.pins(board).splitlines()
    assert "set_property PACKAGE_PIN G14 [get_ports {led_o[2]}]" in lines
    assert len(lines) == 8
    assert "-period 8.000000 [get_pins {u_ps7/FCLKCLK[0]}]" in constraints.timing(125)
    assert "-period 7.000000" in constraints.timing(142.857143)
