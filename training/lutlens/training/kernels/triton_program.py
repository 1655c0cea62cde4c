"""Programs of steps by the Triton kernels, as `native.Program` runs them by those in C++.

Activations are a byte a sample, not a bit: on the way back, which is most of the time, every byte
comes with a gradient of four, and holds the address that would otherwise be gathered again from
six words.

Block sizes are reasoned, not tuned: no kernel here has run on a GPU yet, only in Triton's
interpreter (training/README.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import triton
from lutlens.training.kernels import triton_lookup as lookup
from lutlens.training.kernels import triton_maps as maps
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

_SAMPLES = 256
"""Samples of a block, at most."""
_SUMMED_SAMPLES = 32
"""Of one where every sample's lane has sums of its own, up to 64 registers of them."""
_NODES = 4
_TABLES = 16
"""Nodes whose tables a block works on."""
_BLOCKS = 2048
"""Blocks that fill the largest GPUs; sums over all samples are split until there are so many."""


class _Readers(NamedTuple):
    """The pins that read each row, see `triton_lookup.input_gradient`: int32 `[rows + 1]`, `[pins]`."""

    first: Tensor
    pins: Tensor


class _Layer(NamedTuple):
    bases: Tensor
    offsets: Tensor
    candidates: Tensor | None
    tables: Tensor
    smooth: bool
    flip: float
    inputs: int

    @property
    def outputs(self) -> int:
        return len(self.bases) * len(self.offsets)


class _Pool(NamedTuple):
    shape: tuple[int, int, int]
    size: tuple[int, int]
    flip: float

    @property
    def blocks(self) -> tuple[int, int]:
        return self.shape[0] // self.size[0], self.shape[1] // self.size[1]

    @property
    def outputs(self) -> int:
        rows, columns = self.blocks
        return rows * columns * self.shape[2]


class Program:
    """A `backends.Program`. rows: those of the first step's input."""

    memory = 4 << 30
    times = 1

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._steps: list[_Layer | _Pool] = []

    def add_layer(
        self,
        bases: Tensor,
        offsets: Tensor,
        candidates: Tensor | None,
        tables: Tensor,
        smooth: bool,
        flip: float,
    ) -> None:
        inputs = self._steps[-1].outputs if self._steps else self._rows
        candidates = None if candidates is None else candidates.contiguous()
        connected = bases.contiguous(), offsets.contiguous(), candidates
        self._steps.append(_Layer(*connected, tables.contiguous(), smooth, flip, inputs))

    def add_pool(self, shape: tuple[int, int, int], size: tuple[int, int], flip: float) -> None:
        self._steps.append(_Pool(shape, size, flip))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        signals = [(x.to(torch.uint8) << 7).contiguous()]
        for step in self._steps:
            signals.append(_forward(step, signals[-1]))
        return (signals[-1] >> 7).to(torch.float32), signals

    def backward(
        self, kept: Sequence[Tensor], gradient: Tensor, rows_wanted: bool, wanted: Sequence[bool]
    ) -> tuple[Tensor | None, list[Tensor | None]]:
        results: list[Tensor | None] = []
        current: Tensor | None = gradient.contiguous()
        left = list(wanted)
        for i in reversed(range(len(self._steps))):
            step, x, y = self._steps[i], kept[i], kept[i + 1]
            to_scores = isinstance(step, _Layer) and left.pop()
            to_tables = isinstance(step, _Layer) and left.pop()
            to_x = rows_wanted or any(left)
            if current is None:
                results += [None, None] * isinstance(step, _Layer)
            elif isinstance(step, _Pool):
                current = _pool_gradient(step, x, current) if to_x else None
            else:
                slopes = _slopes(step) if to_x or to_scores else None
                results.append(_score_gradient(step, x, y, current, slopes) if to_scores else None)
                results.append(_table_gradient(step, y, current) if to_tables else None)
                current = _input_gradient(step, y, current, slopes) if to_x else None
        return current if rows_wanted else None, results[::-1]


def _forward(step: _Layer | _Pool, x: Tensor) -> Tensor:
    batch = x.shape[1]
    y = torch.empty((step.outputs, batch), dtype=torch.uint8, device=x.device)
    samples = _block(batch)
    if isinstance(step, _Pool):
        width, channels = step.shape[1:]
        maps.forward[step.outputs, triton.cdiv(batch, samples)](
            x, y, width, step.blocks[1], channels, batch, *step.size, samples
        )
        return y
    nodes, fan_in = step.offsets.shape
    bits = torch.empty(nodes, dtype=torch.int64, device=x.device)
    # Unfused, a smoothed table is to the last bit what PyTorch makes of it, and so is its sign.
    lookup.harden[(triton.cdiv(nodes, _TABLES),)](
        step.tables, bits, nodes, fan_in, step.smooth, step.flip, _TABLES, enable_fp_fusion=False
    )
    block = min(_NODES, triton.next_power_of_2(nodes))
    lookup.forward[len(step.bases) * triton.cdiv(nodes, block), triton.cdiv(batch, samples)](
        x, y, step.bases, step.offsets, bits, nodes, batch, fan_in, block, samples
    )
    return y


