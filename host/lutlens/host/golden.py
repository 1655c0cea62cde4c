"""Golden vectors: images and the scores that the network must give them, shipped with an overlay.

The driver replays them before it says that it is ready. The images are drawn by a program, with
noise beside them, because a data set's may not be shipped; the scores come from the generated C.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import handwriting
from lutlens.board.scanning import WIDTH_STEP
from lutlens.host.c import Executor
from lutlens.host.lutnet import Lutnet
from lutlens.host.scores import cells

Arrays = Mapping[str, npt.NDArray[Any]]

SEED = 2026
DIGITS, NOISE = 15, 3
POSITIONS = 4, 9
"""Rows and columns of windows in a golden frame, at least."""


def images(height: int, width: int, channels: int = 1) -> npt.NDArray[np.uint8]:
    """uint8 `[n, height, width]`: handwriting, noise at three densities, empty, full.

    Noise sets bits that no digit sets; the empty and the full image find stuck ones. With several channels `[n,
    height, width, channels]`: handwriting in a colour each, and noise for each channel.
    """
    if channels > 1:
        planes = images(height, width)
        rng = np.random.default_rng(SEED)
        found = np.repeat(planes[..., None], channels, axis=3)
        colours = rng.integers(64, 256, (DIGITS, 1, 1, channels))
        found[:DIGITS] = found[:DIGITS] * colours // 255
        noise = found[DIGITS : DIGITS + NOISE]
        found[DIGITS : DIGITS + NOISE] = rng.permuted(noise.reshape(NOISE, -1), axis=1).reshape(
            noise.shape
        )
        return found
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

    Arrays: `images` uint8 `[n, height, width]`, or `[n, height, width, channels]` of several; `k`
    int32, the numbers of passes; for each of them `scores_K` uint16 `[n, classes]`.
    """
    pixels = images(*lutnet.input_shape)
    scores = _scores(lutnet, pixels)
    return _file(
        {"images": pixels},
        {f"scores_{k}": found[:, 0, 0, :] for k, found in scores.items()},
        scores,
    )


def frames(lutnet: Lutnet, max_width: int) -> npt.NDArray[np.uint8]:
    """uint8 `[n, height, width]`: small scenes of handwriting, light and dark, noise, empty, full."""
    height, width, _ = lutnet.input_shape
    rows, columns = POSITIONS
    step_y, step_x = lutnet.step
    wide = -(-(width + (columns - 1) * step_x) // WIDTH_STEP) * WIDTH_STEP
    wide = min(wide, max_width // WIDTH_STEP * WIDTH_STEP)
    size = (height + (rows - 1) * step_y, wide)
    rng = np.random.default_rng(SEED)
    digits = images(height, width)[:DIGITS]
    scene = np.zeros(size, np.uint8)
    for digit in digits[: wide // width + 1]:
        y, x = rng.integers(0, (size[0] - height + 1, size[1] - width + 1))
        part = scene[y : y + height, x : x + width]
        np.maximum(part, digit, out=part)
    noise = rng.integers(0, 256, size).astype(np.uint8)
    light = cv2.addWeighted(255 - scene, 0.8, noise, 0.2, 0).astype(np.uint8)
    return np.stack([scene, light, noise, np.zeros_like(scene), np.full_like(scene, 255)])


def scan_vectors(lutnet: Lutnet, max_width: int) -> bytes:
    """The content of `vectors.npz` of a scan build, the same for the same network.

    Arrays: `frames` uint8 `[n, height, width]`; `k` int32, the numbers of passes; for each of them
    `cells_K` uint32 `[n, rows, columns]`, as `lutlens.board.scanning` defines cells.
    """
    pixels = frames(lutnet, max_width)
    scores = _scores(lutnet, pixels)
    return _file(
        {"frames": pixels}, {f"cells_{k}": cells(found) for k, found in scores.items()}, scores
    )


def _scores(lutnet: Lutnet, pixels: npt.NDArray[np.uint8]) -> dict[int, npt.NDArray[np.uint16]]:
    """By K."""
    executor = Executor(lutnet)
    return {k: executor.scores(pixels, k=k) for k in sorted(lutnet.thresholds)}


def _file(inputs: Arrays, answers: Arrays, ks: Iterable[int]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **inputs, k=np.array(list(ks), np.int32), **answers)
    return file.getvalue()
