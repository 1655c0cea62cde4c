"""The kernels in C++: compiled for this machine's processor when they are first needed.

LUTLENS_KERNELS: "auto" (the default) uses them for tensors on the CPU, "avx2" the same without
AVX-512, "off" leaves everything to PyTorch.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from functools import lru_cache
from importlib import resources

import torch
from lutlens.host.compilation import CompilationError, build_shared_library
from torch import Tensor, nn

_SOURCES = ("lookup.cpp", "maps.cpp", "simd.h", "table.h", "threads.h")
_FLAGS = ("-std=c++20", "-O3", "-march=native", "-pthread", "-w")
_MODES = {"auto": (), "avx2": ("-mno-avx512f",), "off": None}


# Arguments of each function: p for a pointer, i for an integer. The number of threads comes last.
_SIGNATURES = {
    "lutlens_tile": "iippi",
    "lutlens_harden": "iiippi",
    "lutlens_forward": "pipiiiippppi",
    "lutlens_backward": "pipiiiiipppppipppi",
    "lutlens_pool": "iiiiiippi",
    "lutlens_pool_backward": "iiiiiipppi",
}


class Library:
    """The shared library's functions, with tensors for arguments.

    simd: "avx512", "avx2" or "scalar".
    """

    def __init__(self, path: str) -> None:
        functions = ctypes.CDLL(path)
        functions.lutlens_simd.restype = ctypes.c_char_p
        self.simd = functions.lutlens_simd().decode()
        functions.lutlens_keep_memory()
        self._functions = {}
        for name, signature in _SIGNATURES.items():
            function = getattr(functions, name)
            function.argtypes = [
                ctypes.c_void_p if kind == "p" else ctypes.c_int64 for kind in signature
            ]
            function.restype = None
            self._functions[name] = function

    def call(self, name: str, *arguments: Tensor | int | None) -> None:
        """Tensors have to be contiguous; the number of threads is added as the last argument."""
        values = [a.data_ptr() if isinstance(a, Tensor) else a for a in arguments]
        self._functions[name](*values, torch.get_num_threads())


def library() -> Library | None:
    """The library, or None where it is switched off or cannot be built (which is said once)."""
    return _library(os.environ.get("LUTLENS_KERNELS", "auto"))


@lru_cache
def _library(mode: str) -> Library | None:
    if mode not in _MODES:
        raise ValueError(f"LUTLENS_KERNELS: {mode!r}, must be one of {', '.join(_MODES)}")
    extra = _MODES[mode]
    if extra is None:
        return None
    folder = resources.files(__package__)
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in _SOURCES}
    try:
        return Library(str(build_shared_library(sources, [*_FLAGS, *extra], "lutlens-kernels")))
    except (CompilationError, OSError) as error:
        warnings.warn(f"training without C++ kernels, many times slower: {error}", stacklevel=2)
        return None


TILE = 64
"""Samples that lie side by side: the kernels' arrays are `[tile, row, 64]`."""


def tile(library: Library, rows: Tensor) -> Tensor:
    """Bits, `[rows, batch]` of any dtype, to uint8 `[tiles, rows, 64]`, filled up with zeros."""
    count, batch = rows.shape
    tiles = -(-batch // TILE)
    bits = rows.to(torch.uint8)
    result = torch.empty((tiles, count, TILE), dtype=torch.uint8)
    if bits.t().is_contiguous():
        library.call("lutlens_tile", batch, count, bits.t(), result)
        return result
    return result.copy_(_in_tiles(bits))


def tile_gradient(gradient: Tensor) -> Tensor:
    """Float32 `[rows, batch]` to `[tiles, rows, 64]`, filled up with zeros."""
    return _in_tiles(gradient).contiguous()


def _in_tiles(x: Tensor) -> Tensor:
    count, batch = x.shape
    if batch % TILE:
        x = nn.functional.pad(x, (0, TILE - batch % TILE))
    return x.reshape(count, -1, TILE).transpose(0, 1)


def untile(x: Tensor, batch: int) -> Tensor:
    """The way back, `[tiles, rows, 64]` to `[rows, batch]`."""
    return x.transpose(0, 1).reshape(x.shape[1], -1)[:, :batch]


class Layer:
    """A layer of look-up nodes for one forward and one backward pass.

    bases, offsets, candidates: as in `reference`; tables `[nodes, 2**fan_in]`.
    smooth: look up the smoothed table.
    """

    def __init__(
        self,
        library: Library,
        bases: Tensor,
        offsets: Tensor,
        candidates: Tensor | None,
        tables: Tensor,
        smooth: bool,
    ) -> None:
        self._library, self._smooth = library, smooth
        self._bases, self._offsets, self._candidates = bases, offsets.contiguous(), candidates
        self._nodes, self._fan_in = offsets.shape
        self._positions = bases.shape[0]
        self._bits = torch.empty(self._nodes, dtype=torch.int64)
        library.call("lutlens_harden", self._nodes, self._fan_in, int(smooth), tables, self._bits)

    def _shape(self, x: Tensor) -> tuple[Tensor | int, ...]:
        tiles, rows, _ = x.shape
        return (
            self._bases,
            self._positions,
            self._offsets,
            self._nodes,
            self._fan_in,
            rows,
            tiles,
        )

    def forward(self, x: Tensor, keep_address: bool) -> tuple[Tensor, Tensor | None]:
        """Bits, uint8 `[tiles, rows, 64]`, to bits and, if wanted, addresses of the same form."""
        y = torch.empty((x.shape[0], self._positions * self._nodes, TILE), dtype=torch.uint8)
        address = torch.empty_like(y) if keep_address else None
        self._library.call("lutlens_forward", *self._shape(x), x, self._bits, address, y)
        return y, address

    def backward(
        self,
        x: Tensor,
        address: Tensor,
        tables: Tensor,
        gradient: Tensor,
        wanted: tuple[bool, bool, bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The gradients of x, tables and scores, as far as they are wanted."""
        candidates = self._candidates.contiguous() if self._candidates is not None else None
        to_x = torch.empty(x.shape) if wanted[0] else None
        to_tables = torch.empty((self._nodes, 1 << self._fan_in)) if wanted[1] else None
        to_scores = torch.empty(candidates.shape) if wanted[2] and candidates is not None else None
        self._library.call(
            "lutlens_backward",
            *self._shape(x),
            int(self._smooth),
            gradient,
            address,
            tables,
            x,
            candidates,
            0 if candidates is None else candidates.shape[2],
            to_x,
            to_tables,
            to_scores,
        )
        return to_x, to_tables, to_scores


class Pool:
    """OR over blocks of `size` positions of a map of `shape` (height, width, channels)."""

    def __init__(
        self, library: Library, shape: tuple[int, int, int], size: tuple[int, int]
    ) -> None:
        self._library, self._shape, self._size = library, shape, size

    def forward(self, x: Tensor) -> Tensor:
        """Bits, uint8 `[tiles, rows, 64]`, to bits."""
        height, width, channels = self._shape
        outputs = (height // self._size[0]) * (width // self._size[1]) * channels
        y = torch.empty((x.shape[0], outputs, TILE), dtype=torch.uint8)
        self._library.call("lutlens_pool", x.shape[0], *self._shape, *self._size, x, y)
        return y

    def backward(self, x: Tensor, gradient: Tensor) -> Tensor:
        to_x = torch.empty(x.shape)
        sizes = (x.shape[0], *self._shape, *self._size)
        self._library.call("lutlens_pool_backward", *sizes, x, gradient, to_x)
        return to_x
