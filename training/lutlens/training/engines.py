"""What can execute a lutnet for `lutlens eval`. All of them give the same scores."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.overlay import load
from lutlens.host.c import Executor
from lutlens.host.compilation import CompilationError
from lutlens.host.devices import open_device
from lutlens.host.lutnet import Lutnet
from lutlens.host.overlay import generate
from lutlens.training.augment import ScoreFrame
from lutlens.training.evaluate import BATCH, Scores, ScoresOf, Thresholds, torch_scores
from lutlens.training.network import Network

RTL_BATCH = 100
"""A second or so of simulation, so that progress is seen."""


@dataclass(frozen=True)
class Engine:
    """An open engine. batch_size: how many images to give it at a time."""

    scores_of: ScoresOf
    batch_size: int = BATCH


class EngineName(str, Enum):
    """Names of engines, as the command line has them."""

    torch = "torch"
    c = "c"
    model = "model"
    rtl = "rtl"


def open_engine(name: EngineName, lutnet: Lutnet) -> AbstractContextManager[Engine]:
    """An engine for one network, closed at the end of the `with` block."""
    return _ENGINES[name](lutnet)


def fast_scores(lutnet: Lutnet) -> ScoresOf:
    """The generated C, or PyTorch on a machine without a C compiler."""
    try:
        return _c_scores(lutnet)
    except CompilationError:
        return torch_scores(Network.from_lutnet(lutnet))


def frame_scores(lutnet: Lutnet, thresholds: Thresholds) -> ScoreFrame:
    """Whole frames by the generated C, or by PyTorch; thresholds uint8 `[K, z]`."""
    try:
        executor = Executor(lutnet)
        return lambda frame: executor.scores(frame[None], thresholds=thresholds)[0]
    except CompilationError:
        scores_of = torch_scores(Network.from_lutnet(lutnet))
        return lambda frame: scores_of(frame[None], thresholds)[0]


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


@contextmanager
def loaded(lutnet: Lutnet, kind: Literal["model", "rtl"]) -> Iterator[LoadedOverlay]:
    """An overlay of the network, for single images, on a simulated device."""
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder:
        lutnet.save(Path(folder, "network.lutnet"))
        generate(Path(folder, "network.lutnet"), Path(folder, "network"))
        with open_device(kind) as device:
            overlay = load(Path(folder, "network"), device)
            try:
                yield overlay
            finally:
                overlay.close()


@contextmanager
def _device(lutnet: Lutnet, kind: Literal["model", "rtl"]) -> Iterator[Engine]:
    """The overlay on a simulated device, by the driver that runs on the board."""
    with loaded(lutnet, kind) as classifier:

        def scores_of(images: npt.NDArray[np.uint8], thresholds: Thresholds) -> Scores:
            scores = classifier.classify(images, k=len(thresholds)).scores
            assert scores is not None  # a build for single images keeps them all
            return scores

        yield Engine(scores_of, batch_size=BATCH if kind == "model" else RTL_BATCH)


_ENGINES: dict[EngineName, Callable[[Lutnet], AbstractContextManager[Engine]]] = {
    EngineName.torch: _torch,
    EngineName.c: _c,
    EngineName.model: lambda lutnet: _device(lutnet, "model"),
    EngineName.rtl: lambda lutnet: _device(lutnet, "rtl"),
}
