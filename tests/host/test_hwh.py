"""The `.hwh` as pynq's own parser reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lutlens.board.driver import VLNV
from lutlens.host import hwh
from lutlens.host.registers import registers
from pynq.registers import RegisterMap
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

BUILD_ID = 0x0123_4567_89AB_CDEF


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("hwh") / "digits.hwh"
    path.write_text(hwh.render("digits", BUILD_ID, 150.0))
    return RuntimeMetadataParser(Metadata(input=str(path)))


def test_the_core_is_found_by_its_vlnv(parsed: Any) -> None:
    core = parsed.ip_dict[hwh.CORE]
    assert core["type"] == VLNV
    assert core["phys_addr"] == hwh.BASE_ADDRESS
    assert core["addr_range"] == hwh.ADDRESS_RANGE
    assert core["parameters"]["BUILD_ID"] == "0x0123456789ABCDEF"


def test_every_register_and_field_is_there(parsed: Any) -> None:
    found = parsed.ip_dict[hwh.CORE]["registers"]
    assert set(found) == {register.name for register in registers()}
    for register in registers():
        entry = found[register.name]
        assert entry["address_offset"] == register.offset
        assert entry["description"] == register.description
        assert {
            name: (field["bit_offset"], field["bit_width"])
            for name, field in entry["fields"].items()
        } == {field.name: (field.low, field.high - field.low + 1) for field in register.fields}
    assert found["STATUS"]["fields"]["busy"]["access"] == "read-only"
    assert found["CONTROL"]["fields"]["reset"]["access"] == "write-only"
    assert found["FRAME_BASE"]["access"] == "read-write"


def test_pynq_makes_a_register_map_of_it(parsed: Any) -> None:
    memory = bytearray(0x200)
    map_class = RegisterMap.create_subclass("core", parsed.ip_dict[hwh.CORE]["registers"])
    register_map = map_class(memory)
    register_map.CONTROL.enable = 1
    register_map.THRESHOLD_2.bit_1 = 77
    assert memory[0x40] == 1
    assert memory[0x109] == 77
    with pytest.raises(AttributeError):
        register_map.STATUS.busy = 1


def test_clocks(parsed: Any) -> None:
    clocks = parsed.clock_dict
    assert clocks[0]["enable"] == 1
    assert clocks[0]["frequency"] == pytest.approx(1000 / 7)
    assert clocks[0]["divisor0"] * clocks[0]["divisor1"] == 7
    assert [clocks[i]["enable"] for i in (1, 2, 3)] == [0, 0, 0]


@given(st.floats(0.26, 250.0))
def test_a_clock_is_never_faster_than_asked_for(mhz: float) -> None:
    clock = hwh.clock(mhz)
    assert all(1 <= divisor <= 63 for divisor in clock.divisors)
    assert clock.mhz <= mhz + 2e-6
    assert hwh.clock(clock.mhz) == clock  # what the manifest says is stable


@pytest.mark.parametrize("mhz", [0.0, 0.2, 251.0, 1000.0, float("nan")])
def test_an_impossible_clock_is_refused(mhz: float) -> None:
    with pytest.raises(hwh.ClockError, match=r"clock: .* MHz, must be"):
        hwh.clock(mhz)


def test_a_name_cannot_break_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.hwh"
    path.write_text(hwh.render('<&"', 1, 100.0))
    assert Metadata(input=str(path)).name == '<&"'
