"""Pictures: the curves of a training, a confusion matrix, accuracy over passes, scenes with what was found."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from lutlens.board.files import write_atomically
from lutlens.board.windows import Detections, overlaps
from lutlens.training.precision import MIN_OVERLAP, match
from lutlens.training.scenes import Scene

if TYPE_CHECKING:
    from lutlens.training.sweeps.frontier import Point, Published
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle


def curves(metrics: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Draw loss, error and learning rate over the epochs of `metrics.jsonl`'s lines into a PNG."""
    figure = new_figure(width=8.0, height=7.0)
    epochs = [line["epoch"] for line in metrics]
    loss, error, rate = figure.subplots(3, 1, sharex=True, height_ratios=(2, 3, 1))
    loss.plot(epochs, [line["loss"] for line in metrics], color="tab:blue")
    loss.set_ylabel("training loss")
    train = [100 * (1 - line["train_accuracy"]) for line in metrics]
    error.plot(epochs, train, color="tab:gray", label="training, random thresholds")
    for k in sorted(metrics[-1]["validation_accuracy"], key=int):
        values = [100 * (1 - line["validation_accuracy"][k]) for line in metrics]
        error.plot(epochs, values, marker=".", label=f"validation, K = {k}")
    error.set_yscale("log")
    error.set_ylabel("error, %")
    for axis in (error.yaxis.set_major_formatter, error.yaxis.set_minor_formatter):
        axis("{x:g}")
    error.legend()
    rate.plot(epochs, [line["learning_rate"] for line in metrics], color="tab:green")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("epoch")
    loss.set_title(title)
    for axes in (loss, error, rate):
        axes.grid(alpha=0.3, which="both")
    save(figure, path)


def confusion(
    matrix: npt.NDArray[np.int64], classes: Sequence[str], title: str, path: Path
) -> None:
    """Draw a confusion matrix `[true class, answer]` into a PNG: shades are shares of the class."""
    figure = new_figure(width=6.0, height=6.0)
    axes = figure.subplots()
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    # The square root lets a handful of errors be seen beside a thousand right answers.
    axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    for truth, answer in np.ndindex(*matrix.shape):
        if count := matrix[truth, answer]:
            color = "white" if share[truth, answer] > 0.25 else "black"
            axes.text(answer, truth, str(count), ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.set_title(title)
    save(figure, path)


def passes(accuracy: Mapping[str, Mapping[int, float]], title: str, path: Path) -> None:
    """Draw accuracy against the number of passes, a line for each network, into a PNG."""
    figure = new_figure(width=7.0, height=5.0)
    axes = figure.subplots()
    for name, by_k in accuracy.items():
        axes.plot(list(by_k), [100 * value for value in by_k.values()], marker="o", label=name)
    axes.set_xscale("log", base=2)
    ticks = sorted({k for by_k in accuracy.values() for k in by_k})
    axes.set_xticks(ticks, [f"x{k}" for k in ticks])
    axes.set_xlabel("passes")
    axes.set_ylabel("accuracy, %")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, path)


def sequence(
    rows: npt.NDArray[np.int64],
    accuracy: npt.NDArray[np.float64],
    images: npt.NDArray[np.uint8],
    scores: npt.NDArray[np.uint16],
    classes: Sequence[str],
    title: str,
    path: Path,
) -> None:
    """Draw accuracy over the rows read, and images beside their classes' scores after every row, into a PNG.

    images: `[n, height, width]`; scores: `[n, rows, classes]`.
    """
    figure = new_figure(width=9.0, height=6.0)
    grid = figure.add_gridspec(2, 2 * len(images), height_ratios=(3, 2))
    axes = figure.add_subplot(grid[0, :])
    axes.plot(rows, 100 * accuracy, marker=".", color="tab:blue")
    axes.set_xlabel("rows read")
    axes.set_ylabel("accuracy, %")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    for i, (image, by_row) in enumerate(zip(images, scores, strict=True)):
        left, right = (figure.add_subplot(grid[1, 2 * i + side]) for side in (0, 1))
        left.imshow(image, cmap="gray_r", aspect="auto")
        left.set_axis_off()
        right.imshow(by_row, cmap="Blues", aspect="auto", interpolation="nearest")
        right.set_yticks([])
        right.set_xticks(range(len(classes)), [name[:3] for name in classes], fontsize=5)
    save(figure, path)


