"""What a build does with an overlay, whatever tools made the bitstream; bit files; wrong usage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from lutlens.board.manifest import Manifest
from lutlens.host import boards, hwh, overlay
from lutlens.host.bitfile import Bitfile, BitfileError
from lutlens.host.boards.rtl import TOP
from lutlens.host.toolchains.base import (
    Cells,
    Job,
    Outcome,
    Places,
    Reporter,
    Toolchain,
    ToolError,
)
from lutlens.host.toolchains.build import TimingError, build
from support.bitfiles import bitfile
from support.commands import lutlens
from support.toolchains import Said

BOARD = boards.load("pynq-z2")


@dataclass(frozen=True)
class Reached(Toolchain):
    """Tools that reach a given clock."""

    fmax_mhz: float
    hold_slack_ns: float | None = None
    part: str = "7z020clg400"

    @classmethod
    def find(cls, places: Places, board: boards.Board) -> Reached:
        return cls(100.0)

    def version(self) -> str:
        return "tools 1.0"

    def build(self, job: Job, report: Reporter) -> Outcome:
        assert f"module {TOP}" in job.sources[f"{TOP}.sv"]
        assert "lutlens_network.sv" in job.sources
        job.log.write_text("log")
        path = job.folder / f"{job.name}.bit"
        path.write_bytes(bitfile(self.part))
        cells = Cells(lut=2465, ff=2488, bram36=3.5)
        return Outcome(path, self.version(), self.fmax_mhz, True, cells, self.hold_slack_ns)


def test_what_was_built_is_in_the_overlay(directory: Path, tmp_path: Path) -> None:
    before = Manifest.load(directory)
    built = build(directory, Reached(130.017), BOARD, tmp_path / "out", Said(), seed=7)
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    assert manifest == built.manifest
    assert (directory / "small.bit").read_bytes() == bitfile("7z020clg400")
    assert manifest.bitstream is not None
    assert manifest.bitstream.model_dump() == {
        "toolchain": "tools 1.0",
        "fmax_mhz": 130.01,
        "estimated": True,
        "board": "pynq-z2",
        "seed": 7,
        "lut": 2465,
        "ff": 2488,
        "bram36": 3.5,
    }
    assert manifest.clock_mhz == before.clock_mhz == 125.0
    assert not manifest.run_on_hardware
    assert built.slack_ns == pytest.approx(8 - 1000 / 130.017)
    assert not built.lowered
    assert "tools 1.0" in (directory / "README.md").read_text()


def test_a_missed_clock_leaves_the_overlay_alone(directory: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(TimingError, match=r"125 MHz is missed: 118\.3 MHz.*-0\.4.*--clock auto"):
        build(directory, Reached(118.3), BOARD, tmp_path / "out", Said())
    # No clock mends hold time.
    with pytest.raises(TimingError, match=r"hold time is missed by 0\.020 ns"):
        build(directory, Reached(300, -0.02), BOARD, tmp_path / "out", Said(), lower_clock=True)
    with pytest.raises(ToolError, match="is for 7z010clg400, must be for xc7z020clg400-1"):
        build(directory, Reached(300, part="7z010clg400"), BOARD, tmp_path / "out", Said())
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_the_clock_is_lowered_to_what_was_reached(directory: Path, tmp_path: Path) -> None:
    old = (directory / "small.hwh").read_text()
    built = build(directory, Reached(118.3), BOARD, tmp_path / "out", Said(), lower_clock=True)
    assert built.lowered
    assert built.clock_mhz == Manifest.load(directory).clock_mhz == 1000 / 9 // 1e-6 * 1e-6
    assert built.clock_mhz <= 118.3
    assert built.slack_ns >= 0
    new = (directory / "small.hwh").read_text()
    assert 'NAME="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ" VALUE="111.111111"' in new
    assert new != old
    # A faster design does not make the overlay faster than was asked for.
    faster = build(directory, Reached(250), BOARD, tmp_path / "out", Said(), lower_clock=True)
    assert faster.clock_mhz == built.clock_mhz
    back = build(directory, Reached(250), BOARD, tmp_path / "out", Said(), clock_mhz=125)
    assert back.clock_mhz == 125
    assert (directory / "small.hwh").read_text() == old


def test_another_board_is_another_handoff(directory: Path, tmp_path: Path) -> None:
    build(directory, Reached(150), boards.load("zybo-z7-20"), tmp_path / "out", Said())
    text = (directory / "small.hwh").read_text()
    assert 'NAME="PCW_CRYSTAL_PERIPHERAL_FREQMHZ" VALUE="33.333333"' in text
    assert 'HIGHVALUE="0x3FFFFFFF"' in text
    assert Manifest.load(directory).bitstream.board == "zybo-z7-20"


def test_other_peoples_files_stay(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").touch()
    with pytest.raises(overlay.OverlayError, match="holds other files than a build's"):
        build(directory, Reached(150), BOARD, tmp_path / "out", Said())
    assert (tmp_path / "out/thesis.tex").exists()


def test_bitfile_is_taken_apart() -> None:
    parsed = Bitfile.from_bytes(bitfile("7z020clg400", b"payload"))
    assert (parsed.design, parsed.part, parsed.date) == ("top", "7z020clg400", "2026/11/22")
    assert parsed.bitstream.endswith(b"payload")
    for part in ("7z020clg400", "xc7z020clg400-1"):
        assert replace(parsed, part=part).is_for("xc7z020", "clg400")
    for part in ("7z010clg400", "7z020clg484", ""):
        assert not replace(parsed, part=part).is_for("xc7z020", "clg400")


def test_what_is_no_bitfile() -> None:
    good = bitfile("7z020clg400")
    for end in (0, 5, 13, 14, 20, 60, 70, len(good) - 1):
        with pytest.raises(BitfileError):
            Bitfile.from_bytes(good[:end])
    with pytest.raises(BitfileError, match="synchronisation"):
        Bitfile.from_bytes(good.replace(bytes.fromhex("aa995566"), bytes(4)))


def test_wrong_usage(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (("--toolchain", "ise"), "toolchain: 'ise', must be one of openxc7, vivado"),
        (("--toolchain", "vivado", "--board", "de10"), "must be one of pynq-z1, pynq-z2, zybo"),
        (("--toolchain", "vivado", "--clock", "fast"), "must be MHz or auto"),
        (("--toolchain", "vivado", "--clock", "500"), "range of the processing system's clock"),
    ):
        status, out, err = lutlens(capsys, "build", directory, *arguments)
        assert status == 2
        assert out == ""
        assert message in " ".join(err.replace("│", " ").split())


def test_clocks_of_the_board_are_those_of_the_handoff() -> None:
    for name in boards.names():
        assert boards.load(name).processor.io_pll_mhz == hwh.IO_PLL_MHZ
