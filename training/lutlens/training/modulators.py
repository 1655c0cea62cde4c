"""`lutlens modulators`: ways to make passes differ, measured against each other at equal K."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from lutlens.board.records import answers
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import CORE_PASSES, Lutnet
from lutlens.host.modulation import MODULATORS, Modulation, ModulatorName
from lutlens.training import plots
from lutlens.training.data import Labelled
from lutlens.training.engines import fast_scores
from lutlens.training.evaluate import ScoresOf, evaluate, rank_thresholds
from lutlens.training.modulator_choice import added, choose, taking
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
    with counting_progress() as progress:
        task = progress.add_task("choosing", total=len(MODULATORS))
        for done, name in enumerate(MODULATORS):

            def report(share: float, done: int = done) -> None:
                progress.update(task, completed=done + share)

            best = choose(scores_of, name, images.validation, net.encoder_bits, ks, report)
            found[name] = {
                k: Chosen(one, _accuracy(scores_of, one, images.test, k)) for k, one in best.items()
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


def _accuracy(scores_of: ScoresOf, modulation: Modulation, data: Labelled, k: int) -> float:
    scores = added(scores_of, modulation, data, [k])[k]
    return float((answers(scores)[0] == data.labels).mean())


def _ramp_accuracy(
    scores_of: ScoresOf, net: Lutnet, validation: Labelled, test: Labelled, ks: Sequence[int]
) -> dict[int, float]:
    ranked = rank_thresholds(scores_of, validation, net.encoder_bits, ks)
    return {k: evaluate(scores_of, test, ranked[k][0][0]).accuracy for k in ks}


def _modulated(net: Lutnet, modulation: Modulation, ks: Sequence[int]) -> Lutnet:
    """The same network, whose figures were another modulator's."""
    figures = ("accuracy", "validation_accuracy")
    kept = {name: fact for name, fact in net.provenance.items() if name not in figures}
    provenance = {**kept, "modulated_from": net.sha256}
    return replace(taking(net, modulation, ks), provenance=provenance)


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
