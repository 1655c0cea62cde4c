"""C source of a netlist: straight-line code for its nodes. `engine.c` does the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import jinja2
from lutlens.host.c.logic import Statements
from lutlens.host.netlist import ONE, ZERO, Netlist, StageNetlist

_NODES_IN_FUNCTION = 64
_FUNCTIONS_IN_FILE = 4


@dataclass(frozen=True)
class _Function:
    """Some nodes of a stage, for one window after another."""

    name: str
    lines: tuple[str, ...]


def engine() -> dict[str, str]:
    """File name to text of the part that is the same for every network; it exports functions."""
    return {name: _text(name) for name in ("lanes.h", "scores.h", "engine.c", "scan.c")}


def generate(netlist: Netlist) -> dict[str, str]:
    """File name to text of one network; it exports `network`, which the engine takes."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lutlens.host.c", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    fire = [list(_functions(f"stage{i}", stage)) for i, stage in enumerate(netlist.stages)]
    functions = [function for stage in fire for function in stage]
    sources = {"lanes.h": _text("lanes.h")}
    sources["network.c"] = environment.get_template("network.c.jinja").render(
        netlist=netlist, fire=fire
    )
    for i in range(0, len(functions), _FUNCTIONS_IN_FILE):
        sources[f"nodes{i // _FUNCTIONS_IN_FILE}.c"] = environment.get_template(
            "nodes.c.jinja"
        ).render(functions=functions[i : i + _FUNCTIONS_IN_FILE])
    return sources


def _text(name: str) -> str:
    return (resources.files("lutlens.host.c") / name).read_text("utf-8")


def _functions(name: str, stage: StageNetlist) -> Iterator[_Function]:
    """A stage's nodes in portions that stay in the instruction cache over several windows."""
    first = stage.first_node
    end = first + len(stage.nodes)
    last_reader = {s: first + n for n, node in enumerate(stage.nodes) for s in node.inputs}
    targets: dict[int, list[str]] = {}
    for channel, signal in enumerate(stage.outputs):
        targets.setdefault(signal, []).append(f"output[{channel}]")
    for bit, signal in enumerate(stage.state):
        targets.setdefault(signal, []).append(f"next[{bit}]")

    for start in range(first, end, _NODES_IN_FUNCTION):
        statements = Statements()
        names = {ZERO: "ZEROS", ONE: "ONES"}
        lines = statements.lines
        stop = min(start + _NODES_IN_FUNCTION, end)
        for signal in range(start, stop):
            node = stage.nodes[signal - first]
            inputs = [names.get(s) or _stored(stage, s) for s in node.inputs]
            names[signal] = statements.table(node.table, inputs)
            if last_reader.get(signal, 0) >= stop:
                lines.append(f"{_stored(stage, signal)} = {names[signal]};")
            lines += [f"{target} = {names[signal]};" for target in targets.pop(signal, ())]
        yield _Function(f"{name}_{start - first}", tuple(lines))

    # What is left no node makes.
    lines = [
        f"{target} = {('ZEROS', 'ONES')[s] if s in (ZERO, ONE) else _stored(stage, s)};"
        for s, same in targets.items()
        for target in same
    ]
    if lines:
        yield _Function(f"{name}_rest", tuple(lines))


def _stored(stage: StageNetlist, signal: int) -> str:
    """Where a signal that this function does not make is found."""
    if signal < stage.first_state:
        return f"window[{signal - 2}]"
    if signal < stage.first_node:
        return f"state[{signal - stage.first_state}]"
    return f"node[{signal - stage.first_node}]"
