"""The training loop: steps, validation, the best model, checkpoints.

A training is paced by epochs, and then it is a function of its settings alone; or by minutes, and
then the schedule follows the clock, whatever the machine's speed.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from lutlens.board.files import write_atomically
from lutlens.training import checkpoint, plots
from lutlens.training.augment import Batch, ScoreFrame, prefetch
from lutlens.training.checkpoint import Checkpoint, CheckpointError
from lutlens.training.data import DataSet, pixels
from lutlens.training.engines import frame_scores
from lutlens.training.evaluate import Thresholds, evaluate, ramp, torch_scores
from lutlens.training.network import Network
from lutlens.training.recipes import Recipe, RecipeError
from lutlens.training.source import source_commit
from pydantic import BaseModel, ConfigDict, SerializeAsAny
from torch.nn import functional

FINAL_RATE = 0.01
VALIDATION_INSET = 1 / 8
"""Validation's thresholds leave out this share of the encoder's levels at either end."""
VALIDATION_SHARE = 0.1
"""By the clock, validation takes at most about this share of the time."""


class Run(BaseModel):
    """What identifies a training: equal runs paced by epochs give equal networks.

    epochs or minutes: its length; the other one is None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    recipe: SerializeAsAny[Recipe]
    seed: int
    data_sha256: str
    epochs: float | None
    minutes: float | None


class Metrics(BaseModel):
    """A line of metrics.jsonl: what validation after `step` steps said.

    loss, train_accuracy: means over the steps since the line before.
    validation_accuracy: by K, under evenly spread thresholds.
    images_per_second: training speed since the line before, validation left out.
    """

    step: int
    epoch: float
    seconds: float
    learning_rate: float
    loss: float
    train_accuracy: float
    validation_accuracy: dict[int, float]
    images_per_second: float

    @property
    def score(self) -> float:
        """What "best model" means: single shots and oversampling count the same."""
        return sum(self.validation_accuracy.values()) / len(self.validation_accuracy)


class Tally:
    """Running sums between two validations."""

    def __init__(self) -> None:
        self.images, self.right, self.loss, self.seconds = 0, 0, 0.0, 0.0


