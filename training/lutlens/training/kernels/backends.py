"""Who runs a program of steps: the kernels in C++ on the CPU, those in Triton on a CUDA device.

LUTLENS_KERNELS: "auto" (the default) is that, "avx2" the same without AVX-512, "triton" takes
Triton's for any device (with TRITON_INTERPRET=1 they run on the CPU, slowly, to be tested), "off"
leaves everything to PyTorch.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Protocol

import torch
from lutlens.training.kernels import native, reference
from torch import Tensor

MODES = ("auto", "avx2", "triton", "off")


class Program(Protocol):
    """Layers and pools one after another, for forward passes and their backward passes."""

    @property
    def memory(self) -> int:
        """Bytes that may be kept from a forward pass to its backward pass."""

    @property
    def times(self) -> int:
        """Positions at which the layers are gone through one after the other, see `unroller`."""

    def add_layer(
        self,
        bases: Tensor,
        offsets: Tensor,
        candidates: Tensor | None,
        tables: Tensor,
        smooth: bool,
        flip: float,
    ) -> None:
        """Look-up nodes.

        bases, offsets, candidates: as in `reference`; tables float32 `[nodes, 2**fan_in]`.
        smooth: look up the smoothed table. flip: see `reference.FLIP`.
        """

    def add_pool(self, shape: tuple[int, int, int], size: tuple[int, int], flip: float) -> None:
        """OR over blocks of `size` positions of a map of `shape` (height, width, channels)."""

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Bits, `[rows, batch]` of any dtype, to float32 `[rows of the last step, batch]`; and what
        `backward` needs.
        """

    def backward(
        self, kept: Sequence[Tensor], gradient: Tensor, rows_wanted: bool, wanted: Sequence[bool]
    ) -> tuple[Tensor | None, list[Tensor | None]]:
        """The gradient of x, and those of tables, scores, tables, scores ... of all layers, each if
        it is wanted.
        """


def program_maker(device: torch.device) -> Callable[[int], Program] | None:
    """What makes a program for tensors on this device, given the rows of its input; None: PyTorch."""
    mode = _mode()
    if mode == "triton" or (mode != "off" and device.type == "cuda"):
        return _triton()
    library = native.library(mode) if device.type == "cpu" else None
    return None if library is None else lambda rows: native.Program(library, rows)


def unroller(device: torch.device) -> Callable[[int, int, int], Program] | None:
    """What makes a program of the layers of a recurrent stage, given the rows that these read, window
    and state, the number of positions, and the input's rows from one window to the next; None: every
    position has to be a program of its own.
    """
    library = native.library(_mode()) if device.type == "cpu" and _mode() != "triton" else None
    if library is None:
        return None
    return lambda rows, times, pitch: native.Unrolled(library, rows, times, pitch)


def settler() -> Callable[..., None]:
    """What settles a node of the last layer, with the arguments of `reference.settle`."""
    library = native.library(_mode())
    return reference.settle if library is None else partial(native.settle, library)


def description(device: torch.device) -> str:
    """Which kernels serve this device: "avx512", "avx2", "scalar", "triton" or "off"."""
    if program_maker(device) is None:
        return "off"
    library = native.library(_mode()) if device.type == "cpu" and _mode() != "triton" else None
    return library.simd if library else "triton"


def _mode() -> str:
    mode = os.environ.get("LUTLENS_KERNELS", "auto")
    if mode not in MODES:
        raise ValueError(f"LUTLENS_KERNELS: {mode!r}, must be one of {', '.join(MODES)}")
    return mode


@lru_cache
def _triton() -> Callable[[int], Program] | None:
    """Imported where it is needed: without a GPU, Triton need not be installed."""
    try:
        from lutlens.training.kernels import triton_program
    except ImportError as error:
        warnings.warn(f"training on a GPU without Triton, many times slower: {error}", stacklevel=3)
        return None
    return triton_program.Program
