"""Batches of windows from composed scenes that change from epoch to epoch, and what the network mistook in others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from lutlens.board.scanning import BACKGROUND_LABEL
from lutlens.training.augment import Batch, ScoreFrame
from lutlens.training.backgrounds import Grey, generated, varied
from lutlens.training.crops import SIDE, Mixture, Pool
from lutlens.training.data import DataSet, Labelled
from lutlens.training.detect import Scan, frames
from lutlens.training.scenes import Composition, Scene
from pydantic import BaseModel, ConfigDict, Field

TRAINING = Composition((192, 192), (10, 16), (13, 56), near=(0.7, (16.5, 24.5)))
"""Scenes to cut windows from: most digits fit one."""
HELD_OUT_SCENES, HELD_OUT_WINDOWS = 200, 5000
_POOL, _BATCH, _FRAME, _VALIDATION, _TEST = range(5)
"""Streams of randomness: scenes of the pool, what batches take of them, frames to find mistakes in, held-out scenes."""
_HELD_OUT_SEED = 20190908

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Scenery(BaseModel):
    """What a network that scans is trained on.

    steps: batches in an epoch.
    pool: scenes that windows are cut from; fresh: how many of them every epoch replaces.
    digits, partial: see `Mixture`, of what is not mistaken.
    mistaken: share of windows that show background which the network once took for a digit.
    review_every: epochs after which such background is looked for; review_until: up to this share of the training.
    frames: composed frames looked at each time. keep: so many mistakes, the latest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: Count = 800
    pool: Count = 400
    fresh: Count = 80
    digits: Share = 0.5
    partial: Share = 0.2
    mistaken: Share = 0.2
    review_every: Count = 2
    review_until: Share = 0.9
    frames: Count = 48
    keep: Count = 12000


def in_scenes(digits: DataSet) -> DataSet:
    """The data set of the windows of composed scenes, with a class of background after the digits'.

    Its training images are the digits themselves, of which scenes are composed; validation and test images are windows
    of scenes of held-out digits, always the same ones.
    """
    background = len(digits.classes)

    def held_out(part: Labelled, stream: int) -> Labelled:
        scenes = [
            TRAINING.scene(part, generated, (_HELD_OUT_SEED, stream, i))
            for i in range(HELD_OUT_SCENES)
        ]
        random = np.random.default_rng((_HELD_OUT_SEED, stream))
        return Pool(scenes).draw(HELD_OUT_WINDOWS, Mixture(), background, random)

    return replace(
        digits,
        name=f"{digits.name} in composed scenes",
        classes=(*digits.classes, BACKGROUND_LABEL),
        validation=held_out(digits.validation, _VALIDATION),
        test=held_out(digits.test, _TEST),
    )


class SceneBatches:
    """Batches of windows, a `BatchSource`: cut from a pool of scenes that changes from epoch to epoch.

    mistaken: uint8 `[n, 28, 28]`, windows of background that the network took for digits at a review.
    """

    def __init__(
        self,
        digits: Labelled,
        background: int,
        scenery: Scenery,
        *,
        step: tuple[int, int],
        batch_size: int,
        seed: int,
    ) -> None:
        """background: that class. step: pixels from one window of a frame to the next, y and x."""
        self.mistaken: Grey = np.empty((0, SIDE, SIDE), np.uint8)
        self._digits, self._background, self._scenery = digits, background, scenery
        self._step, self.batch_size, self._seed = step, batch_size, seed
        self._scenes: dict[int, Scene] = {}
        self._pool: tuple[int, Pool] | None = None

    @property
    def per_epoch(self) -> int:
        return self._scenery.steps

    def __getitem__(self, step: int) -> Batch:
        pool = self._pool_of(step // self.per_epoch)
        random = np.random.default_rng((self._seed, _BATCH, step))
        share = self._scenery.mistaken if len(self.mistaken) else 0.0
        mistakes = round(share * self.batch_size)
        mixture = Mixture(self._scenery.digits, self._scenery.partial)
        drawn = pool.draw(self.batch_size - mistakes, mixture, self._background, random)
        chosen = random.integers(0, max(1, len(self.mistaken)), mistakes)
        return Batch(
            np.concatenate([drawn.images, self.mistaken[chosen]]),
            np.concatenate([drawn.labels, np.full(mistakes, self._background)]),
        )

    def review(self, epoch: int, progress: float, score: Callable[[], ScoreFrame]) -> bool:
        """Every few epochs, look for background that the network takes for digits."""
        scenery = self._scenery
        if epoch % scenery.review_every or progress > scenery.review_until:
            return False
        scan = Scan(score(), (SIDE, SIDE), self._step, self._background)
        found = [self.mistaken]
        for scene in frames(self._digits, varied, (self._seed, _FRAME, epoch), scenery.frames):
            found += scan.mistakes(scene)
        self.mistaken = np.concatenate(found)[-scenery.keep :]
        return True

    def state(self) -> dict[str, npt.NDArray[np.uint8]]:
        return {"mistaken": self.mistaken}

    def restore(self, state: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        self.mistaken = state["mistaken"]

    def _pool_of(self, epoch: int) -> Pool:
        if self._pool is None or self._pool[0] != epoch:
            first = epoch * self._scenery.fresh
            self._scenes = {
                n: self._scenes.get(n)
                or TRAINING.scene(self._digits, varied, (self._seed, _POOL, n))
                for n in range(first, first + self._scenery.pool)
            }
            self._pool = epoch, Pool(list(self._scenes.values()))
        return self._pool[1]
