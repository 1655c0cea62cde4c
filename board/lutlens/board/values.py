"""Networks whose outputs are numbers, not classes: what their scores stand for."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from lutlens.board.schema import StrictModel
from pydantic import Field, model_validator

Length = Annotated[int, Field(ge=1, le=4096)]


class Values(StrictModel):
    """The range of a network's outputs, which are numbers.

    A score divided by the highest that there can be, bits of an output * K, is a share from 0 to 1; the number is
    `low + (high - low) * share`.

    low, high: in the numbers' own unit.
    shape: (height, width, channels) of the image whose 8-bit values the numbers are, in the order in which pixels come
        from memory; what is less than 0 or more than 255 is cut. None for numbers that have a name each.
    """

    low: float
    high: float
    shape: tuple[Length, Length, Length] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Values:
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, {self.low} and {self.high} are not")
        return self

    @property
    def outputs(self) -> int | None:
        """How many there are of an image; None where names say it."""
        return None if self.shape is None else math.prod(self.shape)

    def numbers(
        self, scores: npt.NDArray[np.integer[Any]], highest: int
    ) -> npt.NDArray[np.float64]:
        """What scores stand for. highest: that there can be, over all passes."""
        numbers = self.low + (self.high - self.low) * (scores / highest)
        return numbers.clip(0, 255) if self.shape else numbers

    def images(self, scores: npt.NDArray[np.integer[Any]], highest: int) -> npt.NDArray[np.uint8]:
        """The images that scores `[n, outputs]` stand for, uint8 `[n, h, w]`, or `[n, h, w, channels]` of several.

        Raises ValueError where the numbers are no image.
        """
        if self.shape is None:
            raise ValueError("shape: None, the numbers are no image")
        height, width, channels = self.shape
        shape = (-1, height, width) if channels == 1 else (-1, *self.shape)
        return np.rint(self.numbers(scores, highest)).astype(np.uint8).reshape(shape)

    def shares(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Where numbers lie in the range: 0 at its low end, 1 at its high end."""
        return ((numbers - self.low) / (self.high - self.low)).astype(np.float32)
