"""The kernels in C++: compiled for this machine's processor when they are first needed."""

from __future__ import annotations

import ctypes
import platform
import warnings
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import torch
from lutlens.host.compilation import CompilationError, build_shared_library
from torch import Tensor, nn

_SOURCES = (
    "convolution.cpp",
    "lookup.cpp",
    "maps.cpp",
    "program.cpp",
    "recurrence.cpp",
    "refinement.cpp",
    "node.h",
    "simd.h",
    "step.h",
    "table.h",
    "threads.h",
)
_FLAGS = ["-std=c++20", "-O3", "-march=native", "-pthread", "-w"]
if platform.machine() in ("x86_64", "AMD64"):
    # GCC would copy tables in halves, and a load of the whole then has to wait for both.
    _FLAGS.append("-mprefer-vector-width=512")
_MODES = {"auto": (), "avx2": ("-mno-avx512f",)}

# Arguments of each function: p for a pointer, i for an integer, d for a double. The number of threads comes last.
_SIGNATURES = {
    "lutlens_tile": "iippi",
    "lutlens_forward": "piipppi",
    "lutlens_backward": "piippppi",
    "lutlens_unroll": "piiiiipppi",
    "lutlens_unroll_backward": "piiiiipppi",
    "lutlens_settle": "iippppppdi",
}
_TYPES = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}


_NUMBERS = (
    *("inputs", "outputs", "nodes", "fan_in", "positions", "candidate_count", "smooth"),
    *("bases", "offsets", "candidates", "tables", "to_tables", "to_scores"),
    *("height", "width", "channels", "block_rows", "block_columns"),
)


class _Step(ctypes.Structure):
    """`Step` of step.h; pointers are numbers, 0 is null."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in _NUMBERS),
        ("flip", ctypes.c_double),
    ]


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
            function.argtypes = [_TYPES[kind] for kind in signature]
            function.restype = None
            self._functions[name] = function

    def call(self, name: str, *arguments: Tensor | float | None) -> None:
        """Tensors have to be contiguous; the number of threads is added as the last argument."""
        values = [a.data_ptr() if isinstance(a, Tensor) else a for a in arguments]
        self._functions[name](*values, torch.get_num_threads())


@lru_cache
def library(mode: str = "auto") -> Library | None:
    """The library, or None where it cannot be built (which is said once).

    mode: "auto" for all that the processor has, "avx2" for that without AVX-512; others have none.
    """
    if mode not in _MODES:
        return None
    folder = resources.files(__package__)
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in _SOURCES}
    try:
        return Library(
            str(build_shared_library(sources, [*_FLAGS, *_MODES[mode]], "lutlens-kernels"))
        )
    except (CompilationError, OSError) as error:
        warnings.warn(f"training without C++ kernels, many times slower: {error}", stacklevel=2)
        return None


TILE = 64
"""Samples that lie side by side: the kernels' arrays are `[tile, row, 64]`."""


