"""The parts that a network is put together from: encoder, stages, group-sum.

Inside a network an activation map is `[height, width, channels, batch]`, the batch contiguous.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import numpy as np
import torch
from lutlens.training.layers import LutLayer
from lutlens.training.program import PoolStep, RecurrentStep, Step, run
from torch import Tensor, nn

ALL_LEVELS = (0, 255)
TEMPERATURE = 0.33


class Encoder(nn.Module):
    """8-bit values to bits: bit i of a value is `value > threshold[i]`.

    bits: z, bits a value.
    levels: lowest and highest threshold worth having; by default all values.
    jitter: 0 to 1, how far training thresholds stray. The range of levels is cut into z equal
        parts with one threshold in each; at 0 it stands in the middle, at 1 it falls anywhere in
        its part. A network that was trained so accepts many thresholds, which is what
        oversampling gives it.
    per_pixel: whether in training every pixel has its own threshold, or every image.

    uniform: draws the numbers from [0, 1) that thresholds stray by.
    """

    def __init__(
        self,
        bits: int = 1,
        *,
        levels: tuple[int, int] = ALL_LEVELS,
        jitter: float = 1.0,
        per_pixel: bool = True,
    ) -> None:
        super().__init__()
        if not 1 <= bits <= 4:
            raise ValueError(f"encoder_bits: {bits}, must be 1 to 4")
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter: {jitter}, must be 0 to 1")
        if not 0 <= levels[0] < levels[1] <= 255:
            raise ValueError(f"levels: {levels}, must be 0 <= low < high <= 255")
        self.bits, self.levels, self.jitter, self.per_pixel = bits, levels, jitter, per_pixel
        self.uniform: Callable[[Sequence[int], torch.device], Tensor] = _uniform

    def extra_repr(self) -> str:
        return (
            f"{self.bits}, levels={self.levels}, jitter={self.jitter}, per_pixel={self.per_pixel}"
        )

    def thresholds(self, k: int = 1) -> Tensor:
        """uint8 `[k, bits]`: the ramp, thresholds of K passes evenly spread over their parts."""
        return torch.tensor(_ramp(self.bits, k, self.levels), dtype=torch.uint8)

    def forward(self, pixels: Tensor, thresholds: Tensor | None = None, passes: int = 1) -> Tensor:
        """Bits 0 and 1, uint8 `[height, width, channels * bits, batch]`.

        pixels: uint8 `[batch, height, width(, channels)]`.
        thresholds: uint8 `[bits]`. Without them: random ones in training, else those of a single
            pass.
        passes: in training every image is encoded so many times, each in a part of its own of the
            thresholds' range, as passes of a ramp are; one such batch lies behind the other.
        """
        if pixels.dtype != torch.uint8 or pixels.ndim not in (3, 4):
            raise ValueError(
                f"pixels: {pixels.dtype} {list(pixels.shape)}, "
                "must be uint8 [batch, height, width(, channels)]"
            )
        if pixels.ndim == 3:
            pixels = pixels.unsqueeze(3)
        _, height, width, channels = pixels.shape
        if thresholds is None and self.training and self.jitter > 0:
            drawn = [
                pixels.unsqueeze(4) > self._random_thresholds(pixels, i, passes)
                for i in range(passes)
            ]
            bits = torch.cat(drawn) if passes > 1 else drawn[0]
        else:
            levels = (
                _ramp(self.bits, 1, self.levels)[0] if thresholds is None else thresholds.tolist()
            )
            if len(levels) != self.bits:
                raise ValueError(f"thresholds: {len(levels)} of them, must be {self.bits}")
            planes = [_above(pixels, level) for level in levels]
            bits = torch.stack(planes, dim=4) if len(planes) > 1 else planes[0]
        bits = bits.view(torch.uint8)
        # The kernels' tiles are filled from images as they lie in memory; so the batch stays outside.
        return bits.reshape(-1, height, width, channels * self.bits).permute(1, 2, 3, 0)

    def _random_thresholds(self, pixels: Tensor, index: int, passes: int) -> Tensor:
        """Of pass `index`."""
        shape = (*pixels.shape, 1) if self.per_pixel else (len(pixels), 1, 1, 1, 1)
        uniform = self.uniform(shape, pixels.device)
        if passes > 1:
            uniform = (index + uniform) / passes
        phase = 0.5 + self.jitter * (uniform - 0.5)
        part = torch.arange(self.bits, device=pixels.device)
        low, high = self.levels
        return (low + (high - low) * (part + phase) / self.bits).to(torch.uint8)


def _uniform(shape: Sequence[int], device: torch.device) -> Tensor:
    return torch.rand(shape, device=device)


def _above(pixels: Tensor, level: int) -> Tensor:
    if pixels.device.type == "cpu":
        # PyTorch compares bytes one by one, NumPy in vectors: ten times as fast.
        return torch.from_numpy(np.greater(pixels.numpy(), level))
    return pixels > level


@cache
def _ramp(bits: int, k: int, levels: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    low, high = levels
    return tuple(
        tuple(int(low + (high - low) * (part + (i + 0.5) / k) / bits) for part in range(bits))
        for i in range(k)
    )


class Stage(nn.Module):
    """A sliding window, the layers that read it, and an OR pooling.

    window, stride, pool: (rows, columns), as in `lutlens.host.lutnet.Stage`.
    channels: bits per position of the input map.
    layers: the first reads the window's bits, the others the layer before them.
    recurrent: the first layer reads the stage's own output at the position before, too, behind the
        window's bits; as in `lutlens.host.lutnet.Stage`.
    last_row: the first layer reads the bits of the window's last row only.
    """

    def __init__(
        self,
        window: tuple[int, int],
        channels: int,
        layers: list[LutLayer],
        stride: tuple[int, int] = (1, 1),
        pool: tuple[int, int] = (1, 1),
        recurrent: bool = False,
        last_row: bool = False,
    ) -> None:
        super().__init__()
        if recurrent and last_row:
            raise ValueError("last_row: not of a recurrent stage, but of the one that reads it")
        self.window, self.stride, self.pool, self.channels = window, stride, pool, channels
        self.recurrent = recurrent
        self.unread = (window[0] - 1) * window[1] * channels if last_row else 0
        features = window[0] * window[1] * channels - self.unread
        features += layers[-1].nodes if recurrent else 0
        for i, layer in enumerate(layers):
            if layer.in_features != features:
                raise ValueError(
                    f"layers.{i}: reads {layer.in_features} bits, its input has {features}"
                )
            features = layer.nodes
        self.layers = nn.ModuleList(layers)

    def extra_repr(self) -> str:
        return f"window={self.window}, stride={self.stride}, pool={self.pool}"

    def lut_layers(self) -> list[LutLayer]:
        return [layer for layer in self.layers if isinstance(layer, LutLayer)]

    def forward(self, x: Tensor) -> Tensor:
        """`[height, width, channels, batch]` to `[rows, columns, nodes, batch]`; no padding."""
        height, width, channels, batch = x.shape
        if channels != self.channels:
            raise ValueError(f"input: {channels} channels, must be {self.channels}")
        rows, columns = self.output_size(height, width)
        y = run(x.reshape(height * width * channels, batch), self.steps(height, width, x.device))
        return y.view(rows, columns, -1, batch)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the output map; may be 0."""
        rows, columns = self._positions(height, width)
        return rows // self.pool[0], columns // self.pool[1]

    def steps(self, height: int, width: int, device: torch.device) -> list[Step]:
        """The stage as a part of a program, for an input map of this size."""
        rows, columns = self._positions(height, width)
        if rows < self.pool[0] or columns < self.pool[1]:
            raise ValueError(
                f"input: a map of {height}x{width} is too small for a window of {self.window} "
                f"and a pool of {self.pool}"
            )
        first, *others = self.lut_layers()
        if self.recurrent:
            return [self._recurrent_step(rows, width, device)]
        bases, row_of = _geometry(
            self.window, self.stride, self.channels, width, (rows, columns), self.unread, device
        )
        steps: list[Step] = [first.step(bases, row_of)]
        for layer in others:
            steps.append(layer.step(_bases(len(bases), layer.in_features, device)))
        if self.pool != (1, 1):
            shape = rows, columns, self.lut_layers()[-1].nodes
            steps.append(PoolStep(first.model, shape, self.pool))
        return steps

    def _recurrent_step(self, rows: int, width: int, device: torch.device) -> RecurrentStep:
        if width != self.window[1]:
            raise ValueError(
                f"input: a map {width} wide, must be {self.window[1]}: the window of a recurrent "
                "stage spans its rows"
            )
        row_bits = width * self.channels
        one = _bases(1, 0, device)
        return RecurrentStep(
            starts=range(0, rows * self.stride[0] * row_bits, self.stride[0] * row_bits),
            inputs=self.window[0] * row_bits,
            layers=tuple(layer.step(one) for layer in self.lut_layers()),
        )

    def _positions(self, height: int, width: int) -> tuple[int, int]:
        rows = max(0, (height - self.window[0]) // self.stride[0] + 1)
        columns = max(0, (width - self.window[1]) // self.stride[1] + 1)
        return rows, columns


@lru_cache(maxsize=64)
def _geometry(
    window: tuple[int, int],
    stride: tuple[int, int],
    channels: int,
    width: int,
    positions: tuple[int, int],
    unread: int,
    device: torch.device,
) -> tuple[Tensor, Tensor | None]:
    """The row of every position's first window bit, and the distance from it of every window bit.

    None for the distances if a window's bits lie in consecutive rows.
    unread: window bits to leave out, from the first on.
    """

    def grid(shape: tuple[int, int], step: tuple[int, int]) -> Tensor:
        y = torch.arange(shape[0], device=device)[:, None] * step[0]
        x = torch.arange(shape[1], device=device)[None, :] * step[1]
        return ((y * width + x) * channels).flatten()

    bases = grid(positions, stride).to(torch.int32)
    if window[1] == width:
        return bases + unread, None
    bits = grid(window, (1, 1))[:, None] + torch.arange(channels, device=device)
    return bases, bits.flatten()[unread:].to(torch.int32)


@lru_cache(maxsize=64)
def _bases(positions: int, step: int, device: torch.device) -> Tensor:
    return step * torch.arange(positions, dtype=torch.int32, device=device)


class GroupSum(nn.Module):
    """Class scores from bits: each class adds up its own, `[..., features]` to `[..., classes]`.

    Bits are 0.0 or 1.0 (or probabilities).

    classes: they divide the features; class c owns features `[c * n, (c + 1) * n)`.
    temperature: scores are divided by `temperature * sqrt(n)`, so that they serve as logits. The harder the classes are
        to tell apart, the higher it should be.
    """

    groups: Tensor

    def __init__(self, features: int, classes: int, temperature: float = TEMPERATURE) -> None:
        super().__init__()
        if features % classes:
            raise ValueError(f"classes: {classes} do not divide the last layer's {features} bits")
        self.features, self.classes = features, classes
        self.temperature = temperature
        self.divisor = temperature * math.sqrt(features / classes)
        groups = torch.eye(classes).repeat_interleave(features // classes, dim=0)
        self.register_buffer("groups", groups, persistent=False)

    def extra_repr(self) -> str:
        return f"{self.features}, {self.classes}, temperature={self.temperature:g}"

    def counts(self, x: Tensor) -> Tensor:
        """The scores themselves, before the temperature."""
        if self.features == self.classes:
            return x
        # One matrix product, forward and backward, and exact: sums of 0 and 1.
        return x @ self.groups

    def forward(self, x: Tensor) -> Tensor:
        return self.counts(x) / self.divisor
