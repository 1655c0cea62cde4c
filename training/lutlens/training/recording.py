"""CUDA graphs: a step that is recorded once and replayed.

A step of a small network is a hundred launches of kernels that take microseconds each, less than
Python takes to launch them; a graph launches them all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

WARM_UP = 3
"""Calls before the one that is recorded: in them kernels are compiled, and memory is laid out."""

T = TypeVar("T")


def recorded(work: Callable[..., T], device: torch.device) -> Callable[..., T]:
    """`work(*tensors)`, on a CUDA device as a graph; on any other, work itself.

    work: what it does to tensors must not depend on anything but tensors that stay where they are:
        it is called a few times, once more to be recorded, and then never again. Its arguments
        have the same shapes every time.

    What it returns is overwritten by the next call.
    """
    return _Graph(work, device) if device.type == "cuda" else work


class _Graph(Generic[T]):
    def __init__(self, work: Callable[..., T], device: torch.device) -> None:
        self._work = work
        # What is recorded must not have begun on the default stream.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._arguments: tuple[Tensor, ...] = ()
        self._calls = 0

    def __call__(self, *arguments: Tensor) -> T:
        outside = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            result = self._run(arguments)
        outside.wait_stream(self._stream)
        return result

    def _run(self, arguments: tuple[Tensor, ...]) -> T:
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._work(*arguments)
        if self._graph is None:
            self._arguments = tuple(a.clone() for a in arguments)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._result = self._work(*self._arguments)
        for kept, given in zip(self._arguments, arguments, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._result
