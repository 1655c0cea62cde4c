"""What a recurrent network knows after every row that it has read.

`python -m lutlens.training.sequence F.lutnet` measures its accuracy after each row of the test images, and draws it,
with some images and the scores that their classes have on the way.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lutlens.host.c import Executor
from lutlens.host.lutnet import Layer, Lutnet, LutnetError, Stage
from lutlens.host.scores import answers
from lutlens.training import plots
from lutlens.training.data import DataError
from lutlens.training.test_set import load_for, of_network

BATCH = 1000


def after_every_row(net: Lutnet) -> Lutnet:
    """The same network with its last stage over every state: an image gives scores after each row.

    An image's position i has the scores after `input_shape[0] + i * step[0]` of its rows. Raises
    LutnetError for a network whose last stage does not read the last state, and it alone.
    """
    *stages, last = net.stages
    if not stages or not stages[-1].recurrent:
        raise LutnetError("stages: the last but one is not recurrent")
    first, *others = last.layers
    earlier = (last.window[0] - 1) * stages[-1].channels
    if int(first.connections.min()) < earlier:
        raise LutnetError("stages: the last one reads other states than the last one, too")
    read = Layer(first.tables, first.connections - np.int32(earlier))
    rows = 1
    for stage in reversed(stages):
        rows = (rows * stage.pool[0] - 1) * stage.stride[0] + stage.window[0]
    return replace(
        net,
        input_shape=(rows, *net.input_shape[1:]),
        stages=(*stages, Stage((1, 1), (read, *others))),
    )


def scores_of(net: Lutnet, images: npt.NDArray[np.uint8], k: int) -> npt.NDArray[np.uint16]:
    """uint16 `[n, positions, classes]`, of a network as `after_every_row` makes it."""
    executor = Executor(net)
    starts = range(0, len(images), BATCH)
    return np.concatenate([executor.scores(images[i : i + BATCH], k)[:, :, 0] for i in starts])


def main(arguments: list[str] | None = None) -> int:
    """Exit status 2 for data or a network that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m lutlens.training.sequence")
    parser.add_argument("lutnet", type=Path, metavar="F.lutnet")
    parser.add_argument("--k", type=int, default=1, help="passes, 1 if not given")
    parser.add_argument(
        "--data", type=Path, help="a folder or an .npz file, instead of what it was trained on"
    )
    parser.add_argument("--png", type=Path, default=Path("build/sequence.png"), metavar="F.png")
    options = parser.parse_args(arguments)
    try:
        net = Lutnet.load(options.lutnet)
        found = of_network(net, options.lutnet, load_for(net, options.lutnet, options.data))
        asked = after_every_row(net)
        scores = scores_of(asked, found.test.images, options.k)
    except (DataError, LutnetError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    right = np.stack([answers(scores[:, r])[0] for r in range(scores.shape[1])])
    accuracy = (right == found.test.labels).mean(axis=1)
    rows = asked.input_shape[0] + asked.step[0] * np.arange(len(accuracy))
    for row, share in zip(rows, accuracy, strict=True):
        print(f"{row:3} rows {share:7.2%}")
    shown = [int(np.flatnonzero(found.test.labels == c)[0]) for c in range(len(net.classes))][:8]
    title = f"{options.lutnet.stem}: {len(found.test)} test images of {found.name}, K = {options.k}"
    options.png.parent.mkdir(parents=True, exist_ok=True)
    plots.sequence(
        rows, accuracy, found.test.images[shown], scores[shown], net.classes, title, options.png
    )
    print(options.png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
