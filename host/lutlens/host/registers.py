"""The register map, from its one source `rtl/lutlens.rdl`, in every form that the project needs.

`registers` gives the list (for the `.hwh` and the devices), `write_rtl` the register block's
SystemVerilog. Two forms are committed, so that the board needs no SystemRDL compiler and a reader
none either: `lutlens.board.registers` and rtl/REGISTERS.md. `python -m lutlens.host.registers`
writes them anew.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lutlens.host.paths import REPOSITORY, RTL_DIRECTORY
from peakrdl_regblock import RegblockExporter
from peakrdl_regblock.cpuif.passthrough import PassthroughCpuif
from peakrdl_regblock.udps import ALL_UDPS
from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, RegNode
from systemrdl.rdltypes.builtin_enums import OnWriteType

RDL_FILE = RTL_DIRECTORY / "lutlens.rdl"
MODULE_NAME = "lutlens_registers"
CONSTANTS_FILE = REPOSITORY / "board/lutlens/board/registers.py"
MARKDOWN_FILE = RTL_DIRECTORY / "REGISTERS.md"
# PeakRDL-regblock assigns the members of one struct in a process each, offers more (parameters,
# protection bits, byte addresses) than is used, and has a style of its own.
_LINT_WAIVER = """\
/* verilator lint_off MULTIDRIVEN */
/* verilator lint_off UNUSEDPARAM */
/* verilator lint_off UNUSEDSIGNAL */
// verilog_lint: waive-start explicit-parameter-storage-type
// verilog_lint: waive-start line-length
// verilog_lint: waive-start struct-union-name-style
// verilog_lint: waive-start typedef-structs-unions
"""


@dataclass(frozen=True)
class Scan:
    """What a build that scans frames has room for.

    max_positions: window positions of a frame whose scores can be added over passes.
    max_windows: peaks that a result lists.
    """

    max_positions: int = 4608
    max_windows: int = 256


@dataclass(frozen=True)
class Field:
    """Bits `high` down to `low` of a register.

    access: "ro", "rw", "w1c" (write 1 to clear) or "w1" (write 1 to start; reads as zero).
    reset: value after reset, not shifted; None where the build or the core's work decides it.
    """

    name: str
    high: int
    low: int
    access: str
    reset: int | None
    description: str

    @property
    def mask(self) -> int:
        return ((1 << (self.high - self.low + 1)) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """One 32-bit register.

    offset: bytes from the start of the register block.
    array: (NAME, index) of a member of an array, which is called `NAME_index`; else None.
    scan_only: batch builds have nothing there.
    """

    name: str
    offset: int
    fields: tuple[Field, ...]
    description: str
    array: tuple[str, int] | None = None
    scan_only: bool = False

    @property
    def access(self) -> str:
        """The fields' access if all have the same, "rw" if not."""
        kinds = {field.access for field in self.fields}
        return kinds.pop() if len(kinds) == 1 else "rw"

    @property
    def reset(self) -> int | None:
        """The register's value after reset; None if any field has none."""
        if any(field.reset is None for field in self.fields):
            return None
        return sum((field.reset or 0) << field.low for field in self.fields)


@cache
def registers() -> tuple[Register, ...]:
    """All registers by ascending offset; each member of an array is one."""
    batch = {register.name for register in _read_registers(_compile(None))}
    found = (
        dataclasses.replace(register, scan_only=register.name not in batch)
        for register in _read_registers(_compile(Scan()))
    )
    return tuple(sorted(found, key=lambda register: register.offset))


def write_rtl(
    directory: str | os.PathLike[str], scan: Scan | None, cores: int = 1
) -> tuple[Path, Path]:
    """Write the register block: its package and its module, in a compiler's order.

    scan: None for a batch build.
    cores: of the network.

    Its bus is PeakRDL's plain request and acknowledge; rtl/lutlens_axil.sv makes AXI4-Lite of it.
    """
    target = Path(directory)
    RegblockExporter().export(
        _compile(scan, cores),
        str(target),
        cpuif_cls=PassthroughCpuif,
        module_name=MODULE_NAME,
        package_name=f"{MODULE_NAME}_pkg",
        default_reset_activelow=True,
        address_width=16,
    )
    files = (target / f"{MODULE_NAME}_pkg.sv", target / f"{MODULE_NAME}.sv")
    for file in files:
        file.write_text(_LINT_WAIVER + file.read_text())
    return files


