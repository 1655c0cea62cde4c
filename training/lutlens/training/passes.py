"""`lutlens passes`: how recognition grows with the passes that an image is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import Lutnet
from lutlens.training import plots
from lutlens.training.data import Labelled
from lutlens.training.engines import EngineName, open_engine
from lutlens.training.evaluate import evaluate
from lutlens.training.options import BUILD, DataOption, EngineOption, LimitOption
from lutlens.training.test_set import load_for, of_network
from rich.console import Console
from rich.table import Table


def passes(
    lutnets: Annotated[
        list[Path], typer.Argument(metavar="F.lutnet...", help="The networks, on the same data.")
    ],
    engine: EngineOption = EngineName.c,
    limit: LimitOption = None,
    data: DataOption = None,
    png: Annotated[Path, typer.Option(metavar="F.png", help="The picture.")] = BUILD / "passes.png",
    json_output: JsonOption = False,
) -> None:
    """Draw networks' accuracy on the test images against K, the passes added for an image.

    Measures every network at each K that it has thresholds for: one circuit run on K differently
    thresholded copies of an image, its scores added.

        lutlens passes build/binarybrain-simple.lutnet build/binarybrain-simple-lookup.lutnet
    """
    nets = {path: Lutnet.load(path) for path in lutnets}
    first, net = next(iter(nets.items()))
    images = of_network(net, first, load_for(net, first, data))
    test = images.test.take(slice(limit))
    console = Console(stderr=json_output)
    accuracy = {}
    with console.status("") as status:
        for path, net in nets.items():
            of_network(net, path, images)
            status.update(f"measuring {path}")
            accuracy[path] = _accuracy(net, test, engine)
    png.parent.mkdir(parents=True, exist_ok=True)
    title = f"{len(test)} test images of {images.name}"
    plots.passes({path.stem: by_k for path, by_k in accuracy.items()}, title, png)
    if json_output:
        told = [
            {"lutnet": str(p), "nodes": nets[p].nodes, "accuracy": a} for p, a in accuracy.items()
        ]
        print(
            json.dumps(
                {"data": images.name, "images": len(test), "networks": told, "png": str(png)}
            )
        )
        return
    columns = sorted({k for by_k in accuracy.values() for k in by_k})
    table = Table("network", "nodes", *(f"x{k}" for k in columns), title=title)
    for path, by_k in accuracy.items():
        cells = (f"{by_k[k]:.2%}" if k in by_k else "" for k in columns)
        table.add_row(path.stem, f"{nets[path].nodes:,}", *cells)
    console.print(table)
    console.print(str(png))


def _accuracy(net: Lutnet, test: Labelled, engine: EngineName) -> dict[int, float]:
    with open_engine(engine, net) as opened:
        return {
            k: evaluate(opened.scores_of, test, thresholds, batch_size=opened.batch_size).accuracy
            for k, thresholds in sorted(net.thresholds.items())
        }
