"""`lutlens reconstruct`: images through an auto-encoder's code, and images from codes alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from lutlens.host import overlay
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import MAX_PASSES, Lutnet
from lutlens.training import pictures
from lutlens.training.data import Labelled, UInt8
from lutlens.training.engines import EngineName, fast_scores, open_engine
from lutlens.training.evaluate import evaluate
from lutlens.training.options import BUILD, DataOption, EngineOption, LimitOption
from lutlens.training.progress import counting_progress
from lutlens.training.quality import measure
from lutlens.training.reconstruction import code_shape, split
from lutlens.training.test_set import load_for, of_network
from rich.console import Console

SHOWN = 20
"""Images in a row of the picture."""
ROWS = 2
"""Of images from codes that are drawn at random."""
SEED = 2026

Floats = npt.NDArray[np.floating[Any]]


def reconstruct(
    lutnet: Annotated[Path, typer.Argument(metavar="F.lutnet", help="An auto-encoder.")],
    k: Annotated[int, typer.Option("--k", min=1, max=MAX_PASSES, help="Passes: grey levels.")] = 15,
    reader: Annotated[
        Path | None,
        typer.Option(metavar="OVERLAY|G.lutnet", help="A network that is to read the images."),
    ] = None,
    decoder: Annotated[
        Path | None,
        typer.Option(metavar="D.lutnet", help="Write the decoder as a network of its own."),
    ] = None,
    engine: EngineOption = EngineName.c,
    limit: LimitOption = None,
    data: DataOption = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="F.png", help="Images and what became of them. Default: in build/."),
    ] = None,
    codes: Annotated[
        Path | None,
        typer.Option(metavar="F.png", help="Images from codes. Default: in build/."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Give test images again from an auto-encoder's code, and make images of codes.

    Prints the mean squared error of a pixel, 0 to 1, over K passes; and how many of the images a
    network that recognises, `--reader`, reads right, as they were and as they are given again.

    The first picture shows images above what became of them. The second one needs no images, only the
    decoder: each class's mean code, codes drawn bit by bit as often 1 as that class's are, codes on
    the way from one class's mean to the next one's, and codes of coin tosses.

        lutlens reconstruct build/autoencoder.lutnet --reader overlays/digits
        lutlens reconstruct build/autoencoder.lutnet --decoder build/decoder.lutnet
    """
    net = Lutnet.load(lutnet)
    thresholds = net.thresholds_for(k)
    front, back = split(net)
    assert net.values is not None  # or else it would not have been split
    given = load_for(net, lutnet, data)
    pixels = of_network(net, lutnet, given)
    recognised, test = given.test.take(slice(limit)), pixels.test.take(slice(limit))
    with open_engine(engine, net) as opened, counting_progress() as progress:
        task = progress.add_task(f"{engine.value}, K = {k}", total=len(test))
        found = measure(
            opened.scores_of,
            test,
            thresholds,
            net.values,
            net.bits_per_class,
            report=lambda done: progress.update(task, completed=done),
            batch_size=opened.batch_size,
        )
    again = found.numbers.round().astype(np.uint8).reshape(test.images.shape)
    png = png or BUILD / f"{lutnet.stem}.k{k}.png"
    codes = codes or BUILD / f"{lutnet.stem}.codes.png"
    for path in (png, codes):
        path.parent.mkdir(parents=True, exist_ok=True)
    pictures.rows([test.images[:SHOWN], again[:SHOWN]], png)
    shares = fast_scores(front)(given.validation.images, thresholds) / k
    labels = given.validation.labels
    pictures.rows(_from_codes(back, shares, labels, len(given.classes), k), codes)
    if decoder is not None:
        decoder.parent.mkdir(parents=True, exist_ok=True)
        back.save(decoder)
    told = {
        "k": k,
        "engine": engine.value,
        "images": len(test),
        "code_bits": len(front.classes),
        "squared_error": found.squared_error,
        "r2": found.r2,
        "png": str(png),
        "codes": str(codes),
    }
    if reader is not None:
        by, _ = overlay.read(reader)
        with_k = k if k in by.thresholds else max(by.thresholds)
        for name, images in (("read", again), ("read_before", test.images)):
            labelled = Labelled(images, recognised.labels)
            told[name] = evaluate(fast_scores(by), labelled, by.thresholds_for(with_k)).accuracy
    if json_output:
        print(json.dumps(told))
        return
    console = Console()
    console.print(
        f"{len(test)} images of {given.name} through {len(front.classes)} bits, K = {k}: squared error "
        f"{found.squared_error:.5f} a pixel, R2 {found.r2:.4f}"
    )
    if reader is not None:
        console.print(
            f"{reader} reads {told['read']:.2%} of them right; as they were {told['read_before']:.2%}"
        )
    console.print(f"{png}, {codes}")


def _from_codes(
    back: Lutnet, shares: Floats, labels: npt.NDArray[Any], classes: int, k: int
) -> list[UInt8]:
    """Rows of images. shares: of passes in which a code's bit was 1, `[n, bits]`, of images with labels."""
    random = np.random.default_rng(SEED)
    means = np.stack([shares[labels == c].mean(axis=0) for c in range(classes)])
    drawn = [(random.random(means.shape) < means).astype(float) for _ in range(ROWS)]
    way = np.linspace(0, 1, classes)[:, None]
    between = [(1 - way) * means[c] + way * means[(c + 1) % classes] for c in range(0, classes, 3)]
    tossed = random.integers(0, 2, means.shape).astype(float)
    scores_of = fast_scores(back)

    def decoded(codes: Floats) -> UInt8:
        assert back.values is not None
        assert back.values.shape is not None
        images = (255 * codes).round().astype(np.uint8)
        images = images.reshape(-1, *code_shape(codes.shape[1]))
        scores = scores_of(images, back.thresholds_for(k))
        numbers = back.values.numbers(scores, k * back.bits_per_class)
        return numbers.round().astype(np.uint8).reshape(-1, *back.values.shape)

    return [decoded(codes) for codes in (means, *drawn, *between, tossed)]
