"""Networks and frames to test executions with, and a plain NumPy execution to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from lutlens.board.values import Values
from lutlens.host.lutnet import Layer, Lutnet, Stage

LARGEST_INPUT = 24
"""A random network's input is grown stage by stage until it is about this large."""


def random_lutnet(
    seed: int,
    *,
    stages: int = 2,
    channels: int = 1,
    encoder_bits: int = 1,
    classes: int = 3,
    degenerate: float = 0.3,
    values: Values | None = None,
    max_k: int = 15,
) -> Lutnet:
    """A small network with random shapes and tables.

    values: what outputs stand for if they are numbers. max_k: of one of the K that it has thresholds for.
    degenerate: the share of nodes that simplify: constants, buffers, inverters, ignored or doubled
        inputs, copies of another node.
    """
    rng = np.random.default_rng(seed)
    shapes = []
    size = np.array([1, 1])
    for i in reversed(range(stages)):
        large = size.max() > LARGEST_INPUT // 3
        pool = np.ones(2, int) if i == stages - 1 or large else rng.integers(1, 3, 2)
        stride = np.ones(2, int) if large else rng.integers(1, 4, 2)
        window = rng.integers(1, 3 if large else 5, 2)
        # What the pool or the stride leaves over at the right and the bottom is not used.
        positions = size * pool + rng.integers(0, pool)
        size = (positions - 1) * stride + window + rng.integers(0, stride)
        shapes.append((window, stride, pool))
    input_shape = (int(size[0]), int(size[1]), channels)

    built = []
    bits = channels * encoder_bits
    for i, (window, stride, pool) in enumerate(reversed(shapes)):
        counts = [int(n) for n in rng.integers(1, 13, rng.integers(1, 4))]
        if i == stages - 1:
            counts[-1] = classes * int(rng.integers(1, 5))
        layers = random_layers(rng, int(window.prod()) * bits, counts, degenerate=degenerate)
        built.append(Stage(_pair(window), layers, _pair(stride), _pair(pool)))
        bits = counts[-1]
    return _lutnet(rng, input_shape, encoder_bits, built, classes, values, max_k)


def recurrent_lutnet(
    seed: int,
    *,
    shape: tuple[int, int, int] = (9, 8, 1),
    encoder_bits: int = 1,
    front: bool = False,
    classes: int = 3,
    degenerate: float = 0.3,
) -> Lutnet:
    """A small network with a recurrent stage of random shape and tables, read at its end by another one.

    shape: of an image.
    front: whether a stage that is not recurrent comes first.
    """
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    bits = channels * encoder_bits
    stages = []
    if front:
        counts = [int(n) for n in rng.integers(1, 9, rng.integers(1, 3))]
        stages.append(Stage((2, 3), random_layers(rng, 6 * bits, counts, degenerate=degenerate)))
        height, width, bits = height - 1, width - 2, counts[-1]
    rows, step = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    counts = [int(n) for n in rng.integers(6, 17, rng.integers(1, 4))]
    window = rows * width * bits
    layers = random_layers(rng, window + counts[-1], counts, degenerate=degenerate)
    # Half of what it reads is its own output.
    inputs = layers[0].connections
    own = rng.integers(window, window + counts[-1], inputs.shape, np.int32)
    inputs[:] = np.where(rng.random(inputs.shape) < 0.5, own, inputs)
    stages.append(Stage((rows, width), layers, (step, width), recurrent=True))
    height, bits = (height - rows) // step + 1, counts[-1]
    counts = [int(rng.integers(1, 9)), classes * int(rng.integers(1, 5))]
    read = height * bits if rng.random() < 0.5 else bits  # or the last state alone
    (first, *others) = random_layers(rng, read, counts, degenerate=degenerate)
    first = Layer(first.tables, first.connections + np.int32(height * bits - read))
    stages.append(Stage((height, 1), (first, *others)))
    return _lutnet(rng, shape, encoder_bits, stages, classes)


def digits_lutnet(seed: int, *, encoder_bits: int = 1, degenerate: float = 0.0) -> Lutnet:
    """Size and shape of the network that ships for digits (1,030 nodes, 28x28), untrained."""
    rng = np.random.default_rng(seed)

    def stage(size: int, bits: int, counts: Sequence[int], stride: int = 1, pool: int = 1) -> Stage:
        layers = random_layers(rng, size * size * bits, counts, fan_in=6, degenerate=degenerate)
        return Stage((size, size), layers, (stride, stride), (pool, pool))

    stages = [
        stage(5, encoder_bits, [60, 30], stride=2),
        stage(3, 30, [150, 50]),
        stage(3, 50, [200, 60], pool=2),
        stage(4, 60, [480]),
    ]
    net = _lutnet(rng, (28, 28, 1), encoder_bits, stages, classes=10)
    return replace(net, classes=tuple("0123456789"))


