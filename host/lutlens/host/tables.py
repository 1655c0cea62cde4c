"""Truth tables as integers: bit `a` is the output at address `a = sum_j input_j << j`."""

from __future__ import annotations

from collections.abc import Sequence

_PATTERNS = (
    0xAAAAAAAAAAAAAAAA,
    0xCCCCCCCCCCCCCCCC,
    0xF0F0F0F0F0F0F0F0,
    0xFF00FF00FF00FF00,
    0xFFFF0000FFFF0000,
    0xFFFFFFFF00000000,
)


def ones(inputs: int) -> int:
    """The table of `inputs` inputs that is constantly one."""
    return (1 << (1 << inputs)) - 1


def variable(j: int, inputs: int) -> int:
    """The table of `inputs` inputs (at most 6) that is input `j`."""
    return _PATTERNS[j] & ones(inputs)


def cofactors(table: int, j: int, inputs: int) -> tuple[int, int]:
    """The table with input `j` set to 0 and to 1, both still over `inputs` inputs."""
    pattern = variable(j, inputs)
    low, high = table & ~pattern, table & pattern
    return low | low << (1 << j), high | high >> (1 << j)


def support(table: int, inputs: int) -> tuple[list[int], int]:
    """Inputs that the table depends on, ascending, and the table over these alone."""
    kept = list(range(inputs))
    for j in reversed(range(inputs)):
        low, high = cofactors(table, j, len(kept))
        if low == high:
            del kept[j]
            rest = [variable(i, len(kept)) for i in range(len(kept))]
            table = compose(table, [*rest[:j], 0, *rest[j:]], len(kept))
    return kept, table


def compose(table: int, sources: Sequence[int], inputs: int) -> int:
    """The table over `inputs` inputs of `table` reading `sources`, themselves tables over them."""
    if not sources:
        return ones(inputs) if table else 0
    if len(sources) == 1:
        return (0, ones(inputs) ^ sources[0], sources[0], ones(inputs))[table]
    half = 1 << (len(sources) - 1)
    select = sources[-1]
    low = compose(table & ((1 << half) - 1), sources[:-1], inputs)
    high = compose(table >> half, sources[:-1], inputs)
    return low ^ (select & (low ^ high))
