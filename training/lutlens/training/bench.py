"""`lutlens bench train`: how fast networks train here."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from enum import Enum
from typing import Annotated

import torch
import typer
from lutlens.training.devices import DeviceName, description, device_of, synchronise
from lutlens.training.kernels import backends
from lutlens.training.network import LayerSpec, Network, NetworkSpec, StageSpec
from lutlens.training.recording import WARM_UP, recorded
from torch import Tensor, nn

ROUND_SECONDS = 0.2


class NetworkName(str, Enum):
    """Names of `NETWORKS`."""

    simple = "simple"
    cnn = "cnn"
    binarybrain_cnn = "binarybrain-cnn"


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
    "binarybrain-cnn": NetworkSpec(
        input_shape=(28, 28, 1),
        jitter=0,
        stages=(
            StageSpec(window=(3, 3), layers=_layers(216, 36)),
            StageSpec(window=(3, 3), layers=_layers(432, 72), pool=(2, 2)),
            StageSpec(window=(3, 3), layers=_layers(432, 72)),
            StageSpec(window=(3, 3), layers=_layers(864, 144), pool=(2, 2)),
            StageSpec(layers=_layers(768, 128, 360, 60, 10)),
        ),
    ),
}
"""simple and binarybrain-cnn: those of BinaryBrain's MNIST samples; cnn: a little smaller than what
ships for digits.
"""


def evaluations(spec: NetworkSpec) -> int:
    """How often a node is evaluated for one image: every node at every position of its window."""
    height, width = spec.input_shape[:2]
    total = 0
    for stage in spec.stages:
        window = stage.window or (height, width)
        height = (height - window[0]) // stage.stride[0] + 1
        width = (width - window[1]) // stage.stride[1] + 1
        total += height * width * sum(layer.nodes for layer in stage.layers)
        height, width = height // stage.pool[0], width // stage.pool[1]
    return total


def train(
    network: Annotated[
        NetworkName,
        typer.Option(help="`simple`, 3,182 nodes; `cnn`, 1,030; `binarybrain-cnn`, 3,594."),
    ] = NetworkName.simple,
    batch: Annotated[int, typer.Option(min=1, max=65536, help="Images in a batch.")] = 256,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Processors to use.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="How long to measure.")] = 5.0,
    device: Annotated[
        DeviceName, typer.Option(help="Where to train; `auto`: a CUDA device if there is one.")
    ] = DeviceName.cpu,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on the standard output.")
    ] = False,
) -> None:
    """Measure training in images per second.

    A step is a forward and a backward pass: random images, thresholds, class scores, cross-entropy,
    and the gradients of all tables and connection scores. The optimizer's step is not included; what
    forward and backward need of the tables (their bits, their slopes) is worked out anew in every
    step, and is.

    `simple` is the simple MNIST network of BinaryBrain's samples, 784-2304-384-64-360-60-10, and
    `binarybrain-cnn` their CNN, 576,894 node evaluations an image; `cnn` is three convolutional
    stages and a dense one with learned connections.

    On one thread, time is the processor's, as spent on this process: what other programs take away
    does not count. On several, and on a CUDA device, it is the clock's. It is cut into rounds of a
    fifth of a second; the figure is the fastest round, and the median one is printed too. Memory is
    the most that the process has held at once, Python and PyTorch included; on a CUDA device, the
    most that tensors took there.

    On a CUDA device the step is recorded as a CUDA graph and replayed.

        lutlens bench train --json
        lutlens bench train --network binarybrain-cnn --json
    """
    where = device_of(device)
    on_one = threads == 1 and where.type == "cpu"
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        clock = time.process_time if on_one else time.perf_counter
        rounds = measure(NETWORKS[network.value], batch, seconds, clock, where)
    finally:
        torch.set_num_threads(before)
    result = {
        "images_per_second": round(max(rounds)),
        "median": round(statistics.median(rounds)),
        "threads": threads,
        "network": network.value,
        "evaluations_per_image": evaluations(NETWORKS[network.value]),
        "batch": batch,
        "kernels": backends.description(where),
        "device": description(where),
        "peak_memory_bytes": _peak_memory(where),
    }
    if json_output:
        print(json.dumps(result))
    else:
        print(
            f"{network.value}: {result['images_per_second']:,} images/s forward and backward "
            f"(median round {result['median']:,}), batch {batch}, {threads} thread(s), "
            f"kernels: {result['kernels']}, {result['device']}, "
            f"memory {_peak_memory(where) / 2**20:,.0f} MiB"
        )


def measure(
    spec: NetworkSpec,
    batch: int,
    seconds: float,
    clock: Callable[[], float],
    device: torch.device,
) -> list[float]:
    """Images per second of forward and backward, of every round within `seconds`, by `clock`."""
    net = Network(spec, seed=1).to(device)
    parameters = list(net.parameters())
    generator = torch.Generator().manual_seed(1)
    shape = (batch, *spec.input_shape)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).to(device)
    labels = torch.randint(0, spec.classes, (batch,), generator=generator).to(device)

    def gradients(images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        loss = nn.functional.cross_entropy(net(images), labels)
        return torch.autograd.grad(loss, parameters)

    step = recorded(gradients, device)
    for _ in range(WARM_UP + 1):
        step(images, labels)
    rounds = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start, steps = clock(), 0
        while (elapsed := clock() - start) < ROUND_SECONDS or not steps:
            step(images, labels)
            synchronise(device)
            steps += 1
        rounds.append(batch * steps / elapsed)
    return rounds


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2) of macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
