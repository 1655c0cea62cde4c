"""Running a generated network in this process."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from lutlens.board import scanning
from lutlens.host.c.generate import engine, generate
from lutlens.host.compilation import build_shared_library
from lutlens.host.lutnet import MAX_PASSES, Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.scores import cells
from lutlens.host.simplify import simplify

_FLAGS = ("-std=gnu11", "-O3", "-march=native")
_SCANNED = 512  # positions from which a frame is scanned; fewer leave most lanes empty
_TILE = 8  # largest tile, in output positions each way: its maps still fit a core's own cache

Scores = npt.NDArray[np.uint16]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]


class Executor:
    """A lutnet compiled for this machine: the same scores as every other execution, fast.

    Every lane of a machine word carries one image, or one tile of a small frame. Frames with many
    positions are scanned: a lane is a position then, and stages are computed once for all windows
    that see them.

    lanes: images in a word.
    threads: `scores` runs on at most so many processors.
    input_bits, output_bits: of the stages, for an image of the network's input size.
    """

    def __init__(self, net: Lutnet, *, simplified: bool = True, threads: int | None = None) -> None:
        """Generate, compile (unless cached) and load.

        simplified: leave out the nodes that `lutlens.host.simplify` can do without.
        threads: by default as many as there are processors that this process may use.
        Raises lutlens.host.compilation.CompilationError.
        """
        self._net, self._modulation = net, net.modulation
        self._netlist = Netlist.from_lutnet(net)
        if simplified:
            self._netlist, _ = simplify(self._netlist)
        self._engine = ctypes.CDLL(str(build_shared_library(engine(), _FLAGS, "engine")))
        library = build_shared_library(generate(self._netlist), _FLAGS, "network")
        self._library = ctypes.CDLL(str(library))  # owns what _network points to
        self._network = ctypes.byref(ctypes.c_char.in_dll(self._library, "network"))
        self.lanes = int(self._engine.lutlens_lanes())
        self.threads = threads or len(os.sched_getaffinity(0))
        height, width, channels = net.input_shape
        self.input_bits = height * width * channels * net.encoder_bits
        self.output_bits = net.stages[-1].channels

    def scores(
        self, frames: Bytes, k: int | None = None, thresholds: Bytes | None = None
    ) -> Scores:
        """Scores uint16 `[n, rows, columns, classes]` at every output position, added over passes.

        frames: uint8 `[n, h, w]` (one image channel) or `[n, h, w, c]`, of the network's input size
            or larger.
        k: use the lutnet's thresholds for K passes; by default the smallest K that it has.
        thresholds: uint8 `[K, encoder bits]` to use instead.
        Raises LutnetError for a K without thresholds, ValueError for unfit arrays.
        """
        levels = self._levels(k, thresholds)
        frames = self._checked(frames)
        if self._modulation is None:
            return self._scores(frames, levels)
        passes = (
            self._scores(self._modulation.apply(frames, i), levels[i : i + 1])
            for i in range(len(levels))
        )
        total: Scores = np.add.reduce(list(passes), dtype=np.uint16)
        return total

    def _scores(self, frames: Bytes, levels: Bytes) -> Scores:
        n, height, width, channels = frames.shape
        rows, columns = self._net.output_size(height, width)
        if rows * columns >= _SCANNED and not self._net.recurrent:
            found = np.empty((n, rows, columns, len(self._net.classes)), np.uint16)
            self._scan(frames, levels, found, None)
            return found
        side = min(_TILE, max(1, round((n * rows * columns / self.lanes) ** 0.5)))
        # What a row gives depends on all those above it.
        tile = (rows, columns) if self._net.recurrent else (min(side, rows), min(side, columns))
        tops = np.minimum(np.arange(0, rows, tile[0]), rows - tile[0])
        lefts = np.minimum(np.arange(0, columns, tile[1]), columns - tile[1])

        (tile_height, step_y), (tile_width, step_x) = (self._field(i, tile[i]) for i in (0, 1))
        frame = np.arange(n)[:, None, None] * (height * width)
        offsets = (frame + tops[:, None] * (step_y * width) + lefts * step_x) * channels
        scores = np.empty((offsets.size, *tile, len(self._net.classes)), np.uint16)
        self._run(frames, offsets.ravel(), (tile_height, tile_width), levels, scores)

        if len(tops) == len(lefts) == 1:
            return scores
        tiles = scores.reshape(n, len(tops), len(lefts), *scores.shape[1:])
        result = np.empty((n, rows, columns, scores.shape[-1]), np.uint16)
        for i, top in enumerate(tops):
            for j, left in enumerate(lefts):
                result[:, top : top + tile[0], left : left + tile[1]] = tiles[:, i, j]
        return result

    def cells(
        self, frames: Bytes, k: int | None = None, thresholds: Bytes | None = None
    ) -> scanning.Cells:
        """The class, margin and score of every output position, uint32 `[n, rows, columns]`.

        Arguments and errors as of `scores`; ValueError too if scores can be too high for a cell.
        """
        levels = self._levels(k, thresholds)
        highest = len(levels) * self._net.bits_per_class
        if highest > scanning.MAX_SCORE:
            raise ValueError(f"scores up to {highest}, a cell holds {scanning.MAX_SCORE}")
        frames = self._checked(frames)
        rows, columns = self._net.output_size(frames.shape[1], frames.shape[2])
        if rows * columns < _SCANNED or self._net.recurrent or self._modulation:
            return cells(self.scores(frames, thresholds=levels))
        found = np.empty((len(frames), rows, columns), np.uint32)
        self._scan(frames, levels, None, found)
        return found

    def planes(self, words: int, bits: int) -> Words:
        """Zeros, uint64 `[words, bits, lanes / 64]`: bit planes, aligned as vector loads need."""
        size = words * bits * self.lanes // 8
        room = np.zeros(size + self.lanes // 8, np.uint8)
        start = -room.ctypes.data % (self.lanes // 8)
        return room[start : start + size].view(np.uint64).reshape(words, bits, -1)

    def stages(self, inputs: Words, outputs: Words) -> None:
        """The stages alone, without encoder and scores, on one thread.

        inputs: what `planes` gave for `input_bits`: those of an image of the network's input size,
            in the order (row, column, channel, encoder bit). Lane i is bit `i % 64` of `[i // 64]`.
        outputs: what `planes` gave for `output_bits`, to be filled.
        Raises ValueError for other arrays.
        """
        for name, array, n in (
            ("inputs", inputs, self.input_bits),
            ("outputs", outputs, self.output_bits),
        ):
            shape = (len(inputs), n, self.lanes // 64)
            aligned = array.flags.c_contiguous and array.ctypes.data % (self.lanes // 8) == 0
            if array.dtype != np.uint64 or array.shape != shape or not aligned:
                raise ValueError(
                    f"{name}: {array.dtype} {list(array.shape)}, must be planes({shape[0]}, {n})"
                )
        self._call(
            self._engine.lutlens_stages,
            _address(inputs),
            _address(outputs),
            ctypes.c_int64(len(inputs)),
            *self._net.input_shape[:2],
        )

    def _levels(self, k: int | None, thresholds: Bytes | None) -> Bytes:
        if thresholds is None:
            return self._net.thresholds_for(min(self._net.thresholds) if k is None else k)
        z = self._net.encoder_bits
        if k is not None:
            raise ValueError("k, thresholds: give one of the two")
        if (
            thresholds.dtype != np.uint8
            or thresholds.ndim != 2
            or thresholds.shape[1] != z
            or not 1 <= len(thresholds) <= MAX_PASSES
        ):
            raise ValueError(
                f"thresholds: {thresholds.dtype} {list(thresholds.shape)}, "
                f"must be uint8 [1 to {MAX_PASSES}, {z}]"
            )
        return np.ascontiguousarray(thresholds)

    def _checked(self, frames: Bytes) -> Bytes:
        height, width, channels = self._net.input_shape
        if frames.ndim == 3:
            frames = frames[..., np.newaxis]
        if (
            frames.dtype != np.uint8
            or frames.ndim != 4
            or frames.shape[1] < height
            or frames.shape[2] < width
            or frames.shape[3] != channels
        ):
            raise ValueError(
                f"frames: {frames.dtype} {list(frames.shape)}, must be uint8 "
                f"[n, {height} or more, {width} or more, {channels}]"
            )
        if self._net.recurrent and frames.shape[2] != width:
            raise ValueError(
                f"frames: {frames.shape[2]} columns, must be {width}: a recurrent network reads whole rows"
            )
        if self._modulation and frames.shape[1:3] != (height, width):
            raise ValueError(
                f"frames: {frames.shape[2]}x{frames.shape[1]} pixels, must be {width}x{height}: "
                "a network with a modulator reads single images"
            )
        return np.ascontiguousarray(frames)

    def _field(self, axis: int, positions: int) -> tuple[int, int]:
        """Pixels that so many neighbouring output positions see, and from one to the next."""
        size, step = positions, 1
        for stage in reversed(self._net.stages):
            size = (size * stage.pool[axis] - 1) * stage.stride[axis] + stage.window[axis]
            step *= stage.pool[axis] * stage.stride[axis]
        return size, step

    def _scan(
        self, frames: Bytes, levels: Bytes, scores: Scores | None, found: scanning.Cells | None
    ) -> None:
        """Fill what is given, a band of rows of each frame on every thread."""
        n, _, width, channels = frames.shape
        results = scores if scores is not None else found
        assert results is not None
        rows = results.shape[1]
        bands = min(rows, -(-self.threads // n)) if n else 0
        firsts = [rows * i // bands for i in range(bands + 1)]

        def band(frame: int, first: int, end: int) -> None:
            height, step = self._field(0, end - first)
            pixels = frames[frame, first * step : first * step + height]
            self._call(
                self._engine.lutlens_scan,
                _address(pixels),
                ctypes.c_int64(width * channels),
                height,
                width,
                _address(levels),
                len(levels),
                None if scores is None else _address(scores[frame, first:end]),
                None if found is None else _address(found[frame, first:end]),
            )

        parts = [(i, *part) for i in range(n) for part in pairwise(firsts)]
        if len(parts) == 1 or self.threads == 1:
            for part in parts:
                band(*part)
            return
        list(self._pool.map(lambda part: band(*part), parts))

    def _run(
        self,
        frames: Bytes,
        offsets: npt.NDArray[np.int64],
        tile: tuple[int, int],
        levels: Bytes,
        scores: Scores,
    ) -> None:
        """Fill `scores`, on several threads if there is work for them."""
        pitch = frames.shape[2] * frames.shape[3]

        def part(start: int) -> None:
            count = min(share, len(offsets) - start)
            self._call(
                self._engine.lutlens_scores,
                _address(frames),
                _address(offsets[start:]),
                ctypes.c_int64(count),
                ctypes.c_int64(pitch),
                *tile,
                _address(levels),
                len(levels),
                _address(scores[start:]),
            )

        blocks = -(-len(offsets) // self.lanes)
        share = -(-blocks // self.threads) * self.lanes
        starts = range(0, len(offsets), max(share, 1))
        if len(starts) <= 1:
            for start in starts:
                part(start)
            return
        list(self._pool.map(part, starts))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads)

    def _call(self, function: Any, *arguments: Any) -> None:
        if function(self._network, *arguments):
            raise MemoryError(f"{function.__name__}: no memory for the network's maps")


def _address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
