"""Checkpoints: the whole state of a training in one safetensors file, so that it goes on exactly.

Tensors are named `model.*`, `best.*` (the best model so far), `objective.*`, `optimizer.INDEX.*` and `batches.*`
(what later batches depend on, besides the settings); a JSON header holds the rest. Nothing in the
file is executed on reading.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lutlens.board.files import write_atomically
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

_HEADER = "lutlens-checkpoint"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and the reason."""


class Progress(BaseModel):
    """How far a training has come, and which one it is.

    run: the training's settings as JSON; a checkpoint of another training is refused.
    seconds: spent training and validating, over all sittings.
    best_score: validation score of the best model; best_step: the step after which it stood.
    """

    model_config = ConfigDict(extra="forbid")
    run: str
    step: int
    seconds: float
    best_score: float
    best_step: int


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State dicts of the model, the best model so far, the optimizer, the batches and the objective; progress."""

    progress: Progress
    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    batches: dict[str, Tensor] = field(default_factory=dict)
    objective: dict[str, Tensor] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file; it appears whole or not at all."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"batches.{name}": tensor for name, tensor in self.batches.items()}
        tensors |= {f"objective.{name}": tensor for name, tensor in self.objective.items()}
        for index, state in self.optimizer.items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
        # A model and its best so far may share memory, which the format does not allow.
        tensors = {
            name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()
        }
        data = save(tensors, metadata={_HEADER: self.progress.model_dump_json()})
        write_atomically(path, data)

    @classmethod
    def load(cls, path: Path, run: str) -> Checkpoint:
        """Read the file of the training `run`. Raises CheckpointError."""
        return cls.parse(read(path), path, run)

    @classmethod
    def parse(cls, data: bytes, path: Path, run: str) -> Checkpoint:
        """Make sense of the file's bytes, its tensors on the CPU. Raises CheckpointError."""
        try:
            tensors = load(data)  # checks the header's length, among all else
            metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            progress = Progress.model_validate_json(metadata.get(_HEADER, ""))
        except (SafetensorError, LookupError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"{path}: not a readable checkpoint ({reason})") from error
        if progress.run != run:
            raise CheckpointError(
                f"{path}: of a training with other settings; without --resume a new one starts.\n"
                f"  checkpoint: {progress.run}\n  asked for:  {run}"
            )
        parts: dict[str, dict[str, Tensor]] = {
            "model": {},
            "best": {},
            "batches": {},
            "objective": {},
        }
        optimizer: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part == "optimizer":
                index, _, rest = rest.partition(".")
                optimizer.setdefault(int(index), {})[rest] = tensor
            else:
                parts[part][rest] = tensor
        model, best, batches, objective = parts.values()
        return cls(progress, model, best, optimizer, batches, objective)


def read(path: Path) -> bytes:
    """A checkpoint's bytes. Raises CheckpointError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: does not exist, there is nothing to resume") from None
    except OSError as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({error})") from error


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The tensors of an optimizer's state, by parameter index."""
    return dict(optimizer.state_dict()["state"])


def restore_optimizer(
    optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]
) -> None:
    """Put tensors back into an optimizer with the same parameters, on whatever device those are; its
    groups' settings stay.
    """
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