def response(
    frequencies: npt.NDArray[np.float64],
    gains: npt.NDArray[np.float64],
    ideal: npt.NDArray[np.float64],
    name: str,
    path: Path,
) -> None:
    """Draw a filter's gain in dB over the frequency, in cycles a step, beside that of its ideal, into a PNG."""
    figure = new_figure(width=7.0, height=4.5)
    axes = figure.subplots()
    axes.plot(frequencies, ideal, color="tab:gray", label="ideal")
    axes.plot(frequencies, gains, marker=".", color="tab:blue", label=name)
    axes.set_xscale("log")
    axes.set_ylim(-70, 5)
    axes.set_xlabel("cycles a step")
    axes.set_ylabel("gain, dB")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    save(figure, path)


def frontier(
    networks: Sequence[Point],
    best: Sequence[Point],
    field: Sequence[Published],
    title: str,
    path: Path,
) -> None:
    """Draw a sweep's networks, those of the frontier on test images, and the field's into a PNG."""
    figure = new_figure(width=9.0, height=7.5)
    axes = figure.subplots()
    axes.scatter(
        [point.lut for point in networks],
        [_error(point.validation_accuracy) for point in networks],
        s=12,
        color="black",
        alpha=0.35,
        label="lutlens, validation images; LUT of the whole core, synthesised",
    )
    tested = [point for point in best if point.test_accuracy is not None]
    axes.plot(
        [point.lut for point in tested],
        [_error(point.test_accuracy or 0.0) for point in tested],
        marker="o",
        color="black",
        label="lutlens, frontier, test images",
    )
    markers = dict(zip(dict.fromkeys(p.unit for p in field), "s^vD", strict=False))
    for who in dict.fromkeys(p.who for p in field):
        theirs = [p for p in field if p.who == who]
        axes.plot(
            [p.size for p in theirs],
            [_error(p.accuracy) for p in theirs],
            marker=markers[theirs[0].unit],
            linestyle=":",
            label=f"{who} ({theirs[0].unit})",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis("{x:g}")
    axes.set_xlabel("LUT, or what the legend says")
    axes.set_ylabel("error, %")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside lower center", ncols=2, fontsize=7)
    save(figure, path)


def _error(accuracy: float) -> float:
    """Per cent, for a logarithmic axis: none is drawn as a hundredth."""
    return max(0.01, 100 * (1 - accuracy))


def scenes(
    examples: Sequence[tuple[Scene, Detections]], classes: Sequence[str], path: Path
) -> None:
    """Draw scenes with what was found in them into a PNG: green what is right, red what is not.

    Digits that were missed have a dashed yellow box.
    """
    columns = 2
    rows = -(-len(examples) // columns)
    figure = new_figure(width=11.0, height=2.6 * rows)
    for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
        axes.set_axis_off()
    for axes, (scene, found) in zip(grid.flat, examples, strict=False):
        axes.imshow(scene.image, cmap="gray", vmin=0, vmax=255)
        hits = match(found, scene.boxes, scene.labels)
        for one, right in zip(found, hits, strict=True):
            colour = "lime" if right else "red"
            axes.add_patch(_rectangle(one["box"], colour, "-"))
            axes.text(*one["box"][:2], classes[one["digit"]], color=colour, fontsize=8)
        for box, label in zip(scene.boxes, scene.labels, strict=True):
            seen = hits & (found["digit"] == label)
            if not (overlaps(found["box"][seen], box) >= MIN_OVERLAP).any():
                axes.add_patch(_rectangle(box, "yellow", ":"))
    save(figure, path)


def _rectangle(box: Sequence[float], colour: str, style: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (box[0], box[1]), box[2], box[3], fill=False, edgecolor=colour, linestyle=style
    )


def new_figure(width: float, height: float) -> Figure:
    """In inches."""
    # The object interface needs no display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a PNG; it appears whole or not at all."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())
