"""Pictures as a network's input, for networks that look at them as they are: no ink is searched, no window scanned."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.manifest import Geometry
from lutlens.board.sources.base import Box

UInt8 = npt.NDArray[np.uint8]


def why_none(geometry: Geometry) -> str | None:
    """What keeps a network from making something of pictures; None if nothing does."""
    if geometry.channels not in (1, 3):
        return f"images of {geometry.channels} channels, pictures have 1 or 3"
    if geometry.values and not geometry.gives:
        return (
            "its outputs are numbers and no image, there is nothing to show; "
            "`lutlens eval` measures its network"
        )
    return None


def middle(image: UInt8, geometry: Geometry) -> tuple[Box, UInt8]:
    """The largest box in the middle of a picture, BGR uint8 `[h, w, 3]`, that has the proportions of the network's
    images, and what is in it, resampled to the network's size.
    """
    height, width = image.shape[:2]
    scale = min(width / geometry.image_width, height / geometry.image_height)
    wide = max(1, round(scale * geometry.image_width))
    high = max(1, round(scale * geometry.image_height))
    x, y = (width - wide) // 2, (height - high) // 2
    return (x, y, wide, high), resampled(
        in_channels(image[y : y + high, x : x + wide], geometry), geometry
    )


def in_channels(image: UInt8, geometry: Geometry) -> UInt8:
    """A picture, BGR uint8 `[h, w, 3]`, as a network has learned pictures: grey `[h, w]`, or red, green and blue."""
    if geometry.channels == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.ascontiguousarray(image[:, :, ::-1])


def resampled(image: UInt8, geometry: Geometry) -> UInt8:
    """An image, uint8 `[h, w]` or `[h, w, 3]`, in the network's size."""
    size = geometry.image_width, geometry.image_height
    if image.shape[1::-1] == size:
        return image
    shrinks = image.shape[1] > size[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
