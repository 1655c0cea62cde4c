"""Which input bit each pin of each node reads: fixed at random, or learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lutlens.training.nodes import Wiring
from torch import Tensor, nn

CANDIDATES = 16
"""Candidates of a learned pin."""

REDRAWN = 0.25
"""Share of the candidates that one redraw replaces."""

_SCORE_SPREAD = 0.01


def random_connections(
    in_features: int, nodes: int, fan_in: int, generator: torch.Generator | None = None
) -> Tensor:
    """int32 `[nodes, fan_in]`: every input is read about equally often, and, if there are at least
    `fan_in` of them, never twice by one node.
    """
    rounds = -(-nodes * fan_in // in_features)
    deck = torch.cat([torch.randperm(in_features, generator=generator) for _ in range(rounds)])
    connections = deck[: nodes * fan_in].view(nodes, fan_in).to(torch.int32)
    if in_features < fan_in:
        return connections
    # A node that lies across two shuffles of the deck may have drawn the same input twice.
    in_order = connections.sort(dim=1).values
    for node in (in_order[:, 1:] == in_order[:, :-1]).any(dim=1).nonzero().flatten().tolist():
        connections[node] = torch.randperm(in_features, generator=generator)[:fan_in]
    return connections


@dataclass(frozen=True)
class Neighbourhood:
    """What is near in a layer's input, a map whose positions have some channels each.

    reach: standard deviation of the distance along each axis, in positions. Behind the map's border is its mirror
        image.
    """

    height: int
    width: int
    channels: int
    reach: float

    def begin(self, nodes: int, fan_in: int, generator: torch.Generator | None) -> Tensor:
        """int32 `[nodes, fan_in]`: inputs near a place of the node's own. The places are all about equally often
        some node's.
        """
        places = random_connections(self.height * self.width, nodes, 1, generator)
        return self.near(places.expand(nodes, fan_in) * self.channels, generator)

    def near(self, inputs: Tensor, generator: torch.Generator | None) -> Tensor:
        """int32, of the shape of `inputs`: for each input another one, of any channel."""
        y, x = self._away((2, *inputs.shape), generator).to(inputs.device)
        places = inputs.long() // self.channels
        y = _mirrored(places // self.width + y, self.height)
        x = _mirrored(places % self.width + x, self.width)
        channel = torch.randint(self.channels, inputs.shape, generator=generator).to(inputs.device)
        return ((y * self.width + x) * self.channels + channel).to(torch.int32)

    def _away(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        return (self.reach * torch.randn(shape, generator=generator)).round().long()


def _mirrored(at: Tensor, length: int) -> Tensor:
    at = at % (2 * length)
    return torch.minimum(at, 2 * length - 1 - at)


def _rows(index: Tensor, row_of: Tensor | None) -> Tensor:
    return index if row_of is None else row_of[index.long()]


class FixedConnections(nn.Module):
    """Connections drawn once, from all inputs or, of every node, from a neighbourhood.

    index: int32 `[nodes, fan_in]`, a buffer.
    """

    index: Tensor

    def __init__(
        self,
        in_features: int,
        nodes: int,
        fan_in: int,
        generator: torch.Generator | None = None,
        neighbourhood: Neighbourhood | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        if neighbourhood:
            index = neighbourhood.begin(nodes, fan_in, generator)
        else:
            index = random_connections(in_features, nodes, fan_in, generator)
        self.register_buffer("index", index)
        self._last: tuple[Tensor, int, int, Tensor | None, Tensor] | None = None

    def begin(self, pin: int, inputs: Tensor) -> None:
        """Have that pin of every node read the given input, int32 `[nodes]`."""
        self.index[:, pin] = inputs

    def wiring(self, bases: Tensor, row_of: Tensor | None) -> Wiring:
        """bases, row_of: as in `LutLayer.step`.

        The same offsets, as the same tensor, until `index` or `row_of` are others: by that kernels
        know that what they have found out about them still holds.
        """
        index, known = self.index, self._last
        if known is None or known[0] is not index or known[1:3] != (index._version, id(row_of)):
            self._last = known = index, index._version, id(row_of), row_of, _rows(index, row_of)
        return Wiring(bases, known[-1])


class LearnedConnections(nn.Module):
    """Every pin has some candidate inputs with a score each, and reads the one that scores best.

    A score's gradient is what moving the pin's signal towards the candidate's would do to the loss:
    `sum over batch and positions of (2 x_candidate - 1) * dL/d(pin)`.

    candidates: int32 `[nodes, fan_in, CANDIDATES]`, a buffer.
    scores: float `[nodes, fan_in, CANDIDATES]`, a parameter.
    """

    candidates: Tensor

    def __init__(
        self,
        in_features: int,
        nodes: int,
        fan_in: int,
        generator: torch.Generator | None = None,
        neighbourhood: Neighbourhood | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.neighbourhood = in_features, neighbourhood
        shape = (nodes, fan_in, CANDIDATES)
        if neighbourhood:
            first = neighbourhood.begin(nodes, fan_in, generator)
            candidates = neighbourhood.near(first[:, :1, None].expand(shape), generator)
        else:
            candidates = torch.randint(in_features, shape, generator=generator, dtype=torch.int32)
            first = random_connections(in_features, nodes, fan_in, generator)
        candidates[:, :, 0] = first
        self.register_buffer("candidates", candidates)
        scores = _SCORE_SPREAD * torch.rand(shape, generator=generator)
        scores[:, :, 0] = _SCORE_SPREAD
        self.scores = nn.Parameter(scores)

    @property
    def index(self) -> Tensor:
        """int32 `[nodes, fan_in]`: the best candidate of every pin."""
        best = self.scores.detach().argmax(dim=2, keepdim=True)
        return self.candidates.gather(2, best).squeeze(2)

    def begin(self, pin: int, inputs: Tensor) -> None:
        """Have that pin of every node read the given input, int32 `[nodes]`, until it learns another."""
        self.candidates[:, pin, 0] = inputs

    def wiring(self, bases: Tensor, row_of: Tensor | None) -> Wiring:
        """bases, row_of: as in `LutLayer.step`."""
        candidates = _rows(self.candidates, row_of)
        return Wiring(bases, _rows(self.index, row_of), candidates, self.scores)

    @torch.no_grad()
    def redraw(
        self,
        optimizer: torch.optim.Optimizer | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Replace the worst quarter of every pin's candidates by new ones, drawn at random; with a neighbourhood, from
        that of any input that the node reads.

        A new candidate starts with the median score of its pin, and with a clean slate in the
        optimizer's running averages.
        """
        count = int(CANDIDATES * REDRAWN)
        worst = self.scores.topk(count, dim=2, largest=False).indices
        drawn = self._draw(worst.shape, generator).to(worst.device)
        self.candidates.scatter_(2, worst, drawn)
        median = self.scores.median(dim=2, keepdim=True).values
        self.scores.scatter_(2, worst, median.expand_as(worst))
        state = optimizer.state.get(self.scores, {}) if optimizer else {}
        for value in state.values():
            if isinstance(value, Tensor) and value.shape == self.scores.shape:
                value.scatter_(2, worst, 0.0)

    def _draw(self, shape: torch.Size, generator: torch.Generator | None) -> Tensor:
        """int32 `[nodes, fan_in, n]`."""
        if self.neighbourhood is None:
            return torch.randint(self.in_features, shape, generator=generator, dtype=torch.int32)
        nodes, fan_in, _ = shape
        pins = torch.randint(fan_in, shape, generator=generator).view(nodes, -1)
        read = self.index.gather(1, pins.to(self.index.device)).view(shape)
        return self.neighbourhood.near(read, generator)


Connections = FixedConnections | LearnedConnections
