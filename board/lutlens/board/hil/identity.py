"""Is it the right overlay, is it whole, and do its registers hold what they should from the start?"""

from __future__ import annotations

from lutlens.board import registers as reg
from lutlens.board.driver import HardwareCounters, LutlensDriver
from lutlens.board.hil.bench import Bench, CheckFailed, Found
from lutlens.board.overlay import program

_NOWHERE = 0x0F8
"""Inside the register block, and no register's address."""
# In the generated module registers come before masks, some of which have the same values.
_NAMES: dict[int, str] = {}
for _constant, _value in vars(reg).items():
    if isinstance(_value, int):
        _NAMES.setdefault(_value, _constant)


def files(bench: Bench) -> Found:
    """Every file of the overlay hashes to what overlay.json says."""
    bench.manifest.verify(bench.directory)
    return Found(f"{len(bench.manifest.files)} files hash to what overlay.json says")


def registers(bench: Bench) -> Found:
    """Every register's value after reset; which of them keep what is written, and which ignore it."""
    bench.drop()
    driver = program(bench.directory, bench.device).driver
    scans = bench.manifest.geometry.scan is not None
    expected = {**reg.RESET, **(reg.SCAN_RESET if scans else dict.fromkeys(reg.SCAN_RESET, 0))}
    expected |= {_NOWHERE: 0, reg.STATUS: 0, reg.FRAME_TAIL: 0, reg.RESULT_HEAD: 0}
    expected |= {getattr(reg, name.upper()): 0 for name in HardwareCounters.__dataclass_fields__}
    del expected[reg.CYCLES]
    arrays = _array(reg.THRESHOLD, reg.THRESHOLD_COUNT, reg.THRESHOLD_STRIDE)
    sizes = _array(reg.FRAME_SIZE, reg.FRAME_SIZE_COUNT, reg.FRAME_SIZE_STRIDE)
    expected |= dict.fromkeys([*arrays, *sizes], 0)
    _hold(driver, expected, "after reset")

    kept = [*arrays, *(sizes if scans else [])]
    # A value of its own for each, in every byte: an address line that is stuck shows.
    values = {offset: (offset >> 2 & 0x7F) * 0x0101_0101 for offset in kept}
    # Bytes of thresholds from ENCODER_BITS up are not there.
    bits = (1 << 8 * bench.manifest.geometry.encoder_bits) - 1
    written = {
        offset: value & bits if offset in arrays else value for offset, value in values.items()
    }
    for offset, value in values.items():
        driver.write(offset, value)
    _hold(driver, written, "after a write")
    fixed = dict.fromkeys([*(sizes if not scans else []), _NOWHERE], 0) | {
        reg.MAGIC: reg.RESET[reg.MAGIC]
    }
    for offset in fixed:
        driver.write(offset, 0x5A5A_5A5A)
    _hold(driver, fixed, "though it ignores writes")
    for offset in kept:
        driver.write(offset, 0)
    return Found(
        f"{len(expected)} registers hold their reset values, {len(written)} keep what is written",
        {"registers": len(expected)},
    )


def build(bench: Bench) -> Found:
    """Build id, geometry and clock, as the hardware tells them, are those of the manifest."""
    overlay = bench.overlay
    kind = "scans frames" if bench.manifest.geometry.scan else "takes single images"
    return Found(
        f"build {bench.manifest.build_id}, {kind}, FCLK0 reads back as {overlay.clock_mhz:g} MHz",
        {"build_id": bench.manifest.build_id, "clock_mhz": overlay.clock_mhz},
    )


def _array(first: int, count: int, stride: int) -> list[int]:
    return [first + stride * i for i in range(count)]


def _hold(driver: LutlensDriver, expected: dict[int, int], when: str) -> None:
    wrong = [
        f"{_name(offset)} holds {held:#x} {when}, must be {value:#x}"
        for offset, value in expected.items()
        if (held := int(driver.read(offset))) != value
    ]
    if wrong:
        more = f" ({len(wrong)} registers are wrong)" if len(wrong) > 1 else ""
        raise CheckFailed(f"register {wrong[0]}{more}")


def _name(offset: int) -> str:
    for name, first, count, stride in (
        ("THRESHOLD", reg.THRESHOLD, reg.THRESHOLD_COUNT, reg.THRESHOLD_STRIDE),
        ("FRAME_SIZE", reg.FRAME_SIZE, reg.FRAME_SIZE_COUNT, reg.FRAME_SIZE_STRIDE),
    ):
        index, rest = divmod(offset - first, stride)
        if 0 <= index < count and not rest:
            return f"{name}_{index}"
    return _NAMES.get(offset, f"at offset {offset:#05x}")