def python_constants() -> str:
    """Source of `lutlens.board.registers`: offsets, field masks, reset values."""
    lines = [
        '"""The core\'s registers: byte offsets, field masks, reset values.',
        "",
        "Generated from rtl/lutlens.rdl by `python -m lutlens.host.registers`.",
        "rtl/REGISTERS.md explains them.",
        '"""',
        "",
    ]
    for register in registers():
        if register.array is None:
            lines.append(f"{register.name} = 0x{register.offset:03X}")
        elif register.array[1] == 0:
            name, _ = register.array
            offsets = [r.offset for r in registers() if r.array and r.array[0] == name]
            lines.append(f"{name} = 0x{offsets[0]:03X}")
            lines.append(f"{name}_COUNT = {len(offsets)}")
            lines.append(f"{name}_STRIDE = {offsets[1] - offsets[0]}")
    lines.append("")
    for register in registers():
        if len(register.fields) > 1 and (register.array is None or register.array[1] == 0):
            name = register.array[0] if register.array else register.name
            for field in register.fields:
                lines.append(f"{name}_{field.name.upper()} = 0x{field.mask:08X}")
    for scan_only, comment, name in (
        (False, "Registers whose value after reset is the same in every build.", "RESET"),
        (
            True,
            "The same, of registers that scan builds alone have; in others they read 0.",
            "SCAN_RESET",
        ),
    ):
        lines += ["", f"# {comment}", f"{name} = {{"]
        for register in registers():
            known = register.array is None and register.reset is not None
            if known and register.scan_only == scan_only:
                lines.append(f"    {register.name}: 0x{register.reset:08X},")
        lines.append("}")
    return "\n".join([*lines, ""])


def markdown() -> str:
    """Source of rtl/REGISTERS.md."""
    lines = [
        "# Registers",
        "",
        "Generated from `lutlens.rdl` by `python -m lutlens.host.registers`.",
        "",
        "All registers are 32 bits wide, and so are writes (WSTRB is ignored). Other addresses",
        "read as zero and ignore writes. Access: ro read only, rw read and write, w1c write 1 to",
        "clear, w1 write 1 to start (reads as zero). A reset value of - is decided by the build or",
        "by the core's work. Registers with a * are those of scan builds: in batch builds they read as",
        "zero and ignore writes.",
        "",
        "| offset | register | access | reset | |",
        "|---|---|---|---|---|",
    ]
    shown = [register for register in registers() if not register.array or register.array[1] == 0]
    for register in shown:
        mark = "*" if register.scan_only else ""
        link = f"[{_title(register)}](#{_title(register).lower()}){mark}"
        summary = _first_sentence(register.description)
        cells = [f"0x{register.offset:03X}", link, register.access, _hex(register.reset), summary]
        lines.append(f"| {' | '.join(cells)} |")
    for register in shown:
        lines += [
            "",
            f"## {_title(register)}",
            f"Offset 0x{register.offset:03X}{_array_note(register)}. {register.description}",
            "",
            "| bits | field | access | reset | |",
            "|---|---|---|---|---|",
        ]
        for field in register.fields:
            bits = f"{field.high}:{field.low}" if field.high > field.low else f"{field.low}"
            cells = [bits, field.name, field.access, _hex(field.reset), field.description]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _compile(scan: Scan | None, cores: int = 1) -> AddrmapNode:
    compiler = RDLCompiler()
    for udp in ALL_UDPS:
        compiler.register_udp(udp)
    compiler.compile_file(str(RDL_FILE))
    room = scan or Scan()
    return compiler.elaborate(
        parameters={
            "SCAN": scan is not None,
            "SCAN_POSITIONS": room.max_positions,
            "SCAN_WINDOWS": room.max_windows,
            "CORES": cores,
        }
    ).top


def _read_registers(top: AddrmapNode) -> Iterator[Register]:
    for node in top.descendants(unroll=True):
        if isinstance(node, RegNode):
            array = (node.inst_name, node.current_idx[0]) if node.current_idx else None
            yield Register(
                name=f"{array[0]}_{array[1]}" if array else node.inst_name,
                offset=node.absolute_address,
                fields=tuple(_read_field(field) for field in node.fields()),
                description=_description(node),
                array=array,
            )


def _read_field(node: FieldNode) -> Field:
    if node.get_property("onwrite") is OnWriteType.woclr:
        access = "w1c"
    elif node.get_property("singlepulse"):
        access = "w1"
    else:
        access = "rw" if node.is_sw_writable else "ro"
    reset = node.get_property("reset")
    return Field(
        name=node.inst_name,
        high=node.high,
        low=node.low,
        access=access,
        reset=reset if isinstance(reset, int) else None,
        description=_description(node),
    )


def _description(node: RegNode | FieldNode) -> str:
    text = node.get_property("desc")
    if not text:
        raise ValueError(f"{RDL_FILE}: {node.get_path()} has no desc")
    return text


def _title(register: Register) -> str:
    return f"{register.array[0]}_n" if register.array else register.name


def _array_note(register: Register) -> str:
    if register.array is None:
        return ""
    members = [r for r in registers() if r.array and r.array[0] == register.array[0]]
    return f" + {members[1].offset - members[0].offset} * n, n = 0 to {len(members) - 1}"


def _hex(value: int | None) -> str:
    return "-" if value is None else f"0x{value:X}"


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].removesuffix(".") + "."


def main() -> None:
    """Write the two committed forms."""
    for path, text in ((CONSTANTS_FILE, python_constants()), (MARKDOWN_FILE, markdown())):
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
        print(path)


if __name__ == "__main__":
    main()
