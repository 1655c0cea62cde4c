"""The decoder of an auto-encoder, a node at a time: coordinate descent of the squared error.

A pixel is the mean of its bits, each a table that reads the code. With all others as they are, the best table of a
node is known: an entry is 1 where the mean of what the others leave over, of all images that come to that entry, is
more than half of what the bit adds. Gradients leave a good deal to be gained so, and wires can be tried, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from lutlens.host.lutnet import Layer, Lutnet
from lutlens.training.data import Labelled
from lutlens.training.engines import fast_scores
from lutlens.training.evaluate import Thresholds
from lutlens.training.reconstruction import split

IMAGES = 30_000
"""Of the training set, at most so many."""
TRIALS = 3
"""Wires that are tried for each node of each sweep, beside those it has."""

Bits = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def refine(
    net: Lutnet,
    data: Labelled,
    ramp: Thresholds,
    *,
    sweeps: int,
    seed: int,
    report: Callable[[float], None] = lambda share: None,
) -> Lutnet:
    """The auto-encoder with other tables and wires in its last layer.

    data: training images and their pixels. ramp: uint8 `[passes, z]`, thresholds; every image is given one pass.
    sweeps: over all nodes. report: told the share that is done.
    """
    assert net.values is not None
    random = np.random.default_rng(seed)
    some = data.take(random.permutation(len(data))[:IMAGES])
    codes = _codes(net, some, ramp)
    targets = net.values.shares(some.labels).T
    layer = net.stages[-1].layers[-1]
    tables, connections = layer.tables.copy(), layer.connections.copy()
    bits = net.bits_per_class
    for pixel, target in enumerate(targets):
        own = slice(pixel * bits, (pixel + 1) * bits)
        if target.any():  # what is never anything else than 0 has been learned
            _Pixel(codes, bits * target, tables[own], connections[own], random).descend(sweeps)
        report((pixel + 1) / len(targets))
    last = replace(net.stages[-1], layers=(*net.stages[-1].layers[:-1], Layer(tables, connections)))
    return replace(net, stages=(*net.stages[:-1], last))


def _codes(net: Lutnet, data: Labelled, ramp: Thresholds) -> Bits:
    """uint8 `[bits, n]`, 0 or 1."""
    front, _ = split(net)
    scores_of = fast_scores(front)
    parts = np.array_split(data.images, len(ramp))
    codes = [scores_of(part, one[None]) for part, one in zip(parts, ramp, strict=True)]
    return np.ascontiguousarray(np.concatenate(codes).astype(np.uint8).T)


class _Pixel:
    """The nodes of one pixel; tables and connections are views of the layer's, and change.

    target: the sum that their bits should have, `[n]`.
    """

    def __init__(
        self,
        codes: Bits,
        target: Floats,
        tables: npt.NDArray[np.uint64],
        connections: npt.NDArray[np.int32],
        random: np.random.Generator,
    ) -> None:
        self._codes, self._target, self._random = codes, target, random
        self._tables, self._connections = tables, connections
        self._entries = np.arange(1 << connections.shape[1], dtype=np.uint64)

    def descend(self, sweeps: int) -> None:
        outputs = []
        for table, wires in zip(self._tables, self._connections, strict=True):
            ones = ((table >> self._entries) & np.uint64(1)).astype(np.float32)
            outputs.append(ones[self._addresses(wires)])
        total = np.sum(outputs, axis=0)
        for _ in range(sweeps):
            for node in range(len(outputs)):
                others = total - outputs[node]
                outputs[node] = self._settle(node, self._target - others)
                total = others + outputs[node]

    def _settle(self, node: int, wanted: Floats) -> Floats:
        """Give a node the best table for its wires, or for others that were tried; its bits, `[n]`."""
        best = None
        for trial in range(1 + TRIALS):
            wires = self._connections[node].copy()
            if trial:
                wires[self._random.integers(len(wires))] = self._random.integers(len(self._codes))
            addresses = self._addresses(wires)
            size = len(self._entries)
            # What a 1 in each entry adds to the squared error: sum of 1 - 2 * wanted.
            change = np.bincount(addresses, minlength=size) - 2 * np.bincount(
                addresses, wanted, size
            )
            gain = -float(np.minimum(change, 0).sum())
            if best is None or gain > best[0]:
                best = gain, wires, addresses, change < 0
        assert best is not None
        _, self._connections[node], addresses, ones = best
        self._tables[node] = np.bitwise_or.reduce(np.where(ones, np.uint64(1) << self._entries, 0))
        return ones.astype(np.float32)[addresses]

    def _addresses(self, wires: npt.NDArray[np.int32]) -> Bits:
        found: Bits = self._codes[wires[0]].copy()
        for j, wire in enumerate(wires[1:], 1):
            found |= self._codes[wire] << np.uint8(j)
        return found
