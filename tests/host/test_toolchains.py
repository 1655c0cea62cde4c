"""Toolchains: their scripts and command lines, against stand-ins for the tools; what a build leaves."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from lutlens.board.manifest import Manifest
from lutlens.host import boards, cli, hwh, overlay, toolchains
from lutlens.host.bitfile import Bitfile, BitfileError
from lutlens.host.boards.rtl import TOP, board_sources
from lutlens.host.rtl import Build
from lutlens.host.toolchains.base import (
    Cells,
    Job,
    Outcome,
    Places,
    Reporter,
    Toolchain,
    ToolchainMissing,
    ToolError,
    run_tool,
)
from lutlens.host.toolchains.build import TimingError, build
from lutlens.host.toolchains.openxc7 import OpenXC7
from lutlens.host.toolchains.vivado import DIRECTIVES, Vivado, quote, utilisation
from support.bitfiles import bitfile
from support.networks import random_lutnet
from support.toolchains import write_openxc7, write_vivado

BOARD = boards.load("pynq-z2")


class Said:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.lines: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlay")
    random_lutnet(6, stages=2).save(folder / "small.lutnet")
    overlay.generate(folder / "small.lutnet", folder / "small")
    return folder / "small"


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Path:
    """An overlay to build."""
    return Path(shutil.copytree(made, tmp_path / "small"))


def lutlens(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Status, standard output and standard error of the command line."""
    with pytest.raises(SystemExit) as exit_:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(exit_.value.code or 0), captured.out, captured.err


# ---------------------------------------------------------------------- what a build does with an overlay


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


# ---------------------------------------------------------------------- bit files


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


# ---------------------------------------------------------------------- Vivado


