"""One trial of a sweep: a shape is drawn, trained, and its core synthesised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import torch
from lutlens.host.area import synthesise_core
from lutlens.training.budget import Budget, Fit, Taste, fit
from lutlens.training.checkpoint import CheckpointError
from lutlens.training.data import DataSet
from lutlens.training.loop import Run, Trainer
from lutlens.training.publish import publish
from lutlens.training.recipes import Recipe
from lutlens.training.sweeps.study import (
    BRAM36,
    CURVE,
    FOLDER,
    LUT,
    LUTNET,
    VALIDATION,
    is_hopeless,
)

SHARES = 20
"""Points of a training at which trials are compared."""


class Interrupted(Exception):
    """The training was stopped; the study has a trial waiting that goes on with it."""


@dataclass(frozen=True)
class Job:
    """What all trials of a worker have in common.

    luts: least and most. length: epochs or minutes of a training, the other one None.
    folder: for lutnets and what trainings leave.
    """

    recipe: Recipe
    data: DataSet
    luts: tuple[int, int]
    epochs: float | None
    minutes: float | None
    k: int
    clock_mhz: float
    seed: int
    folder: Path
    device: torch.device


def draw(trial: optuna.Trial, job: Job) -> Fit:
    """A budget, and where its LUTs go. Raises BudgetError."""
    least, most = job.luts
    luts = trial.suggest_int("luts", least, most, log=True)
    stages = range(len(job.recipe.stages))

    def factors(name: str) -> tuple[float, ...]:
        return tuple(trial.suggest_float(f"{name}_{i}", 0.6, 1.6, log=True) for i in stages)

    taste = Taste(
        nodes=factors("nodes"),
        channels=factors("channels"),
        bits=trial.suggest_float("bits", 0.5, 1.8, log=True),
    )
    rate = trial.suggest_float("table_rate", 0.02, 0.12, log=True)
    budget = Budget(luts, None, None, job.k, job.clock_mhz)
    sized = fit(job.recipe, len(job.data.classes), budget, taste)
    schedule = sized.recipe.schedule.model_copy(update={"table_rate": rate})
    return replace(sized, recipe=sized.recipe.model_copy(update={"schedule": schedule}))


def run(
    trial: optuna.Trial,
    job: Job,
    stop: Callable[[], bool],
    report: Callable[[Trainer], None] = lambda trainer: None,
) -> tuple[float, int]:
    """Train and synthesise: accuracy on validation images at the job's K, and LUTs.

    Raises optuna.TrialPruned for a training that was given up, Interrupted for one that was stopped.
    Either has left its best network as a lutnet.
    """
    sized = draw(trial, job)
    # A trial that takes the place of one whose worker died, or was stopped, goes on in its folder.
    name = trial.user_attrs.get(FOLDER, f"trial-{trial.number:04d}")
    trial.set_user_attr(FOLDER, name)
    trial.set_user_attr(LUT, sized.cost.lut)
    out = job.folder / f"{name}.lutnet"
    trial.set_user_attr(LUTNET, out.name)
    trainer = _trainer(job, sized, out.with_suffix(".train"))
    curve: dict[str, float] = {}
    hopeless = False

    def watch(trainer: Trainer) -> None:
        nonlocal hopeless
        report(trainer)
        share = f"{round(trainer.progress * SHARES) / SHARES:.2f}"
        if not trainer.metrics or share in curve or trainer.metrics[-1].step != trainer.step:
            return
        curve[share] = trainer.metrics[-1].score
        trial.set_user_attr(CURVE, curve)
        hopeless = is_hopeless(trial.study, sized.cost.lut, curve)

    finished = trainer.train(watch, lambda: hopeless or stop())
    lutnet = publish(trainer, out, measure=False)
    trial.set_user_attr(VALIDATION, lutnet.provenance["validation_accuracy"])
    if hopeless and not finished:
        raise optuna.TrialPruned(f"{name}: fewer LUTs did better")
    if not finished:
        trial.study.enqueue_trial(trial.params, user_attrs={FOLDER: name})
        raise Interrupted(name)
    core = synthesise_core(lutnet, sized.build)
    trial.set_user_attr(LUT, core.lut)
    trial.set_user_attr(BRAM36, core.bram36)
    return lutnet.provenance["validation_accuracy"][str(job.k)], core.lut


def _trainer(job: Job, sized: Fit, folder: Path) -> Trainer:
    settings = Run(
        recipe=sized.recipe,
        seed=job.seed,
        data_sha256=job.data.sha256,
        epochs=job.epochs,
        minutes=job.minutes,
    )
    trainer = Trainer(settings, job.data, folder, device=job.device)
    try:
        trainer.resume()
    except CheckpointError:  # nothing to go on with
        return Trainer(settings, job.data, folder, device=job.device)
    return trainer
