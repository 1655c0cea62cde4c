"""Layers and pools one after another: what a network comes down to, and who computes it.

A program runs on rows of activations, `[row, batch]`, in plain PyTorch or, where they can serve,
by the C++ kernels in one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lutlens.training.kernels import native
from lutlens.training.nodes import Lookup, NodeModel, Wiring
from torch import Tensor


@dataclass(frozen=True)
class LayerStep:
    """Rows to rows `position * nodes + node`."""

    model: NodeModel
    tables: Tensor
    wiring: Wiring


@dataclass(frozen=True)
class PoolStep:
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
        training = any(ctx.needs_input_grad)
        operations: list[native.Layer | native.Pool] = []
        saved: list[Tensor | None] = []
        remaining = iter(parameters)
        x = native.tile(library, rows)
        for step in steps:
            if training:
                saved.append(x)
            if isinstance(step, LayerStep):
                assert isinstance(step.model, Lookup)
                wiring = step.wiring
                tables = next(remaining)
                assert tables is not None
                next(remaining)
                layer = native.Layer(
                    library,
                    wiring.bases,
                    wiring.offsets,
                    wiring.candidates,
                    tables,
                    step.model.smooth,
                )
                x, address = layer.forward(x, keep_address=training)
                saved += [address, tables]
                operations.append(layer)
            else:
                pool = native.Pool(library, step.shape, step.size)
                x = pool.forward(x)
                operations.append(pool)
        ctx.save_for_backward(*saved)
        ctx.operations = operations
        ctx.batch = rows.shape[1]
        return native.untile(x, ctx.batch).to(torch.float32)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved = list(ctx.saved_tensors)
        needed = list(ctx.needs_input_grad)
        first_needed = needed.index(True)
        current: Tensor | None = native.tile_gradient(gradient)
        results: list[Tensor | None] = []
        for operation in reversed(ctx.operations):
            assert current is not None
            if isinstance(operation, native.Layer):
                tables, address, x = saved.pop(), saved.pop(), saved.pop()
                to_scores_wanted, to_tables_wanted = needed.pop(), needed.pop()
                wanted = (first_needed < len(needed), to_tables_wanted, to_scores_wanted)
                current, to_tables, to_scores = operation.backward(
                    x, address, tables, current, wanted
                )
                results += [to_scores, to_tables]
            else:
                current = operation.backward(saved.pop(), current)
            if current is None:
                break
        count = len(ctx.needs_input_grad)
        results += [None] * (count - 3 - len(results))
        to_rows = None
        if ctx.needs_input_grad[0] and current is not None:
            to_rows = native.untile(current, ctx.batch)
        return to_rows, None, None, *reversed(results)
