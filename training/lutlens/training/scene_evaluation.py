"""How well a network finds digits in whole scenes, with backgrounds of a kind it knows and of one it has never seen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from lutlens.board.scanning import BACKGROUND_LABEL
from lutlens.board.windows import Detections
from lutlens.host.lutnet import Lutnet, LutnetError
from lutlens.training.backgrounds import Background
from lutlens.training.data import Labelled
from lutlens.training.detect import Finder, Regions, Scan, frames
from lutlens.training.engines import frame_scores, loaded
from lutlens.training.precision import Tally, tally
from lutlens.training.scenes import Scene

SCENES = 500
EXAMPLES = 8
"""Scenes kept for a picture."""
VALIDATION, TEST = (20190908, 1), (20190908, 2)
"""Seeds of the scenes that choices are made on, and of those for the figures at the end."""
VALIDATION_SCENES = 200


@dataclass(frozen=True, eq=False)
class SceneSet:
    """What the scenes of one kind of background got.

    least: confidence (support) of detections that count for precision and recall; average precision looks at all.
    milliseconds: of processor time for a scene, all threads added up, mean.
    examples: some scenes with what was found in them at that confidence.
    """

    name: str
    tally: Tally
    least: float
    milliseconds: float
    examples: Sequence[tuple[Scene, Detections]]

    def summary(self, classes: Sequence[str]) -> dict[str, Any]:
        precisions = self.tally.average_precisions()
        return {
            "mean_average_precision": self.tally.mean_average_precision,
            "precision": self.tally.precision(self.least),
            "recall": self.tally.recall(self.least),
            "min_support": self.least,
            "digits": int(self.tally.truths.sum()),
            "average_precision": {
                name: None if np.isnan(value) else float(value)
                for name, value in zip(classes, precisions, strict=False)
            },
            "milliseconds": self.milliseconds,
        }


def scan(lutnet: Lutnet, k: int) -> Scan:
    """Scan frames with a lutnet, K passes. Raises LutnetError if its last class is not background."""
    if lutnet.classes[-1] != BACKGROUND_LABEL:
        raise LutnetError(
            f"classes: the last is {lutnet.classes[-1]}; a network that scans scenes needs "
            f"`{BACKGROUND_LABEL}` as the last"
        )
    thresholds = lutnet.thresholds_for(k)
    step_y, step_x = (
        math.prod(stage.stride[axis] * stage.pool[axis] for stage in lutnet.stages)
        for axis in (0, 1)
    )
    return Scan(
        score=frame_scores(lutnet, thresholds),
        window=lutnet.input_shape[:2],
        step=(step_y, step_x),
        background=len(lutnet.classes) - 1,
    )


@contextmanager
def finder(lutnet: Lutnet, k: int) -> Iterator[Finder]:
    """What finds digits by a lutnet, K passes: a scan if it knows background, else regions on the `model` device."""
    if BACKGROUND_LABEL in lutnet.classes:
        yield scan(lutnet, k)
        return
    lutnet.thresholds_for(k)
    with loaded(lutnet, "model") as overlay:
        yield Regions(overlay, k)


def evaluate_scenes(
    name: str,
    scanner: Finder,
    digits: Labelled,
    background: Background,
    *,
    seed: tuple[int, ...],
    count: int,
    least: float | None = None,
    report: Callable[[int], None] = lambda scenes: None,
) -> SceneSet:
    """Find the digits of `count` composed scenes.

    least: confidence, for precision and recall; by default the one that suits these scenes best.
    report: told the scenes done so far.
    """
    scenes = frames(digits, background, seed, count)
    found = []
    start = time.process_time()
    for scene in scenes:
        found.append(scanner.detect(scene.image))
        report(len(found))
    seconds = time.process_time() - start
    counted = tally(
        found,
        [scene.boxes for scene in scenes],
        [scene.labels for scene in scenes],
        scanner.classes,
    )
    least = counted.best_confidence() if least is None else least
    examples = [
        (scene, one[one["support"] >= least])
        for scene, one in zip(scenes[:EXAMPLES], found, strict=False)
    ]
    return SceneSet(name, counted, least, 1000 * seconds / count, examples)
