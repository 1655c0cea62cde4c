"""`lutlens train`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import Lutnet
from lutlens.host.overlay import DEFAULT_CLOCK_MHZ
from lutlens.training import datasets, recipes
from lutlens.training.budget import asked, fit
from lutlens.training.budget_report import Outcome, outcome_of, sized
from lutlens.training.devices import DeviceName
from lutlens.training.loop import Run, Trainer
from lutlens.training.options import (
    BUILD,
    DataOption,
    DeviceOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    length,
    use_threads,
)
from lutlens.training.parallel import working_team
from lutlens.training.publish import publish
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

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
    images = datasets.load(data, chosen.input_shape, name=chosen.data)
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
