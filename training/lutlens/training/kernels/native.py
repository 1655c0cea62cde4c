"""The kernels in C++: compiled for this machine's processor when they are first needed.

LUTLENS_KERNELS: "auto" (the default) uses them for tensors on the CPU, "avx2" the same without AVX-512,
"off" leaves everything to PyTorch.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import torch
from torch import Tensor

from lutlens.host.compilation import CompilationError, build_shared_library

_SOURCES = ("lookup.cpp", "simd.h", "threads.h")
_FLAGS = ("-std=c++20", "-O3", "-march=native", "-pthread", "-w")
_MODES = {"auto": (), "avx2": ("-mno-avx512f",), "off": None}


class _Library:
    """The shared library's functions, with tensors for arguments."""

    def __init__(self, path: str) -> None:
        self._functions = ctypes.CDLL(path)
        self._functions.lutlens_simd.restype = ctypes.c_char_p
        self._functions.lutlens_keep_memory()
        self.simd = self._functions.lutlens_simd().decode()

    def call(self, name: str, *arguments: Tensor | int | None) -> None:
        """Tensors have to be contiguous; the number of threads is added as the last argument."""
        values = [_argument(argument) for argument in (*arguments, torch.get_num_threads())]
        self._functions[name](*values)


def _argument(value: Tensor | int | None) -> ctypes.c_void_p | ctypes.c_int64:
    if isinstance(value, Tensor):
        assert value.is_contiguous()
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_void_p() if value is None else ctypes.c_int64(value)


def library() -> _Library | None:
    """The library, or None where it is switched off or cannot be built (which is said once)."""
    return _library(os.environ.get("LUTLENS_KERNELS", "auto"))


@lru_cache
def _library(mode: str) -> _Library | None:
    if mode not in _MODES:
        raise ValueError(f"LUTLENS_KERNELS: {mode!r}, must be one of {', '.join(_MODES)}")
    extra = _MODES[mode]
    if extra is None:
        return None
    folder = resources.files(__package__)
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in _SOURCES}
    try:
        return _Library(str(build_shared_library(sources, [*_FLAGS, *extra], "lutlens-kernels")))
    except (CompilationError, OSError) as error:
        warnings.warn(f"training without C++ kernels, many times slower: {error}", stacklevel=2)
        return None


@dataclass(frozen=True)
class Shape:
    """A layer's sizes and where its pins are connected; bases and offsets as in `reference`."""

    bases: Tensor
    offsets: Tensor
    batch: int

    @property
    def output(self) -> tuple[int, int, int]:
        return len(self.bases), len(self.offsets), self.batch

    @property
    def arguments(self) -> tuple[Tensor | int, ...]:
        nodes, fan_in = self.offsets.shape
        return self.bases, len(self.bases), self.offsets, nodes, fan_in, self.batch


def prepare(lib: _Library, tables: Tensor, smooth: bool) -> tuple[Tensor, Tensor]:
    """Smoothed tables `[nodes, 64]`, and the looked-up ones' bits, int64 `[nodes]`."""
    nodes, entries = tables.shape
    smoothed = torch.empty((nodes, 64))
    bits = torch.empty(nodes, dtype=torch.int64)
    fan_in = entries.bit_length() - 1
    lib.call("lutlens_prepare", nodes, fan_in, int(smooth), tables.contiguous(), smoothed, bits)
    return smoothed, bits


def forward(lib: _Library, shape: Shape, rows: Tensor, bits: Tensor) -> tuple[Tensor, Tensor]:
    """Output float32 and addresses uint8, `[positions, nodes, batch]`."""
    output = torch.empty(shape.output)
    address = torch.empty(shape.output, dtype=torch.uint8)
    lib.call("lutlens_forward", *shape.arguments, rows, bits, address, output)
    return output, address


def backward(
    lib: _Library,
    shape: Shape,
    smooth: bool,
    gradient: Tensor,
    address: Tensor,
    smoothed: Tensor,
    rows: Tensor,
    candidates: Tensor | None,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of rows, tables and scores, as far as they are wanted."""
    nodes, fan_in = shape.offsets.shape
    to_rows = torch.empty(rows.shape) if wanted[0] else None
    to_tables = torch.empty((nodes, 1 << fan_in)) if wanted[1] else None
    to_scores = None
    if wanted[2] and candidates is not None:
        candidates = candidates.contiguous()
        to_scores = torch.empty(candidates.shape)
    lib.call(
        "lutlens_backward",
        *shape.arguments,
        int(smooth),
        gradient.contiguous(),
        address,
        smoothed,
        rows,
        len(rows),
        candidates,
        0 if candidates is None else candidates.shape[2],
        to_rows,
        to_tables,
        to_scores,
    )
    return to_rows, to_tables, to_scores


def pool(lib: _Library, x: Tensor, size: tuple[int, int]) -> Tensor:
    """As `reference.pool`."""
    height, width, channels, batch = x.shape
    result = torch.empty((height // size[0], width // size[1], channels, batch))
    lib.call("lutlens_pool", height, width, channels * batch, *size, x, result)
    return result


def pool_gradient(lib: _Library, x: Tensor, size: tuple[int, int], gradient: Tensor) -> Tensor:
    """As `reference.pool_gradient`."""
    height, width, channels, batch = x.shape
    result = torch.empty(x.shape)
    sizes = height, width, channels * batch, *size
    lib.call("lutlens_pool_backward", *sizes, x, gradient.contiguous(), result)
    return result
