"""Training by several processes, on one machine or more: torchrun starts them.

    torchrun --nproc-per-node 2 --no-python lutlens train digits

Every process takes its share of every batch, and their gradients are added up before each step of
the optimizer. Batches, random thresholds and redrawn connections are those of one process alone: so
all processes have the same network at every step, and but for the rounding of sums it is the one
that a single process would have. The first of them leads: it validates, and it alone writes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from lutlens.training.devices import DeviceName, device_of
from torch import Tensor

PATIENCE = timedelta(minutes=30)
"""Of a process for the others: one of them may be validating, or composing scenes."""


class TeamError(ValueError):
    """Processes that cannot train together."""


@dataclass(frozen=True)
class Team:
    """This process among all of them.

    rank: 0 leads. size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Of the samples `[batch, ...]`, this process's."""
        return batch[self.rank :: self.size]

    def uniform(self, samples: int) -> Callable[[Sequence[int], torch.device], Tensor]:
        """What draws numbers from [0, 1) of a shape `[share, ...]`: this process's share of what one
        process would draw for all samples.
        """

        def draw(shape: Sequence[int], device: torch.device) -> Tensor:
            return self.share(torch.rand((samples, *shape[1:]), device=device))

        return draw

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Sum each over all processes, in place; float32, all on one device."""
        if self.size == 1:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        totals = torch.split(flat, [t.numel() for t in tensors])
        for t, total in zip(tensors, totals, strict=True):
            t.copy_(total.view_as(t))

    def as_leader(self, *numbers: float) -> tuple[float, ...]:
        """The leader's numbers, whatever this process's are."""
        if self.size == 1:
            return numbers
        told = torch.tensor(numbers, dtype=torch.float64)
        dist.broadcast(told, src=0)
        return tuple(told.tolist())

    def from_leader(self, read: Callable[[], bytes]) -> bytes:
        """What `read` gives the leader. Raises what it raises there, and TeamError elsewhere."""
        if self.size == 1:
            return read()
        data = None
        try:
            data = read() if self.leads else b""
        finally:
            length = torch.tensor([-1 if data is None else len(data)])
            dist.broadcast(length, src=0)
        if int(length) < 0:
            raise TeamError("the first process could not read what it was to send the others")
        sent = bytearray(data) if self.leads else bytearray(int(length))
        dist.broadcast(torch.frombuffer(sent, dtype=torch.uint8), src=0)
        return bytes(sent)

    def agree(self, settings: str) -> None:
        """Raises TeamError where this process's settings are not the leader's."""
        mine = hashlib.sha256(settings.encode()).digest()
        if self.from_leader(lambda: mine) != mine:
            raise TeamError(
                f"process {self.rank}: other settings or data than the first process; start all "
                f"with the same command. Here: {settings}"
            )


ALONE = Team()


@contextmanager
def working_team(device: DeviceName) -> Iterator[tuple[Team, torch.device]]:
    """The processes that torchrun started, or this one alone; and where this one is to work.

    Raises DeviceError.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    where = device_of(device, local_rank)
    if size == 1:
        yield ALONE, where
        return
    if where.type == "cuda":
        torch.cuda.set_device(where)
    backends = "cpu:gloo,cuda:nccl" if where.type == "cuda" else "gloo"
    dist.init_process_group(backends, timeout=PATIENCE)
    try:
        yield Team(dist.get_rank(), size), where
    finally:
        dist.destroy_process_group()
