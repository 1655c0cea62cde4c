"""The network core alone in Verilator: frames in, scores out, with pauses on both sides."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import numpy.typing as npt
from lutlens.host import verilator
from lutlens.host.lutnet import Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.simplify import simplify
from lutlens.host.systemverilog import NetworkModule, sources

_ERRORS = {
    -1: "too many clocks",
    -2: "m_axis changed while it waited",
    -3: "more beats than expected",
}


class SimulationError(RuntimeError):
    """A core that breaks the rules of its streams, or never ends."""


@dataclass(frozen=True)
class Run:
    """What came of some frames.

    scores: of each frame, uint16 `[rows, columns, classes]`.
    clocks: that the pixels took. latency: clocks from the last pixel to the last beat.
    """

    scores: list[npt.NDArray[np.uint16]]
    clocks: int
    latency: int


class NetworkRtl:
    """A compiled network core. Raises what `sources` and `lutlens.host.verilator.build` do."""

    def __init__(
        self,
        net: Lutnet,
        *,
        max_width: int = 64,
        pixels_per_clock: int = 1,
        simplified: bool = True,
        lut_ram_beats: int = 0,
        netlist: Mapping[str, str] | None = None,
    ) -> None:
        """max_width, pixels_per_clock, lut_ram_beats: as of `sources`. simplified: the netlist, before it is generated.
        netlist: what synthesis made of the core, to be run in its place.
        """
        self.net = net
        circuit = Netlist.from_lutnet(net)
        if simplified:
            circuit, _ = simplify(circuit)
        self.module = NetworkModule(
            circuit, net.build_id, max_width, pixels_per_clock, lut_ram_beats
        )
        files = netlist or sources(
            circuit,
            build_id=net.build_id,
            max_width=max_width,
            pixels_per_clock=pixels_per_clock,
            lut_ram_beats=lut_ram_beats,
        )
        harness = (resources.files(__package__) / "harness.cpp").read_text(encoding="utf-8")
        path = verilator.build(files, "lutlens_network", harness, wall=netlist is None)
        self._library = ctypes.CDLL(str(path))
        self._library.run.restype = ctypes.c_int64

    def run(
        self,
        frames: Sequence[npt.NDArray[np.uint8]],
        thresholds: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        gaps: float = 0.0,
        stalls: float = 0.0,
    ) -> Run:
        """One pass over frames `[h, w]` of any sizes, their widths multiples of the pixels a clock, back
        to back.

        thresholds: uint8 `[z]`.
        gaps, stalls: how likely it is that a clock brings no pixels, or takes no scores.

        Raises SimulationError; also if positions, frames and beats are not marked as they should be.
        """
        data = [self._encode(frame, thresholds) for frame in frames]
        marks = [self._marks(frame.shape) for frame in frames]
        sizes = [self.net.output_size(*frame.shape) for frame in frames]
        positions = sum(rows * columns for rows, columns in sizes)
        units, beats = self.module.units, self.module.beats
        pixels = np.concatenate(data)
        events = np.concatenate(marks)
        out = np.zeros((positions * beats, units), np.uint16)
        out_events = np.zeros(positions * beats, np.uint8)
        clocks = (ctypes.c_int64 * 2)()
        count = self._library.run(
            pixels.ctypes.data_as(ctypes.c_void_p),
            events.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int64(len(pixels)),
            ctypes.c_uint32(seed),
            ctypes.c_double(gaps),
            ctypes.c_double(stalls),
            ctypes.c_int(units),
            ctypes.c_int(self.module.score_bits),
            out.ctypes.data_as(ctypes.c_void_p),
            out_events.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int64(len(out)),
            clocks,
        )
        if count != len(out):
            raise SimulationError(_ERRORS.get(count, f"{count} beats, {len(out)} expected"))
        classes = len(self.net.classes)
        scores, first = [], 0
        for rows, columns in sizes:
            last = first + rows * columns * beats
            part = out[first:last].reshape(rows, columns, beats * units)
            scores.append(part[..., :classes])
            marked = out_events[first:last].reshape(rows, columns, beats)
            expected = np.zeros_like(marked)
            expected[..., -1] = 1
            expected[:, -1:] |= 2
            expected[-1:, -1:, -1] |= 4
            if (marked != expected).any():
                raise SimulationError("tuser or tlast is wrong")
            first = last
        return Run(scores, clocks[0] + 1, clocks[1] - clocks[0])

    def _encode(
        self, frame: npt.NDArray[np.uint8], thresholds: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint32]:
        """Beats: the leftmost pixel in the lowest bits."""
        bits = frame.reshape(-1, self.module.pixels_per_clock, 1) > thresholds
        flat = bits.reshape(len(bits), -1)
        beats: npt.NDArray[np.uint32] = (
            (flat << np.arange(flat.shape[1])).sum(axis=1).astype(np.uint32)
        )
        return beats

    def _marks(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Bit 0: last beat of a line; bit 1: last beat of the frame."""
        marks = np.zeros((shape[0], shape[1] // self.module.pixels_per_clock), np.uint8)
        marks[:, -1] = 1
        marks[-1, -1] = 3
        return marks.ravel()
