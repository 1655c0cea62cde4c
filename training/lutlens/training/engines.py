"""What can execute a lutnet for `lutlens eval`. All of them give the same scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum

from lutlens.host.lutnet import Lutnet
from lutlens.training.evaluate import BATCH, ScoresOf, torch_scores
from lutlens.training.network import Network


@dataclass(frozen=True)
class Engine:
    """An open engine. batch_size: how many images to give it at a time."""

    scores_of: ScoresOf
    batch_size: int = BATCH


class Name(str, Enum):
    """Names of engines, as the command line has them."""

    torch = "torch"


def open_engine(name: Name, lutnet: Lutnet) -> AbstractContextManager[Engine]:
    """An engine for one network, closed at the end of the `with` block."""
    return _ENGINES[name](lutnet)


@contextmanager
def _torch(lutnet: Lutnet) -> Iterator[Engine]:
    yield Engine(torch_scores(Network.from_lutnet(lutnet)))


_ENGINES: dict[Name, Callable[[Lutnet], AbstractContextManager[Engine]]] = {
    Name.torch: _torch,
}
