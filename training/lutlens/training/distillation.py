"""A float CNN that learns the same images beside the network, which learns from what it thinks of them."""

from __future__ import annotations

from typing import Annotated

import torch
from lutlens.training.network import Network
from lutlens.training.objectives import Objective
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 64)


class Teaching(BaseModel):
    """How much the network learns from the teacher.

    weight: share of the loss that compares it with the teacher; the rest compares it with the labels.
    temperature: that both sides' logits are divided by before they are compared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    weight: Annotated[float, Field(ge=0, le=1)] = 0.7
    temperature: Annotated[float, Field(gt=0)] = 1.0


class Distillation(Objective):
    """Cross-entropy of classes, and the divergence from a teacher's answers at a temperature (Hinton, Vinyals and
    Dean, 2015, equation 1 and section 2).

    The teacher is a CNN of three convolutions, which learns from the labels of the same batches and is left
    behind. Its sums are PyTorch's: with another number of threads they may be rounded otherwise.

    shape: of images, (height, width, channels).
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, teaching: Teaching) -> None:
        super().__init__()
        self.weight, self.temperature = teaching.weight, teaching.temperature
        height, width, channels = shape
        first, second, third = CHANNELS
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.teacher = nn.Sequential(
                nn.Conv2d(channels, first, 5, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True),
                nn.Conv2d(first, second, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True),
                nn.Conv2d(second, third, 3, padding=1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(third * -(-height // 4) * -(-width // 4), classes),
            )

    def forward(self, network: Network, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        known = self.teacher(_planes(pixels))
        logits = network(pixels)
        right = (logits.detach().argmax(dim=1) == labels).sum()
        divergence = functional.kl_div(
            functional.log_softmax(logits / self.temperature, dim=1),
            functional.softmax(known.detach() / self.temperature, dim=1),
            reduction="batchmean",
        )
        # The gradient of the divergence falls with the square of the temperature.
        loss = (1 - self.weight) * functional.cross_entropy(logits, labels)
        loss = loss + self.weight * self.temperature**2 * divergence
        return loss + functional.cross_entropy(known, labels), right


def _planes(pixels: Tensor) -> Tensor:
    """uint8 `[batch, height, width(, channels)]` as float32 `[batch, channels, height, width]`, 0 to 1."""
    coloured = pixels if pixels.ndim == 4 else pixels[..., None]
    return coloured.permute(0, 3, 1, 2) / 255
