"""`lutlens sweep`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import optuna
import typer
from lutlens.host.commands import JsonOption
from lutlens.host.overlay import DEFAULT_CLOCK_MHZ
from lutlens.training import datasets, plots, recipes
from lutlens.training.devices import DeviceName, device_of
from lutlens.training.options import (
    BUILD,
    DataOption,
    DeviceOption,
    SeedOption,
    ThreadsOption,
    length,
    use_threads,
)
from lutlens.training.sweeps import frontier, trial
from lutlens.training.sweeps.frontier import Point
from lutlens.training.sweeps.study import open_study
from lutlens.training.train_command import INTERRUPTED, interruption
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

DEFAULT_EPOCHS = 10.0


def sweep(
    recipe: Annotated[
        str, typer.Argument(help="Whose network in all sizes: a name or a file, as for `train`.")
    ] = "digits",
    trials: Annotated[
        int, typer.Option(min=0, help="Trained by this worker; 0 only draws what there is.")
    ] = 10,
    epochs: Annotated[
        float | None,
        typer.Option(min=0.01, help="Length of each training. Default: 10.", show_default=False),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Length of each training by the clock.")
    ] = None,
    luts: Annotated[
        tuple[int, int], typer.Option(min=1, metavar="LEAST MOST", help="Sizes to draw.")
    ] = (500, 8000),
    k: Annotated[int, typer.Option("--k", min=1, max=16, help="Passes of the accuracy.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where workers meet: a database, or `journal:FILE`. Default: SQLite in the folder.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Default: the recipe's.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For lutnets, frontier.json and frontier.png. Default: build/sweep/NAME.",
            show_default=False,
        ),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="OVERLAY",
            help="Draw this one's network, too, which was trained otherwise: longer, for instance. May be repeated.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    seed: SeedOption = 1,
    threads: ThreadsOption = None,
    device: DeviceOption = DeviceName.auto,
    json_output: JsonOption = False,
) -> None:
    """Train networks of many sizes and shapes, and draw accuracy against LUTs.

    Each trial draws a number of LUTs, where they are spent, and a learning rate; the network is
    trained, and its whole core synthesised. Shapes are drawn by Optuna (TPE, accuracy and LUTs
    both being objectives). A training far behind that of a smaller network is given up. What counts is
    the accuracy on held-out validation images; test images are looked at for networks on the frontier
    only.

    Any number of workers share a study: start the command again, on this machine or on any other
    that reaches the storage, with the same settings; give each a `--seed`. Ctrl-C ends a worker, and
    its trial waits to go on where it stopped. In a database, the trial of a worker that died is
    repeated once it has been silent for two minutes.

        lutlens sweep digits --trials 20 --epochs 10
        lutlens sweep digits --storage postgresql://host/sweeps --seed 2
        lutlens sweep digits --trials 0 --with overlays/digits --with overlays/digits-1460
    """
    epochs, minutes = length(epochs, minutes, DEFAULT_EPOCHS)
    least, most = luts
    if least > most:
        raise typer.BadParameter(f"--luts {least} {most}: the least comes first")
    use_threads(threads)
    console = Console(stderr=True)
    chosen = recipes.recipe(recipe)
    name = study or chosen.name
    folder = out or BUILD / "sweep" / name
    folder.mkdir(parents=True, exist_ok=True)
    images = datasets.load(data, chosen.input_shape, name=chosen.data)
    settings = {
        "recipe": chosen.name,
        "data_sha256": images.sha256,
        "epochs": epochs,
        "minutes": minutes,
        "k": k,
        "luts": [least, most],
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = storage or f"sqlite:///{folder / 'study.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        shared = open_study(name, url, settings, seed)
    job = trial.Job(
        recipe=chosen,
        data=images,
        luts=luts,
        epochs=epochs,
        minutes=minutes,
        k=k,
        clock_mhz=DEFAULT_CLOCK_MHZ,
        seed=seed,
        folder=folder,
        device=device_of(device),
    )
    others = [frontier.of_overlay(overlay, k, images) for overlay in beside or ()]
    finished = _work(shared, job, trials, console)
    networks = sorted([*frontier.points(shared, k), *others], key=lambda point: point.lut)
    best = frontier.on_frontier(networks)
    with console.status("") as status:
        best = frontier.measure(best, folder, images, report=status.update)
    png = folder / "frontier.png"
    if networks:
        field = frontier.FIELD if chosen.data == "mnist" and data is None else ()
        plots.frontier(networks, best, field, f"{images.name}, K = {k}", png)
        console.print(_table(best))
    console.print(f"{len(networks)} networks, {len(best)} on the frontier; {folder}")
    if json_output:
        told = {
            "study": name,
            "storage": url,
            "folder": str(folder),
            "trials": _counted(shared),
            "networks": [asdict(point) for point in networks],
            "frontier": [asdict(point) for point in best],
            "png": str(png) if networks else None,
        }
        print(json.dumps(told))
    if not finished:
        raise typer.Exit(INTERRUPTED)


def _work(shared: optuna.Study, job: trial.Job, trials: int, console: Console) -> bool:
    """False if it was interrupted."""
    with interruption() as interrupted:
        for number in range(trials):
            with console.status(f"trial {number + 1} of {trials}") as status:
                try:
                    shared.optimize(_objective(job, interrupted.is_set, status.update), n_trials=1)
                except trial.Interrupted:
                    return False
            if interrupted.is_set():
                return False
    return True


def _objective(
    job: trial.Job, stop: Callable[[], bool], update: Callable[[str], None]
) -> Callable[[optuna.Trial], tuple[float, int]]:
    def objective(one: optuna.Trial) -> tuple[float, int]:
        return trial.run(
            one,
            job,
            stop,
            lambda trainer: update(f"trial {one.number}: {trainer.progress:.0%} trained"),
        )

    return objective


def _counted(shared: optuna.Study) -> dict[str, int]:
    states = [found.state for found in shared.get_trials(deepcopy=False)]
    return {state.name.lower(): states.count(state) for state in TrialState}


def _table(best: Sequence[Point]) -> Table:
    table = Table("LUT", "BRAM36", "validation", "test", "lutnet", title="frontier")
    for point in best:
        test = "not here" if point.test_accuracy is None else f"{point.test_accuracy:.2%}"
        table.add_row(
            f"{point.lut:,}",
            f"{point.bram36:g}",
            f"{point.validation_accuracy:.2%}",
            test,
            point.lutnet,
        )
    return table
