"""Members of `lutlens bench` that the host room brings. Docstrings are manual pages."""

from __future__ import annotations

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from lutlens.host.c import Executor
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import Layer, Lutnet, Stage

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
