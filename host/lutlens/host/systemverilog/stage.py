"""One stage of the network as a module: line buffer, window, nodes, pooling."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from lutlens.host.netlist import StageNetlist
from lutlens.host.systemverilog.geometry import Grid, Lanes
from lutlens.host.systemverilog.nodes import NodesModule
from lutlens.host.systemverilog.rendering import environment

WINDOW_LATENCY = 2  # the line buffer, the window's registers
POOL_LATENCY = 3


@dataclass(frozen=True)
class Row:
    """One bit of a beat (a channel of a lane), in one line of the window.

    back: lines before the newest one. length: beats of the line in which it is kept.
    """

    bit: int
    back: int
    length: int


@dataclass(frozen=True, eq=False)
class StageModule:
    """What the template reads; everything here follows from the netlist, the grid and the lanes.

    A window is looked at as one over beats: its columns are beats, and its channels are the bits
    of a beat. Every lane at which windows end has the stage's nodes for itself.

    grid: of the stage's input positions.
    lanes: input positions that come at once.
    last: the last stage withholds the positions that are garbage.
    lut_ram_beats: memories of lines are in LUTs if a line has at most so many beats.
    """

    index: int
    netlist: StageNetlist
    grid: Grid
    lanes: int
    last: bool
    lut_ram_beats: int

    def render(self) -> dict[str, str]:
        """File name to text."""
        return {
            f"{self.nodes.name}.sv": self.nodes.render(),
            f"{self.name}.sv": environment.get_template("stage.sv.jinja").render(stage=self),
        }

    @property
    def name(self) -> str:
        return f"lutlens_stage_{self.index}"

    @cached_property
    def nodes(self) -> NodesModule:
        return NodesModule(self.index, self.netlist)

    # ------------------------------------------------------------------ geometry

    @cached_property
    def strided(self) -> Grid:
        """Positions at which windows are taken."""
        return self.grid.passing(self.netlist.window, self.netlist.stride)

    @cached_property
    def output(self) -> Grid:
        strided = self.strided.without_garbage() if self.recurrent else self.strided
        return strided.passing(self.netlist.pool, self.netlist.pool)

    @property
    def recurrent(self) -> bool:
        return bool(self.netlist.state)

    @property
    def masked(self) -> bool:
        """Whether positions that are garbage are withheld: from the scores, and from the state."""
        return self.last or self.recurrent

    @property
    def loop(self) -> int:
        """Clocks from a position to the next one that sees the state it leaves, at least."""
        return self.netlist.depth + 1

    @property
    def pooled(self) -> bool:
        return self.netlist.pool != (1, 1)

    @property
    def columns_passing(self) -> Lanes:
        window, stride = self.netlist.window[1], self.netlist.stride[1]
        return Lanes.passing(self.lanes, stride, self.grid.x.phase(window, stride))

    @property
    def line_phase(self) -> int:
        return self.grid.y.phase(self.netlist.window[0], self.netlist.stride[0])

    @property
    def pool_phase(self) -> tuple[int, int]:
        y, x = self.netlist.pool
        return self.strided.y.phase(y, y), self.strided.x.phase(x, x)

    @property
    def strided_lanes(self) -> int:
        return len(self.columns_passing.ends)

    @property
    def output_lanes(self) -> int:
        return max(1, self.strided_lanes // self.netlist.pool[1])

    @property
    def node_latency(self) -> int:
        return WINDOW_LATENCY + self.netlist.depth

    @property
    def latency(self) -> int:
        """Clocks from an input position to the output position that it completes."""
        return self.node_latency + (POOL_LATENCY if self.pooled else 0)

    # ------------------------------------------------------------------ line buffer and window

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All that is kept of the windows, longest first."""
        lengths: dict[tuple[int, int], int] = defaultdict(int)
        for end in self.columns_passing.ends:
            for signal in self.nodes.window:
                bit, back, beat = self._position(signal, end)
                lengths[bit, back] = max(lengths[bit, back], beat + 1)
        rows = (Row(bit, back, length) for (bit, back), length in lengths.items())
        return tuple(sorted(rows, key=lambda row: (-row.length, row.back, row.bit)))

    @property
    def columns(self) -> list[int]:
        """Bits kept of each beat of the windows, newest first: the first rows of `rows`."""
        longest = self.rows[0].length if self.rows else 0
        return [sum(row.length > k for row in self.rows) for k in range(longest)]

    @cached_property
    def bits(self) -> list[int]:
        """Bits of a beat that are read, those with the most lines first."""
        backs: dict[int, int] = defaultdict(int)
        for row in self.rows:
            backs[row.bit] = max(backs[row.bit], row.back)
        return sorted(backs, key=lambda bit: (-backs[bit], bit))

    @cached_property
    def lines(self) -> list[int]:
        """Bits kept of each earlier line, the last one first: the first ones of `bits`."""
        backs = dict.fromkeys(self.bits, 0)
        for row in self.rows:
            backs[row.bit] = max(backs[row.bit], row.back)
        deepest = max(backs.values(), default=0)
        return [sum(back > k for back in backs.values()) for k in range(deepest)]

    @property
    def word_bits(self) -> int:
        """Width of the line buffer."""
        return sum(self.lines)

    @property
    def line_beats(self) -> int:
        """Beats of the longest line."""
        return -(-self.grid.x.count // self.lanes)

    @property
    def memories(self) -> list[tuple[int, int]]:
        """Width and words of the line buffer, and of the pool's."""
        memories = [(self.word_bits, self.line_beats)]
        if self.pooled and self.netlist.pool[0] > 1:
            memories.append((self.output_lanes * self.nodes.output_bits, self.pooled_line_beats))
        return memories

    def in_luts(self, words: int) -> bool:
        """Whether a memory of so many words is in LUTs."""
        return words <= self.lut_ram_beats

    def in_luts_parameter(self, words: int) -> str:
        """Such a memory's last parameter."""
        return ",\n    .InLuts (1'b1)" if self.in_luts(words) else ""

    @property
    def pooled_line_beats(self) -> int:
        return -(-self.output.x.count // self.output_lanes)

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
        numbers = {bit: i for i, bit in enumerate(self.bits)}
        bits = []
        for row in reversed(self.rows):
            low = sum(self.lines[: row.back - 1])
            number = numbers[row.bit]
            bits.append(f"word[{low + number}]" if row.back else f"newest_q[{number}]")
        return bits

    @property
    def newest(self) -> list[str]:
        """The bits that are read of the newest beat, top first."""
        return [f"data_i[{bit}]" for bit in reversed(self.bits)]

    @property
    def windows(self) -> list[list[str]]:
        """For each copy of the nodes, the bits of its window, top first."""
        numbers = {(row.bit, row.back): i for i, row in enumerate(self.rows)}
        windows = []
        for end in self.columns_passing.ends:
            positions = [self._position(signal, end) for signal in reversed(self.nodes.window)]
            windows.append([f"c{beat}[{numbers[bit, back]}]" for bit, back, beat in positions])
        return windows

    @property
    def channels(self) -> int:
        return max(1, self.netlist.channels)

    @property
    def unread(self) -> list[str]:
        """Inputs that nothing reads."""
        read = set(self.bits)
        return [f"data_i[{bit}]" for bit in range(self.lanes * self.channels) if bit not in read]

    def _position(self, signal: int, end: int) -> tuple[int, int, int]:
        """A bit of the window that ends at a lane: bit of a beat, lines back, beats back."""
        position, channel = divmod(signal - 2, self.netlist.channels)
        dy, dx = divmod(position, self.netlist.window[1])
        beat, lane = divmod(end - (self.netlist.window[1] - 1 - dx), self.lanes)
        return lane * self.channels + channel, self.netlist.window[0] - 1 - dy, -beat
