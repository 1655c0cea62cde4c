"""`lutlens train` and `lutlens eval`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from lutlens.board.scanning import BACKGROUND_LABEL
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import Lutnet
from lutlens.host.overlay import DEFAULT_CLOCK_MHZ
from lutlens.training import data as data_sets
from lutlens.training import plots, recipes
from lutlens.training.backgrounds import generated, photographs, plain
from lutlens.training.budget import asked, fit
from lutlens.training.budget_report import Outcome, outcome_of, sized
from lutlens.training.data import DataSet
from lutlens.training.devices import DeviceName
from lutlens.training.engines import EngineName, open_engine
from lutlens.training.evaluate import Evaluation
from lutlens.training.evaluate import evaluate as evaluate_scores
from lutlens.training.loop import Run, Trainer
from lutlens.training.number_evaluation import evaluate_numbers
from lutlens.training.options import (
    DataOption,
    DeviceOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    length,
    use_threads,
)
from lutlens.training.parallel import working_team
from lutlens.training.progress import counting_progress
from lutlens.training.publish import publish
from lutlens.training.scene_evaluation import SCENES, TEST, SceneSet, evaluate_scenes, finder
from lutlens.training.test_set import check_fit, load_for, of_network
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

BUILD = Path("build")
FAILED, INTERRUPTED = 1, 130
MEASURED = ("accuracy", "validation_accuracy", "r2", "validation_r2", "squared_error")
"""Of the provenance, by K."""
LEVELS_SHOWN = 250


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="What to train: a recipe's name, or a file of your own, NAME.toml."),
    ] = "digits",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="F.lutnet", help="The result. Default: build/RECIPE.lutnet."),
    ] = None,
    data: DataOption = None,
    seed: SeedOption = 1,
    epochs: Annotated[
        float | None, typer.Option(min=0.01, help="Length. Default: the recipe's.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Length by the clock instead: the schedule fits the machine."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training that was stopped.")
    ] = False,
    change: SetOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = DeviceName.auto,
    luts: Annotated[
        int | None,
        typer.Option(
            "--luts", min=1, metavar="N", help="Size the network: its whole core in so many LUTs."
        ),
    ] = None,
    bram: Annotated[
        float | None,
        typer.Option("--bram", min=0.5, metavar="N", help="With --luts: and in so many BRAM36."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", min=1, metavar="N", help="With --luts: and so many images a second."),
    ] = None,
    k: Annotated[
        int,
        typer.Option("--k", min=1, max=16, help="With --luts: passes that --fps is meant with."),
    ] = 1,
    clock: Annotated[
        float, typer.Option(metavar="MHZ", help="With --luts: FCLK0 that --fps is meant with.")
    ] = DEFAULT_CLOCK_MHZ,
    json_output: JsonOption = False,
) -> None:
    """Train a network of LUTs and write it as a lutnet.

    Beside `F.lutnet` the folder `F.train` holds what a training leaves: `metrics.jsonl`,
    `curves.png`, and `checkpoint.safetensors`, from which `--resume` goes on exactly. A part of the
    training images is held out, and the best network is the one that recognises most of *those*;
    test images are looked at once, at the end.

    Ctrl-C stops after the step at hand and writes the best network so far; it is not measured on
    test images. The exit status is then 130.

    Several processes, on one machine or more, train one network if torchrun starts them; each takes a
    share of every batch, on a CUDA device of its own if there are any.

    Your own data: a folder with a folder of images for each class (or `train` and `test` with such
    folders), or an .npz file with `images` uint8 [n, height, width] or [n, height, width, 3] and
    `labels`. Any number of classes; images of any size, grey or in colours, which are brought to the
    network's.

    With --luts the recipe's network is sized so that the whole core, encoder, popcounts and scorer
    included, keeps the budget, by a model of what synthesis makes of it. When it is trained, Yosys
    counts what it takes; if that is more than the budget, the exit status is 1. `digits` comes in
    sizes that were tried at 1,460, 2,200 and 5,444 LUTs; other recipes are scaled as they are.

    A recipe (`lutlens recipes` lists them) names its data set, which is taken from the folder that
    LUTLENS_DATA names, or the cache, or downloaded.

        lutlens train digits --minutes 1
        lutlens train digits --seed 7 --out build/seven.lutnet
        lutlens train digits --data my-letters/ --epochs 20
        lutlens train digits --luts 1460 --bram 7 --k 15
        lutlens train digits --set schedule.table_rate=0.03 --set bits_per_class=60
        lutlens recipes digits > mine.toml; lutlens train mine.toml
        torchrun --nproc-per-node 2 --no-python lutlens train digits
    """
    use_threads(threads)
    chosen = recipes.changed(recipes.recipe(recipe), change or ())
    epochs, minutes = length(epochs, minutes, chosen.schedule.epochs)
    images = data_sets.load(data, chosen.input_shape, name=chosen.data)
    budget = asked(luts, bram, fps, k, clock)
    fitted = fit(chosen, len(images.classes), budget) if budget else None
    chosen = fitted.recipe if fitted else chosen
    out = out or BUILD / f"{chosen.name}.lutnet"
    run = Run(recipe=chosen, seed=seed, data_sha256=images.sha256, epochs=epochs, minutes=minutes)
    with working_team(device) as (team, where):
        console = Console(stderr=True, quiet=not team.leads)
        if fitted:
            console.print(sized(fitted))
        trainer = Trainer(run, images, out.with_suffix(".train"), device=where, team=team)
        if resume:
            trainer.resume()
        with interruption() as interrupted, training_progress(console) as report:
            finished = trainer.train(report, interrupted.is_set)
    if team.leads:
        with console.status("") as status:
            lutnet = publish(trainer, out, measure=finished, report=status.update)
        console.print(result_table(lutnet))
        console.print(f"{out}: {lutnet.nodes} nodes, trained in {trainer.seconds:.0f} s")
        outcome = outcome_of(lutnet, budget, fitted, console) if finished else None
        if json_output:
            print(json.dumps(_train_json(trainer, lutnet, out, finished, outcome)))
        if outcome is not None and not outcome.kept:
            raise typer.Exit(FAILED)
    if not finished:
        raise typer.Exit(INTERRUPTED)


def evaluate(
    lutnet: Annotated[Path, typer.Argument(metavar="F.lutnet", help="The network.")],
    k: Annotated[int, typer.Option("--k", min=1, max=64, help="Passes: oversampling xK.")] = 1,
    engine: Annotated[
        EngineName, typer.Option(help="What executes the network; all give the same scores.")
    ] = EngineName.torch,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many test images.")
    ] = None,
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


@contextmanager
def interruption() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one is a KeyboardInterrupt."""
    event = threading.Event()

    def interrupt(signum: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[Trainer], None]]:
    """A progress bar with accuracy and remaining time, moved by the callback."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0)

        def report(trainer: Trainer) -> None:
            progress.update(task, completed=trainer.progress, description=_state(trainer))

        yield report


def _state(trainer: Trainer) -> str:
    tally = trainer.tally
    parts = []
    if tally.images:
        parts.append(f"{tally.images / tally.seconds:,.0f} images/s")
        parts.append(f"training {tally.right / tally.images:.1%}")
    if trainer.metrics:
        latest = trainer.metrics[-1].validation_accuracy
        parts += [f"validation K={k} {value:.2%}" for k, value in latest.items()]
    return ", ".join(parts)


def result_table(lutnet: Lutnet) -> Table:
    what, form = ("R2", ".4f") if lutnet.values else ("accuracy", ".2%")
    key = what.lower()
    table = Table("K", "thresholds", "validation", "test", title=what)
    validation, test = lutnet.provenance[f"validation_{key}"], lutnet.provenance[key]
    for k, thresholds in sorted(lutnet.thresholds.items()):
        levels = " ".join(str(level) for level in thresholds.ravel())
        on_test = format(test[str(k)], form) if str(k) in test else "not measured"
        table.add_row(str(k), _short(levels), format(validation[str(k)], form), on_test)
    return table


def _short(levels: str) -> str:
    """Of many thresholds the first ones."""
    return levels if len(levels) <= LEVELS_SHOWN else f"{levels[:LEVELS_SHOWN]}..."


def _train_json(
    trainer: Trainer, lutnet: Lutnet, out: Path, finished: bool, outcome: Outcome | None
) -> dict[str, Any]:
    return {
        **({"budget": outcome.as_json()} if outcome else {}),
        "out": str(out),
        "finished": finished,
        **{key: lutnet.provenance[key] for key in MEASURED if key in lutnet.provenance},
        "nodes": lutnet.nodes,
        "steps": trainer.step,
        "epochs": lutnet.provenance["epochs"],
        "seconds": trainer.seconds,
        "seed": trainer.run.seed,
        "data": trainer.data.name,
    }


def _confusion_table(result: Evaluation, classes: Sequence[str]) -> Table:
    table = Table("truth", *classes, "right", title="answers")
    for name, row, truth in zip(classes, result.confusion, range(len(classes)), strict=True):
        cells = [str(count) if count else "" for count in row]
        cells[truth] = f"[bold]{row[truth]}[/bold]"
        table.add_row(name, *cells, f"{row[truth] / max(1, row.sum()):.1%}")
    return table