def random_layers(
    rng: np.random.Generator,
    bits: int,
    counts: Sequence[int],
    *,
    fan_in: int | None = None,
    degenerate: float = 0.0,
) -> tuple[Layer, ...]:
    """Layers of `counts` nodes over `bits` input bits; a layer's fan-in is random unless given."""
    layers = []
    for nodes in counts:
        inputs = int(rng.integers(1, 7)) if fan_in is None else fan_in
        connections = rng.integers(0, bits, (nodes, inputs), np.int32)
        tables = rng.integers(0, 1 << 64, nodes, np.uint64, endpoint=False)
        tables &= np.uint64((1 << (1 << inputs)) - 1)
        for node in np.flatnonzero(rng.random(nodes) < degenerate):
            _degenerate(rng, tables, connections, int(node))
        layers.append(Layer(tables, connections))
        bits = nodes
    return tuple(layers)


def _degenerate(
    rng: np.random.Generator,
    tables: npt.NDArray[np.uint64],
    connections: npt.NDArray[np.int32],
    node: int,
) -> None:
    """Make one node something that a simplification may find."""
    fan_in = connections.shape[1]
    address = np.arange(1 << fan_in)
    j = int(rng.integers(fan_in))
    bits = (int(tables[node]) >> address.astype(object)) & 1
    kind = int(rng.integers(6))
    if kind == 0:
        bits = np.full(len(address), rng.integers(2))
    elif kind == 1:
        bits = (address >> j) & 1
    elif kind == 2:
        bits = 1 - ((address >> j) & 1)
    elif kind == 3:
        bits = bits[address & ~(1 << j)]
    elif kind == 4:
        connections[node, j] = connections[node, 0]
    else:
        other = int(rng.integers(len(tables)))
        connections[node] = connections[other]
        tables[node] = tables[other]
        return
    tables[node] = np.uint64(sum(int(bit) << int(a) for a, bit in zip(address, bits, strict=True)))


def _lutnet(
    rng: np.random.Generator,
    input_shape: tuple[int, int, int],
    encoder_bits: int,
    stages: Sequence[Stage],
    classes: int,
    values: Values | None = None,
    max_k: int = 15,
) -> Lutnet:
    some = int(rng.integers(2, max_k + 1))
    thresholds = {k: rng.integers(0, 256, (k, encoder_bits), np.uint8) for k in (1, some)}
    names = tuple(f"class {c}" for c in range(classes))
    return Lutnet(input_shape, encoder_bits, thresholds, tuple(stages), names, values=values)


def _pair(values: npt.NDArray[Any]) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def lutnets(
    *,
    max_stages: int = 4,
    channels: st.SearchStrategy[int] | None = None,
    encoder_bits: st.SearchStrategy[int] | None = None,
    classes: st.SearchStrategy[int] | None = None,
) -> st.SearchStrategy[Lutnet]:
    """Hypothesis strategy for small networks; one image channel if not said otherwise."""
    return st.builds(
        random_lutnet,
        seed=st.integers(0, 2**32 - 1),
        stages=st.integers(1, max_stages),
        channels=st.just(1) if channels is None else channels,
        encoder_bits=st.integers(1, 3) if encoder_bits is None else encoder_bits,
        classes=st.integers(2, 12) if classes is None else classes,
        degenerate=st.sampled_from([0.0, 0.3, 0.9]),
    )


def lutnets_of_numbers(*, max_k: int = 64) -> st.SearchStrategy[Lutnet]:
    """Hypothesis strategy for small networks whose outputs are numbers: one, or more than there may be classes."""
    return st.builds(
        random_lutnet,
        seed=st.integers(0, 2**32 - 1),
        stages=st.integers(1, 3),
        encoder_bits=st.integers(1, 4),
        classes=st.sampled_from([1, 2, 260]),
        values=st.just(Values(low=-3.0, high=4.5)),
        max_k=st.just(max_k),
    )


