"""What a network of a given shape takes on the chip, before there is one: LUTs and block RAM.

The core as `lutlens synth` counts it: encoder, network and scorer of a batch build. Most of it is
known exactly, from the generator itself, which is asked how it would lay out a network of that shape:
a node, a selected bit, a LUT of the popcount's compressors, an ORed channel are a LUT each, and line
buffers are so many bits wide and so many columns long. What is left, some 130 LUTs of comparators, events
and the scorer's states, is a linear function, fitted to what Yosys made of networks with random tables
(`lutlens.host.cost_points`). Training leaves a few nodes that simplification removes; tests hold the
model to the trained networks that ship.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from lutlens.host.lutnet import Layer, Lutnet, Stage
from lutlens.host.netlist import Netlist
from lutlens.host.rtl import Build
from lutlens.host.systemverilog import GenerationError, NetworkModule
from lutlens.host.systemverilog.validation import validate

FAN_IN = 6
MAX_PASSES = 16
BRAM18_WIDTHS = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2}
"""Bits of a word by words: of half a block RAM with a port to read and one to write."""


@dataclass(frozen=True)
class StageShape:
    """A stage without its connections and tables.

    window, stride, pool: (rows, columns), as in a lutnet's stage.
    layers: nodes of each.
    recurrent: the first layer reads the stage's last output, too.
    last_row: it reads no more than the last row of its window.
    """

    window: tuple[int, int]
    layers: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    pool: tuple[int, int] = (1, 1)
    recurrent: bool = False
    last_row: bool = False


@dataclass(frozen=True)
class Shape:
    """A network without its connections and tables."""

    input_shape: tuple[int, int, int]
    encoder_bits: int
    stages: tuple[StageShape, ...]
    classes: int

    @classmethod
    def of(cls, net: Lutnet) -> Shape:
        stages = (
            StageShape(
                s.window,
                tuple(layer.nodes for layer in s.layers),
                s.stride,
                s.pool,
                s.recurrent,
                s.window[0] > 1
                and int(s.layers[0].connections.min())
                >= _earlier_bits(s.window, net.input_channels(i)),
            )
            for i, s in enumerate(net.stages)
        )
        return cls(net.input_shape, net.encoder_bits, tuple(stages), len(net.classes))


@dataclass(frozen=True)
class Cost:
    """lut, bram36: as in `lutlens.host.synthesis.Resources`, of the core. nodes: of the network."""

    lut: int
    bram36: float
    nodes: int


RATES = (116.1, 5.5, 13.6)
"""LUTs for each of what is in `parts` beside the known ones, as `python -m lutlens.host.cost_points` fits them."""


def estimate(shape: Shape, build: Build) -> Cost:
    """What the core of such a network takes, about.

    Raises GenerationError for what cannot be built, and for a scan build, whose core is another one.
    """
    module = layout(shape, build)
    known, rest = parts(module)
    fitted = sum(rate * number for rate, number in zip(RATES, rest, strict=True))
    nodes = sum(sum(stage.layers) for stage in shape.stages)
    return Cost(round(known + fitted), bram36(module), nodes)


def layout(shape: Shape, build: Build) -> NetworkModule:
    """How the generator would build it. Raises GenerationError."""
    if build.scan is not None:
        raise GenerationError("scan: the cost model is of cores for single images")
    netlist = Netlist.from_lutnet(untrained(shape))
    validate(netlist, 0, build.max_width, build.pixels_per_clock)
    return NetworkModule(netlist, 0, build.max_width, build.pixels_per_clock, build.lut_ram_beats)


def parts(module: NetworkModule) -> tuple[int, tuple[int, int, int]]:
    """LUTs that are known, and what the rest grows with, in the order of `RATES`: once; comparators of
    pixels; poolings and queues, with their events."""
    values = module.pixels_per_clock * module.netlist.input_shape[2]
    pools = sum(stage.pooled for stage in module.stages)
    return _known(module), (
        1,
        values * module.netlist.encoder_bits,
        pools + len(module.sections) - 1,
    )


def _known(module: NetworkModule) -> int:
    """LUTs that the generator asks for one by one."""
    luts = 0
    for stage in module.stages:
        luts += stage.strided_lanes * len(stage.netlist.nodes)
        if stage.pooled:
            luts += stage.output_lanes * stage.nodes.output_bits
        luts += sum(_lut_ram(*memory) for memory in stage.memories if stage.in_luts(memory[1]))
    selections = -(-(module.beats - 1) // 3)
    width = module.netlist.bits_per_class
    luts += module.units * (selections * width + module.tree.luts)
    score = module.units * module.score_bits
    # The scorer takes one class at a time.
    luts += -(-(module.units - 1) // 3) * module.score_bits
    # The queue's beats with their mark, the positions' marks, and the scorer's sums.
    luts += _lut_ram(score + 1, module.queue_positions * _power_of_two(module.beats))
    luts += _lut_ram(2, module.queue_positions)
    return luts + _lut_ram(_sum_bits(module), module.netlist.classes)


def _sum_bits(module: NetworkModule) -> int:
    return module.score_bits + (MAX_PASSES - 1).bit_length()


def _lut_ram(width: int, words: int) -> int:
    """LUTs of a memory with a port to write and one to read: RAM32M of six bits, RAM64M of three."""
    if words <= 32:
        return 4 * ceil(width / 6)
    return 4 * ceil(width / 3) * ceil(words / 64)


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def bram36(module: NetworkModule) -> float:
    """Block RAM of lines and queues: exactly what synthesis makes of them."""
    halves = 0
    for stage in module.stages:
        halves += sum(_bram18(*memory) for memory in stage.memories if not stage.in_luts(memory[1]))
    for section in module.sections:
        if section.queue is not None:
            # Beside the positions of a beat, whether there are any, and the ends of line and frame.
            width = section.queue.lanes_in * section.queue.width + 3
            halves += _bram18(width, section.queue.depth)
    return halves / 2


def _bram18(width: int, words: int) -> int:
    depth = min(depth for depth in BRAM18_WIDTHS if depth >= words)
    return ceil(width / BRAM18_WIDTHS[depth])


def untrained(shape: Shape, seed: int = 0) -> Lutnet:
    """A network of that shape with random tables, every layer reading its inputs equally often."""
    rng = np.random.default_rng(seed)
    bits = shape.input_shape[2] * shape.encoder_bits
    stages = []
    for stage in shape.stages:
        unread = _earlier_bits(stage.window, bits) if stage.last_row else 0
        inputs = stage.window[0] * stage.window[1] * bits - unread
        inputs += stage.recurrent * stage.layers[-1]
        layers = []
        for nodes in stage.layers:
            layers.append(_layer(rng, inputs, nodes, unread))
            inputs, unread = nodes, 0
        stages.append(Stage(stage.window, tuple(layers), stage.stride, stage.pool, stage.recurrent))
        bits = stage.layers[-1]
    thresholds = np.arange(1, shape.encoder_bits + 1) * 256 // (shape.encoder_bits + 1)
    return Lutnet(
        shape.input_shape,
        shape.encoder_bits,
        {1: thresholds.astype(np.uint8)[np.newaxis]},
        tuple(stages),
        tuple(f"class {c}" for c in range(shape.classes)),
    )


def _earlier_bits(window: tuple[int, int], channels: int) -> int:
    """Of a window, before those of its last row."""
    return (window[0] - 1) * window[1] * channels


def _layer(rng: np.random.Generator, inputs: int, nodes: int, unread: int) -> Layer:
    """unread: bits before the inputs."""
    fan_in = min(FAN_IN, inputs)
    rows = inputs // fan_in
    decks = [
        rng.permutation(inputs)[: rows * fan_in].reshape(rows, fan_in)
        for _ in range(-(-nodes // rows))
    ]
    tables = (
        rng.integers(0, 1 << (1 << fan_in), nodes, np.uint64, endpoint=False)
        if fan_in < 6
        else (rng.integers(0, np.iinfo(np.uint64).max, nodes, np.uint64, endpoint=True))
    )
    connections = np.concatenate(decks)[:nodes] + unread
    return Layer(tables, connections.astype(np.int32))
