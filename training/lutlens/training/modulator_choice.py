"""Which thresholds and swing a modulator needs on a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from lutlens.host.lutnet import Lutnet
from lutlens.host.modulation import Modulation, Modulator, ModulatorName
from lutlens.training.data import Labelled
from lutlens.training.evaluate import (
    BATCH,
    HIGHS,
    LOWS,
    Scores,
    ScoresOf,
    accuracy_and_margin,
    ramp,
)


def choose(
    scores_of: ScoresOf,
    kind: ModulatorName,
    data: Labelled,
    bits: int,
    ks: Sequence[int],
    report: Callable[[float], None] = lambda share: None,
) -> dict[int, Modulation]:
    """By K: the thresholds and the swing that recognise most of the data. Call it with validation images.

    scores_of: of the network without a modulator. bits: thresholds a pixel. ks: at most `CORE_PASSES`.
    report: told the share that is done.
    """
    candidates = _candidates(bits)
    best: dict[int, tuple[tuple[float, float], Modulation]] = {}
    for done, (levels, swing) in enumerate(candidates):
        report(done / len(candidates))
        tried = Modulation(Modulator(kind=kind, swing=swing), levels)
        for k, scores in added(scores_of, tried, data, ks).items():
            reached = accuracy_and_margin(scores, data.labels)
            if k not in best or reached > best[k][0]:
                best[k] = reached, tried
    report(1.0)
    return {k: modulation for k, (_, modulation) in best.items()}


def taking(net: Lutnet, modulation: Modulation, ks: Sequence[int]) -> Lutnet:
    """The network with that modulator, and thresholds for these K, which it has to itself."""
    thresholds = {k: np.repeat(modulation.thresholds[None], k, axis=0) for k in ks}
    return replace(net, thresholds=thresholds, modulator=modulation.modulator)


def added(
    scores_of: ScoresOf, modulation: Modulation, data: Labelled, ks: Sequence[int]
) -> dict[int, Scores]:
    """By K: what the first K passes give together, `[n, classes]`."""
    height, width, *_ = data.images.shape[1:]
    total: Scores = np.zeros(1, np.int32)
    found: dict[int, Scores] = {}
    for k in range(max(ks)):
        parts = []
        for first in range(0, len(data), BATCH):
            part = data.images[first : first + BATCH]
            compared = modulation.apply(part.reshape(len(part), height, width, -1), k)
            parts.append(scores_of(compared.reshape(part.shape), modulation.thresholds[None]))
        total = total + np.concatenate(parts).astype(np.int32)
        if k + 1 in ks:
            found[k + 1] = total
    return found


def _candidates(bits: int) -> list[tuple[npt.NDArray[np.uint8], int]]:
    """Thresholds `[bits]`, in the middle of equal parts of a range, and as a swing such a part."""
    found = {}
    for low, high in ((low, high) for low in LOWS for high in HIGHS):
        levels = ramp(1, bits, low, high)[0]
        if (np.diff(levels.astype(int)) > 0).all():
            found[levels.tobytes(), high - low] = levels, max(1, round((high - low) / bits))
    return list(found.values())
