"""`lutlens eval`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from lutlens.board.scanning import BACKGROUND_LABEL
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import MAX_PASSES, Lutnet
from lutlens.training import plots
from lutlens.training.backgrounds import generated, photographs, plain
from lutlens.training.data import DataSet
from lutlens.training.engines import EngineName, open_engine
from lutlens.training.evaluate import Evaluation
from lutlens.training.evaluate import evaluate as evaluate_scores
from lutlens.training.number_evaluation import evaluate_numbers
from lutlens.training.options import (
    BUILD,
    DataOption,
    EngineOption,
    LimitOption,
)
from lutlens.training.progress import counting_progress
from lutlens.training.scene_evaluation import SCENES, TEST, SceneSet, evaluate_scenes, finder
from lutlens.training.test_set import check_fit, load_for, of_network
from rich.console import Console
from rich.progress import (
    Progress,
    TaskID,
)
from rich.table import Table


def evaluate(
    lutnet: Annotated[Path, typer.Argument(metavar="F.lutnet", help="The network.")],
    k: Annotated[
        int, typer.Option("--k", min=1, max=MAX_PASSES, help="Passes: oversampling xK.")
    ] = 1,
    engine: EngineOption = EngineName.torch,
    limit: LimitOption = None,
    data: DataOption = None,
    scenes: Annotated[
        bool, typer.Option("--scenes", help="Find the digits of composed scenes instead.")
    ] = False,
    png: Annotated[
        Path | None,
        typer.Option(
            metavar="F.png",
            help="Confusion matrix, or scenes. Default: build/NAME.kK.confusion.png or .scenes.png.",
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Measure a lutnet's accuracy on the test images.

    The images are those of the data set that the network was trained on.

    Engines: `torch` is PyTorch's hard forward; `c` the bit-sliced C program; `rtl` the whole
    programmable logic under Verilator, cycle by cycle, driven as on the board (slow: use
    `--limit`); `model` the same with that logic in software.

    A network that scans frames has a class more, for windows of background; its images are windows
    of composed scenes. `--scenes` has it find the test digits of 500 such scenes by the C program,
    at all scales: precision, recall and mean average precision at an overlap (IoU) of 0.5, all
    points. Then the same on backgrounds of a kind it has never seen, photographs, those of CIFAR-10
    below LUTLENS_DATA; and on plain light paper. A network for single images finds them as the live
    service does with it, by cutting out what stands out from its surroundings.

    Of a network whose outputs are numbers, it is R2, the share of their variance that is explained, and
    the mean squared error as a share of the range's square; beside it stands ridge regression
    (scikit-learn's) of the same inputs, fitted to training and validation data. The picture shows the numbers
    against the right ones, a surface, or images as they were and as they are given again.

        lutlens eval overlays/digits/digits.lutnet --k 15
        lutlens eval overlays/digits/digits.lutnet --engine rtl --limit 300 --json
        lutlens eval overlays/digits-scan/digits-scan.lutnet --scenes --k 15
        lutlens eval build/surface.lutnet --k 64
    """
    console = Console(stderr=json_output)
    net = Lutnet.load(lutnet)
    thresholds = net.thresholds_for(k)
    images = load_for(net, lutnet, data)
    if scenes:
        _evaluate_scenes(net, lutnet, images, k, limit or SCENES, png, json_output)
        return
    images = of_network(net, lutnet, images)
    test = images.test.take(slice(limit))
    if net.values:
        png = png or BUILD / f"{lutnet.stem}.k{k}.png"
        evaluate_numbers(net, lutnet, images, test, k, engine, png, json_output)
        return
    with open_engine(engine, net) as opened, counting_progress() as progress:
        task = progress.add_task(f"{engine.value}, K = {k}", total=len(test))
        result = evaluate_scores(
            opened.scores_of,
            test,
            thresholds,
            report=lambda done: progress.update(task, completed=done),
            batch_size=opened.batch_size,
        )
    png = png or BUILD / f"{lutnet.stem}.k{k}.confusion.png"
    png.parent.mkdir(parents=True, exist_ok=True)
    title = f"{lutnet.name}, K = {k}: {result.accuracy:.2%} of {result.images}"
    plots.confusion(result.confusion, net.classes, title, png)
    if json_output:
        summary = {
            "accuracy": result.accuracy,
            "k": k,
            "engine": engine.value,
            "images": result.images,
            "images_per_second": result.images_per_second,
            "confusion": result.confusion.tolist(),
            "png": str(png),
        }
        print(json.dumps(summary))
        return
    console.print(_confusion_table(result, net.classes))
    console.print(
        f"{result.accuracy:.2%} of {result.images} images of {images.name}, K = {k}, "
        f"{result.images_per_second:,.0f} images/s ({engine.value}); {png}"
    )


def _evaluate_scenes(
    net: Lutnet,
    path: Path,
    images: DataSet,
    k: int,
    count: int,
    png: Path | None,
    json_output: bool,
) -> None:
    scans = BACKGROUND_LABEL in net.classes
    known = replace(images, classes=(*images.classes, BACKGROUND_LABEL)) if scans else images
    check_fit(net, path, known)
    least = net.provenance.get("min_support", {}).get(str(k))
    kinds = {"generated": generated, "photographs": photographs(), "plain": plain}
    sets = []
    with finder(net, k) as found, counting_progress() as progress:
        for name, background in kinds.items():
            task = progress.add_task(f"{name}, K = {k}", total=count)
            one = evaluate_scenes(
                name,
                found,
                images.test,
                background,
                seed=TEST,
                count=count,
                least=least,
                report=partial(_completed, progress, task),
            )
            sets.append(one)
    png = png or BUILD / f"{path.stem}.k{k}.scenes.png"
    png.parent.mkdir(parents=True, exist_ok=True)
    plots.scenes([example for one in sets for example in one.examples], net.classes, png)
    if json_output:
        told = {one.name: one.summary(net.classes) for one in sets}
        print(json.dumps({"k": k, "scenes": count, "backgrounds": told, "png": str(png)}))
        return
    console = Console()
    console.print(_scenes_table(sets, net.classes))
    console.print(f"{count} scenes of each kind, digits of {images.name}, K = {k}; {png}")


def _completed(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, completed=done)


def _scenes_table(sets: Sequence[SceneSet], classes: Sequence[str]) -> Table:
    table = Table("", *(one.name for one in sets), title="digits found, IoU 0.5 or more")
    told = [one.summary(classes) for one in sets]
    table.add_row("mAP, all points", *(f"{t['mean_average_precision']:.4f}" for t in told))
    for name in ("precision", "recall", "min_support"):
        table.add_row(name, *(f"{t[name]:.4g}" for t in told))
    table.add_row("milliseconds a scene", *(f"{t['milliseconds']:.1f}" for t in told))
    for name in classes[:-1]:
        values = (t["average_precision"][name] for t in told)
        table.add_row(f"AP of {name}", *("" if v is None else f"{v:.4f}" for v in values))
    table.add_row("digits", *(str(t["digits"]) for t in told))
    return table


def _confusion_table(result: Evaluation, classes: Sequence[str]) -> Table:
    table = Table("truth", *classes, "right", title="answers")
    for name, row, truth in zip(classes, result.confusion, range(len(classes)), strict=True):
        cells = [str(count) if count else "" for count in row]
        cells[truth] = f"[bold]{row[truth]}[/bold]"
        table.add_row(name, *cells, f"{row[truth] / max(1, row.sum()):.1%}")
    return table
