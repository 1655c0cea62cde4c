"""`lutlens bench scan`. The docstring is its manual page."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from lutlens.board import contrast
from lutlens.board.overlay import Scanner, load
from lutlens.board.sources.pattern import PatternSpec, draw
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.commands import JsonOption
from lutlens.host.devices import open_device
from lutlens.host.lutnet import Lutnet
from lutlens.host.paths import REPOSITORY

SHIPPED = REPOSITORY / "overlays/digits-scan"
PASSES = (1, 15)

Frames = npt.NDArray[np.uint8]


def scan(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="[OVERLAY|F.lutnet]",
            help="An overlay directory, or a lutnet.",
            show_default="overlays/digits-scan",
        ),
    ] = SHIPPED,
    width: Annotated[int, typer.Option(min=64, max=1920, help="Of frames, pixels.")] = 640,
    height: Annotated[int, typer.Option(min=32, max=1080, help="Of frames, pixels.")] = 132,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=60, help="How long to measure, each figure.")
    ] = 2.0,
    json_output: JsonOption = False,
) -> None:
    """Measure whole frames scanned in software, on one processor, in frames per second.

    Frames of the pattern source go through the generated C (`c`: pixels to cells, nothing else) and
    through the `model` device as the live pipeline uses it (`device`: into the ring, through the
    driver, and the result out of it again), one frame at a time, with K = 1 and 15 where the network
    has thresholds for them. Cells have to be right, as the device's self-test checks. Figures are
    means, in frames per second of processor time, all threads added up: what one processor does that
    has nothing else to do.

        lutlens bench scan --json
    """
    lutnet, _ = overlay.read(path)
    pattern = draw(PatternSpec(width=width, height=height, frames=16)).images
    frames = np.stack([contrast.normalise(image) for image in pattern])
    with _one_processor():  # a second thread would only stand in the way of the first
        found = {
            k: {"c": _c(lutnet, frames, k, seconds), "device": _device(lutnet, frames, k, seconds)}
            for k in PASSES
            if k in lutnet.thresholds
        }
    if json_output:
        print(json.dumps({"width": width, "height": height, "frames_per_second": found}))
        return
    for k, rates in found.items():
        print(
            f"{path}: {width}x{height}, K = {k}: {rates['c']:.0f} frames/s in C, "
            f"{rates['device']:.0f} through the model device, one processor"
        )


@contextmanager
def _one_processor() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _c(lutnet: Lutnet, frames: Frames, k: int, seconds: float) -> float:
    executor = Executor(lutnet, threads=1)
    return _rate(lambda n: executor.cells(frames[n : n + 1], k=k), len(frames), seconds)


def _device(lutnet: Lutnet, frames: Frames, k: int, seconds: float) -> float:
    height, width = frames.shape[1:]
    with tempfile.TemporaryDirectory(prefix="lutlens-") as folder, open_device("model") as device:
        lutnet.save(Path(folder, "network.lutnet"))
        target = Path(folder, "network")
        overlay.generate(Path(folder, "network.lutnet"), target, scan=True, max_width=width)
        scanner = load(target, device)
        assert isinstance(scanner, Scanner)
        try:
            with scanner.stream([(width, height)], k) as stream:
                return _rate(lambda n: stream.scan([frames[n]]), len(frames), seconds)
        finally:
            scanner.close()


def _rate(work: Callable[[int], object], frames: int, seconds: float) -> float:
    """Calls a second, one frame after another."""
    work(0)  # the first call touches the memory
    count = 0
    start = time.process_time()
    while (took := time.process_time() - start) < seconds:
        work(count % frames)
        count += 1
    return round(count / took, 1)