def random_frames(
    net: Lutnet, seed: int, count: int = 3, *, larger: tuple[int, int] = (0, 0)
) -> npt.NDArray[np.uint8]:
    """uint8 `[count, h, w]`, or `[count, h, w, c]` if the network has c > 1 image channels.

    larger: rows and columns beyond the network's input shape. Every other value is a threshold of
    the network or one more or less, where an encoder could be wrong.
    """
    rng = np.random.default_rng(seed)
    height, width, channels = net.input_shape
    shape = (count, height + larger[0], width + larger[1], channels)
    edges = np.concatenate([t.ravel() for t in net.thresholds.values()]).astype(int)
    near = np.clip(rng.choice(edges, shape) + rng.integers(-1, 2, shape), 0, 255)
    frames = np.where(rng.random(shape) < 0.5, near, rng.integers(0, 256, shape)).astype(np.uint8)
    return frames[..., 0] if channels == 1 else frames


def frames(
    net: Lutnet, *, max_count: int = 3, max_larger: int = 7
) -> st.SearchStrategy[npt.NDArray[np.uint8]]:
    """Hypothesis strategy for `random_frames`, of the network's input size and larger."""
    return st.builds(
        random_frames,
        st.just(net),
        st.integers(0, 2**32 - 1),
        st.integers(1, max_count),
        larger=st.tuples(st.integers(0, max_larger), st.integers(0, max_larger)),
    )


def whole_beats(frame: npt.NDArray[np.uint8], pixels: int) -> npt.NDArray[np.uint8]:
    """The frame with its last column repeated until its width is a multiple of `pixels`."""
    return np.pad(frame, ((0, 0), (0, -frame.shape[1] % pixels)), mode="edge")


def oracle_scores(
    net: Lutnet, frames: npt.NDArray[np.uint8], thresholds: npt.NDArray[np.uint8]
) -> npt.NDArray[np.int64]:
    """Scores int64 `[n, rows, columns, classes]` of frames `[n, h, w]` or `[n, h, w, c]`.

    thresholds: uint8 `[k, z]`, a pass each. Written from the definitions in `lutlens.host.lutnet`,
    nothing else.
    """
    if frames.ndim == 3:
        frames = frames[..., np.newaxis]
    return sum(
        (_one_pass(net, frames, levels) for levels in thresholds), start=np.zeros((), np.int64)
    )


def _one_pass(net: Lutnet, frames: npt.NDArray[np.uint8], levels: npt.NDArray[np.uint8]) -> Any:
    n, height, width, channels = frames.shape
    bits = (frames[..., np.newaxis] > levels).astype(np.int64)
    bits = bits.reshape(n, height, width, channels * len(levels))
    for stage in net.stages:
        rows = (bits.shape[1] - stage.window[0]) // stage.stride[0] + 1
        columns = (bits.shape[2] - stage.window[1]) // stage.stride[1] + 1
        windows = [
            bits[:, dy : dy + stage.stride[0] * rows : stage.stride[0]][
                :, :, dx : dx + stage.stride[1] * columns : stage.stride[1]
            ]
            for dy in range(stage.window[0])
            for dx in range(stage.window[1])
        ]
        layers = _in_turn if stage.recurrent else _layers
        bits = _or_pool(layers(stage, np.concatenate(windows, axis=-1)), stage.pool)
    scores = bits.reshape(*bits.shape[:3], len(net.classes), net.bits_per_class)
    return scores.sum(axis=-1)


def _in_turn(stage: Stage, windows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    state = np.zeros((len(windows), 1, 1, stage.channels), np.int64)
    states = []
    for row in range(windows.shape[1]):
        state = _layers(stage, np.concatenate([windows[:, row : row + 1], state], axis=-1))
        states.append(state)
    return np.concatenate(states, axis=1)


def _layers(stage: Stage, bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    for layer in stage.layers:
        address = np.zeros((*bits.shape[:3], layer.nodes), np.uint64)
        for j in range(layer.fan_in):
            address += bits[..., layer.connections[:, j]].astype(np.uint64) << np.uint64(j)
        bits = ((layer.tables >> address) & np.uint64(1)).astype(np.int64)
    return bits


def _or_pool(bits: npt.NDArray[np.int64], pool: tuple[int, int]) -> Any:
    n, height, width, channels = bits.shape
    rows, columns = height // pool[0], width // pool[1]
    bits = bits[:, : rows * pool[0], : columns * pool[1]]
    return bits.reshape(n, rows, pool[0], columns, pool[1], channels).max(axis=(2, 4))
