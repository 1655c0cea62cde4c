"""Images bent at random: affine maps and elastic displacements, drawn for every image by itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

_GRID = 4
"""Elastic displacements are drawn at so many points along each axis, and smooth in between."""

_MOST_ROWS = 32_766
"""Of a picture that OpenCV's `remap` takes."""

Amount = Annotated[float, Field(ge=0)]


class Deformation(BaseModel):
    """How far images are bent, at most but for `elastic`.

    rotation: degrees, either way.
    scale: logarithm of the factor that height and width are each stretched by.
    shear: pixels to the side for each pixel down.
    elastic: pixels, the standard deviation of every point's displacement along each axis; those of
        neighbouring points are much alike (after Simard, Steinkraus and Platt, ICDAR 2003, with a
        coarse grid in place of their Gaussian filter).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rotation: Annotated[float, Field(ge=0, le=180)] = 0
    scale: Annotated[float, Field(ge=0, le=1)] = 0
    shear: Amount = 0
    elastic: Amount = 0

    def apply(
        self, images: npt.NDArray[np.uint8], random: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """Bent copies of images uint8 `[n, height, width(, 3)]`; zeros move in."""
        count, height, width = images.shape[:3]
        maps = self._maps(count, height, width, random)
        # One call for many images, which lie below each other with rows of zeros around each.
        padded = np.pad(images, ((0, 0), (1, 1), *((0, 0),) * (images.ndim - 2)))
        step = _MOST_ROWS // (height + 2)
        parts = [
            _remapped(padded[first : first + step], maps[:, first : first + step])
            for first in range(0, count, step)
        ]
        return np.concatenate(parts)

    def _maps(
        self, count: int, height: int, width: int, random: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Where every pixel of the result is taken from, `[2, count, height, width]`: y and x."""
        y, x = (np.arange(size, dtype=np.float32) - (size - 1) / 2 for size in (height, width))
        angle = np.deg2rad(random.uniform(-self.rotation, self.rotation, count))
        stretch = np.exp(random.uniform(-self.scale, self.scale, (2, count)))
        shear = random.uniform(-self.shear, self.shear, count)
        sine, cosine = np.sin(angle), np.cos(angle)
        # [count, 2, 2]: by rows y and x of the source, by columns y and x of the result.
        turn = np.array([[cosine, sine], [shear - sine, cosine]]) * stretch
        turn = turn.transpose(2, 0, 1)[..., None, None].astype(np.float32)
        maps: npt.NDArray[np.float32] = (
            turn[:, :, 0] * y[:, None]
            + turn[:, :, 1] * x
            + self._displacements(count, height, width, random)
        )
        maps += np.array([(height - 1) / 2, (width - 1) / 2], np.float32)[:, None, None]
        return maps.swapaxes(0, 1)

    def _displacements(
        self, count: int, height: int, width: int, random: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Pixels, `[count, 2, height, width]`."""
        drawn = random.standard_normal((count, 2, _GRID, _GRID), np.float32) * self.elastic
        smooth: npt.NDArray[np.float32] = _smoothing(height) @ drawn @ _smoothing(width).T
        return smooth


@lru_cache(maxsize=8)
def _smoothing(size: int) -> npt.NDArray[np.float32]:
    """From the grid's points to pixels, `[size, grid]`; variance 1 becomes variance 1."""
    pixel = np.linspace(0, _GRID - 1, size)[:, None]
    weights = np.exp(-((pixel - np.arange(_GRID)) ** 2))
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    smoothing: npt.NDArray[np.float32] = weights.astype(np.float32)
    return smoothing


def _remapped(
    padded: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """padded: `[n, height + 2, width(, 3)]`; maps: `[2, n, height, width]`, without the padding."""
    count, rows, width = padded.shape[:3]
    first = np.arange(count, dtype=np.float32)[:, None, None] * rows
    y = np.clip(maps[0], -1, rows - 2) + 1 + first
    bent = cv2.remap(
        padded.reshape(count * rows, *padded.shape[2:]),
        maps[1].reshape(-1, width),
        y.reshape(-1, width),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return bent.reshape(count, rows - 2, *padded.shape[2:]).astype(np.uint8, copy=False)
