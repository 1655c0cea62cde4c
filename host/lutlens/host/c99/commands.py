"""`lutlens generate-c`."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from lutlens.board.files import write_atomically
from lutlens.host import golden, overlay
from lutlens.host.c99.check import Checked, check
from lutlens.host.c99.generate import generate
from lutlens.host.commands import JsonOption, NetworkArgument
from rich.console import Console
from rich.table import Table


def generate_c(
    path: NetworkArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIRECTORY", help="Where the files go.")],
    hls: Annotated[
        bool, typer.Option("--hls", help="With pragmas for Vitis HLS, seen by no other compiler.")
    ] = False,
    test: Annotated[
        bool,
        typer.Option("--test", help="Compile and run the test bench with gcc and clang, if there."),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Turn a network into C99: for a microcontroller, or for high-level synthesis.

    `lutnet.h` and `lutnet.c` hold one function that classifies an image; they need no library.
    `test_lutnet.c` is a test bench: golden images, and the scores that they must get at every K.

    `--test` compiles all of it with every warning an error, runs it, and does both again under the
    address and undefined-behaviour sanitizers. The exit status is 1 if a compiler, a score or a
    sanitizer complains, or if there is no compiler. Vitis HLS itself has never been run on it.

        lutlens generate-c overlays/digits --out build/c --test
        lutlens generate-c digits.lutnet --out build/hls --hls
    """
    net, _ = overlay.read(path)
    with np.load(io.BytesIO(golden.vectors(net)), allow_pickle=False) as vectors:
        sources = generate(net, dict(vectors), hls=hls)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in sources.items():
        write_atomically(out / name, text.encode())
    checked: list[Checked] = []
    if test:
        with Console(stderr=True).status("compiling"):
            checked = check(sources)
    if json_output:
        compilers = {one.compiler: asdict(one) for one in checked}
        print(json.dumps({"out": str(out), "files": sorted(sources), "compilers": compilers}))
    else:
        print(f"{out}: {', '.join(sources)}")
        if checked:
            Console().print(_table(checked))
    if test and (not checked or any(one.failure for one in checked)):
        raise typer.Exit(1)


def _table(checked: list[Checked]) -> Table:
    table = Table("compiler", "-O2", "scores, warnings, sanitizers")
    for one in checked:
        table.add_row(one.compiler, f"{one.seconds:.1f} s", one.failure or "nothing wrong")
    return table
