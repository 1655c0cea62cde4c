"""How to add many bits with few LUTs.

A LUT computes one bit of the sum of six bits or fewer. Compressors made of such LUTs replace bits
of some weights by their sum's bits, until no weight has two. Six bits of equal weight become three,
which takes three LUTs: one LUT for each bit that disappears, and nothing does better. What sixes
leave over is searched for the cheapest way (A*, with the bits that have to disappear as the bound).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cache

from lutlens.host.systemverilog.rendering import environment

_SHAPES = tuple(
    (ones, twos, fours)
    for ones in range(2, 7)
    for twos in range(7 - ones)
    for fours in range(7 - ones - twos)
)


@dataclass(frozen=True)
class Bit:
    """A bit of the sum on its way.

    number: of the bit; the tree's inputs come first.
    time: clock edges after the inputs.
    """

    number: int
    time: int


@dataclass(frozen=True)
class Compressor:
    """LUTs that add some bits.

    shape: how many of its inputs have weight 1, 2 and 4.
    inputs: in that order; they are delayed to the latest of them.
    outputs: from weight 1 up, one clock edge later.
    """

    shape: tuple[int, int, int]
    inputs: tuple[Bit, ...]
    outputs: tuple[Bit, ...]

    @property
    def time(self) -> int:
        """When it reads its inputs."""
        return max(bit.time for bit in self.inputs)


@dataclass(frozen=True)
class Tree:
    """How to add.

    width: bits to add.
    total: bits of the sum, lowest first.
    depth: clock edges until all of these are there.
    """

    width: int
    compressors: tuple[Compressor, ...]
    total: tuple[Bit, ...]

    @property
    def depth(self) -> int:
        return max(bit.time for bit in self.total)

    @property
    def luts(self) -> int:
        return sum(len(c.outputs) for c in self.compressors)


def plan(width: int) -> Tree:
    """The compressors that add `width` bits of weight 1."""
    columns: list[list[Bit]] = [[] for _ in range(width.bit_length())]
    columns[0] = [Bit(i, 0) for i in range(width)]
    compressors = []
    number = width
    for column, shape in _moves(width):
        inputs: list[Bit] = []
        for weight, count in enumerate(shape):
            if count:
                # What has been there longest needs the fewest registers to wait in.
                columns[column + weight].sort(key=lambda bit: bit.time)
                inputs += columns[column + weight][:count]
                del columns[column + weight][:count]
        time = 1 + max(bit.time for bit in inputs)
        outputs = []
        for weight in range(_sum_bits(shape, column, len(columns))):
            outputs.append(Bit(number, time))
            columns[column + weight].append(outputs[-1])
            number += 1
        compressors.append(Compressor(shape, tuple(inputs), tuple(outputs)))
    return Tree(width, tuple(compressors), tuple(column[0] for column in columns))


def render(tree: Tree) -> str:
    """Module `lutlens_popcount`."""
    delays: dict[str, str] = {}

    def at(bit: Bit, time: int) -> str:
        name = f"b{bit.number}" if bit.number >= tree.width else f"bits_i[{bit.number}]"
        for late in range(1, time - bit.time + 1):
            delayed = f"b{bit.number}_d{late}"
            delays[delayed] = name
            name = delayed
        return name

    compressors = [
        {
            "shape": c.shape,
            "inputs": [at(bit, c.time) for bit in c.inputs],
            "outputs": [f"b{bit.number}" for bit in c.outputs],
        }
        for c in tree.compressors
    ]
    total = [at(bit, tree.depth) for bit in tree.total]
    return environment.get_template("popcount.sv.jinja").render(
        tree=tree,
        compressors=compressors,
        delays=list(delays.items()),
        wires=[bit for c in compressors for bit in c["outputs"]],
        total=total,
    )


@cache
def _moves(width: int) -> tuple[tuple[int, tuple[int, int, int]], ...]:
    """Compressors by column and shape, in an order in which they can be applied."""
    heights = (width, *(0 for _ in range(width.bit_length() - 1)))
    sixes = []
    while max(heights) >= 6:
        column = next(i for i, height in enumerate(heights) if height >= 6)
        sixes.append((column, (6, 0, 0)))
        heights = _apply(heights, column, (6, 0, 0))
    return (*sixes, *_search(heights))


def _search(start: tuple[int, ...]) -> list[tuple[int, tuple[int, int, int]]]:
    queue = [(sum(start) - len(start), 0, start)]  # bound, cost negated: of equals the deepest
    came: dict[tuple[int, ...], tuple[tuple[int, ...], int, tuple[int, int, int]]] = {}
    costs = {start: 0}
    while True:
        _, negated, heights = heapq.heappop(queue)
        cost = -negated
        if max(heights) <= 1:
            break
        if cost > costs[heights]:
            continue
        for column, shape in _possible(heights):
            after = _apply(heights, column, shape)
            total = cost + _sum_bits(shape, column, len(heights))
            if total < costs.get(after, total + 1):
                costs[after] = total
                came[after] = (heights, column, shape)
                heapq.heappush(queue, (total + max(0, sum(after) - len(after)), -total, after))
    moves = []
    while heights != start:
        heights, column, shape = came[heights]
        moves.append((column, shape))
    return moves[::-1]


def _possible(heights: tuple[int, ...]) -> list[tuple[int, tuple[int, int, int]]]:
    padded = (*heights, 0, 0)
    return [
        (column, shape)
        for column in range(len(heights))
        for shape in _SHAPES
        if all(padded[column + i] >= count for i, count in enumerate(shape))
    ]


def _apply(heights: tuple[int, ...], column: int, shape: tuple[int, int, int]) -> tuple[int, ...]:
    after = list(heights)
    for i, count in enumerate(shape):
        if count:
            after[column + i] -= count
    for i in range(_sum_bits(shape, column, len(heights))):
        after[column + i] += 1
    return tuple(after)


def _sum_bits(shape: tuple[int, int, int], column: int, columns: int) -> int:
    """Bits of a compressor's sum; those above the tree's own sum are always zero."""
    largest = shape[0] + 2 * shape[1] + 4 * shape[2]
    return min(largest.bit_length(), columns - column)
