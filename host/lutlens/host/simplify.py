"""Netlist simplification: the same scores from fewer nodes.

Training leaves nodes that are constant, that ignore inputs, that only pass an input on or invert
it, that equal another node, or that nobody reads; and channels of whole stages, or bits of a state,
that are one of these. Here they go. Inversions are absorbed into the tables of their readers. Every
remaining node moves to the earliest level that its inputs allow: a longer path then delays one output
bit instead of all its inputs.

Inside this module a signal and its polarity are one number, a literal: `2 * signal + inverted`, as
in the AIGER format. So literal 0 is false, and 1, the inverse of constant signal 0, is true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lutlens.host import tables
from lutlens.host.netlist import ONE, ZERO, Netlist, Node, StageNetlist

_FALSE, _TRUE = 0, 1
_INVERTER = 0b01


@dataclass(frozen=True)
class StageSavings:
    """What simplification did to one stage.

    nodes, inputs (of all nodes), channels (output bits of a position): before and after.
    constant, buffer (of an input bit of the stage, or its inverter), equal (to another node or its
        inverse), unread: nodes that went, by reason. `before - after` is their sum.
    """

    nodes: tuple[int, int]
    inputs: tuple[int, int]
    channels: tuple[int, int]
    constant: int
    buffer: int
    equal: int
    unread: int


@dataclass(frozen=True)
class Savings:
    """What simplification did, stage by stage."""

    stages: tuple[StageSavings, ...]

    @property
    def nodes(self) -> tuple[int, int]:
        """Nodes of the network before and after."""
        before, after = zip(*(stage.nodes for stage in self.stages), strict=True)
        return sum(before), sum(after)


def simplify(netlist: Netlist) -> tuple[Netlist, Savings]:
    """The smallest netlist that the rules above give, with the same scores on every frame.

    Windows, strides, pools and depths stay. The last stage keeps its outputs in number and order
    (they may become constants, window bits, or the same signal twice); other stages lose the
    channels that need not be stored, but for one.
    """
    gone = [Counter[str]() for _ in netlist.stages]
    stages = netlist.stages
    while True:
        before, stages = stages, _prune(_reduce(stages, gone), gone)
        if stages == before:
            break
    savings = tuple(
        StageSavings(
            nodes=(len(old.nodes), len(new.nodes)),
            inputs=(_inputs(old), _inputs(new)),
            channels=(len(old.outputs), len(new.outputs)),
            constant=counts["constant"],
            buffer=counts["buffer"],
            equal=counts["equal"],
            unread=counts["unread"],
        )
        for old, new, counts in zip(netlist.stages, stages, gone, strict=True)
    )
    return replace(netlist, stages=stages), Savings(savings)


def _inputs(stage: StageNetlist) -> int:
    return sum(len(node.inputs) for node in stage.nodes)


def _reduce(
    stages: Sequence[StageNetlist], gone: Sequence[Counter[str]]
) -> tuple[StageNetlist, ...]:
    """From the first stage to the last, all that follows from the inputs of a node."""
    reduced = []
    # What each old input channel is now: a constant, or a literal over new channels + 1.
    channels = [2 * (1 + c) for c in range(stages[0].channels)]
    width = stages[0].channels
    for stage, counts in zip(stages, gone, strict=True):
        last = stage is stages[-1]
        builder = _Builder(stage, channels, width, ())
        literals, state = builder.outputs(), builder.state()
        if last or stage.pool != (1, 1) or state:
            # Scores, OR pools and a state, which begins as zeros, do not see through an inversion:
            # they need a signal as it is.
            # A node that they want only inverted is built inverted.
            wanted = {*literals, *state}
            if flips := {x >> 1 for x in wanted if x & 1 and x ^ 1 not in wanted}:
                builder = _Builder(stage, channels, width, flips)
            literals = [builder.uninverted(literal) for literal in builder.outputs()]
            state = [builder.uninverted(literal) for literal in builder.state()]
        counts.update(builder.gone)
        nodes = tuple(builder.nodes)
        if last:
            outputs = [_signal(x) for x in literals]
        else:
            outputs = list(dict.fromkeys(x >> 1 for x in literals if x > _TRUE)) or [ZERO]
        reduced.append(
            replace(
                stage,
                channels=width,
                nodes=nodes,
                outputs=tuple(outputs),
                state=tuple(_signal(x) for x in state),
            )
        )
        index = {signal: 1 + c for c, signal in enumerate(outputs)}
        channels = [x if x <= _TRUE else 2 * index[x >> 1] + (x & 1) for x in literals]
        width = len(outputs)
    return tuple(reduced)


def _signal(literal: int) -> int:
    """The signal of a literal without inversion."""
    return literal if literal in (_FALSE, _TRUE) else literal >> 1


class _Builder:
    """One stage again, node by node, from what its input channels have become.

    gone: nodes not built, by reason.
    """

    def __init__(
        self, stage: StageNetlist, channels: Sequence[int], width: int, flips: Collection[int]
    ) -> None:
        self.nodes: list[Node] = []
        self.gone = Counter[str]()
        self._stage = stage
        self._flips = flips
        self._known: dict[tuple[tuple[int, ...], int], int] = {}
        self._inverses: dict[int, int] = {}
        self._literals = [_FALSE, _TRUE]  # of every old signal, over new ones
        positions = stage.window[0] * stage.window[1]
        for position in range(positions):
            first = 2 * (1 + position * width)
            self._literals += [x if x <= _TRUE else first + x for x in channels]
        first_state = 2 + positions * width
        self._first_node = first_state + len(stage.state)
        for i, signal in enumerate(stage.state):
            same = stage.state.index(signal)  # bits that always become the same
            stays = signal in (ZERO, stage.first_state + i)  # what it is at first
            self._literals.append(_FALSE if stays else 2 * (first_state + same))
        for node in stage.nodes:
            self._literals.append(self._literal(node))

    def outputs(self) -> list[int]:
        """Literals of the stage's outputs."""
        return [self._literals[signal] for signal in self._stage.outputs]

    def state(self) -> list[int]:
        """Literals of what the state's bits become."""
        return [self._literals[signal] for signal in self._stage.state]

    def uninverted(self, literal: int) -> int:
        """The same value as a literal without inversion, or a constant; may take one more node."""
        if literal <= _TRUE or not literal & 1:
            return literal
        signal = literal >> 1
        if signal not in self._inverses:
            if signal < self._first_node:
                self.gone["buffer"] -= 1
                self._inverses[signal] = self._add((signal,), _INVERTER)
            else:
                self.gone["equal"] -= 1
                node = self.nodes[signal - self._first_node]
                inverse = node.table ^ tables.ones(len(node.inputs))
                self._inverses[signal] = self._add(node.inputs, inverse)
        return self._inverses[signal]

    def _literal(self, node: Node) -> int:
        inputs, table = _rewrite([self._literals[signal] for signal in node.inputs], node.table)
        if not inputs:
            self.gone["constant"] += 1
            return table
        if len(inputs) == 1:
            self.gone["buffer" if inputs[0] < self._first_node else "equal"] += 1
            return 2 * inputs[0] + (table == _INVERTER)
        if (inputs, table) in self._known:
            self.gone["equal"] += 1
            return self._known[inputs, table]
        return self._add(inputs, table)

    def _add(self, inputs: tuple[int, ...], table: int) -> int:
        signal = self._first_node + len(self.nodes)
        inverse = table ^ tables.ones(len(inputs))
        flip = signal in self._flips
        levels = (self.nodes[i - self._first_node].level for i in inputs if i >= self._first_node)
        self.nodes.append(Node(1 + max(levels, default=-1), inputs, inverse if flip else table))
        self._known[inputs, table] = 2 * signal + flip
        self._known[inputs, inverse] = 2 * signal + (not flip)
        return self._known[inputs, table]


