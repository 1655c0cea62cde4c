"""Layers and pools one after another: what a network comes down to, and who computes it.

A program runs on rows of activations, `[row, batch]`, in plain PyTorch or, where they can serve,
by kernels of our own in one go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from lutlens.training.kernels import backends
from lutlens.training.nodes import Lookup, NodeModel, Wiring
from torch import Tensor

CHUNK = 64
"""Samples: a batch that is too large for its memory is cut into chunks of multiples of this."""


class LayerStep(NamedTuple):
    """Rows to rows `position * nodes + node`."""

    model: NodeModel
    tables: Tensor
    wiring: Wiring


class PoolStep(NamedTuple):
    """Rows of a map of `shape` (height, width, channels) to those of the map pooled by `size`."""

    model: NodeModel
    shape: tuple[int, int, int]
    size: tuple[int, int]


class RecurrentStep(NamedTuple):
    """Layers at one position after another, whose input ends with their own last output.

    starts: the first row of each position's window. inputs: rows of a window, one behind the other.
    layers: of one position; they read the window's rows, then those of the state, zeros at first.
    """

    starts: range
    inputs: int
    layers: tuple[LayerStep, ...]

    @property
    def state(self) -> int:
        """Rows of the state, and of the output at a position."""
        return len(self.layers[-1].tables)


Step = LayerStep | PoolStep | RecurrentStep


def run(rows: Tensor, steps: Sequence[Step]) -> Tensor:
    """`[rows of the last step, batch]`, float, differentiable in rows, tables and scores.

    rows: float `[rows, batch]`, or uint8 bits.
    """
    for recurrent, part in groupby(steps, key=lambda step: isinstance(step, RecurrentStep)):
        if recurrent:
            for step in part:
                assert isinstance(step, RecurrentStep)
                rows = _unroll(rows, step)
        else:
            rows = _chain(rows, [step for step in part if not isinstance(step, RecurrentStep)])
    return rows


def _unroll(rows: Tensor, step: RecurrentStep) -> Tensor:
    """A step back through a layer of look-up nodes lengthens a gradient somewhat, and dozens of them would
    let the first positions outweigh all others; so no sample's gains length on its way.
    """
    make = backends.unroller(rows.device) if _kernels_can(rows, step.layers) else None
    if make is not None:
        times, pitch = len(step.starts), step.starts.step
        return _compiled(rows, make(step.inputs + step.state, times, pitch), step.layers)
    if not rows.is_floating_point():
        rows = rows.to(torch.get_default_dtype())
    # Every position is a program of its own, and autograd goes back through time.
    state = rows.new_zeros(step.state, rows.shape[1])
    states = []
    lengths: list[Tensor] = []  # of the gradients of a state, the one behind last
    for start in step.starts:
        before = state
        if before.requires_grad:
            before = before.view_as(before)
            before.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: _no_longer(gradient, lengths.pop())
            )
        window = rows[start : start + step.inputs]
        state = _chain(torch.cat([window, before]), step.layers)
        if before.requires_grad:
            state.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: lengths.append(gradient.norm(dim=0))
            )
        states.append(state)
    return torch.cat(states)


def _no_longer(gradient: Tensor, length: Tensor) -> Tensor:
    """Each sample's gradient, `[rows, batch]`, cut to the length `[batch]`."""
    shorter: Tensor = gradient * (length / gradient.norm(dim=0).clamp(min=1e-30)).clamp(max=1.0)
    return shorter


def _chain(rows: Tensor, steps: Sequence[LayerStep | PoolStep]) -> Tensor:
    make = backends.program_maker(rows.device) if _kernels_can(rows, steps) else None
    if make is not None:
        return _compiled(rows, make(len(rows)), steps)
    if not rows.is_floating_point():
        rows = rows.to(torch.get_default_dtype())
    for step in steps:
        if isinstance(step, LayerStep):
            rows = step.model(rows, step.tables, step.wiring).flatten(0, 1)
        else:
            x = rows.view(*step.shape, rows.shape[1])
            rows = step.model.pool(x, step.size).flatten(0, 2)
    return rows


def _compiled(
    rows: Tensor, program: backends.Program, steps: Sequence[LayerStep | PoolStep]
) -> Tensor:
    parameters = [
        parameter
        for step in steps
        if isinstance(step, LayerStep)
        for parameter in (step.tables.contiguous(), step.wiring.scores)
    ]
    y: Tensor = _Compiled.apply(rows, program, steps, *parameters)  # type: ignore[no-untyped-call]
    return y


def _kernels_can(rows: Tensor, steps: Sequence[LayerStep | PoolStep]) -> bool:
    return rows.dtype in (torch.float32, torch.uint8) and all(
        isinstance(step.model, Lookup)
        and (isinstance(step, PoolStep) or step.tables.dtype == torch.float32)
        for step in steps
    )


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        program: backends.Program,
        steps: Sequence[LayerStep | PoolStep],
        *parameters: Tensor | None,
    ) -> Tensor:
        outputs = len(rows)  # signals kept of a sample, a byte each
        all_tables = iter(parameters[::2])
        for step in steps:
            if isinstance(step, LayerStep):
                wiring, tables = step.wiring, next(all_tables)
                assert isinstance(step.model, Lookup)
                assert tables is not None
                connected = wiring.bases, wiring.offsets, wiring.candidates
                program.add_layer(*connected, tables, step.model.smooth, step.model.flip)
                outputs += len(wiring.bases) * len(wiring.offsets)
            else:
                assert isinstance(step.model, Lookup)
                program.add_pool(step.shape, step.size, step.model.flip)
                outputs += math.prod(step.shape) // math.prod(step.size)
        ctx.program = program
        ctx.chunk = max(CHUNK, program.memory // (outputs * program.times) // CHUNK * CHUNK)
        # Of a larger batch only the input is kept, and the rest worked out again on the way back.
        chunks = torch.split(rows, ctx.chunk, dim=1)
        if len(chunks) > 1:
            kept = [rows]
            y = torch.cat([program.forward(chunk)[0] for chunk in chunks], dim=1)
        else:
            y, kept = program.forward(rows)
        ctx.kept = len(kept)
        # Tables too: the way back reads them, and autograd notices if they are changed meanwhile.
        ctx.save_for_backward(*kept, *parameters[::2])
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_rows, *wanted = ctx.needs_input_grad[:1] + ctx.needs_input_grad[3:]
        kept = ctx.saved_tensors[: ctx.kept]
        program: backends.Program = ctx.program
        if gradient.shape[1] <= ctx.chunk:
            to_rows, results = program.backward(kept, gradient, to_rows, wanted)
            return to_rows, None, None, *results
        of_chunks = [
            program.backward(program.forward(chunk)[1], part, to_rows, wanted)
            for chunk, part in zip(
                torch.split(kept[0], ctx.chunk, dim=1),
                torch.split(gradient, ctx.chunk, dim=1),
                strict=True,
            )
        ]
        parts = [part for part, _ in of_chunks if part is not None]
        sums = (_add(one) for one in zip(*(results for _, results in of_chunks), strict=True))
        return torch.cat(parts, dim=1) if to_rows else None, None, None, *sums


def _add(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """Of one parameter, by chunks; None if they are not wanted."""
    known = [g for g in gradients if g is not None]
    return torch.stack(known).sum(dim=0) if known else None
