"""`lutlens modulators`: ways to make passes differ, measured against each other at equal K."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from lutlens.board.records import answers
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import CORE_PASSES, Lutnet
from lutlens.host.modulation import MODULATORS, Modulation, Modulator, ModulatorName
from lutlens.training import plots
from lutlens.training.data import Labelled
from lutlens.training.engines import fast_scores
from lutlens.training.evaluate import (
    BATCH,
    HIGHS,
    LOWS,
    Scores,
    ScoresOf,
    accuracy_and_margin,
    evaluate,
    ramp,
    rank_thresholds,
)
from lutlens.training.options import BUILD, DataOption
from lutlens.training.progress import counting_progress
from lutlens.training.test_set import load_for, of_network
from rich.console import Console
from rich.table import Table

RAMP = "ramp"


@dataclass(frozen=True, eq=False)
class Chosen:
    """A modulator at the thresholds that were best on validation images, for one K, and its share of test images."""

    modulation: Modulation
    accuracy: float


def modulators(
    lutnet: Annotated[Path, typer.Argument(metavar="F.lutnet", help="A network of classes.")],
    data: DataOption = None,
    png: Annotated[Path, typer.Option(metavar="F.png", help="The picture.")] = BUILD
    / "modulators.png",
    take: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Write the network with this modulator: {', '.join(MODULATORS)}.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="F.lutnet", help="Where to write it.")] = BUILD
    / "modulated.lutnet",
    json_output: JsonOption = False,
) -> None:
    """Measure the modulators against the ramp and each other, on one network, at equal K.

    Each gets the thresholds and the swing that recognise most of the validation images, for every K that the network
    has; the accuracies are those of the test images. A network that `--take` writes has one choice for all its K,
    that of the largest.

        lutlens modulators overlays/digits/digits.lutnet
        lutlens modulators build/digits.lutnet --take blue-noise --out build/digits-blue.lutnet
    """
    net = _plain(lutnet)
    kind = next((known for known in MODULATORS if known == take), None)
    if take and kind is None:
        raise typer.BadParameter(f"--take: {take}, must be one of {', '.join(MODULATORS)}")
    images = of_network(net, lutnet, load_for(net, lutnet, data))
    ks = [k for k in sorted(net.thresholds) if k <= CORE_PASSES]
    scores_of = fast_scores(net)
    accuracy = {RAMP: _ramp_accuracy(scores_of, net, images.validation, images.test, ks)}
    found: dict[ModulatorName, dict[int, Chosen]] = {}
    candidates = _candidates(net.encoder_bits)
    with counting_progress() as progress:
        task = progress.add_task("choosing", total=len(MODULATORS) * len(candidates))
        for name in MODULATORS:
            best: dict[int, tuple[tuple[float, float], Modulation]] = {}
            for levels, swing in candidates:
                tried = Modulation(Modulator(kind=name, swing=swing), levels)
                for k, scores in _added(scores_of, tried, images.validation, ks).items():
                    reached = accuracy_and_margin(scores, images.validation.labels)
                    if k not in best or reached > best[k][0]:
                        best[k] = reached, tried
                progress.advance(task)
            found[name] = {
                k: Chosen(one, _accuracy(scores_of, one, images.test, k))
                for k, (_, one) in best.items()
            }
            accuracy[name] = {k: chosen.accuracy for k, chosen in found[name].items()}
    if kind:
        _modulated(net, found[kind][max(ks)].modulation, ks).save(out)
    png.parent.mkdir(parents=True, exist_ok=True)
    title = f"{lutnet.stem}, {len(images.test)} test images of {images.name}"
    plots.passes(accuracy, title, png)
    _tell(accuracy, found, title, png, out if kind else None, json_output)


def _plain(path: Path) -> Lutnet:
    """The network, without a modulator that it may have. Raises typer.BadParameter for one of numbers."""
    net = replace(Lutnet.load(path), modulator=None)
    if net.values:
        raise typer.BadParameter(
            f"{path}: its outputs are numbers; modulators are compared by classes"
        )
    return net


def _candidates(bits: int) -> list[tuple[npt.NDArray[np.uint8], int]]:
    """Thresholds `[bits]`, in the middle of equal parts of a range, and as a swing such a part."""
    found = {}
    for low, high in ((low, high) for low in LOWS for high in HIGHS):
        levels = ramp(1, bits, low, high)[0]
        if (np.diff(levels.astype(int)) > 0).all():
            found[levels.tobytes(), high - low] = levels, max(1, round((high - low) / bits))
    return list(found.values())


def _added(
    scores_of: ScoresOf, modulation: Modulation, data: Labelled, ks: Sequence[int]
) -> dict[int, Scores]:
    """By K: what the first K passes give together, `[n, classes]`."""
    height, width, *_ = data.images.shape[1:]
    total: Scores = np.zeros(1, np.int32)
    found: dict[int, Scores] = {}
    for k in range(max(ks)):
        parts = []
        for first in range(0, len(data), BATCH):
            part = data.images[first : first + BATCH]
            compared = modulation.apply(part.reshape(len(part), height, width, -1), k)
            parts.append(scores_of(compared.reshape(part.shape), modulation.thresholds[None]))
        total = total + np.concatenate(parts).astype(np.int32)
        if k + 1 in ks:
            found[k + 1] = total
    return found


def _accuracy(scores_of: ScoresOf, modulation: Modulation, data: Labelled, k: int) -> float:
    scores = _added(scores_of, modulation, data, [k])[k]
    return float((answers(scores)[0] == data.labels).mean())


def _ramp_accuracy(
    scores_of: ScoresOf, net: Lutnet, validation: Labelled, test: Labelled, ks: Sequence[int]
) -> dict[int, float]:
    ranked = rank_thresholds(scores_of, validation, net.encoder_bits, ks)
    return {k: evaluate(scores_of, test, ranked[k][0][0]).accuracy for k in ks}


def _modulated(net: Lutnet, modulation: Modulation, ks: Sequence[int]) -> Lutnet:
    """The same network, whose figures were another modulator's."""
    thresholds = {k: np.repeat(modulation.thresholds[None], k, axis=0) for k in ks}
    figures = ("accuracy", "validation_accuracy")
    kept = {name: fact for name, fact in net.provenance.items() if name not in figures}
    provenance = {**kept, "modulated_from": net.sha256}
    return replace(
        net, thresholds=thresholds, modulator=modulation.modulator, provenance=provenance
    )


def _tell(
    accuracy: Mapping[str, Mapping[int, float]],
    found: Mapping[ModulatorName, Mapping[int, Chosen]],
    title: str,
    png: Path,
    out: Path | None,
    json_output: bool,
) -> None:
    if json_output:
        chosen = {
            name: {
                k: {
                    "swing": one.modulation.modulator.swing,
                    "thresholds": one.modulation.thresholds.tolist(),
                }
                for k, one in by_k.items()
            }
            for name, by_k in found.items()
        }
        written = {"lutnet": str(out)} if out else {}
        print(json.dumps({"accuracy": accuracy, "chosen": chosen, "png": str(png), **written}))
        return
    ks = list(accuracy[RAMP])
    table = Table("modulator", *(f"x{k}" for k in ks), title=title)
    for name, by_k in accuracy.items():
        table.add_row(name, *(f"{by_k[k]:.2%}" for k in ks))
    console = Console()
    console.print(table)
    console.print(str(png))
    if out:
        console.print(str(out))
