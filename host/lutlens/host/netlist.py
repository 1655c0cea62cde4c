"""A network as the circuit that it is: per stage, nodes that read signals.

The lutnet says how a network was trained (layers of equal fan-in); the netlist says what there is
to build. Code generators read it, plain or simplified (`lutlens.host.simplify`).
"""

from __future__ import annotations

from dataclasses import dataclass

from lutlens.host.lutnet import Layer, Lutnet, Stage

ZERO, ONE = 0, 1
"""The two signals that are constant."""


@dataclass(frozen=True)
class Node:
    """One look-up table.

    level: clock edge of its layer, 0 for the first layer of a stage. It reads window bits,
        constants, and nodes of lower levels.
    inputs: 1 to 6 signals.
    table: bit `a` is the output at address `a = sum_j inputs[j] << j`; bits above are zero.
    """

    level: int
    inputs: tuple[int, ...]
    table: int


@dataclass(frozen=True)
class StageNetlist:
    """A sliding window and the nodes that read it.

    Signals are numbered: 0 and 1 are the constants, `2 + i` is window bit `i`, behind these come the
    state's bits, and `first_node + n` is node `n`. The order of window bits is that of
    `lutlens.host.lutnet.Stage`, over `channels` input bits a position.

    window, stride, pool: (rows, columns), as in a lutnet's stage.
    depth: clock edges from window to output; simplification keeps it.
    nodes: in ascending level.
    outputs: signals, of any kind and level: the stage's channels at one position.
    state: signals, of any kind and level: what the state's bits are at the next position. Of a stage
        that is not recurrent, none. At a frame's first position they are zeros.
    """

    window: tuple[int, int]
    stride: tuple[int, int]
    pool: tuple[int, int]
    channels: int
    depth: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    state: tuple[int, ...] = ()

    @property
    def window_bits(self) -> int:
        return self.window[0] * self.window[1] * self.channels

    @property
    def first_node(self) -> int:
        """The signal of node 0."""
        return self.first_state + len(self.state)

    @property
    def first_state(self) -> int:
        """The signal of the state's bit 0."""
        return 2 + self.window_bits


@dataclass(frozen=True)
class Netlist:
    """Stages in a chain. The last one's outputs are grouped by class, `bits_per_class` each."""

    input_shape: tuple[int, int, int]
    encoder_bits: int
    stages: tuple[StageNetlist, ...]
    classes: int
    bits_per_class: int

    @property
    def nodes(self) -> int:
        return sum(len(stage.nodes) for stage in self.stages)

    @classmethod
    def from_lutnet(cls, net: Lutnet) -> Netlist:
        """The same network, node by node: nothing is left out yet."""
        return cls(
            input_shape=net.input_shape,
            encoder_bits=net.encoder_bits,
            stages=tuple(
                _stage(stage, net.input_channels(i)) for i, stage in enumerate(net.stages)
            ),
            classes=len(net.classes),
            bits_per_class=net.bits_per_class,
        )


def _stage(stage: Stage, channels: int) -> StageNetlist:
    nodes: list[Node] = []
    window_bits = stage.window[0] * stage.window[1] * channels
    first = 2  # signal of the layer's input bit 0
    for level, layer in enumerate(stage.layers):
        nodes += _nodes(layer, level, first)
        first = 2 + window_bits + stage.state_bits + len(nodes) - layer.nodes
    outputs = tuple(range(first, first + stage.channels))
    return StageNetlist(
        window=stage.window,
        stride=stage.stride,
        pool=stage.pool,
        channels=channels,
        depth=len(stage.layers),
        nodes=tuple(nodes),
        outputs=outputs,
        state=outputs if stage.recurrent else (),
    )


def _nodes(layer: Layer, level: int, first: int) -> list[Node]:
    return [
        Node(level, tuple(first + i for i in inputs), table)
        for inputs, table in zip(layer.connections.tolist(), layer.tables.tolist(), strict=True)
    ]
