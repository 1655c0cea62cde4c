"""Layers and pools one after another: what a network comes down to, and who computes it.

A program runs on rows of activations, `[row, batch]`, in plain PyTorch or, where they can serve,
by the C++ kernels in one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from lutlens.training.kernels import native
from lutlens.training.nodes import Lookup, NodeModel, Wiring
from torch import Tensor


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


Step = LayerStep | PoolStep


def run(rows: Tensor, steps: Sequence[Step]) -> Tensor:
    """`[rows of the last step, batch]`, float, differentiable in rows, tables and scores.

    rows: float `[rows, batch]`, or uint8 bits.
    """
    library = _library_for(rows, steps)
    if library is not None:
        parameters = [
            parameter
            for step in steps
            if isinstance(step, LayerStep)
            for parameter in (step.tables.contiguous(), step.wiring.scores)
        ]
        y: Tensor = _Native.apply(rows, library, steps, *parameters)  # type: ignore[no-untyped-call]
        return y
    if not rows.is_floating_point():
        rows = rows.to(torch.get_default_dtype())
    for step in steps:
        if isinstance(step, LayerStep):
            rows = step.model(rows, step.tables, step.wiring).flatten(0, 1)
        else:
            x = rows.view(*step.shape, rows.shape[1])
            rows = step.model.pool(x, step.size).flatten(0, 2)
    return rows


def _library_for(rows: Tensor, steps: Sequence[Step]) -> native.Library | None:
    """The C++ kernels, if they know all that is asked for."""
    known = rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.uint8)
    for step in steps:
        known = known and isinstance(step.model, Lookup)
        if isinstance(step, LayerStep):
            known = known and step.tables.dtype == torch.float32
    return native.library() if known else None


class _Native(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        library: native.Library,
        steps: Sequence[Step],
        *parameters: Tensor | None,
    ) -> Tensor:
        program = native.Program(library, len(rows))
        all_tables = iter(parameters[::2])
        for step in steps:
            if isinstance(step, LayerStep):
                wiring, tables = step.wiring, next(all_tables)
                assert isinstance(step.model, Lookup)
                assert tables is not None
                program.add_layer(
                    wiring.bases, wiring.offsets, wiring.candidates, tables, step.model.smooth
                )
            else:
                program.add_pool(step.shape, step.size)
        y, kept = program.forward(rows)
        ctx.program = program
        # Tables too: the way back reads them, and autograd notices if they are changed meanwhile.
        ctx.save_for_backward(*kept, *parameters[::2])
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_rows, *wanted = ctx.needs_input_grad[:1] + ctx.needs_input_grad[3:]
        kept = list(ctx.saved_tensors[:2])
        to_rows, results = ctx.program.backward(kept, gradient, to_rows, wanted)
        return to_rows, None, None, *results
