"""What can execute a lutnet for `lutlens eval`. All of them give the same scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from lutlens.host.c import Executor
from lutlens.host.compilation import CompilationError
from lutlens.host.lutnet import Lutnet
from lutlens.training.evaluate import BATCH, Scores, ScoresOf, Thresholds, torch_scores
from lutlens.training.network import Network


@dataclass(frozen=True)
class Engine:
    """An open engine. batch_size: how many images to give it at a time."""

    scores_of: ScoresOf
    batch_size: int = BATCH


class EngineName(str, Enum):
    """Names of engines, as the command line has them."""

    torch = "torch"
    c = "c"


def open_engine(name: EngineName, lutnet: Lutnet) -> AbstractContextManager[Engine]:
    """An engine for one network, closed at the end of the `with` block."""
    return _ENGINES[name](lutnet)


def fast_scores(lutnet: Lutnet) -> ScoresOf:
    """The generated C, or PyTorch on a machine without a C compiler."""
    try:
        return _c_scores(lutnet)
    except CompilationError:
        return torch_scores(Network.from_lutnet(lutnet))


def _c_scores(lutnet: Lutnet) -> ScoresOf:
    executor = Executor(lutnet)

    def scores_of(images: npt.NDArray[np.uint8], thresholds: Thresholds) -> Scores:
        return executor.scores(images, thresholds=thresholds)[:, 0, 0]

    return scores_of


@contextmanager
def _torch(lutnet: Lutnet) -> Iterator[Engine]:
    yield Engine(torch_scores(Network.from_lutnet(lutnet)))


@contextmanager
def _c(lutnet: Lutnet) -> Iterator[Engine]:
    yield Engine(_c_scores(lutnet), batch_size=10 * BATCH)


_ENGINES: dict[EngineName, Callable[[Lutnet], AbstractContextManager[Engine]]] = {
    EngineName.torch: _torch,
    EngineName.c: _c,
}