def _slopes(step: _Layer) -> Tensor:
    nodes, fan_in = step.offsets.shape
    slopes = step.tables.new_empty((nodes, fan_in, 1 << fan_in - 1))
    lookup.find_slopes[(triton.cdiv(nodes, _TABLES),)](
        step.tables, slopes, nodes, fan_in, step.flip, _TABLES
    )
    return slopes


def _input_gradient(step: _Layer, y: Tensor, gradient: Tensor, slopes: Tensor | None) -> Tensor:
    nodes, fan_in = step.offsets.shape
    batch = y.shape[1]
    samples = _block(batch)
    readers = _readers(step)
    to_x = gradient.new_empty((step.inputs, batch))
    lookup.input_gradient[step.inputs, triton.cdiv(batch, samples)](
        gradient, y, slopes, *readers, to_x, nodes, batch, fan_in, samples
    )
    return to_x


def _table_gradient(step: _Layer, y: Tensor, gradient: Tensor) -> Tensor:
    nodes, fan_in = step.offsets.shape
    positions, batch = len(step.bases), y.shape[1]
    samples = min(_SUMMED_SAMPLES, _block(batch))
    splits = _splits(nodes, positions * triton.cdiv(batch, samples))
    sums = gradient.new_empty((splits, nodes, 1 << fan_in))
    lookup.table_gradient[nodes, splits](
        gradient, y, sums, positions, nodes, batch, fan_in, samples
    )
    to_tables = torch.empty_like(step.tables)
    lookup.finish_table_gradient[(triton.cdiv(nodes, _TABLES),)](
        sums, to_tables, splits, nodes, fan_in, step.smooth, step.flip, _TABLES
    )
    return to_tables


def _score_gradient(
    step: _Layer, x: Tensor, y: Tensor, gradient: Tensor, slopes: Tensor | None
) -> Tensor:
    candidates = step.candidates
    assert candidates is not None
    nodes, fan_in, count = candidates.shape
    positions, batch = len(step.bases), y.shape[1]
    samples = min(_SUMMED_SAMPLES, _block(batch))
    splits = _splits(nodes * fan_in, positions * triton.cdiv(batch, samples))
    sums = gradient.new_empty((splits, *candidates.shape))
    lookup.score_gradient[nodes * fan_in, splits](
        *(gradient, y, x, slopes, step.bases, candidates, sums, positions, nodes, batch, count),
        *(fan_in, triton.next_power_of_2(count), samples),
    )
    return sums.sum(dim=0)


def _pool_gradient(step: _Pool, x: Tensor, gradient: Tensor) -> Tensor:
    batch = x.shape[1]
    samples = _block(batch)
    width, channels = step.shape[1:]
    rows, columns = step.blocks
    fills = (rows * step.size[0], columns * step.size[1]) == step.shape[:2]
    make = gradient.new_empty if fills else gradient.new_zeros
    to_x = make(x.shape)
    maps.backward[step.outputs, triton.cdiv(batch, samples)](
        gradient, x, to_x, width, columns, channels, batch, *step.size, step.flip, samples
    )
    return to_x


_known_readers: Any = WeakIdKeyDictionary()


def _readers(step: _Layer) -> _Readers:
    """Sorted anew where connections have changed: fixed ones come as the same tensor every time."""
    bases, offsets = step.bases, step.offsets
    known = _known_readers.get(offsets)
    if known and known[0] is bases and known[1] == offsets._version:
        readers: _Readers = known[2]
        return readers
    rows = (bases[:, None, None] + offsets).flatten()
    in_order, pins = rows.sort(stable=True)
    edges = torch.arange(step.inputs + 1, dtype=torch.int32, device=rows.device)
    readers = _Readers(torch.searchsorted(in_order, edges, out_int32=True), pins.to(torch.int32))
    _known_readers[offsets] = bases, offsets._version, readers
    return readers


def _block(batch: int) -> int:
    return min(_SAMPLES, int(triton.next_power_of_2(batch)))


def _splits(others: int, blocks: int) -> int:
    """Into how many parts `blocks` are split; a function of shapes alone, so that sums are."""
    return min(blocks, -(-_BLOCKS // others))
