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
from lutlens.training.augment import ScoreFrame, prefetch
from lutlens.training.checkpoint import Checkpoint
from lutlens.training.data import DataSet, pixels
from lutlens.training.engines import frame_scores
from lutlens.training.evaluate import Thresholds, ramp, torch_scores
from lutlens.training.feeding import feed
from lutlens.training.network import Network
from lutlens.training.parallel import ALONE, Team
from lutlens.training.quality import quality
from lutlens.training.recipes import Recipe, RecipeError
from lutlens.training.recording import recorded
from lutlens.training.source import source_commit
from pydantic import BaseModel, ConfigDict, SerializeAsAny
from torch import Tensor

FINAL_RATE = 0.01
OBJECTIVE_RATE = 0.003
"""Learning rate of the objective's own parameters."""
VALIDATION_INSET = 1 / 8
"""Validation's thresholds leave out this share of the encoder's levels at either end."""
VALIDATION_SHARE = 0.1
"""By the clock, validation takes at most about this share of the time."""
CPU = torch.device("cpu")
FETCHED_EVERY = 20
"""Steps."""


class Run(BaseModel):
    """What identifies a training: equal runs paced by epochs give equal networks.

    On equal devices, that is: neither the device nor the number of processes is a part of it, and on
    others sums are rounded otherwise and random thresholds are others. A training may change both
    whenever it resumes.

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

    loss, train_accuracy: means over the steps since the line before. The accuracy of numbers is R2, the
        share of their variance that is explained.
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
    """Running sums between two validations.

    What a device has worked out is fetched only every so many steps: it need not wait meanwhile.
    """

    def __init__(self) -> None:
        self.images, self.right, self.loss, self.seconds = 0, 0.0, 0.0, 0.0
        self._pending: list[tuple[int, Tensor]] = []

    def add(self, images: int, sums: Tensor) -> None:
        """sums: float32 `[2]`, of the loss and of right answers (or R2) over so many images."""
        self._pending.append((images, sums if sums.device.type == "cpu" else sums.clone()))
        if sums.device.type == "cpu" or len(self._pending) == FETCHED_EVERY:
            self.fetch()

    def fetch(self) -> None:
        """Count all that was added."""
        if not self._pending:
            return
        images, sums = zip(*self._pending, strict=True)
        loss, right = torch.stack(sums).double().sum(dim=0).tolist()
        self.images += sum(images)
        self.loss += loss
        self.right += right
        self._pending = []


class Trainer:
    """A training with its files in `folder`: checkpoint.safetensors, metrics.jsonl, curves.png.

    given: the data as they were given; data: as the recipe prepares them.
    network: as it is after `step` steps; best: the state dict of the best one so far.
    """

    def __init__(
        self,
        run: Run,
        data: DataSet,
        folder: Path,
        *,
        device: torch.device = CPU,
        team: Team = ALONE,
    ) -> None:
        """team: the processes that train together, all of them with the same arguments.

        Raises RecipeError if data and recipe do not fit, TeamError if the processes do not.
        """
        recipe = run.recipe
        if data.image_shape != recipe.input_shape:
            raise RecipeError(
                f"{data.name}: images of {pixels(data.image_shape)}; the recipe {recipe.name} "
                f"takes {pixels(recipe.input_shape)}"
            )
        team.agree(run.model_dump_json())
        self.run, self.folder, self.device, self.team = run, folder, device, team
        self.given, self.data = data, recipe.prepare(data)
        self.source_commit = source_commit()
        schedule = recipe.schedule
        self.network = Network(recipe.network(len(self.data.classes)), seed=run.seed).to(device)
        self.objective = recipe.objective(self.data).to(device)
        self.optimizer = torch.optim.Adam(
            [
                *(
                    {"params": tables, "rate": rate * schedule.table_rate}
                    for rate, tables in self.network.rated_tables().items()
                ),
                {"params": self.network.connection_scores(), "rate": schedule.connection_rate},
                {"params": list(self.objective.parameters()), "rate": OBJECTIVE_RATE},
            ],
            betas=schedule.betas,
            fused=True,
            capturable=device.type == "cuda",
        )
        if device.type == "cuda":
            for group in self.optimizer.param_groups:
                group["lr"] = torch.zeros((), device=device)
        self.batches = recipe.batches(self.data, run.seed)
        if self.batches.batch_size < team.size:
            raise RecipeError(
                f"{recipe.name}: batches of {self.batches.batch_size} images for {team.size} "
                "processes; start at most one for each image"
            )
        self.feed = feed(self.batches, device, team)
        # A graph reads tensors that are cached for these steps; they must live as long as it does.
        self._steps = self.network.steps(*recipe.input_shape[:2])
        self._descend = self._step_of_optimizer
        if team.size == 1:
            self._descend = recorded(self._step_of_optimizer, device)
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
            with closing(prefetch(self.feed, self.step)) as batches:
                reviewed = False
                while self.progress < 1.0 and not reviewed:
                    (stopped,) = self.team.as_leader(stop())
                    if stopped:
                        self._checkpoint()
                        return False
                    start = time.perf_counter()
                    self._train_step(next(batches))
                    elapsed = time.perf_counter() - start
                    self.seconds += elapsed
                    self.tally.seconds += elapsed
                    self._keep_time()
                    validated = self._validation_is_due()
                    if validated:
                        self._validate()
                    # Batches that were made ahead of a review are made again.
                    reviewed = self._review()
                    self._keep_time()
                    if validated or reviewed:
                        self._checkpoint()
                    report(self)
        return True

    def resume(self) -> None:
        """Go on where the folder's checkpoint stands. Raises CheckpointError."""
        path = self.folder / "checkpoint.safetensors"
        # The other processes may be on other machines, without the file.
        data = self.team.from_leader(lambda: checkpoint.read(path))
        saved = Checkpoint.parse(data, path, self.run.model_dump_json())
        self.network.load_state_dict(saved.model)
        self.objective.load_state_dict(saved.objective)
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
            self.network.eval()(torch.from_numpy(self.data.validation.images[:1]).to(self.device))

    def _keep_time(self) -> None:
        """By the clock, that of the process that leads."""
        if self.run.minutes is not None:
            (self.seconds,) = self.team.as_leader(self.seconds)

    def _train_step(self, parts: tuple[Tensor, ...]) -> None:
        """parts: what this step's images are made of, see `Feed`."""
        schedule = self.run.recipe.schedule
        # Random thresholds and redrawn connections are functions of seed and step.
        torch.manual_seed((self.run.seed << 32) + self.step)
        self._set_rate(_cosine(self.progress))
        self.network.train()
        sums = self._descend(*(part.to(self.device) for part in parts))
        self.step += 1
        if self.step % schedule.redraw_every == 0 and self.progress < schedule.redraw_until:
            self.network.redraw_connections(self.optimizer)
        self.tally.add(self.batches.batch_size, sums)

    def _set_rate(self, share: float) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):  # which a graph reads
                group["lr"].fill_(group["rate"] * share)
            else:
                group["lr"] = group["rate"] * share

    def _step_of_optimizer(self, *parts: Tensor) -> Tensor:
        """Sums of the loss and of right answers (or R2) over the whole batch, float32 `[2]`."""
        pixels, labels = self.feed.images(*parts)
        if self.team.size > 1:
            self.network.encoder.uniform = self.team.uniform(self.batches.batch_size)
        self.optimizer.zero_grad()
        loss, right = self.objective(self.network, pixels, labels)
        (loss * (len(labels) / self.batches.batch_size)).backward()
        sums = torch.stack([loss.detach() * len(labels), right.to(loss.dtype)])
        trained = [*self.network.parameters(), *self.objective.parameters()]
        gradients = [p.grad for p in trained if p.grad is not None]
        self.team.add_up([*gradients, sums])
        self.optimizer.step()
        self.network.constrain()
        return sums

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
        lutnet = self.network.to_lutnet({1: levels}, self.data.classes, values=self.data.values)
        return frame_scores(lutnet, levels)

    def _three_passes(self) -> Thresholds:
        low, high = self.run.recipe.levels
        if self.data.values:  # which are means over all levels
            return self.network.encoder.thresholds(3).numpy()
        inset = round(VALIDATION_INSET * (high - low))
        return ramp(3, self.run.recipe.encoder_bits, low + inset, high - inset)

    def _validate(self) -> None:
        self.tally.fetch()
        if not self.team.leads:
            self.tally = Tally()
            return
        start = time.perf_counter()
        scores_of = torch_scores(self.network.eval())
        three = self._three_passes()
        given, highest = self.data, self.run.recipe.bits_per_class
        accuracy = {
            len(passes): quality(scores_of, given.validation, passes, given.values, highest)
            for passes in (three[1:2], three)
        }
        self.validation_seconds = time.perf_counter() - start
        self.seconds += self.validation_seconds
        tally, self.tally = self.tally, Tally()
        metrics = Metrics(
            step=self.step,
            epoch=self.step / self.batches.per_epoch,
            seconds=self.seconds,
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
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
        if not self.team.leads:
            return
        Checkpoint(
            progress=checkpoint.Progress(
                run=self.run.model_dump_json(),
                step=self.step,
                seconds=self.seconds,
                best_score=self.best_score,
                best_step=self.best_step,
            ),
            model=self.network.state_dict(),
            objective=self.objective.state_dict(),
            best=self.best,
            optimizer=checkpoint.optimizer_state(self.optimizer),
            batches={name: torch.from_numpy(a) for name, a in self.batches.state().items()},
        ).save(self.folder / "checkpoint.safetensors")

    def _copy_of_network(self) -> dict[str, torch.Tensor]:
        return {name: t.detach().clone() for name, t in self.network.state_dict().items()}


def _cosine(progress: float) -> float:
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
