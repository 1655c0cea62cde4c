"""One stage of the network as a module: line buffer, window, nodes, pooling."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from lutlens.host.netlist import ONE, ZERO, StageNetlist
from lutlens.host.systemverilog.geometry import Grid
from lutlens.host.systemverilog.rendering import environment

WINDOW_LATENCY = 2  # the line buffer, the window's registers
POOL_LATENCY = 3


@dataclass(frozen=True)
class Row:
    """One channel in one row of the window.

    back: lines before the newest one. length: columns of the window in which it is kept.
    """

    channel: int
    back: int
    length: int


@dataclass(frozen=True)
class Instance:
    """A node as the template wants it."""

    name: str
    inputs: tuple[str, ...]
    table: str


@dataclass(frozen=True, eq=False)
class StageModule:
    """What the template reads; everything here follows from the netlist and from the grid.

    grid: of the stage's input positions.
    last: the last stage withholds the positions that are garbage.
    """

    index: int
    netlist: StageNetlist
    grid: Grid
    last: bool

    def render(self) -> str:
        return environment.get_template("stage.sv.jinja").render(stage=self)

    @property
    def name(self) -> str:
        return f"lutlens_stage_{self.index}"

    # ------------------------------------------------------------------ geometry

    @cached_property
    def strided(self) -> Grid:
        """Positions at which windows are taken."""
        return self.grid.passing(self.netlist.window, self.netlist.stride)

    @cached_property
    def output(self) -> Grid:
        return self.strided.passing(self.netlist.pool, self.netlist.pool)

    @property
    def pooled(self) -> bool:
        return self.netlist.pool != (1, 1)

    @property
    def stride_phase(self) -> tuple[int, int]:
        return _phase(self.grid, self.netlist.window, self.netlist.stride)

    @property
    def pool_phase(self) -> tuple[int, int]:
        return _phase(self.strided, self.netlist.pool, self.netlist.pool)

    @property
    def node_latency(self) -> int:
        return WINDOW_LATENCY + self.netlist.depth

    @property
    def latency(self) -> int:
        """Clocks from an input position to the output position that it completes."""
        return self.node_latency + (POOL_LATENCY if self.pooled else 0)

    # ------------------------------------------------------------------ line buffer and window

    @cached_property
    def _needed(self) -> dict[int, int]:
        """Signal to the last clock edge, counted from the window's, after which it is read."""
        needed: dict[int, int] = defaultdict(int)
        for node in self.netlist.nodes:
            for signal in node.inputs:
                needed[signal] = max(needed[signal], node.level)
        for signal in self.netlist.outputs:
            needed[signal] = self.netlist.depth
        return {s: time for s, time in sorted(needed.items()) if s not in (ZERO, ONE)}

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All that is kept of the window, longest first."""
        lengths: dict[tuple[int, int], int] = defaultdict(int)
        for signal in self._needed:
            if signal < self.netlist.first_node:
                dy, dx, channel = self._position(signal)
                row = (channel, self.netlist.window[0] - 1 - dy)
                lengths[row] = max(lengths[row], self.netlist.window[1] - dx)
        rows = (Row(channel, back, length) for (channel, back), length in lengths.items())
        return tuple(sorted(rows, key=lambda row: (-row.length, row.back, row.channel)))

    @property
    def columns(self) -> list[int]:
        """Bits kept of each column of the window, newest first: the first rows of `rows`."""
        longest = self.rows[0].length if self.rows else 0
        return [sum(row.length > k for row in self.rows) for k in range(longest)]

    @cached_property
    def channels(self) -> list[int]:
        """Input channels that are read, those with the most lines first."""
        backs: dict[int, int] = defaultdict(int)
        for row in self.rows:
            backs[row.channel] = max(backs[row.channel], row.back)
        return sorted(backs, key=lambda channel: (-backs[channel], channel))

    @cached_property
    def lines(self) -> list[int]:
        """Bits kept of each earlier line, the last one first: the first ones of `channels`."""
        backs = dict.fromkeys(self.channels, 0)
        for row in self.rows:
            backs[row.channel] = max(backs[row.channel], row.back)
        deepest = max(backs.values(), default=0)
        return [sum(back > k for back in backs.values()) for k in range(deepest)]

    @property
    def word_bits(self) -> int:
        """Width of the line buffer."""
        return sum(self.lines)

    @property
    def next_word(self) -> list[str]:
        """The parts of the word to write, top first: every line moves one further."""
        parts = []
        low = 0
        for i, bits in enumerate(self.lines):
            parts.append(f"newest_q[{bits - 1}:0]" if i == 0 else f"word[{low}+:{bits}]")
            low += self.lines[i - 1] if i else 0
        return parts[::-1]

    @property
    def column(self) -> list[str]:
        """The new column of the window, the bits of `rows`, top first."""
        bits = []
        for row in reversed(self.rows):
            channel = self.channels.index(row.channel)
            low = sum(self.lines[: row.back - 1])
            bits.append(f"word[{low + channel}]" if row.back else f"newest_q[{channel}]")
        return bits

    @property
    def newest(self) -> list[str]:
        """The channels that are read of the newest position, top first."""
        return [f"data_i[{channel}]" for channel in reversed(self.channels)]

    @property
    def input_bits(self) -> int:
        return max(1, self.netlist.channels)

    @property
    def unread(self) -> list[str]:
        """Inputs and nodes that nothing reads; a simplified netlist has none but inputs."""
        inputs = [f"data_i[{c}]" for c in range(self.input_bits) if c not in self.channels]
        signals = range(self.netlist.first_node, self.netlist.first_node + len(self.netlist.nodes))
        return inputs + [self._plain(signal) for signal in signals if signal not in self._needed]

    def _position(self, signal: int) -> tuple[int, int, int]:
        """(dy, dx, channel) of a window bit."""
        position, channel = divmod(signal - 2, self.netlist.channels)
        return (*divmod(position, self.netlist.window[1]), channel)

    # ------------------------------------------------------------------ nodes

    @property
    def nodes(self) -> list[Instance]:
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
            (f"{self._plain(signal)}_d{i}", self._at(signal, self._ready(signal) + i - 1))
            for signal, time in self._needed.items()
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

    def _ready(self, signal: int) -> int:
        """Clock edges after the window's at which a signal is there."""
        if signal < self.netlist.first_node:
            return 0
        return self.netlist.nodes[signal - self.netlist.first_node].level + 1

    def _plain(self, signal: int) -> str:
        if signal < self.netlist.first_node:
            return f"w{signal - 2}"
        return f"n{signal - self.netlist.first_node}"

    def _at(self, signal: int, time: int) -> str:
        """A signal's name at a clock edge."""
        if signal in (ZERO, ONE):
            return f"1'b{signal}"
        if late := time - self._ready(signal):
            return f"{self._plain(signal)}_d{late}"
        if signal < self.netlist.first_node:
            dy, dx, channel = self._position(signal)
            bit = self._row_number[channel, self.netlist.window[0] - 1 - dy]
            return f"c{self.netlist.window[1] - 1 - dx}[{bit}]"
        return self._plain(signal)

    @cached_property
    def _row_number(self) -> dict[tuple[int, int], int]:
        return {(row.channel, row.back): i for i, row in enumerate(self.rows)}


def _phase(grid: Grid, window: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int]:
    return grid.y.phase(window[0], stride[0]), grid.x.phase(window[1], stride[1])