class Trainer:
    """A training with its files in `folder`: checkpoint.safetensors, metrics.jsonl, curves.png.

    given: the data as they were given; data: as the recipe prepares them.
    network: as it is after `step` steps; best: the state dict of the best one so far.
    """

    def __init__(self, run: Run, data: DataSet, folder: Path) -> None:
        """Raises RecipeError if data and recipe do not fit."""
        recipe = run.recipe
        if data.image_shape != recipe.input_shape:
            raise RecipeError(
                f"{data.name}: images of {pixels(data.image_shape)}; the recipe {recipe.name} "
                f"takes {pixels(recipe.input_shape)}"
            )
        self.run, self.folder = run, folder
        self.given, self.data = data, recipe.prepare(data)
        self.source_commit = source_commit()
        schedule = recipe.schedule
        self.network = Network(recipe.network(len(self.data.classes)), seed=run.seed)
        self.optimizer = torch.optim.Adam(
            [
                {"params": self.network.tables(), "rate": schedule.table_rate},
                {"params": self.network.connection_scores(), "rate": schedule.connection_rate},
            ],
            betas=schedule.betas,
            fused=True,
        )
        self.batches = recipe.batches(self.data, run.seed)
        self.best = self._copy_of_network()
        self.best_score, self.best_step = -1.0, 0
        self.step, self.seconds = 0, 0.0
        self.metrics: list[Metrics] = []
        self.tally = Tally()
        self.validation_seconds = 0.0

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 to 1."""
        if self.run.minutes is not None:
            return min(1.0, self.seconds / (60 * self.run.minutes))
        assert self.run.epochs is not None
        return min(1.0, self.step / math.ceil(self.run.epochs * self.batches.per_epoch))

    def train(
        self, report: Callable[[Trainer], None], stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Train to the end, or until `stop()`; True at the end.

        report: called after every step. A stopped training has left a checkpoint.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._compile_kernels()
        while self.progress < 1.0:
            with closing(prefetch(self.batches, self.step)) as batches:
                reviewed = False
                while self.progress < 1.0 and not reviewed:
                    if stop():
                        self._checkpoint()
                        return False
                    start = time.perf_counter()
                    self._train_step(next(batches))
                    elapsed = time.perf_counter() - start
                    self.seconds += elapsed
                    self.tally.seconds += elapsed
                    validated = self._validation_is_due()
                    if validated:
                        self._validate()
                    # Batches that were made ahead of a review are made again.
                    reviewed = self._review()
                    if validated or reviewed:
                        self._checkpoint()
                    report(self)
        return True

    def resume(self) -> None:
        """Go on where the folder's checkpoint stands. Raises CheckpointError."""
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            raise CheckpointError(f"{path}: does not exist, there is nothing to resume")
        saved = Checkpoint.load(path, self.run.model_dump_json())
        self.network.load_state_dict(saved.model)
        checkpoint.restore_optimizer(self.optimizer, saved.optimizer)
        self.best = saved.best
        self.best_score, self.best_step = saved.progress.best_score, saved.progress.best_step
        self.step, self.seconds = saved.progress.step, saved.progress.seconds
        metrics = self.folder / "metrics.jsonl"
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        read = [Metrics.model_validate_json(line) for line in lines]
        self.metrics = [line for line in read if line.step <= self.step]
        self.batches.restore({name: t.numpy() for name, t in saved.batches.items()})

    def best_network(self) -> Network:
        """The best network so far, the latest before any validation; in evaluation mode."""
        network = Network(self.network.spec, seed=self.run.seed)
        network.load_state_dict(self.best if self.best_step else self.network.state_dict())
        return network.eval()

    def _compile_kernels(self) -> None:
        """Have them ready before the clock starts: the first time, that takes a while."""
        with torch.no_grad():
            self.network.eval()(torch.from_numpy(self.data.validation.images[:1]))

    def _train_step(self, batch: Batch) -> None:
        schedule = self.run.recipe.schedule
        # Random thresholds and redrawn connections are functions of seed and step.
        torch.manual_seed((self.run.seed << 32) + self.step)
        rate = _cosine(self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * rate
        self.network.train()
        self.optimizer.zero_grad()
        labels = torch.from_numpy(batch.labels)
        logits = self.network(torch.from_numpy(batch.pixels))
        loss = functional.cross_entropy(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.network.constrain()
        self.step += 1
        if self.step % schedule.redraw_every == 0 and self.progress < schedule.redraw_until:
            self.network.redraw_connections(self.optimizer)
        self.tally.images += len(labels)
        self.tally.right += int((logits.argmax(dim=1) == labels).sum())
        self.tally.loss += float(loss.detach()) * len(labels)

    def _validation_is_due(self) -> bool:
        if self.progress >= 1.0:
            return True
        if self.step % self.batches.per_epoch:
            return False
        by_epochs = self.run.minutes is None
        return by_epochs or self.validation_seconds < VALIDATION_SHARE * self.tally.seconds

    def _review(self) -> bool:
        """Let the batches see, after an epoch, what the network makes of whole frames."""
        epoch, within = divmod(self.step, self.batches.per_epoch)
        if within:
            return False
        start = time.perf_counter()
        changed = self.batches.review(epoch, self.progress, self._score_frames)
        self.seconds += time.perf_counter() - start
        return changed

    def _score_frames(self) -> ScoreFrame:
        levels = self._three_passes()[1:2]
        lutnet = self.network.to_lutnet({1: levels}, self.data.classes)
        return frame_scores(lutnet, levels)

    def _three_passes(self) -> Thresholds:
        low, high = self.run.recipe.levels
        inset = round(VALIDATION_INSET * (high - low))
        return ramp(3, self.run.recipe.encoder_bits, low + inset, high - inset)

    def _validate(self) -> None:
        start = time.perf_counter()
        scores_of = torch_scores(self.network.eval())
        three = self._three_passes()
        accuracy = {
            len(passes): evaluate(scores_of, self.data.validation, passes).accuracy
            for passes in (three[1:2], three)
        }
        self.validation_seconds = time.perf_counter() - start
        self.seconds += self.validation_seconds
        tally, self.tally = self.tally, Tally()
        metrics = Metrics(
            step=self.step,
            epoch=self.step / self.batches.per_epoch,
            seconds=self.seconds,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            loss=tally.loss / tally.images,
            train_accuracy=tally.right / tally.images,
            validation_accuracy=accuracy,
            images_per_second=tally.images / tally.seconds,
        )
        if metrics.score > self.best_score:
            self.best_score, self.best_step = metrics.score, self.step
            self.best = self._copy_of_network()
        self.metrics.append(metrics)
        text = "".join(f"{line.model_dump_json()}\n" for line in self.metrics)
        write_atomically(self.folder / "metrics.jsonl", text.encode())
        lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        title = f"{self.run.recipe.name}, seed {self.run.seed}, {self.data.name}"
        plots.curves(lines, title, self.folder / "curves.png")

    def _checkpoint(self) -> None:
        Checkpoint(
            progress=checkpoint.Progress(
                run=self.run.model_dump_json(),
                step=self.step,
                seconds=self.seconds,
                best_score=self.best_score,
                best_step=self.best_step,
            ),
            model=self.network.state_dict(),
            best=self.best,
            optimizer=checkpoint.optimizer_state(self.optimizer),
            batches={name: torch.from_numpy(a) for name, a in self.batches.state().items()},
        ).save(self.folder / "checkpoint.safetensors")

    def _copy_of_network(self) -> dict[str, torch.Tensor]:
        return {name: t.detach().clone() for name, t in self.network.state_dict().items()}


def _cosine(progress: float) -> float:
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
