"""verible's lint and format on every hand-written file, and its lint on the register block."""

import subprocess
import sys
from pathlib import Path

import pytest
from lutlens.host.paths import RTL_DIRECTORY
from lutlens.host.registers import Scan, write_rtl
from lutlens.host.rtl import Build, pl_sources
from lutlens.host.verilator import lint

BENCH = Path(__file__).parent / "sv"
# lowRISC's indentation of parameters and ports is not verible-verilog-format's default.
FORMAT = (
    "--formal_parameters_indentation=indent",
    "--port_declarations_indentation=indent",
    "--named_parameter_indentation=indent",
    "--named_port_indentation=indent",
)


def verible(tool: str, *arguments: str | Path) -> str:
    """Output of a verible tool, which must not complain."""
    result = subprocess.run(
        [Path(sys.executable).with_name(f"verible-verilog-{tool}"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_lint(tmp_path: Path) -> None:
    folders = (*(RTL_DIRECTORY / part for part in (".", "network", "boards")), BENCH)
    files = [path for folder in folders for path in sorted(folder.glob("*.sv"))]
    rules = RTL_DIRECTORY / ".rules.verible_lint"
    verible("lint", "--rules_config", rules, *files, *write_rtl(tmp_path, Scan()))


@pytest.mark.parametrize(
    "directory", [RTL_DIRECTORY, RTL_DIRECTORY / "boards", BENCH], ids=["rtl", "boards", "bench"]
)
def test_format(directory: Path) -> None:
    for path in sorted(directory.glob("*.sv")):
        assert verible("format", *FORMAT, path) == path.read_text(), path.name


@pytest.mark.rtl
@pytest.mark.parametrize(
    "build", [Build(), Build(cores=4), Build(scan=Scan())], ids=["batch", "cores", "scan"]
)
def test_verilator_wall(build: Build) -> None:
    """-Wall on the whole PL around the stand-in network; the generated one's tests do the same."""
    network = {
        path.name: path.read_text() for path in sorted(BENCH.glob("lutlens_network*.sv"))[::-1]
    }
    lint(network | pl_sources(build), "lutlens_pl")
