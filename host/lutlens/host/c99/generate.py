"""C99 source of a lutnet: one image at a time, a byte a bit, no loop in a layer's nodes.

`lutlens.host.c` is for speed on a workstation; this is for compilers that want simple code: those of
microcontrollers, and high-level synthesis, which makes a LUT of every node again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import jinja2
import numpy.typing as npt
from lutlens.host import modulation
from lutlens.host.lutnet import MAX_FAN_IN, Lutnet
from lutlens.host.netlist import ONE, ZERO, Netlist, StageNetlist
from lutlens.host.simplify import simplify

NODES_IN_FUNCTION = 128
"""So that no compiler meets a function that takes it minutes."""


@dataclass(frozen=True)
class _Function:
    """Some nodes of a layer: assignments, each reading the window or nodes of earlier layers."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Stage:
    """What the templates say of a stage; sizes are those of its maps, (rows, columns, bits)."""

    netlist: StageNetlist
    input: tuple[int, int, int]
    output: tuple[int, int, int]
    functions: tuple[_Function, ...]
    outputs: tuple[str, ...]
    state: tuple[str, ...]


def generate(
    net: Lutnet, vectors: Mapping[str, npt.NDArray[Any]], *, hls: bool = False
) -> dict[str, str]:
    """File name to text: `lutnet.h`, `lutnet.c` and the test bench `test_lutnet.c`.

    vectors: the arrays of `lutlens.host.golden.vectors`: the images and scores that the bench checks.
    hls: with pragmas for Vitis HLS, which other compilers do not see.
    """
    netlist, _ = simplify(Netlist.from_lutnet(net))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lutlens.host.c99", "."),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    stages = tuple(_stages(netlist))
    facts = {
        "net": net,
        "netlist": netlist,
        "stages": stages,
        "stack_bytes": sum(
            math.prod(size) for size in (stages[0].input, *(s.output for s in stages))
        ),
        "fan_ins": range(1, MAX_FAN_IN + 1),
        "vectors": vectors,
        "hls": hls,
        "modulation": net.modulation,
        "constants": modulation,
        "passes": max(net.thresholds),
    }
    files = ("lutnet.h", "lutnet.c", "test_lutnet.c")
    return {name: environment.get_template(f"{name}.jinja").render(facts) for name in files}


def _stages(netlist: Netlist) -> Iterator[_Stage]:
    height, width, channels = netlist.input_shape
    size = height, width, channels * netlist.encoder_bits
    for i, stage in enumerate(netlist.stages):
        rows, columns = (
            ((size[axis] - stage.window[axis]) // stage.stride[axis] + 1) // stage.pool[axis]
            for axis in (0, 1)
        )
        output = rows, columns, len(stage.outputs)
        functions = tuple(_functions(f"stage{i}", stage))
        outputs = tuple(_signal(stage, signal) for signal in stage.outputs)
        state = tuple(_signal(stage, signal) for signal in stage.state)
        yield _Stage(stage, size, output, functions, outputs, state)
        size = output


def _functions(name: str, stage: StageNetlist) -> Iterator[_Function]:
    numbered = enumerate(stage.nodes)
    for level, nodes in groupby(numbered, key=lambda pair: pair[1].level):
        lines = []
        for n, node in nodes:
            inputs = ", ".join(_signal(stage, signal) for signal in node.inputs)
            fan_in = len(node.inputs)
            bits = 64 if fan_in == MAX_FAN_IN else 32
            lines.append(f"n[{n}] = LUT{fan_in}(UINT{bits}_C({node.table:#x}), {inputs});")
        for part, start in enumerate(range(0, len(lines), NODES_IN_FUNCTION)):
            portion = tuple(lines[start : start + NODES_IN_FUNCTION])
            yield _Function(f"{name}_layer{level}_{part}", portion)


def _signal(stage: StageNetlist, signal: int) -> str:
    if signal in (ZERO, ONE):
        return str(signal)
    if signal < stage.first_state:
        return f"w[{signal - 2}]"
    if signal < stage.first_node:
        return f"s[{signal - stage.first_state}]"
    return f"n[{signal - stage.first_node}]"
