"""Training: it learns, it resumes exactly, it stops cleanly, and it says what it did."""

import dataclasses
import itertools
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lutlens.host.cli import main
from lutlens.host.lutnet import Lutnet
from lutlens.training import data, datasets, loop
from lutlens.training.checkpoint import CheckpointError
from lutlens.training.data import Labelled
from lutlens.training.distillation import Teaching
from lutlens.training.loop import Run, Trainer
from lutlens.training.publish import publish
from lutlens.training.recipes import Recipe, RecipeError, Schedule

DENSE = Recipe(
    name="dense",
    description="one layer, for tests",
    input_shape=(28, 28, 1),
    bits_per_class=12,
    passes=(1, 3),
    schedule=Schedule(batch_size=32, redraw_every=5),
)


def stripes(n, classes=10):
    """Images with a bright bar whose place tells the class, and noise."""
    rng = np.random.default_rng(n)
    labels = np.arange(n) % classes
    images = rng.integers(0, 60, (n, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label : 5 + 2 * label] += 120
    return Labelled(images, labels)


@pytest.fixture(scope="module")
def bars():
    return data.assemble("bars", "0123456789", stripes(700), stripes(100))


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "bars.npz"
    part = stripes(400)
    np.savez(path, images=part.images, labels=part.labels)
    return path


def run_of(dataset, *, seed=1, epochs=2.0, minutes=None, recipe=DENSE):
    return Run(recipe=recipe, seed=seed, data_sha256=dataset.sha256, epochs=epochs, minutes=minutes)


def ignore(_):
    pass


def test_a_few_steps_on_the_real_digits_teach_something(tmp_path):
    digits = datasets.load()
    digits = dataclasses.replace(
        digits,
        validation=digits.validation.take(slice(500)),
        test=digits.test.take(slice(1000)),
    )
    run = run_of(digits, epochs=300 * 32 / len(digits.train))
    trainer = Trainer(run, digits, tmp_path / "run")
    assert trainer.train(ignore)
    net = publish(trainer, tmp_path / "digits.lutnet")
    assert net.provenance["accuracy"]["1"] > 0.6, "chance is 0.1"
    assert Lutnet.load(tmp_path / "digits.lutnet").to_bytes() == net.to_bytes()
    assert net.provenance["data_sha256"] == digits.sha256
    assert net.provenance["test_images"] == len(digits.test)
    assert set(net.thresholds) == {1, 3}


@pytest.mark.parametrize("teaching", [None, Teaching()])
def test_a_resumed_training_gives_the_same_network_as_an_uninterrupted_one(
    bars, tmp_path, teaching
):
    schedule = DENSE.schedule.model_copy(update={"teaching": teaching})
    recipe = DENSE.model_copy(update={"schedule": schedule})
    whole = Trainer(run_of(bars, recipe=recipe), bars, tmp_path / "whole")
    assert whole.train(ignore)
    expected = publish(whole, tmp_path / "whole.lutnet")
    # Stopped twice, both times within an epoch, once before the first validation.
    for limit in (7, 25, None):
        part = Trainer(run_of(bars, recipe=recipe), bars, tmp_path / "part")
        if limit != 7:
            part.resume()
        finished = part.train(ignore, lambda: part.step == limit)  # noqa: B023
        assert finished == (limit is None)
    assert part.step == whole.step == 2 * whole.batches.per_epoch
    assert publish(part, tmp_path / "part.lutnet").to_bytes() == expected.to_bytes()
    other = Trainer(run_of(bars, seed=2, recipe=recipe), bars, tmp_path / "other")
    other.train(ignore)
    assert publish(other, tmp_path / "other.lutnet").to_bytes() != expected.to_bytes()


def test_the_best_network_is_kept_not_the_last(bars, tmp_path):
    trainer = Trainer(run_of(bars), bars, tmp_path)
    trainer.train(ignore)
    best = trainer.best_network().to_lutnet({1: np.full((1, 1), 100, np.uint8)}, bars.classes)
    trainer.run = run_of(bars, epochs=3.0)

    def spoil(t):
        for table in t.network.tables():
            table.data.uniform_(-1, 1)

    trainer.train(spoil)
    assert trainer.step > trainer.best_step
    kept = trainer.best_network().to_lutnet({1: np.full((1, 1), 100, np.uint8)}, bars.classes)
    assert kept.to_bytes() == best.to_bytes()


def test_by_the_clock_the_schedule_ends_in_time(bars, tmp_path, monkeypatch):
    """By a clock that goes on by 5 ms whenever it is read, whatever else this machine does."""
    clock = SimpleNamespace(perf_counter=(0.005 * i for i in itertools.count()).__next__)
    monkeypatch.setattr(loop, "time", clock)
    trainer = Trainer(run_of(bars, epochs=None, minutes=1 / 60), bars, tmp_path)
    assert trainer.train(ignore)
    assert 1 <= trainer.seconds < 1.02
    assert clock.perf_counter() < 2.5
    assert trainer.metrics[-1].learning_rate < 0.05 * DENSE.schedule.table_rate
    assert trainer.metrics[-1].step == trainer.step > 100


def test_files_of_a_run(bars, tmp_path):
    trainer = Trainer(run_of(bars), bars, tmp_path / "run")
    trainer.train(ignore)
    text = (tmp_path / "run" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["epoch"] for line in lines] == [1.0, 2.0]
    assert all(0 <= line["validation_accuracy"]["1"] <= 1 for line in lines)
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {"metrics.jsonl", "curves.png", "checkpoint.safetensors"}


def test_checkpoints_that_cannot_be_used_are_refused(bars, tmp_path):
    Trainer(run_of(bars, epochs=1.0), bars, tmp_path).train(ignore)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors: .*other settings"):
        Trainer(run_of(bars, seed=5), bars, tmp_path).resume()
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors: does not exist"):
        Trainer(run_of(bars), bars, tmp_path / "nowhere").resume()
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors: not a readable"):
            Trainer(run_of(bars, epochs=1.0), bars, tmp_path).resume()


def test_data_of_another_size_is_refused(tmp_path):
    part = stripes(100)
    small = data.assemble("small", "0123456789", Labelled(part.images[:, 4:], part.labels), None)
    with pytest.raises(RecipeError, match="small: images of 28x24 pixels; the recipe dense takes"):
        Trainer(run_of(small), small, tmp_path)


def run_main(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return end.value.code or 0, captured.out, captured.err


def test_train_on_ones_own_data_prints_one_json_object(npz, tmp_path, capsys):
    out = tmp_path / "mine.lutnet"
    arguments = ["train", "digits", "--data", npz, "--epochs", "0.5", "--out", out, "--json"]
    status, stdout, stderr = run_main(arguments, capsys)
    assert status == 0, stderr
    told = json.loads(stdout)
    net = Lutnet.load(out)
    assert told["finished"] is True
    assert told["nodes"] == net.nodes
    assert set(told["accuracy"]) == {"1", "3", "7", "15"}
    assert told["accuracy"] == net.provenance["accuracy"]
    assert "K" in stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "nonsense: no such recipe"),
        (["digits", "--epochs", "1", "--minutes", "1"], "--epochs or --minutes"),
        (["digits", "--data", "/nonexistent"], "/nonexistent: neither a folder"),
        (["digits", "--resume", "--data", "{npz}", "--out", "{tmp}/x.lutnet"], "does not exist"),
        (["digits", "--minutes", "0"], "--minutes"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(npz, tmp_path, capsys, arguments, message):
    filled = [a.format(npz=npz, tmp=tmp_path) for a in arguments]
    status, stdout, stderr = run_main(["train", *filled], capsys)
    assert status == 2
    assert stdout == ""
    assert message in re.sub(r"[\s│]+", " ", stderr)
    assert "Traceback" not in stderr


def test_ctrl_c_keeps_the_best_and_resume_goes_on(npz, tmp_path):
    out = tmp_path / "cut.lutnet"
    lutlens = str(Path(sys.executable).with_name("lutlens"))
    command = [lutlens, "train", "digits", "--data", str(npz), "--out", str(out)]
    command += ["--minutes", "10", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "cut.train" / "metrics.jsonl").exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    told = json.loads(stdout)
    assert told["finished"] is False
    net = Lutnet.load(out)
    assert net.provenance["accuracy"] == {}, "an unfinished training does not look at test images"
    assert net.provenance["validation_accuracy"]
    checkpoint = tmp_path / "cut.train" / "checkpoint.safetensors"
    stopped_at = net.provenance["epochs"]
    resumed = subprocess.Popen([*command, "--resume"], stdout=subprocess.PIPE, text=True)
    try:
        before = checkpoint.stat().st_mtime_ns
        while checkpoint.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline + 60
            time.sleep(0.1)
        resumed.send_signal(signal.SIGINT)
        stdout, _ = resumed.communicate(timeout=60)
    finally:
        resumed.kill()
    assert json.loads(stdout)["epochs"] > stopped_at
