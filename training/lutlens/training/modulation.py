"""Modulators in PyTorch."""

from __future__ import annotations

import torch
from lutlens.host.lutnet import CORE_PASSES
from lutlens.host.modulation import Modulation
from torch import Tensor, nn


class Modulate(nn.Module):
    """Pixels as a pass compares them: `lutlens.host.modulation`, bit for bit, on any device.

    image_shape: (height, width, channels).
    """

    def __init__(self, modulation: Modulation, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        height, width, channels = image_shape
        self.by_value, self.image_shape = modulation.by_value, image_shape
        if self.by_value:
            table = torch.from_numpy(modulation.curves(CORE_PASSES))
        else:
            offsets = [
                torch.from_numpy(modulation.offsets(k, height, width * channels))
                for k in range(CORE_PASSES)
            ]
            table = torch.stack(offsets).view(CORE_PASSES, *image_shape)
        self.table: Tensor
        self.register_buffer("table", table, persistent=False)

    def forward(self, pixels: Tensor, k: int) -> Tensor:
        """pixels: uint8 `[batch, height, width(, channels)]`; the same shape comes back. k: the pass, from 0.

        Raises ValueError for pixels of other images.
        """
        shape = tuple(pixels.shape[1:]) if pixels.ndim == 4 else (*pixels.shape[1:], 1)
        if pixels.dtype != torch.uint8 or shape != self.image_shape:
            raise ValueError(
                f"pixels: {pixels.dtype} {list(pixels.shape)}, must be uint8 of images "
                f"{list(self.image_shape)}"
            )
        if self.by_value:
            return self.table[k][pixels.int()]
        offsets = self.table[k].view(pixels.shape[1:])
        return (pixels + offsets).clamp(0, 255).to(torch.uint8)
