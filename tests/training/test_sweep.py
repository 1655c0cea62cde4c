"""Sweeps: studies that workers share, trials that go on, the frontier."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from lutlens.board.manifest import MANIFEST_NAME, Manifest
from lutlens.host.cost import Shape, estimate
from lutlens.host.lutnet import Lutnet
from lutlens.host.rtl import Build
from lutlens.host.synthesis import Resources
from lutlens.training import datasets
from lutlens.training.recipes import recipe
from lutlens.training.sweeps import study as studies
from lutlens.training.sweeps import trial as trials
from lutlens.training.sweeps.command import sweep
from lutlens.training.sweeps.frontier import (
    FrontierError,
    Point,
    measure,
    of_overlay,
    on_frontier,
)
from lutlens.training.sweeps.study import (
    CURVE,
    FOLDER,
    LUT,
    StudyError,
    is_hopeless,
    open_study,
)
from optuna.trial import TrialState, create_trial
from support.pictures import easy_images

LUTS = (300, 420)
OVERLAYS = Path(__file__).parents[2] / "overlays"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return easy_images(tmp_path)


@pytest.fixture(autouse=True)
def quick_synthesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost model in Yosys' place, which test_budget.py runs."""

    def synthesise(net: Lutnet, build: Build) -> Resources:
        cost = estimate(Shape.of(net), build)
        return Resources(cost.lut, 0, cost.bram36, 0, 0)

    monkeypatch.setattr(trials, "synthesise_core", synthesise)
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_workers_join_and_the_frontier_is_measured(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    told = {}
    for seed, count in ((1, 2), (2, 1)):
        sweep(
            "digits",
            trials=count,
            epochs=1,
            luts=LUTS,
            out=folder,
            data=images,
            seed=seed,
            threads=1,
            json_output=True,
        )
        told = json.loads(capsys.readouterr().out)
    assert told["trials"]["complete"] + told["trials"]["pruned"] == 3
    networks, frontier = told["networks"], told["frontier"]
    assert len(networks) == told["trials"]["complete"]
    for point in networks:
        net = Lutnet.load(folder / point["lutnet"])
        assert point["lut"] == estimate(Shape.of(net), Build.for_images(net)).lut <= LUTS[1]
        assert net.provenance["validation_accuracy"]["1"] == point["validation_accuracy"]
        assert net.provenance["accuracy"] == {}  # test images were not looked at in training
        assert point["test_accuracy"] is None
    assert all(0 <= point["test_accuracy"] <= 1 for point in frontier)
    assert json.loads((folder / "frontier.json").read_text()) == frontier
    assert (folder / "frontier.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(StudyError, match="was begun with epochs = 1"):
        sweep("digits", trials=1, epochs=2, luts=LUTS, out=folder, data=images, threads=1)


def test_a_stopped_trial_goes_on(images: Path, tmp_path: Path) -> None:
    chosen = recipe("digits")
    job = trials.Job(
        recipe=chosen,
        data=datasets.load(images, chosen.input_shape),
        luts=LUTS,
        epochs=4,
        minutes=None,
        k=1,
        clock_mhz=125.0,
        seed=1,
        folder=tmp_path,
        device=torch.device("cpu"),
    )
    study = open_study("stopped", f"journal:{tmp_path / 'journal'}", {}, seed=1)
    steps: list[int] = []

    def train(limit: int | None) -> None:
        study.optimize(
            lambda trial: trials.run(
                trial,
                job,
                lambda: limit is not None and len(steps) >= limit,
                lambda trainer: steps.append(trainer.step),
            ),
            n_trials=1,
        )

    with pytest.raises(trials.Interrupted):
        train(3)
    first, waiting = study.trials
    assert (first.state, waiting.state) == (TrialState.FAIL, TrialState.WAITING)
    assert (tmp_path / "trial-0000.lutnet").exists()
    train(None)
    done = study.trials[1]
    assert done.state == TrialState.COMPLETE
    assert done.params == first.params
    assert done.user_attrs[FOLDER] == "trial-0000"
    assert steps == list(range(1, len(steps) + 1))  # no step twice, none left out


def test_the_trial_of_a_dead_worker_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "HEARTBEAT_S", 1)
    monkeypatch.setattr(studies, "GRACE_S", 1)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    dead = open_study("shared", url, {}, seed=1)
    lost = dead.ask()
    drawn = lost.suggest_int("luts", *LUTS)
    lost.set_user_attr(FOLDER, "trial-0000")
    dead._storage.record_heartbeat(lost._trial_id)  # type: ignore[attr-defined]
    time.sleep(2.5)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        assert trial.user_attrs[FOLDER] == "trial-0000"
        assert trial.suggest_int("luts", *LUTS) == drawn
        return 0.9, 400

    alive = open_study("shared", url, {}, seed=2)
    alive.optimize(objective, n_trials=1)
    assert [trial.state for trial in alive.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_hopeless_is_what_fewer_luts_do_better() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    known = {LUT: 1000, CURVE: {"0.25": 0.90, "0.50": 0.95}}
    study.add_trial(create_trial(values=[0.96, 1000], user_attrs=known))
    assert is_hopeless(study, 1200, {"0.25": 0.87})
    assert is_hopeless(study, 1200, {"0.25": 0.91, "0.50": 0.92})
    assert not is_hopeless(study, 1200, {"0.25": 0.89})  # within noise
    assert not is_hopeless(study, 900, {"0.25": 0.5})  # none is smaller
    assert not is_hopeless(study, 1200, {"0.20": 0.5})  # too early to say


def test_frontier() -> None:
    points = [
        Point(number, f"{number}.lutnet", 1, lut, 0, accuracy)
        for number, (lut, accuracy) in enumerate(
            [(500, 0.90), (400, 0.91), (600, 0.95), (600, 0.94), (700, 0.95), (900, 0.97)]
        )
    ]
    assert [point.trial for point in on_frontier(points)] == [1, 2, 5]


def test_overlays_beside_a_sweep(images: Path, tmp_path: Path) -> None:
    folder = OVERLAYS / "digits-1460"
    manifest = Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    told, resources = manifest.provenance, manifest.resources
    assert resources is not None
    own = datasets.load(images)
    mnist = replace(own, sha256=told["data_sha256"])
    point = of_overlay(folder, 15, mnist)
    assert (point.lut, point.bram36) == (resources.core.lut, resources.core.bram36)
    assert point.validation_accuracy == told["validation_accuracy"]["15"]
    assert point.test_accuracy == told["accuracy"]["15"]
    assert measure([point], tmp_path, mnist) == [point]
    unsynthesised = tmp_path / "plain"
    unsynthesised.mkdir()
    plain = manifest.model_copy(update={"resources": None})
    (unsynthesised / MANIFEST_NAME).write_text(plain.model_dump_json())
    for path, k, data, message in (
        (folder, 15, own, "trained on others than"),
        (OVERLAYS / "digits-scan", 15, mnist, "not of single images"),
        (folder, 2, mnist, "knows nothing of K = 2"),
        (unsynthesised, 15, mnist, "plain: not synthesised, `lutlens synth"),
        (tmp_path, 15, mnist, "not an overlay"),
    ):
        with pytest.raises(FrontierError, match=message):
            of_overlay(path, k, data)


@pytest.mark.parametrize("url", ["nonsense", "nodatabase://here/x", "sqlite:////proc/no/where.db"])
def test_storages_that_cannot_be_opened(url: str) -> None:
    with pytest.raises(StudyError, match=f"--storage {url}: "):
        open_study("x", url, {}, seed=1)
