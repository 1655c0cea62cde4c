"""Modulators: how K passes of an image under the same thresholds tell more than one.

A pixel's value becomes a rate of ones over the passes. Without a modulator thresholds do that, which differ from pass
to pass (a ramp: pulse width modulation). With one, thresholds are the same in all passes, and what differs is the
pixel: in pass k value v, at row y and column x, is compared as another value,

- `lfsr`, `ordered`, `blue-noise`: v + (u * swing >> 8) - (swing >> 1), cut to 0 to 255, u being a number from 0 to 255:
  of a shift register, or (M[y % 16, x % 16] + k * STEP) % 256 of a matrix M that holds each of them once;
- `delta-sigma-1`, `delta-sigma-2`: v plus what earlier passes have told too little, a function of v and k alone.

All of it is in whole numbers, so that every execution has the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from lutlens.board.schema import StrictModel
from pydantic import Field

Bytes = npt.NDArray[np.uint8]

ModulatorName = Literal["lfsr", "ordered", "blue-noise", "delta-sigma-1", "delta-sigma-2"]
MODULATORS: tuple[ModulatorName, ...] = get_args(ModulatorName)

SIDE = 16
"""Rows and columns of a matrix, which is repeated in all directions."""
STEP = 158
"""From pass to pass: 256 by the golden ratio, so that few passes are as far apart as many are."""
LFSR_SEED, LFSR_TAPS, LFSR_STEPS = 0xACE1, 0xB400, 8
"""A Galois register of 16 bits, of maximal length: x^16 + x^14 + x^13 + x^11 + 1; eight steps a pixel, whose number is
the low byte. It begins anew with every image."""
BLUR = 1.5
"""Pixels: standard deviation of the void-and-cluster method's filter, its author's choice."""


class Modulator(StrictModel):
    """swing: between the highest and the lowest that is added to a pixel; the distance between two thresholds,
    or all of 256 if there is one."""

    kind: ModulatorName
    swing: Annotated[int, Field(ge=1, le=256)]


@dataclass(frozen=True, eq=False)
class Modulation:
    """A modulator at the thresholds of a network.

    thresholds: uint8 `[z]`, the same in all passes.
    """

    modulator: Modulator
    thresholds: Bytes

    @property
    def by_value(self) -> bool:
        """Whether the pixel's value decides, not its place."""
        return self.modulator.kind.startswith("delta-sigma")

    def apply(self, images: Bytes, k: int) -> Bytes:
        """Images uint8 `[n, height, width, channels]` as they are compared in pass k, from 0."""
        if self.by_value:
            curve: Bytes = self.curves(k + 1)[k]
            return np.take(curve, images)
        _, height, width, channels = images.shape
        offsets = self.offsets(k, height, width * channels).reshape(height, width, channels)
        return (images + offsets).clip(0, 255).astype(np.uint8)

    def offsets(self, k: int, height: int, width: int) -> npt.NDArray[np.int16]:
        """What is added to each of `width` values a row in pass k, int16 `[height, width]`."""
        if self.modulator.kind == "lfsr":
            first = k * height * width
            steps = np.arange(first, first + height * width) % len(_shift_register())
            u = _shift_register()[steps].reshape(height, width)
        else:
            y, x = np.arange(height) % SIDE, np.arange(width) % SIDE
            u = (self.matrix[np.ix_(y, x)] + k * STEP) % 256
        swing = self.modulator.swing
        offsets: npt.NDArray[np.int16] = ((u.astype(np.int32) * swing >> 8) - (swing >> 1)).astype(
            np.int16
        )
        return offsets

    @property
    def matrix(self) -> npt.NDArray[np.int64]:
        """Of `ordered` and `blue-noise`: each of 0 to 255 once, int64 `[16, 16]`."""
        return _ordered() if self.modulator.kind == "ordered" else _void_and_cluster()

    def curves(self, passes: int) -> Bytes:
        """What stands for every value in every pass, uint8 `[passes, 256]`.

        The error-feedback form of a delta-sigma modulator (Schreier and Temes, Understanding Delta-Sigma Data
        Converters, 2005, section 2.4.2): a level for each number of thresholds passed, half a swing beyond the one
        passed last; what the level leaves over is added to the next pass, for the second order twice, less
        what the pass before left. No more than a swing is carried, which keeps the second order stable.
        """
        swing = self.modulator.swing
        limits = self.thresholds.astype(np.int64)
        levels = np.concatenate([[limits[0] - swing // 2], limits + (swing + 1) // 2])
        values = np.arange(256).clip(levels[0], levels[-1])
        last = before = np.zeros(256, np.int64)
        found = np.empty((passes, 256), np.uint8)
        for k in range(passes):
            compared = values + last
            if self.modulator.kind == "delta-sigma-2":
                compared += last - before
            found[k] = compared.clip(0, 255)
            left = compared - levels[(compared[:, None] > limits).sum(axis=1)]
            last, before = left.clip(-swing, swing), last
        return found


def _ordered() -> npt.NDArray[np.int64]:
    """Bayer's matrix (1973), doubled until it is large enough."""
    found = np.zeros((1, 1), np.int64)
    while len(found) < SIDE:
        found = np.block([[4 * found, 4 * found + 2], [4 * found + 3, 4 * found + 1]])
    return found


@cache
def _void_and_cluster() -> npt.NDArray[np.int64]:
    """Blue noise: numbers near each other are in places far from each other.

    Ulichney, The void-and-cluster method for dither array generation, Proc. SPIE 1913, 1993. The filter's weights are
    whole numbers, and the first of equal places is taken, so that it is the same matrix everywhere.
    """
    near = np.minimum(np.arange(SIDE), SIDE - np.arange(SIDE))
    distances = near[:, None] ** 2 + near**2
    weights = np.rint(np.exp(-distances / (2 * BLUR**2)) * (1 << 24)).astype(np.int64)
    around = [np.roll(weights, divmod(place, SIDE), (0, 1)) for place in range(SIDE * SIDE)]

    def fullest(places: npt.NDArray[np.bool_], full: npt.NDArray[np.int64]) -> int:
        return int(np.where(places, full, -1).argmax())

    def emptiest(places: npt.NDArray[np.bool_], full: npt.NDArray[np.int64]) -> int:
        return int(np.where(places, np.iinfo(np.int64).max, full).argmin())

    kernels = np.stack(around).reshape(SIDE * SIDE, -1)
    ones = np.zeros(SIDE * SIDE, np.bool_)
    ones[np.random.default_rng(1).permutation(SIDE * SIDE)[: SIDE * SIDE // 10]] = True
    full = kernels[ones].sum(axis=0)
    while True:  # until the pattern is even
        tight = fullest(ones, full)
        ones[tight], full = False, full - kernels[tight]
        void = emptiest(ones, full)
        ones[void], full = True, full + kernels[void]
        if void == tight:
            break
    ranks = np.empty(SIDE * SIDE, np.int64)
    left, full_left = ones.copy(), full.copy()
    for rank in range(int(ones.sum()) - 1, -1, -1):
        tight = fullest(left, full_left)
        left[tight], full_left = False, full_left - kernels[tight]
        ranks[tight] = rank
    for rank in range(int(ones.sum()), SIDE * SIDE):
        void = emptiest(ones, full)
        ones[void], full = True, full + kernels[void]
        ranks[void] = rank
    return ranks.reshape(SIDE, SIDE)


@cache
def _shift_register() -> npt.NDArray[Any]:
    """The low byte of the register at every pixel, uint8 `[65535]`; then it is where it was."""
    state, found = LFSR_SEED, bytearray()
    for _ in range((1 << 16) - 1):
        found.append(state & 0xFF)
        for _ in range(LFSR_STEPS):
            state = state >> 1 ^ (LFSR_TAPS if state & 1 else 0)
    return np.frombuffer(bytes(found), np.uint8)
