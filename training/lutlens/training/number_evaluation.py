"""`lutlens eval` of networks whose outputs are numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lutlens.host.lutnet import Lutnet
from lutlens.training import pictures
from lutlens.training.data import DataSet, Labelled
from lutlens.training.datasets import surface, variables
from lutlens.training.engines import EngineName, open_engine
from lutlens.training.evaluate import ScoresOf
from lutlens.training.progress import counting_progress
from lutlens.training.quality import Measured, explained, measure
from rich.console import Console
from rich.table import Table

SHOWN = 20
"""Images in a picture."""
GRID = 100
"""Points of a surface along either variable."""


def evaluate_numbers(
    net: Lutnet,
    path: Path,
    data: DataSet,
    test: Labelled,
    k: int,
    engine: EngineName,
    png: Path,
    json_output: bool,
) -> None:
    """Measure, draw, print. data: as the network knows it; test: those of its test images to look at."""
    assert net.values is not None
    with open_engine(engine, net) as opened, counting_progress() as progress:
        task = progress.add_task(f"{engine.value}, K = {k}", total=len(test))
        found = measure(
            opened.scores_of,
            test,
            net.thresholds_for(k),
            net.values,
            net.bits_per_class,
            report=lambda done: progress.update(task, completed=done),
            batch_size=opened.batch_size,
        )
        png.parent.mkdir(parents=True, exist_ok=True)
        _draw(net, data, test, found, k, opened.scores_of, f"{path.name}, K = {k}", png)
    ridge = None if net.values.shape else ridge_r2(data, test)
    if json_output:
        summary = {
            "r2": found.r2,
            "squared_error": found.squared_error,
            "ridge_r2": ridge,
            "k": k,
            "engine": engine.value,
            "images": len(test),
            "images_per_second": len(test) / found.seconds,
            "png": str(png),
        }
        print(json.dumps(summary))
        return
    table = Table("", f"K = {k}", title=f"{len(test)} of {data.name}")
    table.add_row("R2", f"{found.r2:.4f}")
    if ridge is not None:
        table.add_row("R2 of ridge regression", f"{ridge:.4f}")
    table.add_row("squared error, of the range's square", f"{found.squared_error:.5f}")
    console = Console()
    console.print(table)
    console.print(f"{len(test) / found.seconds:,.0f} images/s ({engine.value}); {png}")


def ridge_r2(data: DataSet, test: Labelled) -> float:
    """What scikit-learn's ridge regression explains of the same test numbers, from the same 8-bit inputs.

    It is fitted to training and validation data, its penalty chosen by leave-one-out.
    """
    from sklearn.linear_model import RidgeCV

    def flat(*parts: Labelled) -> npt.NDArray[np.float64]:
        inputs = np.concatenate([p.images.reshape(len(p), -1) for p in parts])
        scaled: npt.NDArray[np.float64] = inputs / 255.0
        return scaled

    known = data.train, data.validation
    ridge = RidgeCV(alphas=np.logspace(-4, 3, 30))
    ridge.fit(flat(*known), np.concatenate([part.labels for part in known]))
    return explained(ridge.predict(flat(test)).reshape(test.labels.shape), test.labels)


def _draw(
    net: Lutnet,
    data: DataSet,
    test: Labelled,
    found: Measured,
    k: int,
    scores_of: ScoresOf,
    title: str,
    png: Path,
) -> None:
    assert net.values is not None
    title = f"{title}: R2 {found.r2:.4f}"
    if net.values.shape:
        again = found.numbers[:SHOWN].round().astype(np.uint8).reshape(-1, *net.values.shape)
        pictures.rows([test.images[:SHOWN], again], png)
    elif data.key == "surface":
        along = np.linspace(0, 1, GRID)
        x, y = np.meshgrid(along, along)
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        right = surface.peaks(6.0 * x - 3, 6.0 * y - 3)
        grid = Labelled(variables.image(points), right.reshape(-1, 1))
        fitted = measure(
            scores_of, grid, net.thresholds_for(k), net.values, net.bits_per_class
        ).numbers.reshape(GRID, GRID)
        pictures.surface(right, fitted, title, png)
    else:
        pictures.against(test.labels, found.numbers, net.classes, title, png)
