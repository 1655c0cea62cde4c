"""The nodes of a stage as a module: one window in, the stage's channels at its position out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from lutlens.host.netlist import ONE, ZERO, StageNetlist
from lutlens.host.systemverilog.rendering import environment


@dataclass(frozen=True)
class Instance:
    """A node as the template wants it."""

    name: str
    inputs: tuple[str, ...]
    table: str


@dataclass(frozen=True, eq=False)
class NodesModule:
    """What the template reads; everything here follows from the netlist."""

    index: int
    netlist: StageNetlist

    def render(self) -> str:
        return environment.get_template("nodes.sv.jinja").render(nodes=self)

    @property
    def name(self) -> str:
        return f"lutlens_nodes_{self.index}"

    @cached_property
    def needed(self) -> dict[int, int]:
        """Signal to the last clock edge, counted from the window's, after which it is read."""
        needed: dict[int, int] = defaultdict(int)
        for node in self.netlist.nodes:
            for signal in node.inputs:
                needed[signal] = max(needed[signal], node.level)
        for signal in (*self.netlist.outputs, *self.netlist.state):
            needed[signal] = self.netlist.depth
        return {s: time for s, time in sorted(needed.items()) if s not in (ZERO, ONE)}

    @cached_property
    def window(self) -> tuple[int, ...]:
        """The window's bits that are read, as signals."""
        return tuple(signal for signal in self.needed if signal < self.netlist.first_state)

    @cached_property
    def _window_number(self) -> dict[int, int]:
        return {signal: i for i, signal in enumerate(self.window)}

    @property
    def window_bits(self) -> int:
        return max(1, len(self.window))

    @property
    def instances(self) -> list[Instance]:
        return [
            Instance(
                name=f"n{i}",
                inputs=tuple(self._at(s, node.level) for s in reversed(node.inputs)),
                table=f"{1 << len(node.inputs)}'h{node.table:x}",
            )
            for i, node in enumerate(self.netlist.nodes)
        ]

    @property
    def delays(self) -> list[tuple[str, str]]:
        """(register, its input): signals that are read later than on the next edge."""
        return [
            (f"{self._register(signal)}_d{i}", self._at(signal, self._ready(signal) + i - 1))
            for signal, time in self.needed.items()
            for i in range(1, time - self._ready(signal) + 1)
        ]

    @property
    def output_bits(self) -> int:
        return max(1, len(self.netlist.outputs))

    @property
    def outputs(self) -> list[str]:
        """The stage's channels, top first."""
        bits = [self._at(signal, self.netlist.depth) for signal in reversed(self.netlist.outputs)]
        return bits or ["1'b0"]

    @property
    def state_bits(self) -> int:
        return len(self.netlist.state)

    @property
    def state(self) -> list[str]:
        """What the state becomes, top first."""
        return [self._at(signal, self.netlist.depth) for signal in reversed(self.netlist.state)]

    @property
    def unread(self) -> list[str]:
        """What nothing reads. Of the nodes, a simplified netlist has none."""
        signals = range(self.netlist.first_node, self.netlist.first_node + len(self.netlist.nodes))
        unread = [self._register(signal) for signal in signals if signal not in self.needed]
        if not self.netlist.nodes and not self.delays:
            unread.append("aclk")
        if not self.window:
            unread.append("window_i")
        states = range(self.netlist.first_state, self.netlist.first_node)
        unread += [self._at(signal, 0) for signal in states if signal not in self.needed]
        return unread

    def _ready(self, signal: int) -> int:
        """Clock edges after the window's at which a signal is there."""
        if signal < self.netlist.first_node:
            return 0
        return self.netlist.nodes[signal - self.netlist.first_node].level + 1

    def _register(self, signal: int) -> str:
        if signal < self.netlist.first_state:
            return f"w{signal - 2}"
        if signal < self.netlist.first_node:
            return f"s{signal - self.netlist.first_state}"
        return f"n{signal - self.netlist.first_node}"

    def _at(self, signal: int, time: int) -> str:
        """A signal's name at a clock edge."""
        if signal in (ZERO, ONE):
            return f"1'b{signal}"
        if late := time - self._ready(signal):
            return f"{self._register(signal)}_d{late}"
        if signal < self.netlist.first_state:
            return f"window_i[{self._window_number[signal]}]"
        if signal < self.netlist.first_node:
            return f"state_i[{signal - self.netlist.first_state}]"
        return self._register(signal)
