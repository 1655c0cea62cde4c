"""Members of `lutlens bench` that the host room brings. Docstrings are manual pages."""

from __future__ import annotations

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import Layer, Lutnet, Stage
from lutlens.host.paths import REPOSITORY
from lutlens.host.systemverilog import DEFAULT_MAX_WIDTH
from rich.console import Console

SHIPPED = REPOSITORY / "overlays/digits"


class StallsName(str, Enum):
    """Names of `lutlens.host.devices.rtl.STALLS`."""

    none = "none"
    busy = "busy"
    heavy = "heavy"


_DENSE = (784, 1000, 500)
_WORDS = 32  # of lanes in a call: some milliseconds' work


def infer(
    lutnet: Annotated[
        Path | None,
        typer.Argument(metavar="F.lutnet", help="Measure this network instead."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Processors to use.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long to measure.")] = 2.0,
    json_output: JsonOption = False,
) -> None:
    """Measure inference of the generated, bit-sliced C in images per second.

    The network: 784 input bits, then 1,000 and 500 nodes of six random inputs, with random tables,
    none of them left out. Measured are the LUT layers alone: input bits are packed beforehand, one
    image in each lane of a machine word, and scores are not formed. The figure is the median over
    the time measured.

    With F.lutnet, the stages of that network, simplified as everywhere else.

        lutlens bench infer --json
    """
    if lutnet is None:
        executor = Executor(_random_dense(*_DENSE), simplified=False)
        name = "-".join(map(str, _DENSE))
    else:
        executor = Executor(Lutnet.load(lutnet))
        name = lutnet.name
    rate = _images_per_second(executor, threads, seconds)
    if json_output:
        print(json.dumps({"images_per_second": rate, "threads": threads, "network": name}))
    else:
        print(f"{name}: {rate / 1e6:.2f} million images/s on {threads} thread(s), LUT layers only")


def rtl(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="[OVERLAY|F.lutnet]",
            help="An overlay directory, or a lutnet.",
            show_default="overlays/digits",
        ),
    ] = SHIPPED,
    k: Annotated[int, typer.Option("--k", min=1, max=16, help="Passes: oversampling xK.")] = 1,
    images: Annotated[int, typer.Option(min=1, max=1000, help="Images to measure over.")] = 60,
    stalls: Annotated[
        StallsName, typer.Option(help="How the memory behaves; `busy` is a PS7 port in use.")
    ] = StallsName.busy,
    clock: Annotated[
        float | None,
        typer.Option(metavar="MHZ", help="To state images per second at. Default: the overlay's."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Measure the clocks that an image takes in the RTL, in steady state.

    The whole programmable logic runs under Verilator with a DDR model that stalls, images lie ready
    in their ring, and the clocks between one record and the next are counted by the core itself.
    The scores have to be right. Reading an image for the next pass is part of its time.

    `clocks_per_image` is the mean; a frame in the ring is one image, so `clocks_per_frame` is the
    same. `pixels_per_clock` counts every pass. Memory: `none` answers at once; `busy` answers after
    25 to 60 clocks, each channel pauses on every tenth, and 40 clocks in 1,000 bring no data;
    `heavy` answers after 60 to 200, pauses half of the time, and is away for 150 clocks in 500.

    Images per second at a clock that no place and route has confirmed are a calculation, not a
    measurement.

        lutlens bench rtl overlays/digits --k 15 --json
    """
    from lutlens.host.devices.measure import throughput
    from lutlens.host.devices.rtl import STALLS

    lutnet, manifest = overlay.read(path)
    max_width = manifest.geometry.max_width if manifest else DEFAULT_MAX_WIDTH
    mhz = clock or (manifest.clock_mhz if manifest else overlay.DEFAULT_CLOCK_MHZ)
    with Console(stderr=True).status("building the simulation, and running it"):
        found = throughput(
            lutnet, k=k, images=images, stalls=STALLS[stalls.value], max_width=max_width
        )
    height, width, _ = lutnet.input_shape
    clocks = found.clocks_per_image
    result = {
        "clocks_per_image": round(clocks, 2),
        "clocks_per_frame": round(clocks, 2),
        "k": k,
        "pixels_per_clock": round(k * height * width / clocks, 4),
        "latency_clocks_max": found.latency_max,
        "images": images,
        "stalls": stalls.value,
        "clock_mhz": mhz,
        "images_per_second": round(1e6 * mhz / clocks),
    }
    if json_output:
        print(json.dumps(result))
    else:
        print(
            f"{path}: {clocks:.1f} clocks an image at K = {k}, at most {found.latency_max} from "
            f"its first pixel to its record; {result['images_per_second']:,} images/s at {mhz} MHz"
        )


def _images_per_second(executor: Executor, threads: int, seconds: float) -> float:
    rng = np.random.default_rng(0)
    end = time.perf_counter() + seconds

    def work(_: int) -> float:
        inputs = executor.planes(_WORDS, executor.input_bits)
        inputs[...] = rng.integers(0, 1 << 64, inputs.shape, np.uint64)
        outputs = executor.planes(_WORDS, executor.output_bits)
        executor.stages(inputs, outputs)  # the first call touches the memory
        took: list[float] = []
        while not took or time.perf_counter() < end:
            start = time.perf_counter()
            executor.stages(inputs, outputs)
            took.append(time.perf_counter() - start)
        return _WORDS * executor.lanes / statistics.median(took)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads)))


def _random_dense(inputs: int, *counts: int) -> Lutnet:
    rng = np.random.default_rng(0)
    layers = []
    bits = inputs
    for nodes in counts:
        layers.append(
            Layer(
                rng.integers(0, 1 << 64, nodes, np.uint64),
                rng.integers(0, bits, (nodes, 6), np.int32),
            )
        )
        bits = nodes
    return Lutnet(
        input_shape=(1, inputs, 1),
        encoder_bits=1,
        thresholds={1: np.full((1, 1), 127, np.uint8)},
        stages=(Stage((1, inputs), tuple(layers)),),
        classes=tuple(str(digit) for digit in range(10)),
    )
