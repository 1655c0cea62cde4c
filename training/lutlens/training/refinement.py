"""The last layer, a node at a time, when training is done: coordinate descent of the cross-entropy.

A score counts the bits of its class's nodes, each a table that reads what the layers before give. With all other nodes
as they are, the best table of a node is known (`lutlens.training.kernels.reference.settle`), and gradients, which pass
through tables of numbers and noise, have left a good deal to be gained so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from lutlens.host.lutnet import Layer, Lutnet
from lutlens.training.augment import BatchSource
from lutlens.training.evaluate import Thresholds
from lutlens.training.kernels.backends import settler
from lutlens.training.network import Network
from torch import Tensor

SAMPLES = 1_000_000
"""Images, shifted and bent as training has them, each under one pass's thresholds; with fewer, tables learn them by
heart, and more bring nothing."""
MEMORY = 1 << 30
"""Bytes that bits of the last layer's input may take."""
CHUNK = 128
"""Images at a time: what they leave between layers stays in the cache."""
WORD = 64
"""Samples in a word of a plane."""


def refine(
    net: Lutnet,
    batches: BatchSource,
    first: int,
    ramp: Thresholds,
    *,
    temperature: float,
    sweeps: int,
    seed: int,
    samples: int = SAMPLES,
    report: Callable[[float], None] = lambda share: None,
) -> Lutnet:
    """The network with other tables in its last layer.

    net: a network of classes whose last stage is one layer that reads the whole map.
    batches: where images come from, beginning with step `first`.
    ramp: uint8 `[passes, z]`: an equal number of images is given each row.
    temperature: see `lutlens.training.stages.GroupSum`.
    sweeps: over all nodes, in random orders. samples: images, about; at least 64 for every row of the ramp.
    report: told the share that is done.
    """
    layer = net.stages[-1].layers[0]
    each = max(1, min(samples, 8 * MEMORY // _features(net)) // len(ramp) // WORD) * WORD
    planes, labels, scores = _collect(net, batches, first, ramp, each, report)
    bits = net.bits_per_class
    step = 1 / (temperature * bits**0.5)
    exponentials = (step * (scores - scores.amax(dim=0))).exp()
    own = _planes(labels == torch.arange(len(net.classes))[:, None])
    tables = torch.from_numpy(layer.tables.astype(np.int64))
    wires = torch.from_numpy(layer.connections)
    settle, random = settler(), np.random.default_rng(seed)
    for sweep in range(sweeps):
        totals = exponentials.sum(dim=0)
        for done, node in enumerate(random.permutation(layer.nodes)):
            c, one = node // bits, slice(node, node + 1)
            settle(planes, wires[node], own[c], exponentials[c], totals, tables[one], step)
            report((1 + (sweep + done / layer.nodes) / sweeps) / 2)
    refined = Layer(tables.numpy().astype(np.uint64), layer.connections)
    return replace(net, stages=(*net.stages[:-1], replace(net.stages[-1], layers=(refined,))))


@torch.no_grad()
def _collect(
    net: Lutnet,
    batches: BatchSource,
    first: int,
    ramp: Thresholds,
    each: int,
    report: Callable[[float], None],
) -> tuple[Tensor, Tensor, Tensor]:
    """What the last layer reads of `each` images for every row of the ramp, a multiple of 64, as planes of
    `reference.settle`; their labels; and their scores, float32 `[classes, samples]`.
    """
    network = Network.from_lutnet(net)
    last = len(net.stages) - 1
    steps = -(-each // batches.batch_size)
    # Filled in place: what is kept beside what comes and goes would leave memory in pieces.
    planes = torch.empty((_features(net), len(ramp) * each // WORD), dtype=torch.int64)
    scores = torch.empty((len(net.classes), len(ramp) * each))
    labels = []
    for row, levels in enumerate(ramp):
        made = [batches[first + row * steps + i] for i in range(steps)]
        images = np.concatenate([batch.pixels for batch in made])[:each]
        labels.append(np.concatenate([batch.labels for batch in made])[:each])
        for start in range(0, each, CHUNK):
            chunk = torch.from_numpy(images[start : start + CHUNK])
            at = slice(row * each + start, row * each + start + len(chunk))
            bits = network.encoder(chunk, torch.from_numpy(levels))
            if last:
                rows, size = network.rows(bits, slice(last))
                bits = rows.to(torch.uint8).view(*size, -1, len(chunk))
            planes[:, at.start // WORD : at.stop // WORD] = _planes(bits.flatten(0, 2))
            rows, _ = network.rows(bits, slice(last, None))
            scores[:, at] = network.group_sum.counts(rows.t()).t()
        report((row + 1) / len(ramp) / 2)
    return planes, torch.from_numpy(np.concatenate(labels)), scores


def _features(net: Lutnet) -> int:
    """Bits that the last stage reads."""
    return math.prod(net.stages[-1].window) * net.input_channels(len(net.stages) - 1)


def _planes(bits: Tensor) -> Tensor:
    """Bits 0 and 1, `[rows, samples]`, to int64 `[rows, samples / 64]`."""
    packed = np.packbits(bits.numpy(), axis=1, bitorder="little")
    return torch.from_numpy(np.ascontiguousarray(packed).view(np.int64))
