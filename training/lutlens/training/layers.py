"""A layer of nodes as a `torch.nn.Module`."""

from __future__ import annotations

from typing import Literal

import torch
from lutlens.training.connections import (
    Connections,
    FixedConnections,
    LearnedConnections,
    Neighbourhood,
)
from lutlens.training.kernels.reference import FLIP
from lutlens.training.nodes import NodeModelName, node_model
from lutlens.training.program import LayerStep, run
from torch import Tensor, nn

ConnectionsName = Literal["fixed", "learned"]

_CONNECTIONS: dict[str, type[FixedConnections] | type[LearnedConnections]] = {
    "fixed": FixedConnections,
    "learned": LearnedConnections,
}


class LutLayer(nn.Module):
    """Nodes that read the same inputs: `[..., in_features]` to `[..., nodes]`, like `nn.Linear`.

    in_features: input bits.
    nodes: output bits.
    fan_in: inputs of a node, 1 to 6.
    connections: "fixed" or "learned".
    neighbourhood: in which the inputs of a node lie; None: anywhere.
    model: "lookup" (inputs 0.0 or 1.0), "lookup-raw" (the same, tables not smoothed), or
        "multilinear" (inputs are probabilities).
    flip: see `lutlens.training.nodes.Lookup`.
    generator: draws connections and first tables.

    Activations are fastest when the batch is contiguous in memory, `x.t().contiguous().t()`; the
    result comes that way.
    """

    def __init__(
        self,
        in_features: int,
        nodes: int,
        fan_in: int = 6,
        *,
        connections: ConnectionsName = "fixed",
        neighbourhood: Neighbourhood | None = None,
        model: NodeModelName = "lookup",
        flip: float = FLIP,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= fan_in <= 6:
            raise ValueError(f"fan_in: {fan_in}, must be 1 to 6")
        self.in_features, self.nodes, self.fan_in = in_features, nodes, fan_in
        self.model = node_model(model, flip)
        self.connections: Connections = _CONNECTIONS[connections](
            in_features, nodes, fan_in, generator, neighbourhood
        )
        self.tables = nn.Parameter(self.model.initial_tables(nodes, fan_in, generator))

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.nodes}, fan_in={self.fan_in}"

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.in_features:
            raise ValueError(f"input: {list(x.shape)}, must be [..., {self.in_features}]")
        bases = torch.zeros(1, dtype=torch.int32, device=x.device)
        y = run(x.reshape(-1, self.in_features).t(), [self.step(bases)])
        return y.t().reshape(*x.shape[:-1], self.nodes)

    def step(self, bases: Tensor, row_of: Tensor | None = None) -> LayerStep:
        """The layer as a part of a program.

        bases: int32 `[positions]`: the row of input 0 at every position.
        row_of: int32 `[in_features]`: the distance of every input's row from input 0's; without it,
            inputs lie in consecutive rows.
        """
        return LayerStep(self.model, self.tables, self.connections.wiring(bases, row_of))

    @torch.no_grad()
    def pass_on(self) -> None:
        """Begin with nodes that pass inputs on, node n input n, and are not far from something else.

        For a layer that reads its own last output behind a row of new bits: it is a delay line
        then, in which every row lasts until it falls out at the end, so that gradients reach back
        through time from the first step on. What tables are at random weighs two thirds as much as
        that.
        """
        inputs = torch.arange(self.nodes, dtype=torch.int32) % self.in_features
        self.connections.begin(0, inputs)
        entries = torch.arange(self.tables.shape[1])
        low, high = self.model.range
        self.tables.mul_(0.4).add_(torch.where(entries & 1 == 1, high, low), alpha=0.6)

    def hard_tables(self) -> Tensor:
        """bool `[nodes, 2**fan_in]`: the bits of the look-up tables."""
        return self.model.harden(self.tables.detach())

    @torch.no_grad()
    def constrain(self) -> None:
        """Bring the tables back into their range; to be called after every step of an optimizer."""
        self.model.constrain(self.tables)