@pytest.fixture
def vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a stand-in that runs our Tcl."""
    monkeypatch.delenv("XILINX_VIVADO", raising=False)
    return write_vivado(tmp_path / "tools")


def test_vivado_builds(
    directory: Path, vivado: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("build", directory, "--toolchain", "vivado", "--tools", vivado, "--json")
    status, out, err = lutlens(capsys, *command, "--out", tmp_path / "out", "--clock", "100")
    assert status == 0, err
    found = json.loads(out)
    assert found["bitstream"]["toolchain"] == "Vivado 2020.1"
    assert found["bitstream"]["fmax_mhz"] == 102.56  # 1 / (10 ns - 0.25 ns), rounded down
    assert found["worst_slack_ns"] == 0.25
    assert found["hold_slack_ns"] == 0.031
    assert found["cells"] == {"lut": 2465, "ff": 2488, "bram36": 3.5}
    assert found["clock_mhz"] == Manifest.load(directory).clock_mhz == 100.0
    steps = ["synthesis", "placement", "routing", "bitstream"]
    assert [step for step in steps if f"{step}: Vivado" in err] == steps
    calls = (tmp_path / "out/calls.txt").read_text()
    assert "create_clock -name fclk0 -period 10.000000 " in calls
    assert calls.count("PACKAGE_PIN") == 4
    assert f"place_design -directive {DIRECTIVES[1]}" in calls
    assert "$ " in Path(found["log"]).read_text()
    # Nodes are LUT primitives, which Vivado itself declares.
    assert "LUT6 #(" in (tmp_path / "out/lutlens_lut.sv").read_text()
    assert not (tmp_path / "out/lut_primitives.sv").exists()


def test_vivado_misses_its_clock(
    directory: Path,
    vivado: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STANDIN_SETUP", "-1.5")
    monkeypatch.setenv("STANDIN_VERSION", "2024.2")  # whose reports have a column more
    command = ("build", directory, "--toolchain", "vivado", "--tools", vivado)
    command = (*command, "--out", tmp_path / "out")
    status, _, err = lutlens(capsys, *command)
    assert status == 1
    assert "125 MHz is missed: 105.3 MHz reached, worst slack -1.500 ns" in err
    assert Manifest.load(directory).bitstream is None
    status, out, err = lutlens(capsys, *command, "--clock", "auto")
    assert status == 0, err
    assert re.search(r"FCLK0 .*100 MHz.*lowered", out)
    assert re.search(r"LUT .*2465 .*4\.6 % of 53200", out)
    assert Manifest.load(directory).clock_mhz == 100.0


def test_vivado_fails(
    directory: Path, vivado: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = Vivado.find(Places(vivado), BOARD)
    tmp = tmp_path / "out"
    tmp.mkdir()
    files = {f"{TOP}.sv": "module lutlens_zynq7; endmodule\n"}
    job = Job("small", TOP, BOARD, 125.0, files, tmp, timeout_s=60)
    with pytest.raises(ToolError, match=r"(?s)status 1.*module 'other' not found.*build\.log"):
        tool.build(replace(job, top="other"), Said())
    with pytest.raises(ToolError, match=r"(?s)invalid command name .*write_everything"):
        tool.run("bad.tcl", "write_everything -force\n", job, Said())
    with pytest.raises(ToolError, match=r"(?s)Unknown option '-dierctive' of opt_design"):
        tool.run("bad.tcl", "opt_design -dierctive Explore\n", job, Said())
    monkeypatch.setenv("STANDIN_HANG", "1")
    with pytest.raises(ToolError, match=r"vivado took more than 1 s; it was stopped.*build\.log"):
        tool.build(replace(job, timeout_s=1), Said())
    monkeypatch.setenv("STANDIN_VERSION", "2019.2")
    with pytest.raises(ToolError, match=r"vivado v2019\.2, must be 2020\.1 or later"):
        tool.version()


def test_vivado_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XILINX_VIVADO", str(tmp_path / "nowhere"))
    with pytest.raises(ToolchainMissing, match=r"settings64\.sh, or give --tools"):
        Vivado.find(Places(), BOARD)
    executable = tmp_path / "Xilinx/bin/vivado"
    executable.parent.mkdir(parents=True)
    executable.touch(mode=0o755)
    monkeypatch.setenv("XILINX_VIVADO", str(tmp_path / "Xilinx"))
    assert Vivado.find(Places(), BOARD).executable == executable
    monkeypatch.delenv("XILINX_VIVADO")
    assert Vivado.find(Places(tmp_path / "Xilinx"), BOARD).executable == executable


def test_utilisation_of_no_report() -> None:
    with pytest.raises(ToolError, match="no row 'Slice LUTs'"):
        utilisation("| Slice Registers | 12 | 0 | 106400 | 0.1 |")


def test_words_of_tcl(vivado: Path, tmp_path: Path) -> None:
    """Any text is one word: nothing in it is run or replaced."""
    text = 'a "quoted" [exit 3] $name {brace} \\ back; slash\nline\t#'
    job = Job("small", TOP, BOARD, 125.0, {}, tmp_path, timeout_s=60)
    script = f"set out [open said.txt w]\nputs -nonewline $out {quote(text)}\nclose $out\n"
    Vivado.find(Places(vivado), BOARD).run("say.tcl", script, job, Said())
    assert (tmp_path / "said.txt").read_text() == text


def test_package_ip(
    directory: Path, vivado: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    status, said, err = lutlens(
        capsys, "package-ip", directory, "--tools", vivado, "--out", out, "--json"
    )
    assert status == 0, err
    assert json.loads(said) == {"ip_repository": str(out / "ip")}
    component = (out / "ip/component.xml").read_text()
    assert "name lutlens_small" in component
    assert Manifest.load(directory).build_id in component
    top = (out / "lutlens_small.v").read_text()
    assert "input wire [7:0] s_axis_tdata" in top
    assert "output wire [15:0] m_axis_tdata" in top
    calls = (out / "calls.txt").read_text()
    for bus in ("s_axis", "m_axis"):
        assert f"ipx::associate_bus_interfaces -busif {bus} -clock aclk component_1" in calls


# ---------------------------------------------------------------------- the open flow


@pytest.fixture(scope="module")
def openxc7(tmp_path_factory: pytest.TempPathFactory) -> Places:
    folder = write_openxc7(tmp_path_factory.mktemp("openxc7"))
    return Places(folder, folder / "db", folder / "db")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The top around a core of which only the ports are there: synthesis in seconds."""
    files = board_sources(Build())
    head = re.search(r"^module lutlens_pl\b.*?^\);", files["lutlens_pl.sv"], re.S | re.M)
    assert head is not None
    shell = re.sub(r"\n\s*import [^;]*;", "", head[0])
    sources = {"lutlens_pl.sv": f"(* blackbox *)\n{shell}\nendmodule\n"}
    for name in ("lutlens_gp_bridge.sv", "lutlens_leds.sv", f"{TOP}.sv"):
        sources[name] = files[name]
    folder = tmp_path_factory.mktemp("job")
    return Job("small", TOP, BOARD, 125.0, sources, folder, seed=3, timeout_s=120)


@pytest.fixture(scope="module")
def synthesised(job: Job) -> Cells:
    """Synthesis by Yosys itself, once for all tests."""
    return OpenXC7._synthesise(job, lambda line: None)


