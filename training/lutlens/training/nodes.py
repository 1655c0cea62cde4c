"""What a node computes while it is trained: two models behind one interface.

Both have real-valued tables, `[nodes, 2**fan_in]`, which become the bits of a look-up table in
the end; entry `a` is the node's value at address `a = sum_j input_j << j`. Activations are `[row,
batch]`, and pin j of node n at position p reads row `bases[p] + offsets[n, j]`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import torch
from lutlens.training.kernels import reference as kernels
from torch import Tensor


class Wiring(NamedTuple):
    """Where the pins of a layer are connected.

    bases: int32 `[positions]`.
    offsets: int32 `[nodes, fan_in]`.
    candidates, scores: int32 and float32 `[nodes, fan_in, candidates]`, if connections are learned:
        offsets that a pin may read instead, and what the gradient of its choice goes to.
    """

    bases: Tensor
    offsets: Tensor
    candidates: Tensor | None = None
    scores: Tensor | None = None


class NodeModel(ABC):
    """What turns a layer's real-valued tables into a function of its inputs.

    range: lowest and highest value in a table: those of a node that is surely 0, surely 1.
    """

    range: tuple[float, float]

    @abstractmethod
    def initial_tables(
        self, nodes: int, fan_in: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """float32 `[nodes, 2**fan_in]`: random tables to begin with."""

    @abstractmethod
    def constrain(self, tables: Tensor) -> None:
        """Bring tables back into their range, in place, after an optimizer's step."""

    @abstractmethod
    def harden(self, tables: Tensor) -> Tensor:
        """bool `[nodes, 2**fan_in]`: the bits of the look-up tables."""

    @abstractmethod
    def pool(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """OR over blocks of `size` positions of a map `[height, width, channels, batch]`."""

    @abstractmethod
    def __call__(self, rows: Tensor, tables: Tensor, wiring: Wiring) -> Tensor:
        """float32 `[positions, nodes, batch]`, differentiable in rows, tables and scores."""


class Multilinear(NodeModel):
    """The Stochastic-LUT of Fuchikami's LUT-Network.

    Inputs are probabilities of being 1, tables too:
    `y = sum_a T[a] prod_j (x_j if bit j of a else 1 - x_j)`.
    """

    range = 0.0, 1.0

    def initial_tables(
        self, nodes: int, fan_in: int, generator: torch.Generator | None = None
    ) -> Tensor:
        return torch.rand(nodes, 1 << fan_in, generator=generator)

    def constrain(self, tables: Tensor) -> None:
        tables.clamp_(*self.range)

    def harden(self, tables: Tensor) -> Tensor:
        return tables > 0.5

    def pool(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return 1 - kernels.blocks(1 - x, size).prod(dim=3).prod(dim=1)

    def __call__(self, rows: Tensor, tables: Tensor, wiring: Wiring) -> Tensor:
        pins: Tensor = _ReadPins.apply(rows, wiring.scores, wiring)  # type: ignore[no-untyped-call]
        values = tables[None, :, :, None]
        for x in reversed(pins.unbind(2)):
            low, high = values.chunk(2, dim=2)
            values = low + x[:, :, None] * (high - low)
        return values.squeeze(2)


class Lookup(NodeModel):
    """Binary look-up with a smoothed gradient.

    Inputs are 0 or 1 in training too: `y = [T[a] > 0]`, tables in [-1, 1]. The gradient to an
    input is that of the multilinear model with bits read as probabilities p and 1 - p
    (`kernels.reference.slopes`); the gradient to a table passes straight through the threshold: a
    histogram of the output's gradient over addresses.

    smooth: look up the table smoothed in the same way, `kernels.reference.smooth`. Deep networks
        need it: without it they stay at chance.
    flip: p.
    """

    range = -1.0, 1.0

    def __init__(self, smooth: bool = True, flip: float = kernels.FLIP) -> None:
        self.smooth, self.flip = smooth, flip

    def initial_tables(
        self, nodes: int, fan_in: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """A node begins as a random weighted majority of its inputs, at most 1 in size.

        From linear functions gradients reach the first layers at once; from tables of noise a deep
        network first stays at chance for some hundred steps.
        """
        inputs = torch.arange(1 << fan_in) >> torch.arange(fan_in)[:, None] & 1
        weights = torch.randn(nodes, fan_in, generator=generator)
        tables = weights @ (2.0 * inputs - 1)
        return tables / tables.abs().amax(dim=1, keepdim=True)

    def constrain(self, tables: Tensor) -> None:
        tables.clamp_(*self.range)

    def harden(self, tables: Tensor) -> Tensor:
        return (kernels.smooth(tables, self.flip) if self.smooth else tables) > 0

    def pool(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return _Pool.apply(x, size, self.flip)  # type: ignore[no-untyped-call, no-any-return]

    def __call__(self, rows: Tensor, tables: Tensor, wiring: Wiring) -> Tensor:
        return _Lookup.apply(rows, tables, wiring.scores, wiring, self)  # type: ignore[no-untyped-call, no-any-return]


NodeModelName = Literal["lookup", "lookup-raw", "multilinear"]


def node_model(name: NodeModelName, flip: float = kernels.FLIP) -> NodeModel:
    """flip: see `Lookup`; "multilinear" has none."""
    if name == "multilinear":
        return Multilinear()
    return Lookup(smooth=name == "lookup", flip=flip)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, tables: Tensor, scores: Tensor | None, wiring: Wiring, model: Lookup
    ) -> Tensor:
        ctx.wiring, ctx.model = wiring, model
        address = kernels.addresses(rows, wiring.bases, wiring.offsets)
        ctx.save_for_backward(rows, tables, address)
        return kernels.lookup(model.harden(tables), address).to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, tables, address = ctx.saved_tensors
        wiring: Wiring = ctx.wiring
        to_rows = to_tables = to_scores = None
        slopes = kernels.slopes(tables, ctx.model.flip)
        if ctx.needs_input_grad[0]:
            to_rows = kernels.input_gradient(
                gradient, address, slopes, wiring.bases, wiring.offsets, len(rows)
            )
        if ctx.needs_input_grad[1]:
            to_tables = kernels.table_gradient(gradient, address, wiring.offsets.shape[1])
            if ctx.model.smooth:
                to_tables = kernels.smooth(to_tables, ctx.model.flip)
        if ctx.needs_input_grad[2] and wiring.candidates is not None:
            to_scores = kernels.score_gradient(
                gradient, address, slopes, rows, wiring.bases, wiring.candidates
            )
        return to_rows, to_tables, to_scores, None, None


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: tuple[int, int], flip: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.size, ctx.flip = size, flip
        return kernels.pool(x, size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return kernels.pool_gradient(x, ctx.size, gradient, ctx.flip), None, None


class _ReadPins(torch.autograd.Function):
    """What the pins read, `[positions, nodes, fan_in, batch]`, for rows' and scores' gradients."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, scores: Tensor | None, wiring: Wiring) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.wiring = wiring
        return rows[_pin_rows(wiring)]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (rows,) = ctx.saved_tensors
        wiring: Wiring = ctx.wiring
        to_rows = to_scores = None
        if ctx.needs_input_grad[0]:
            to_rows = torch.zeros_like(rows)
            to_rows.index_add_(0, _pin_rows(wiring).flatten(), gradient.flatten(0, 2))
        if ctx.needs_input_grad[1]:
            assert wiring.candidates is not None
            to_scores = torch.stack(
                [
                    (2 * kernels.pin(rows, wiring.bases, choice.flatten()) - 1)
                    .mul_(gradient.flatten(1, 2))
                    .sum(dim=(0, 2))
                    .view(choice.shape)
                    for choice in wiring.candidates.unbind(2)
                ],
                dim=2,
            )
        return to_rows, to_scores, None


def _pin_rows(wiring: Wiring) -> Tensor:
    return (wiring.bases[:, None, None] + wiring.offsets[None]).long()
