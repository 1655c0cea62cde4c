"""Stand-ins for the executables of toolchains: they check their arguments and write plausible outputs."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

from lutlens.host import overlay
from support.networks import random_lutnet

HERE = Path(__file__).parent
DATABASE_FILES = ("zynq7/xc7z020clg400-1/part.yaml", "xc7z020clg400.bin")


class Said:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.lines: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)

    def line(self, text: str) -> None:
        self.lines.append(text)


def write_overlay(folder: Path) -> Path:
    """An overlay to build, of a small random network: `folder/small`."""
    random_lutnet(6, stages=2).save(folder / "small.lutnet")
    overlay.generate(folder / "small.lutnet", folder / "small")
    return folder / "small"


_BEGIN = """#!{python}
import argparse, json, os, sys
from pathlib import Path
parser = argparse.ArgumentParser(allow_abbrev=False)
def fail(text):
    print("ERROR:", text)
    sys.exit(1)
"""

_NEXTPNR = """
for option in ("chipdb", "xdc", "json", "write", "fasm", "freq", "seed"):
    parser.add_argument("--" + option, required="--version" not in sys.argv)
parser.add_argument("--timing-allow-fail", action="store_true")
parser.add_argument("--version", action="store_true")
given = parser.parse_args()
if given.version:
    print("nextpnr-xilinx -- Next Generation Place and Route (Version 0.8.2-stand-in)")
    sys.exit()
if not Path(given.chipdb).is_file():
    fail("chipdb")
given.timing_allow_fail or fail("a clock that is missed must not end the run")
float(given.freq), int(given.seed)
module = json.loads(Path(given.json).read_text())["modules"]["lutlens_zynq7"]
cells = [cell["type"] for cell in module["cells"].values()]
for wanted, count in (("PS7", 1), ("BUFG", 1), ("OBUF", 4)):
    cells.count(wanted) == count or fail(f"{cells.count(wanted)} cells {wanted}")
for bad in ("SRL16E", "SRLC32E", "LUT6_2", "$scopeinfo"):
    bad in cells and fail(bad)
ps7 = next(cell for cell in module["cells"].values() if cell["type"] == "PS7")
for port, direction in ps7["port_directions"].items():
    if direction == "input" and set(ps7["connections"].get(port, "x")) & {"x", "z"}:
        fail(f"input {port} of the PS7 is open")
ports = [line.split() for line in Path(given.xdc).read_text().splitlines()]
for words in ports:
    if words[0] != "set_property" or words[1] not in ("PACKAGE_PIN", "IOSTANDARD"):
        fail("XDC: " + " ".join(words))
len(ports) == 8 or fail("XDC: four pins")
fmax = os.environ.get("STANDIN_FMAX", "150.02")
print("Info: Packing constants..")
if fmax:
    print("Info: Max frequency for clock 'aclk': 210.00 MHz (PASS at 125.00 MHz)")
print("Info: Routing..")
if os.environ.get("STANDIN_HANG"):
    import time
    sys.stdout.flush()
    time.sleep(60)
if fmax:
    print(f"Info: Max frequency for clock 'aclk': {fmax} MHz (PASS at {given.freq} MHz)")
Path(given.write).write_text("{}")
Path(given.fasm).write_text("CLBLL_L_X2Y1.SLICEL_X0.A5FF.ZINI\\n")
"""

_FASM2FRAMES = """
parser.add_argument("--db-root", required=True)
parser.add_argument("--part", required=True)
parser.add_argument("fasm")
parser.add_argument("frames")
given = parser.parse_args()
Path(given.db_root, given.part, "part.yaml").is_file() or fail("database")
Path(given.frames).write_text("0x00400000 " + Path(given.fasm).read_text())
"""

_FRAMES2BIT = """
for option in ("part_file", "part_name", "frm_file", "output_file"):
    parser.add_argument("--" + option, required=True)
given = parser.parse_args()
Path(given.part_file).is_file() or fail("part file")
Path(given.frm_file).is_file() or fail("frames")
sys.path.insert(0, {support!r})
from bitfiles import bitfile
Path(given.output_file).write_bytes(bitfile(os.environ.get("STANDIN_PART", given.part_name)))
"""


def write_openxc7(folder: Path) -> Path:
    """The open flow's executables in `folder/bin`, its databases in `folder/db`; gives `folder`."""
    (folder / "bin").mkdir(parents=True)
    texts = {
        "nextpnr-xilinx": _NEXTPNR,
        "fasm2frames": _FASM2FRAMES,
        "xc7frames2bit": _FRAMES2BIT.replace("{support!r}", repr(str(HERE))),
    }
    for name, text in texts.items():
        _executable(folder / "bin" / name, _BEGIN.replace("{python}", sys.executable) + text)
    for name in DATABASE_FILES:
        path = folder / "db" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def write_vivado(folder: Path) -> Path:
    """`folder/bin/vivado`, which runs scripts with the tclsh that `make system-packages` brings."""
    tclsh = shutil.which("tclsh")
    assert tclsh is not None, "no tclsh: run make system-packages"
    (folder / "bin").mkdir(parents=True)
    script = HERE / "vivado.tcl"
    _executable(folder / "bin/vivado", f'#!/bin/sh\nexec {tclsh} {script} "$@"\n')
    return folder


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
