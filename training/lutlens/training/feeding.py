"""Batches on their way to the device that trains."""

from __future__ import annotations

from typing import Protocol

import torch
from lutlens.training.augment import Batches, BatchSource
from lutlens.training.parallel import Team
from torch import Tensor


class Feed(Protocol):
    """What a step's images are made of, and the making.

    They are two, so that the first can be done ahead, in a thread, and the second as a part of a
    step that is recorded.
    """

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        """Of this process's share of the step's batch; in the processor's memory."""

    def images(self, *parts: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels uint8 `[share, height, width(, 3)]` and labels int64 `[share]` from those, which
        are on the device by now.
        """


def feed(source: BatchSource, device: torch.device, team: Team) -> Feed:
    """On a CUDA device the training set stays there, if its batches are mere choices from it."""
    if device.type == "cuda" and isinstance(source, Batches) and source.deformation is None:
        return Resident(source, device, team)
    return Uploads(source, team)


class Uploads:
    """Batches that are made by the processor."""

    def __init__(self, source: BatchSource, team: Team) -> None:
        self._source, self._team = source, team

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        batch = self._source[step]
        return tuple(
            self._team.share(torch.from_numpy(array)) for array in (batch.pixels, batch.labels)
        )

    def images(self, *parts: Tensor) -> tuple[Tensor, Tensor]:
        pixels, labels = parts
        return pixels, labels


class Resident:
    """The training set on the device: it is told which images, how far they move, and which are mirrored.

    Batches are those that `Batches` makes of the same step, image by image.
    """

    def __init__(self, source: Batches, device: torch.device, team: Team) -> None:
        self._source, self._team = source, team
        self._padded = torch.from_numpy(source.padded).to(device)
        self._labels = torch.from_numpy(source.labels).to(device)

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        choice = self._source.choice(step)
        return tuple(self._team.share(torch.from_numpy(part)) for part in choice)

    def images(self, *parts: Tensor) -> tuple[Tensor, Tensor]:
        image, dy, dx, mirrored = parts
        height, width = self._source.image_size
        y = dy[:, None] + torch.arange(height, device=dy.device)
        column = torch.arange(width, device=dx.device)
        x = dx[:, None] + torch.where(mirrored[:, None] == 1, width - 1 - column, column)
        pixels = self._padded[image[:, None, None], y[:, :, None], x[:, None, :]]
        return pixels, self._labels[image]
