"""The frames of the last seconds as the wire wants them. What makes results blocks: for worker threads."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

from lutlens.board.results import History, Recorded
from lutlens.board.service import models, present


def since(history: History, last: int, limit: int) -> models.ResultsSince:
    """Results of the frames after number `last`, at most `limit` of them; blocking."""
    held = history.snapshot()
    first = bisect_right(held, last, key=lambda frame: frame.sequence)
    given = held[first : first + limit]
    return models.ResultsSince(
        results=list(results(given)),
        gaps=gaps(chain([last], (frame.sequence for frame in given))),
        oldest=held[0].sequence if held else None,
        newest=held[-1].sequence if held else None,
        more=first + len(given) < len(held),
    )


def results(frames: Sequence[Recorded]) -> Iterator[models.Result]:
    """One after the other, without the views; blocking, milliseconds each."""
    return (present.result(frame.result(), views=False) for frame in frames)


def gaps(numbers: Iterable[int]) -> list[models.Gap]:
    """What is missing between these, which ascend."""
    return [
        models.Gap(first=before + 1, last=after - 1)
        for before, after in pairwise(numbers)
        if after > before + 1
    ]