def test_openxc7_builds(
    job: Job, synthesised: Cells, openxc7: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Command lines are right, every PS7 input is driven, nothing is left that cannot be routed."""
    monkeypatch.setattr(OpenXC7, "_synthesise", staticmethod(lambda *_: synthesised))
    said = Said()
    assert openxc7.tools is not None
    monkeypatch.chdir(openxc7.tools.parent)
    here = Path(openxc7.tools.name)
    outcome = OpenXC7.find(Places(here, here / "db", here / "db"), BOARD).build(job, said)
    assert outcome.fmax_mhz == 150.02  # the last line counts, not that of placement
    assert outcome.estimated
    assert re.fullmatch(r"Yosys [\d.]+, nextpnr-xilinx 0\.8\.2-stand-in", outcome.tool)
    assert outcome.cells == synthesised
    assert 100 < synthesised.lut < 600  # the bridge and the LEDs
    assert Bitfile.from_bytes(outcome.bitstream.read_bytes()).is_for("xc7z020", "clg400")
    assert [step.partition(":")[0] for step in said.steps] == [
        *("synthesis", "place and route", "bitstream", "bitstream")
    ]
    assert "Max frequency for clock 'aclk': 150.02 MHz (PASS at 125 MHz)" in said.lines
    log = job.log.read_text()
    assert "--freq 125 --seed 3 --timing-allow-fail" in log
    assert "Executing SYNTH_XILINX" in log
    assert "fasm2frames --db-root" in log


def test_openxc7_fails(
    job: Job, synthesised: Cells, openxc7: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenXC7, "_synthesise", staticmethod(lambda *_: synthesised))
    tool = OpenXC7.find(openxc7, BOARD)
    monkeypatch.setenv("STANDIN_FMAX", "")
    with pytest.raises(ToolError, match=r"reported no maximum frequency.*build\.log"):
        tool.build(job, Said())
    monkeypatch.setenv("STANDIN_HANG", "1")
    with pytest.raises(ToolError, match="nextpnr-xilinx took more than 2 s; it was stopped"):
        tool.build(replace(job, timeout_s=2), Said())


def test_openxc7_says_what_is_missing(
    openxc7: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainMissing) as missing:
        OpenXC7.find(Places(), BOARD)
    for name in ("nextpnr-xilinx", "fasm2frames", "xc7frames2bit", "--chipdb", "--prjxray-db"):
        assert name in str(missing.value)
    with pytest.raises(ToolchainMissing, match=r"missing xc7z020clg400\.bin .*: not in") as missing:
        OpenXC7.find(replace(openxc7, chipdb=tmp_path), BOARD)
    assert "nextpnr" not in str(missing.value)


def test_openxc7_is_synthesis_by_yosys(job: Job, tmp_path: Path) -> None:
    files = {
        **job.sources,
        "lutlens_leds.sv": "module lutlens_leds; missing u_missing (); endmodule",
    }
    bad = replace(job, sources=files, folder=tmp_path)
    with pytest.raises(ToolError, match=r"(?s)Yosys refused the design.*build\.log"):
        OpenXC7._synthesise(bad, lambda line: None)


@pytest.mark.timeout(3600)
def test_openxc7_itself(directory: Path, tmp_path: Path) -> None:
    """The tools themselves, where they are."""
    import os

    places = Places(
        chipdb=Path(os.environ.get("CHIPDB", "/nowhere")),
        prjxray_db=Path(os.environ.get("PRJXRAY_DB_DIR", "/nowhere")),
    )
    try:
        tool = OpenXC7.find(places, BOARD)
    except ToolchainMissing as error:
        pytest.skip(str(error))
    built = build(directory, tool, BOARD, tmp_path / "out", Said(), lower_clock=True)
    assert (directory / "small.bit").stat().st_size > 1_000_000
    assert 50 < built.outcome.fmax_mhz < 600


# ---------------------------------------------------------------------- shared


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


def test_toolchains_are_registered() -> None:
    assert toolchains.names() == ["openxc7", "vivado"]
    assert toolchains.load("vivado") is Vivado
    assert toolchains.load("openxc7") is OpenXC7


def test_a_tool_leaves_no_children(tmp_path: Path) -> None:
    job = Job("small", TOP, BOARD, 125.0, {}, tmp_path, timeout_s=0.5)
    script = "sleep 5; touch survived"
    with pytest.raises(ToolError, match="took more than"):
        run_tool(["/bin/sh", "-c", f"({script}) & wait"], job)
    with pytest.raises(ToolError, match="No such file"):
        run_tool([tmp_path / "nothing"], job)
    assert not (tmp_path / "survived").exists()


def test_clocks_of_the_board_are_those_of_the_handoff() -> None:
    for name in boards.names():
        assert boards.load(name).processor.io_pll_mhz == hwh.IO_PLL_MHZ