def tile(library: Library, rows: Tensor) -> Tensor:
    """Bits, `[rows, batch]` of any dtype, to signals, uint8 `[tiles, rows, 64]` as step.h defines
    them, filled up with zeros.
    """
    count, batch = rows.shape
    tiles = -(-batch // TILE)
    bits = rows.to(torch.uint8)
    if bits.t().is_contiguous():
        result = torch.empty((tiles, count, TILE), dtype=torch.uint8)
        library.call("lutlens_tile", batch, count, bits.t(), result)
        return result
    bits = nn.functional.pad(bits << 7, (0, tiles * TILE - batch))
    return bits.reshape(count, tiles, TILE).transpose(0, 1).contiguous()


def _untile(x: Tensor, batch: int) -> Tensor:
    """The way back, `[tiles, rows, 64]` to `[rows, batch]`."""
    return x.transpose(0, 1).reshape(x.shape[1], -1)[:, :batch]


def settle(
    library: Library,
    planes: Tensor,
    wires: Tensor,
    labels: Tensor,
    exponentials: Tensor,
    totals: Tensor,
    table: Tensor,
    bit: float,
) -> None:
    """`reference.settle`."""
    words = planes.shape[1]
    given = planes, wires, labels, exponentials, totals, table
    library.call("lutlens_settle", words, len(wires), *given, bit)


class Program:
    """A `backends.Program`. rows: those of the first step's input."""

    memory = 512 << 20
    times = 1

    def __init__(self, library: Library, rows: int) -> None:
        self._library, self._rows = library, rows
        self._steps: list[_Step] = []
        self._pointed_at: list[Tensor] = []

    def add_layer(
        self,
        bases: Tensor,
        offsets: Tensor,
        candidates: Tensor | None,
        tables: Tensor,
        smooth: bool,
        flip: float,
    ) -> None:
        (positions,), (nodes, fan_in) = bases.shape, offsets.shape
        step = self._add(positions * nodes)
        step.nodes, step.fan_in, step.positions = nodes, fan_in, positions
        step.smooth, step.flip = smooth, flip
        step.bases, step.offsets = self._pointer(bases), self._pointer(offsets)
        step.tables = self._pointer(tables)
        if candidates is not None:
            step.candidates, step.candidate_count = self._pointer(candidates), candidates.shape[2]

    def add_pool(self, shape: tuple[int, int, int], size: tuple[int, int], flip: float) -> None:
        step = self._add((shape[0] // size[0]) * (shape[1] // size[1]) * shape[2])
        step.height, step.width, step.channels = shape
        step.block_rows, step.block_columns = size
        step.flip = flip

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self._pass_forward(tile(self._library, x), x.shape[1])

    def _pass_forward(self, tiles: Tensor, batch: int) -> tuple[Tensor, list[Tensor]]:
        outputs = sum(step.outputs for step in self._steps)
        signals = torch.empty(len(tiles) * outputs * TILE, dtype=torch.uint8)
        y = torch.empty((self._steps[-1].outputs, batch))
        self._call("lutlens_forward", batch, tiles, signals, y)
        return y, [tiles, signals]

    def backward(
        self, kept: Sequence[Tensor], gradient: Tensor, rows_wanted: bool, wanted: Sequence[bool]
    ) -> tuple[Tensor | None, list[Tensor | None]]:
        results: list[Tensor | None] = []
        layers = [step for step in self._steps if step.nodes]
        for step, to_tables, to_scores in zip(layers, wanted[::2], wanted[1::2], strict=True):
            tables = torch.empty((step.nodes, 1 << step.fan_in)) if to_tables else None
            scores_shape = (step.nodes, step.fan_in, step.candidate_count)
            scores = torch.empty(scores_shape) if to_scores else None
            step.to_tables = 0 if tables is None else tables.data_ptr()
            step.to_scores = 0 if scores is None else scores.data_ptr()
            results += [tables, scores]
        batch = gradient.shape[1]
        to_x = torch.empty(kept[0].shape) if rows_wanted else None
        self._pass_backward(kept, gradient.contiguous(), to_x)
        return None if to_x is None else _untile(to_x, batch), results

    def _pass_backward(self, kept: Sequence[Tensor], gradient: Tensor, to_x: Tensor | None) -> None:
        self._call("lutlens_backward", gradient.shape[1], *kept, gradient, to_x)

    def _add(self, outputs: int) -> _Step:
        inputs = self._steps[-1].outputs if self._steps else self._rows
        self._steps.append(_Step(inputs, outputs))
        return self._steps[-1]

    def _pointer(self, tensor: Tensor) -> int:
        self._pointed_at.append(tensor.contiguous())
        return self._pointed_at[-1].data_ptr()

    def _call(self, name: str, *arguments: Tensor | int | None) -> None:
        steps = (_Step * len(self._steps))(*self._steps)
        self._library.call(name, ctypes.addressof(steps), len(steps), *arguments)


class Unrolled(Program):
    """A `backends.Program` of a cell's layers, gone through at `times` positions.

    rows: those of the cell's input, a window and the state behind it.
    pitch: rows of the input from one window to the next.
    """

    def __init__(self, library: Library, rows: int, times: int, pitch: int) -> None:
        super().__init__(library, rows)
        self.times, self._pitch = times, pitch

    def _pass_forward(self, tiles: Tensor, batch: int) -> tuple[Tensor, list[Tensor]]:
        rows = self._rows + sum(step.outputs for step in self._steps)
        kept = torch.empty(self.times * len(tiles) * rows * TILE, dtype=torch.uint8)
        y = torch.empty((self.times * self._steps[-1].outputs, batch))
        where = self.times, self._pitch, tiles.shape[1]
        self._call("lutlens_unroll", *where, batch, tiles, kept, y)
        return y, [tiles, kept]

    def _pass_backward(self, kept: Sequence[Tensor], gradient: Tensor, to_x: Tensor | None) -> None:
        where = self.times, self._pitch, kept[0].shape[1]
        self._call("lutlens_unroll_backward", *where, gradient.shape[1], kept[1], gradient, to_x)
