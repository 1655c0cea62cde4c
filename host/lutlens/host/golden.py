"""Golden vectors: images and the scores that the network must give them, shipped with an overlay.

The driver replays them before it says that it is ready. The images are drawn by a program, with
noise beside them, because a data set's may not be shipped; the scores come from the generated C.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import handwriting
from lutlens.host.c import Executor
from lutlens.host.lutnet import Lutnet

SEED = 2026
DIGITS, NOISE = 15, 3


def images(height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 `[n, height, width]`: handwriting, noise at three densities, empty, full.

    Noise sets bits that no digit sets; the empty and the full image find stuck ones.
    """
    digits, _ = handwriting.images(DIGITS, SEED)
    scaled = [cv2.resize(digit, (width, height), interpolation=cv2.INTER_AREA) for digit in digits]
    rng = np.random.default_rng(SEED)
    for density in np.linspace(0.2, 1.0, NOISE):
        dots = rng.random((height, width)) < density
        scaled.append((dots * rng.integers(0, 256, (height, width))).astype(np.uint8))
    scaled += [np.zeros((height, width), np.uint8), np.full((height, width), 255, np.uint8)]
    return np.stack(scaled)


def vectors(lutnet: Lutnet) -> bytes:
    """The content of `vectors.npz`, the same for the same network.

    Arrays: `images` uint8 `[n, height, width]`; `k` int32, the numbers of passes; for each of them
    `scores_K` uint16 `[n, classes]`.
    """
    height, width, _ = lutnet.input_shape
    pixels = images(height, width)
    executor = Executor(lutnet)
    ks = sorted(lutnet.thresholds)
    arrays: dict[str, npt.NDArray[np.generic]] = {"images": pixels, "k": np.array(ks, np.int32)}
    for k in ks:
        arrays[f"scores_{k}"] = executor.scores(pixels, k=k)[:, 0, 0, :]
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
