"""The kernels in plain PyTorch: slower, on any device, and the definition of what the others do.

`rows` of activations are `[row, batch]`; pin j of node n at position p reads row
`bases[p] + offsets[n, j]`. With several positions this is a convolution, without unfolding it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FLIP = 0.25
"""Unless it is said: `flip`, or p, the probability with which a bit is read as its opposite when a table or a gradient
is smoothed. BinaryBrain's choice."""


def addresses(rows: Tensor, bases: Tensor, offsets: Tensor) -> Tensor:
    """uint8 `[positions, nodes, batch]`: `sum_j x_j << j` of every node, for rows of 0 and 1."""
    address = torch.zeros(
        (len(bases), len(offsets), rows.shape[1]), dtype=torch.uint8, device=rows.device
    )
    for j in range(offsets.shape[1]):
        address |= pin(rows, bases, offsets[:, j]).to(torch.uint8) << j
    return address


def pin(rows: Tensor, bases: Tensor, offsets: Tensor) -> Tensor:
    """`[positions, nodes, batch]`: what one pin of every node reads."""
    return rows[(bases[:, None] + offsets[None, :]).long()]


def smooth(tables: Tensor, flip: float = FLIP) -> Tensor:
    """`T' = T @ W`, `W[a, k] = (1 - p)^(n - d) p^d`, d the Hamming distance of a and k.

    `[nodes, 2**n]` to the same shape.
    The node's expected value when every bit is read wrong with probability p. W is symmetric, so
    this is also the way back for gradients.
    """
    nodes, entries = tables.shape
    bit = 1
    while bit < entries:
        pairs = tables.reshape(nodes, entries // (2 * bit), 2, bit)
        tables = ((1 - flip) * pairs + flip * pairs.flip(2)).reshape(nodes, entries)
        bit *= 2
    return tables


def slopes(tables: Tensor, flip: float = FLIP) -> Tensor:
    """`[nodes, n, 2**n]`: `D_j[a]`, the smoothed derivative to input j at address a.

    `D_j[a] = sum_k T[k] s_j(k) (1 - p)^(n - 1 - d) p^d`, `s_j(k)` +1 if bit j of k is set, else -1,
    and d the Hamming distance of a and k on the other inputs. So it is the smoothed table's
    difference along input j, which smoothing has shrunk by 1 - 2p.
    """
    nodes, entries = tables.shape
    smoothed = smooth(tables, flip)
    result = []
    bit = 1
    while bit < entries:
        pairs = smoothed.view(nodes, entries // (2 * bit), 2, bit)
        difference = (pairs[:, :, 1] - pairs[:, :, 0]) / (1 - 2 * flip)
        result.append(difference.unsqueeze(2).expand_as(pairs).reshape(nodes, entries))
        bit *= 2
    return torch.stack(result, dim=1)


def lookup(hard: Tensor, address: Tensor) -> Tensor:
    """float32 `[positions, nodes, batch]`: the entries of bool `hard [nodes, 2**n]`."""
    return _look_up(hard.to(torch.float32), address)


def input_gradient(
    gradient: Tensor,
    address: Tensor,
    slope: Tensor,
    bases: Tensor,
    offsets: Tensor,
    rows: int,
) -> Tensor:
    """`[rows, batch]`: the gradient of every row, from the output's `[positions, nodes, batch]`."""
    result = gradient.new_zeros((rows, gradient.shape[2]))
    for j in range(offsets.shape[1]):
        index = (bases[:, None] + offsets[None, :, j]).flatten().long()
        contribution = gradient * _look_up(slope[:, j], address)
        result.index_add_(0, index, contribution.flatten(0, 1))
    return result


def table_gradient(gradient: Tensor, address: Tensor, fan_in: int) -> Tensor:
    """float32 `[nodes, 2**fan_in]`: the gradients of every node, added up by address."""
    nodes = gradient.shape[1]
    entries = 1 << fan_in
    index = address.long() + entries * torch.arange(nodes, device=address.device)[:, None]
    result = gradient.new_zeros(nodes * entries)
    return result.index_add_(0, index.flatten(), gradient.flatten()).view(nodes, entries)


def score_gradient(
    gradient: Tensor,
    address: Tensor,
    slope: Tensor,
    rows: Tensor,
    bases: Tensor,
    candidates: Tensor,
) -> Tensor:
    """float32 `[nodes, n, candidates]`: `sum (2 x_c - 1) * dL/d(pin)` over positions and batch.

    candidates: `[nodes, n, candidates]`, offsets of rows like a pin's own.
    """
    result = torch.empty(candidates.shape, dtype=gradient.dtype, device=gradient.device)
    for j in range(candidates.shape[1]):
        pin_gradient = gradient * _look_up(slope[:, j], address)
        for c in range(candidates.shape[2]):
            towards = 2 * pin(rows, bases, candidates[:, j, c]) - 1
            result[:, j, c] = (towards * pin_gradient).sum(dim=(0, 2))
    return result


def settle(
    planes: Tensor,
    wires: Tensor,
    labels: Tensor,
    exponentials: Tensor,
    totals: Tensor,
    table: Tensor,
    bit: float,
) -> None:
    """Give a node of the last layer the table that is best with all others as they are, in place.

    The loss is cross-entropy, and to a sample the node gives a bit of one class's score. A bit more adds
    `log(1 + (exp(bit) - 1) * e / s) - bit * [the class is the right one]` to the loss, where e is the class's
    exponential and s the sum over classes without that bit. So an entry is 1 where that, summed over the samples that
    come to it, is negative; one that none comes to stays.

    planes: int64 `[features, words]`, bit i % 64 of word i // 64 is that of sample i.
    wires: int32 `[fan_in]`, the features that the node reads.
    labels: int64 `[words]`, planes' form: the samples of the node's class.
    exponentials: float32 `[samples]`, of the class's logit; any factor that all classes of a sample share is left out.
    totals: float32 `[samples]`, their sum over classes.
    table: int64 `[1]`, entry i is bit i.
    bit: what a bit adds to the logit.
    """
    address = torch.zeros(planes.shape[1] * 64, dtype=torch.int64)
    for j, wire in enumerate(wires.tolist()):
        address |= _samples(planes[wire]) << j
    entries = torch.arange(1 << len(wires))
    ones = (table >> entries & 1).bool()
    own = torch.where(ones[address], exponentials * math.exp(-bit), exponentials)
    others = totals - exponentials
    change = torch.log1p(math.expm1(bit) * own / (others + own)) - bit * _samples(labels)
    sums = torch.zeros(len(entries), dtype=torch.float64).index_add_(0, address, change.double())
    ones = torch.where(sums == 0, ones, sums < 0)
    exponentials.copy_(torch.where(ones[address], own * math.exp(bit), own))
    totals.copy_(others + exponentials)
    table.copy_((ones.long() << entries).sum())


def _samples(plane: Tensor) -> Tensor:
    """int64 `[words]` to 0 and 1, int64 `[samples]`."""
    return (plane[:, None] >> torch.arange(64) & 1).flatten()


def pool(x: Tensor, size: tuple[int, int]) -> Tensor:
    """OR over blocks of `size` positions of a map `[height, width, channels, batch]`."""
    return blocks(x, size).amax(dim=(1, 3))


def pool_gradient(x: Tensor, size: tuple[int, int], gradient: Tensor, flip: float = FLIP) -> Tensor:
    """The gradient to x, smoothed like a node's.

    The derivative of `1 - prod (1 - x_i)` to one bit is the product over the others; bits are
    read as probabilities p and 1 - p.
    """
    zero = (1 - flip) - (1 - 2 * flip) * x
    product = blocks(zero, size).prod(dim=3, keepdim=True).prod(dim=1, keepdim=True)
    result = torch.zeros_like(x)
    blocks(result, size).copy_(gradient[:, None, :, None] * product / blocks(zero, size))
    return result


def blocks(x: Tensor, size: tuple[int, int]) -> Tensor:
    """A view `[rows, size[0], columns, size[1], channels, batch]` of all whole blocks."""
    rows, columns = x.shape[0] // size[0], x.shape[1] // size[1]
    strides = x.stride(0) * size[0], x.stride(0), x.stride(1) * size[1], x.stride(1)
    shape = rows, size[0], columns, size[1], *x.shape[2:]
    return x.as_strided(shape, (*strides, *x.stride()[2:]))


def _look_up(tables: Tensor, address: Tensor) -> Tensor:
    positions, nodes, batch = address.shape
    index = address.permute(1, 0, 2).reshape(nodes, positions * batch).long()
    return tables.gather(1, index).view(nodes, positions, batch).permute(1, 0, 2)
