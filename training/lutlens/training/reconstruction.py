"""Images as what a network is to give again: their pixels are the numbers, and its code decodes without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from lutlens.board.values import Values
from lutlens.host.lutnet import Lutnet, LutnetError, Stage
from lutlens.training.augment import Batch, BatchSource, ScoreFrame
from lutlens.training.data import DataSet, Labelled, Shape


def outputs_of(shape: Shape) -> int:
    """Pixels' values of an image."""
    return math.prod(shape)


def in_pixels(images: DataSet) -> DataSet:
    """The data set whose numbers are its images' own pixels."""
    shape = images.image_shape

    def part(labelled: Labelled) -> Labelled:
        return Labelled(labelled.images, labelled.images.reshape(len(labelled), -1))

    return replace(
        images,
        name=f"pixels of {images.name}",
        classes=tuple(str(i) for i in range(outputs_of(shape))),
        train=part(images.train),
        validation=part(images.validation),
        test=part(images.test),
        values=Values(low=0.0, high=255.0, shape=shape),
    )


class PixelBatches:
    """Batches whose labels are their own pixels, moved and mirrored as these are: a `BatchSource`."""

    def __init__(self, batches: BatchSource) -> None:
        self._batches = batches

    @property
    def batch_size(self) -> int:
        return self._batches.batch_size

    @property
    def per_epoch(self) -> int:
        return self._batches.per_epoch

    def __getitem__(self, step: int) -> Batch:
        pixels = self._batches[step].pixels
        return Batch(pixels, pixels.reshape(len(pixels), -1))

    def review(self, epoch: int, progress: float, score: Callable[[], ScoreFrame]) -> bool:
        return self._batches.review(epoch, progress, score)

    def state(self) -> dict[str, npt.NDArray[np.uint8]]:
        return self._batches.state()

    def restore(self, state: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        self._batches.restore(state)


def split(net: Lutnet) -> tuple[Lutnet, Lutnet]:
    """An auto-encoder as two networks, at the stage of fewest outputs: images to code, code to images.

    The encoder's outputs are the code's bits, numbers from 0 to 1. The decoder takes a code as an image of one pixel a
    bit, `code_shape`: 255 where it is always 1, 0 where it never is, and what lies between is modulated over K
    passes as any image's values are.

    Raises LutnetError for a network that is no auto-encoder.
    """
    if net.values is None or net.values.shape is None or len(net.stages) < 2:
        raise LutnetError("values.shape: outputs are no image's pixels; an auto-encoder is needed")
    bits = [stage.channels for stage in net.stages[:-1]]
    last = bits.index(min(bits))
    height, width = net.input_shape[:2]
    for stage in net.stages[: last + 1]:
        height, width = stage.output_size(height, width)
    if (height, width) != (1, 1):
        raise LutnetError(f"stages.{last}: gives a map of {height}x{width}, a code is one of 1x1")
    size = bits[last]
    names = tuple(str(i) for i in range(size))
    provenance = {"part_of": f"{net.build_id:016x}"}
    encoder = replace(
        net,
        stages=net.stages[: last + 1],
        classes=names,
        values=Values(low=0.0, high=1.0),
        provenance=provenance,
    )
    shape = code_shape(size)
    first = net.stages[last + 1]
    decoder = replace(
        net,
        input_shape=(*shape, 1),
        encoder_bits=1,
        thresholds={k: code_thresholds(k) for k in net.thresholds},
        stages=(Stage(shape, first.layers), *net.stages[last + 2 :]),
        provenance=provenance,
    )
    return encoder, decoder


def code_shape(bits: int) -> tuple[int, int]:
    """Rows and columns of a code as an image, as square as can be."""
    rows = next(n for n in range(math.isqrt(bits), 0, -1) if bits % n == 0)
    return rows, bits // rows


def code_thresholds(k: int) -> npt.NDArray[np.uint8]:
    """uint8 `[k, 1]`: evenly over all values; of one pass the middle."""
    return (255 * (np.arange(k) + 0.5) / k).astype(np.uint8)[:, None]
