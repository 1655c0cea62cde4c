"""Look-up nodes on a GPU, in Triton, forward and backward; the definition is in reference.py.

Signals are uint8 `[row, batch]`, as those of step.h: bit 7 is the value, bits 0 to 5 the address at
which a node found it, so that the way back reads one byte for a node's inputs. Row
`position * nodes + node` is a layer's output; pin j of node n at position p reads row
`bases[p] + offsets[n, j]`. Nothing is added up by atomics: equal inputs give equal bits.

Of a smoothed table's slopes `D_j` only half are kept, `[2**(n-1)]`, for they do not depend on input
j: entry i is for the addresses whose bits j + 1, j + 2, ... (modulo n) are those of i.
"""

# Triton has no types; what its decorator makes of a function is not to be called from Python anyway.
# mypy: disable-error-code="untyped-decorator, no-any-return"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _halves(tables: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """`[nodes, 2 * half]` to the entries where the lowest address bit is 0, and where it is 1."""
    pairs = tl.reshape(tables, (tables.shape[0], tables.shape[1] // 2, 2))
    return tl.split(pairs)


@triton.jit
def _rotated(low: tl.tensor, high: tl.tensor) -> tl.tensor:
    """The way back, but the lowest bit becomes the highest: once for every bit, and all are back."""
    pairs = tl.permute(tl.join(low, high), (0, 2, 1))
    return tl.reshape(pairs, (low.shape[0], 2 * low.shape[1]))


@triton.jit
def _smooth(tables: tl.tensor, FAN_IN: tl.constexpr, FLIP: tl.constexpr) -> tl.tensor:
    for _ in tl.static_range(FAN_IN):
        low, high = _halves(tables)
        tables = _rotated(low * (1 - FLIP) + high * FLIP, high * (1 - FLIP) + low * FLIP)
    return tables


@triton.jit
def harden(
    tables: tl.tensor,
    bits: tl.tensor,
    nodes: tl.tensor,
    FAN_IN: tl.constexpr,
    SMOOTH: tl.constexpr,
    FLIP: tl.constexpr,
    NODES: tl.constexpr,
) -> None:
    """Tables `[nodes, 2**n]` to int64 `[nodes]`: bit a is set where entry a is greater than zero."""
    ENTRIES: tl.constexpr = 1 << FAN_IN
    node = tl.program_id(0) * NODES + tl.arange(0, NODES)
    entry = tl.arange(0, ENTRIES)
    at = node[:, None] * ENTRIES + entry[None, :]
    entries = tl.load(tables + at, mask=(node < nodes)[:, None], other=0.0)
    if SMOOTH:
        entries = _smooth(entries, FAN_IN, FLIP)
    powers = tl.full((NODES, ENTRIES), 1, tl.int64) << entry[None, :].to(tl.int64)
    tl.store(bits + node, tl.sum(tl.where(entries > 0, powers, 0), axis=1), mask=node < nodes)


@triton.jit
def find_slopes(
    tables: tl.tensor,
    slopes: tl.tensor,
    nodes: tl.tensor,
    FAN_IN: tl.constexpr,
    FLIP: tl.constexpr,
    NODES: tl.constexpr,
) -> None:
    """Tables `[nodes, 2**n]` to slopes `[nodes, n, 2**(n-1)]`."""
    HALF: tl.constexpr = 1 << (FAN_IN - 1)
    node = tl.program_id(0) * NODES + tl.arange(0, NODES)
    inside = (node < nodes)[:, None]
    entry = tl.arange(0, 2 * HALF)
    entries = tl.load(tables + node[:, None] * (2 * HALF) + entry[None, :], mask=inside, other=0.0)
    entries = _smooth(entries, FAN_IN, FLIP)
    index = tl.arange(0, HALF)
    for j in tl.static_range(FAN_IN):
        low, high = _halves(entries)
        at = (node * FAN_IN + j)[:, None] * HALF + index[None, :]
        tl.store(slopes + at, (high - low) / (1 - 2 * FLIP), mask=inside)
        entries = _rotated(low, high)


@triton.jit
def forward(
    x: tl.tensor,
    y: tl.tensor,
    bases: tl.tensor,
    offsets: tl.tensor,
    bits: tl.tensor,
    nodes: tl.tensor,
    batch: tl.tensor,
    FAN_IN: tl.constexpr,
    NODES: tl.constexpr,
    SAMPLES: tl.constexpr,
) -> None:
    """Signals x to signals y, for a block of nodes at one position. Grid: those, samples."""
    blocks = tl.cdiv(nodes, NODES)
    position = tl.program_id(0) // blocks
    node = tl.program_id(0) % blocks * NODES + tl.arange(0, NODES)
    sample = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
    is_node = node < nodes
    inside = is_node[:, None] & (sample < batch)[None, :]
    base = tl.load(bases + position)
    address = tl.zeros((NODES, SAMPLES), tl.int32)
    for j in tl.static_range(FAN_IN):
        row = (base + tl.load(offsets + node * FAN_IN + j, mask=is_node, other=0)).to(tl.int64)
        signal = tl.load(x + row[:, None] * batch + sample[None, :], mask=inside, other=0)
        address |= (signal.to(tl.int32) >> 7) << j
    table = tl.load(bits + node, mask=is_node, other=0)
    value = (table[:, None] >> address.to(tl.int64)).to(tl.int32) & 1
    out = (position * nodes + node).to(tl.int64)
    tl.store(
        y + out[:, None] * batch + sample[None, :], (value << 7 | address).to(tl.uint8), mask=inside
    )


@triton.jit
def _slope_at(
    slopes: tl.tensor, pin: tl.tensor, j: tl.tensor, address: tl.tensor, FAN_IN: tl.constexpr
) -> tl.tensor:
    """`D_j` at addresses; pin: `node * n + j`."""
    HALF: tl.constexpr = 1 << (FAN_IN - 1)
    index = ((address | address << FAN_IN) >> (j + 1)) & (HALF - 1)
    return tl.load(slopes + pin * HALF + index)


@triton.jit
def input_gradient(
    gradient: tl.tensor,
    y: tl.tensor,
    slopes: tl.tensor,
    first: tl.tensor,
    pins: tl.tensor,
    to_x: tl.tensor,
    nodes: tl.tensor,
    batch: tl.tensor,
    FAN_IN: tl.constexpr,
    SAMPLES: tl.constexpr,
) -> None:
    """`[rows, batch]`, every row's collected from the pins that read it. Grid: rows, samples.

    first, pins: row r is read by `pins[first[r]]` to `pins[first[r + 1] - 1]`, each
    `(position * nodes + node) * n + j`.
    """
    row = tl.program_id(0)
    sample = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
    inside = sample < batch
    total = tl.zeros((SAMPLES,), tl.float32)
    for i in range(tl.load(first + row), tl.load(first + row + 1)):
        pin = tl.load(pins + i)
        out = pin // FAN_IN
        at = out.to(tl.int64) * batch + sample
        g = tl.load(gradient + at, mask=inside, other=0.0)
        address = tl.load(y + at, mask=inside, other=0).to(tl.int32) & ((1 << FAN_IN) - 1)
        j = pin % FAN_IN
        total += g * _slope_at(slopes, out % nodes * FAN_IN + j, j, address, FAN_IN)
    tl.store(to_x + row.to(tl.int64) * batch + sample, total, mask=inside)


@triton.jit
def table_gradient(
    gradient: tl.tensor,
    y: tl.tensor,
    sums: tl.tensor,
    positions: tl.tensor,
    nodes: tl.tensor,
    batch: tl.tensor,
    FAN_IN: tl.constexpr,
    SAMPLES: tl.constexpr,
) -> None:
    """Gradients added up by address, `[splits, nodes, 2**n]`. Grid: nodes, splits.

    A split takes every so-many-th block of samples at a position. Every lane has its own 2**n sums,
    and adds to all of them: the gradient to the one of its address, zeros to the others. So that
    this is one fused multiply-add a sum, the address is compared in two halves.
    """
    LOW: tl.constexpr = FAN_IN // 2
    low = tl.arange(0, 1 << LOW)
    high = tl.arange(0, 1 << (FAN_IN - LOW))
    node = tl.program_id(0)
    blocks = tl.cdiv(batch, SAMPLES)
    total = tl.zeros((1 << (FAN_IN - LOW), 1 << LOW, SAMPLES), tl.float32)
    for block in range(tl.program_id(1), positions * blocks, tl.num_programs(1)):
        sample = block % blocks * SAMPLES + tl.arange(0, SAMPLES)
        at = (block // blocks * nodes + node).to(tl.int64) * batch + sample
        g = tl.load(gradient + at, mask=sample < batch, other=0.0)
        address = tl.load(y + at, mask=sample < batch, other=0).to(tl.int32)
        is_low = (address & ((1 << LOW) - 1))[None, None, :] == low[None, :, None]
        is_high = ((address & ((1 << FAN_IN) - 1)) >> LOW)[None, None, :] == high[:, None, None]
        total += is_high.to(tl.float32) * tl.where(is_low, g[None, None, :], 0.0)
    entry = (high << LOW)[:, None] + low[None, :]
    result = sums + ((tl.program_id(1) * nodes + node) << FAN_IN) + entry
    tl.store(result, tl.sum(total, axis=2))


@triton.jit
def finish_table_gradient(
    sums: tl.tensor,
    to_tables: tl.tensor,
    splits: tl.tensor,
    nodes: tl.tensor,
    FAN_IN: tl.constexpr,
    SMOOTH: tl.constexpr,
    FLIP: tl.constexpr,
    NODES: tl.constexpr,
) -> None:
    """The splits' sums `[splits, nodes, 2**n]` to the tables' gradient `[nodes, 2**n]`."""
    node = tl.program_id(0) * NODES + tl.arange(0, NODES)
    inside = (node < nodes)[:, None]
    at = (node << FAN_IN)[:, None] + tl.arange(0, 1 << FAN_IN)[None, :]
    total = tl.zeros((NODES, 1 << FAN_IN), tl.float32)
    for split in range(splits):
        total += tl.load(sums + (split * nodes << FAN_IN) + at, mask=inside, other=0.0)
    if SMOOTH:
        total = _smooth(total, FAN_IN, FLIP)
    tl.store(to_tables + at, total, mask=inside)


@triton.jit
def score_gradient(
    gradient: tl.tensor,
    y: tl.tensor,
    x: tl.tensor,
    slopes: tl.tensor,
    bases: tl.tensor,
    candidates: tl.tensor,
    sums: tl.tensor,
    positions: tl.tensor,
    nodes: tl.tensor,
    batch: tl.tensor,
    count: tl.tensor,
    FAN_IN: tl.constexpr,
    CANDIDATES: tl.constexpr,
    SAMPLES: tl.constexpr,
) -> None:
    """`[splits, nodes, n, count]`. Grid: pins `node * n + j`, splits as for tables.

    CANDIDATES: a power of two, at least `count`.
    """
    pin = tl.program_id(0)
    node, j = pin // FAN_IN, pin % FAN_IN
    candidate = tl.arange(0, CANDIDATES)
    is_candidate = candidate < count
    offset = tl.load(candidates + pin * count + candidate, mask=is_candidate, other=0)
    blocks = tl.cdiv(batch, SAMPLES)
    total = tl.zeros((CANDIDATES, SAMPLES), tl.float32)
    for block in range(tl.program_id(1), positions * blocks, tl.num_programs(1)):
        sample = block % blocks * SAMPLES + tl.arange(0, SAMPLES)
        inside = sample < batch
        position = block // blocks
        at = (position * nodes + node).to(tl.int64) * batch + sample
        g = tl.load(gradient + at, mask=inside, other=0.0)
        address = tl.load(y + at, mask=inside, other=0).to(tl.int32) & ((1 << FAN_IN) - 1)
        pull = g * _slope_at(slopes, pin, j, address, FAN_IN)
        row = (tl.load(bases + position) + offset).to(tl.int64)
        signal = tl.load(
            x + row[:, None] * batch + sample[None, :],
            mask=is_candidate[:, None] & inside[None, :],
            other=0,
        )
        total += tl.where(signal >= 128, pull[None, :], -pull[None, :])
    result = sums + (tl.program_id(1) * nodes * FAN_IN + pin) * count + candidate
    tl.store(result, tl.sum(total, axis=1), mask=is_candidate)
