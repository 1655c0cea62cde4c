"""Toolchains: their scripts and command lines, against stand-ins for the tools."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lutlens.board.manifest import Manifest
from lutlens.host import boards, toolchains
from lutlens.host.bitfile import Bitfile
from lutlens.host.boards.rtl import TOP, board_sources
from lutlens.host.rtl import Build
from lutlens.host.toolchains.base import (
    Cells,
    Job,
    Places,
    ToolchainMissing,
    ToolError,
    run_tool,
)
from lutlens.host.toolchains.build import build
from lutlens.host.toolchains.openxc7 import OpenXC7
from lutlens.host.toolchains.vivado import DIRECTIVES, Vivado, quote, utilisation
from support.commands import lutlens
from support.toolchains import Said, write_openxc7, write_vivado

BOARD = boards.load("pynq-z2")


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
