"""The register map's forms agree with their source."""

from pathlib import Path

import pytest
from lutlens.board import registers as constants
from lutlens.host.registers import (
    CONSTANTS_FILE,
    MARKDOWN_FILE,
    Scan,
    markdown,
    python_constants,
    registers,
    write_rtl,
)


@pytest.mark.parametrize(
    ("path", "text"), [(CONSTANTS_FILE, python_constants), (MARKDOWN_FILE, markdown)]
)
def test_committed_form_is_fresh(path: Path, text: object) -> None:
    assert callable(text)
    assert path.read_text() == text(), "run `python -m lutlens.host.registers`"


def test_registers_do_not_overlap_and_fit_the_address_space() -> None:
    offsets = [register.offset for register in registers()]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 and offset < 1 << 16 for offset in offsets)
    for register in registers():
        used = 0
        for field in register.fields:
            assert field.mask & used == 0, f"{register.name}.{field.name}"
            used |= field.mask
        assert used < 1 << 32


def test_every_register_and_field_is_described() -> None:
    for register in registers():
        assert len(register.description) > 10
        assert all(field.description for field in register.fields)


def test_constants_name_what_the_list_holds() -> None:
    by_name = {register.name: register for register in registers()}
    assert by_name["FRAME_HEAD"].offset == constants.FRAME_HEAD
    assert by_name["MAGIC"].reset == constants.RESET[constants.MAGIC] == 0x4C55544C
    status = {field.name: field.mask for field in by_name["STATUS"].fields}
    assert status["watchdog"] == constants.STATUS_WATCHDOG
    last = constants.THRESHOLD + constants.THRESHOLD_STRIDE * (constants.THRESHOLD_COUNT - 1)
    assert by_name["THRESHOLD_15"].offset == last
    assert by_name["IRQ_STATUS"].access == "w1c"
    assert by_name["BUILD_ID_LOW"].reset is None
    assert by_name["FRAME_SIZE_7"].offset == constants.FRAME_SIZE + 7 * constants.FRAME_SIZE_STRIDE
    fields = {field.name: field.mask for field in by_name["FRAME_SIZE_0"].fields}
    assert fields == {
        "columns": constants.FRAME_SIZE_COLUMNS,
        "rows": constants.FRAME_SIZE_ROWS,
    }


def test_what_only_scan_builds_have_is_told_apart() -> None:
    scan_only = {register.offset for register in registers() if register.scan_only}
    assert {constants.MAX_POSITIONS, constants.SCALES, constants.FRAME_SIZE} <= scan_only
    assert not scan_only & {constants.FEATURES, constants.MAX_WIDTH, constants.FORMAT}
    assert constants.SCAN_RESET[constants.BACKGROUND] == 0x1FF
    assert not scan_only & constants.RESET.keys()


def test_register_block_is_generated(tmp_path: Path) -> None:
    package, module = write_rtl(tmp_path, Scan(max_positions=77, max_windows=5))
    assert "package lutlens_registers_pkg" in package.read_text()
    assert "SCAN_POSITIONS = 'h4d;" in package.read_text()
    assert "module lutlens_registers" in module.read_text()
