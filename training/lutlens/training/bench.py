"""`lutlens bench train`: how fast networks train here."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from enum import Enum
from typing import Annotated

import torch
import typer
from lutlens.training.kernels import native
from lutlens.training.network import LayerSpec, Network, NetworkSpec, StageSpec
from torch import nn

ROUND_SECONDS = 0.2


class NetworkName(str, Enum):
    """Names of `NETWORKS`."""

    simple = "simple"
    cnn = "cnn"


def _layers(*nodes: int) -> tuple[LayerSpec, ...]:
    return tuple(LayerSpec(nodes=n) for n in nodes)


NETWORKS = {
    "simple": NetworkSpec(
        input_shape=(28, 28, 1),
        jitter=0,
        stages=(StageSpec(layers=_layers(2304, 384, 64, 360, 60, 10)),),
    ),
    "cnn": NetworkSpec(
        input_shape=(28, 28, 1),
        jitter=0,
        stages=(
            StageSpec(window=(5, 5), stride=(2, 2), layers=_layers(60, 30)),
            StageSpec(window=(3, 3), layers=_layers(150, 50)),
            StageSpec(window=(3, 3), layers=_layers(200, 60), pool=(2, 2)),
            StageSpec(layers=(LayerSpec(nodes=480, connections="learned"),)),
        ),
    ),
}
"""simple: that of BinaryBrain's MNIST samples; cnn: a little smaller than what ships for digits."""


def train(
    network: Annotated[
        NetworkName, typer.Option(help="`simple`, 3,182 nodes, or `cnn`, 1,030 nodes.")
    ] = NetworkName.simple,
    batch: Annotated[int, typer.Option(min=1, max=65536, help="Images in a batch.")] = 256,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Processors to use.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="How long to measure.")] = 5.0,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on the standard output.")
    ] = False,
) -> None:
    """Measure training in images per second.

    A step is a forward and a backward pass: random images, thresholds, class scores, cross-entropy,
    and the gradients of all tables and connection scores. The optimizer's step is not included; what
    forward and backward need of the tables (their bits, their slopes) is worked out anew in every
    step, and is.

    `simple` is the simple MNIST network of BinaryBrain's samples, 784-2304-384-64-360-60-10; `cnn`
    is three convolutional stages and a dense one with learned connections.

    On one thread, time is the processor's, as spent on this process: what other programs take away
    does not count. On several it is the clock's. It is cut into rounds of a fifth of a second; the
    figure is the fastest round, and the median one is printed too.

        lutlens bench train --json
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        clock = time.process_time if threads == 1 else time.perf_counter
        rounds = measure(NETWORKS[network.value], batch, seconds, clock)
    finally:
        torch.set_num_threads(before)
    library = native.library()
    result = {
        "images_per_second": round(max(rounds)),
        "median": round(statistics.median(rounds)),
        "threads": threads,
        "network": network.value,
        "batch": batch,
        "kernels": library.simd if library else "off",
    }
    if json_output:
        print(json.dumps(result))
    else:
        print(
            f"{network.value}: {result['images_per_second']:,} images/s forward and backward "
            f"(median round {result['median']:,}), batch {batch}, {threads} thread(s), "
            f"kernels: {result['kernels']}"
        )


def measure(
    spec: NetworkSpec, batch: int, seconds: float, clock: Callable[[], float]
) -> list[float]:
    """Images per second of forward and backward, of every round within `seconds`, by `clock`."""
    net = Network(spec, seed=1)
    parameters = list(net.parameters())
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(
        0, 256, (batch, *spec.input_shape), generator=generator, dtype=torch.uint8
    )
    labels = torch.randint(0, spec.classes, (batch,), generator=generator)

    def step() -> None:
        loss = nn.functional.cross_entropy(net(images), labels)
        torch.autograd.grad(loss, parameters)

    for _ in range(3):
        step()
    rounds = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start, steps = clock(), 0
        while (elapsed := clock() - start) < ROUND_SECONDS or not steps:
            step()
            steps += 1
        rounds.append(batch * steps / elapsed)
    return rounds
