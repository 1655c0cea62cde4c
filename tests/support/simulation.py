"""cocotb's tests of a module, under Verilator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

from cocotb_tools.runner import Verilator
from lutlens.host.verilator import environment


class PortsOnly(Verilator):
    """Shows cocotb the top's ports, not every signal: a quarter of the code to compile, and faster."""

    def _build_command(self) -> list[list[str]]:
        shown = {"--public-flat-rw": ["--public-depth", "1"]}
        return [
            [word for old in command for word in shown.get(old, [old])]
            for command in super()._build_command()
        ]


def simulate(
    folder: Path,
    logic: Mapping[str, str],
    toplevel: str,
    module: str,
    *,
    defines: Mapping[str, int] | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Fails with the log's end if a test of `module`, a Python module on the path, fails.

    logic: file name to SystemVerilog, in the compiler's order; all goes into `folder`, where earlier builds may lie.
    environ: for the tests, which run in a process of their own.
    """
    for name, text in logic.items():
        (folder / name).write_text(text)
    with mock.patch.dict(os.environ, environment()):
        runner = PortsOnly()
        runner.build(
            sources=[folder / name for name in logic],
            hdl_toplevel=toplevel,
            defines=defines or {},
            build_args=["--x-assign", "unique", "--x-initial", "unique", "-O3", "--assert"],
            build_dir=folder / "build",
            timescale=("1ns", "1ps"),
            log_file=folder / f"{module}_build.log",
        )
        results = runner.test(
            hdl_toplevel=toplevel,
            test_module=module,
            build_dir=folder / "build",
            test_dir=folder,
            plusargs=["+verilator+rand+reset+2", "+verilator+seed+1"],
            extra_env={"COCOTB_LOG_LEVEL": "WARNING", **(environ or {})},
            log_file=folder / f"{module}.log",
        )
    cases = list(ElementTree.parse(results).iter("testcase"))
    failures = {case.get("name"): case.find("failure") for case in cases}
    failed = {
        name: failure.get("error_msg") for name, failure in failures.items() if failure is not None
    }
    assert cases
    assert not failed, f"{failed}\n{(folder / f'{module}.log').read_text()[-20000:]}"
