"""`lutlens sequence`: what a recurrent network knows after every row that it has read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from lutlens.board.records import answers
from lutlens.host.c import Executor
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import MAX_PASSES, Layer, Lutnet, LutnetError, Stage
from lutlens.training import plots
from lutlens.training.options import BUILD, DataOption
from lutlens.training.test_set import load_for, of_network
from rich.console import Console
from rich.table import Table

BATCH = 1000
SHOWN = 8
"""Images that are drawn, one of each of the first classes."""


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


def sequence(
    lutnet: Annotated[Path, typer.Argument(metavar="F.lutnet", help="A recurrent network.")],
    k: Annotated[int, typer.Option("--k", min=1, max=MAX_PASSES, help="Passes.")] = 1,
    data: DataOption = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="F.png", help="Default: build/NAME.rows.png.", show_default=False),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Measure and draw what a recurrent network knows after every row that it has read.

    The picture has the accuracy over the rows of the test images, and some images with the scores that their
    classes have on the way.

        lutlens sequence build/sequential.lutnet --k 3
    """
    net = Lutnet.load(lutnet)
    net.thresholds_for(k)
    found = of_network(net, lutnet, load_for(net, lutnet, data))
    try:
        asked = after_every_row(net)
    except LutnetError as error:
        raise LutnetError(f"{lutnet}: {error}") from error
    scores = scores_of(asked, found.test.images, k)
    right = np.stack([answers(scores[:, r])[0] for r in range(scores.shape[1])])
    accuracy = (right == found.test.labels).mean(axis=1)
    rows = asked.input_shape[0] + asked.step[0] * np.arange(len(accuracy))
    shown = [int(np.flatnonzero(found.test.labels == c)[0]) for c in range(len(net.classes))]
    shown = shown[:SHOWN]
    title = f"{lutnet.stem}: {len(found.test)} test images of {found.name}, K = {k}"
    png = png or BUILD / f"{lutnet.stem}.rows.png"
    png.parent.mkdir(parents=True, exist_ok=True)
    plots.sequence(rows, accuracy, found.test.images[shown], scores[shown], net.classes, title, png)
    if json_output:
        told = {str(row): share for row, share in zip(rows, accuracy.tolist(), strict=True)}
        print(json.dumps({"k": k, "accuracy_after_rows": told, "png": str(png)}))
        return
    table = Table("rows read", "accuracy", title=title)
    for row, share in zip(rows, accuracy, strict=True):
        table.add_row(str(row), f"{share:.2%}")
    console = Console()
    console.print(table)
    console.print(str(png))