def _rewrite(literals: list[int], table: int) -> tuple[tuple[int, ...], int]:
    """Signals that `table` over `literals` depends on, ascending, and the table over them."""
    signals = sorted({literal >> 1 for literal in literals if literal > _TRUE})
    n = len(signals)
    if literals != [2 * signal for signal in signals]:  # else the table is over these already
        full = tables.ones(n)
        sources = [
            full * literal
            if literal <= _TRUE
            else tables.variable(signals.index(literal >> 1), n) ^ (full * (literal & 1))
            for literal in literals
        ]
        table = tables.compose(table, sources, n)
    kept, table = tables.support(table, n)
    return tuple(signals[j] for j in kept), table


def _prune(
    stages: Sequence[StageNetlist], gone: Sequence[Counter[str]]
) -> tuple[StageNetlist, ...]:
    """From the last stage to the first, only what somebody reads."""
    pruned: list[StageNetlist] = []
    wanted: Sequence[int] = range(len(stages[-1].outputs))
    for i in reversed(range(len(stages))):
        outputs = tuple(stages[i].outputs[c] for c in wanted)
        stage = replace(stages[i], outputs=outputs or (ZERO,))
        live = _live(stage)
        wanted = range(stage.channels)
        if i:  # the encoder keeps its bits
            read = {(s - 2) % stage.channels for s in live if 2 <= s < stage.first_state}
            wanted = sorted(read)
        pruned.append(_renumber(stage, live, wanted))
        gone[i]["unread"] += len(stage.nodes) - len(pruned[-1].nodes)
    return tuple(reversed(pruned))


def _live(stage: StageNetlist) -> set[int]:
    """Signals that the stage's outputs depend on, now or later."""
    live = set(stage.outputs)
    while True:
        for n, node in reversed(list(enumerate(stage.nodes))):
            if stage.first_node + n in live:
                live.update(node.inputs)
        kept = {s for i, s in enumerate(stage.state) if stage.first_state + i in live}
        if kept <= live:
            return live
        live |= kept


def _renumber(stage: StageNetlist, live: Collection[int], channels: Sequence[int]) -> StageNetlist:
    """The stage with live nodes only, in ascending level, over the given ones of its channels."""
    width = max(1, len(channels))
    state = [i for i in range(len(stage.state)) if stage.first_state + i in live]
    first_state = 2 + stage.window[0] * stage.window[1] * width
    first_node = first_state + len(state)
    nodes = [n for n in range(len(stage.nodes)) if stage.first_node + n in live]
    nodes.sort(key=lambda n: stage.nodes[n].level)

    number = {ZERO: ZERO, ONE: ONE}
    for position in range(stage.window[0] * stage.window[1]):
        for i, c in enumerate(channels):
            number[2 + position * stage.channels + c] = 2 + position * width + i
    for i, bit in enumerate(state):
        number[stage.first_state + bit] = first_state + i
    for i, n in enumerate(nodes):
        number[stage.first_node + n] = first_node + i
    return replace(
        stage,
        channels=width,
        nodes=tuple(
            replace(stage.nodes[n], inputs=tuple(number[s] for s in stage.nodes[n].inputs))
            for n in nodes
        ),
        outputs=tuple(number[s] for s in stage.outputs),
        state=tuple(number[stage.state[bit]] for bit in state),
    )
