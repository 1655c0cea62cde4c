"""Pictures of numbers: against the right ones, as a surface, as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.files import write_atomically
from lutlens.training.data import UInt8
from lutlens.training.plots import new_figure, save

SCALE = 2
"""Screen pixels for a pixel of a small image."""
GAP = 2
BACKGROUND = 96

Floats = npt.NDArray[np.floating[Any]]


def against(right: Floats, found: Floats, names: Sequence[str], title: str, path: Path) -> None:
    """Draw numbers `[n, outputs]` against the right ones into a PNG."""
    figure = new_figure(width=5.0, height=5.0)
    axes = figure.subplots()
    for i, name in enumerate(names):
        axes.scatter(right[:, i], found[:, i], s=12, alpha=0.7, label=name)
    ends = [float(min(right.min(), found.min())), float(max(right.max(), found.max()))]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set_xlabel("right")
    axes.set_ylabel("network's")
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, path)


def surface(right: Floats, found: Floats, title: str, path: Path) -> None:
    """Draw a function of two variables, sampled `[y, x]`, a network's, and what is between them, into a PNG."""
    figure = new_figure(width=11.0, height=3.6)
    parts = figure.subplots(1, 3)
    low, high = float(right.min()), float(right.max())
    for axes, values, name in zip(
        parts,
        (right, found, found - right),
        ("function", "network", "network - function"),
        strict=True,
    ):
        shown = axes.imshow(values, origin="lower", extent=(-3, 3, -3, 3), cmap="viridis")
        if values is right or values is found:
            shown.set_clim(low, high)
        else:
            shown.set_cmap("coolwarm")
            shown.set_clim(-1, 1)
        axes.set_title(name, fontsize=9)
        figure.colorbar(shown, ax=axes, shrink=0.8)
    figure.suptitle(title, fontsize=9)
    save(figure, path)


def rows(images: Sequence[UInt8], path: Path) -> None:
    """Images uint8 `[n, height, width(, channels)]`, a row of the picture for each array, into a PNG."""
    lines = [np.concatenate([_tile(image) for image in line], axis=1) for line in images]
    width = max(line.shape[1] for line in lines)
    filled = [
        np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0)), constant_values=BACKGROUND)
        for line in lines
    ]
    done, encoded = cv2.imencode(".png", np.concatenate(filled))
    assert done, "OpenCV writes PNG"
    write_atomically(path, encoded.tobytes())


def _tile(image: UInt8) -> UInt8:
    """Magnified, `[height, width, channels]`, blue first, with a gap around it."""
    image = image[..., None] if image.ndim == 2 else image[:, :, ::-1]
    large = image.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    return np.pad(large, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=BACKGROUND)
