"""Members of `lutlens bench` that the host room brings. Docstrings are manual pages."""

from __future__ import annotations

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from lutlens.board.manifest import Simulated
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import Layer, Lutnet, Stage
from lutlens.host.paths import REPOSITORY
from lutlens.host.registers import Scan
from lutlens.host.rtl import Build, image_lines
from rich.console import Console
from rich.status import Status

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
    images: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Images to measure over; of frames, images side by side that make one.",
            show_default="60, and of frames --width and --height",
        ),
    ] = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="Whole frames, as scan overlays take them anyway.")
    ] = False,
    pixels_per_clock: Annotated[
        int | None,
        typer.Option(metavar="1|2|4|8", help="Of the build.", show_default="the overlay's, or 1"),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option(metavar="1|2|4", help="Of the build.", show_default="the overlay's, or 1"),
    ] = None,
    packed: Annotated[
        bool, typer.Option("--packed", help="Single images of one bit a pixel, not of eight.")
    ] = False,
    width: Annotated[int, typer.Option(min=8, max=8192, help="Of frames.")] = 640,
    height: Annotated[int, typer.Option(min=1, max=8192, help="Of frames.")] = 132,
    frames: Annotated[int, typer.Option(min=1, max=60, help="Frames to measure over.")] = 4,
    stalls: Annotated[
        StallsName, typer.Option(help="How the memory behaves; `busy` is a PS7 port in use.")
    ] = StallsName.busy,
    clock: Annotated[
        float | None,
        typer.Option(metavar="MHZ", help="To state rates at. Default: the overlay's."),
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Write the clocks into the overlay's manifest and card."),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Measure the clocks that an image or a frame takes in the RTL, in steady state.

    The whole programmable logic runs under Verilator with a DDR model that stalls, frames lie ready
    in their ring, and the clocks between one result and the next are counted by the core itself.
    Every result has to be right, bit for bit. Reading a frame for the next pass is part of its time.

    Without --scan, and with an overlay that takes single images: one image is one frame,
    `latency_clocks_max` is from its first pixel to its record. With --scan, and with an overlay that
    scans: frames of --width x --height, or with --images N of N images side by side, whose cost
    `clocks_per_image` then is; `latency_clocks_max` is from the last pixel of the last pass to the
    result acknowledged. `pixels_per_clock` is what was measured, every pass counted.

    Memory: `none` answers at once. `busy` is a PS7 port at 150 MHz beside Linux and a camera: answers
    after 25 to 60 clocks, 16 beats in 11 clocks, a tenth of all bursts others', refreshes. `heavy`
    answers after 60 to 200, pauses half of the time, and is away for 150 clocks in 500.

    With --update the overlay says from then on what it takes: hardware is held to it by `lutlens hil`.

    Rates at a clock that no place and route has confirmed are a calculation, not a measurement.

        lutlens bench rtl overlays/digits --k 15 --json
        lutlens bench rtl --packed --cores 4 --pixels-per-clock 8
        lutlens bench rtl --scan --pixels-per-clock 8 --k 15
    """
    lutnet, manifest = overlay.read(path)
    if update and (manifest is None or scan or packed or images or pixels_per_clock or cores):
        raise typer.BadParameter("--update is for overlay directories as they are built")
    build = Build.of(manifest.geometry) if manifest else Build()
    mhz = clock or (manifest.clock_mhz if manifest else overlay.DEFAULT_CLOCK_MHZ)
    if pixels_per_clock is not None:
        lines = image_lines(build.max_width, pixels_per_clock)
        build = replace(build, pixels_per_clock=pixels_per_clock, max_width=lines)
    if cores is not None:
        build = replace(build, cores=cores)
    common = {
        "k": k,
        "pixels_per_clock_built": build.pixels_per_clock,
        "cores": build.cores,
        "packed": packed,
        "stalls": stalls.value,
        "clock_mhz": mhz,
    }
    try:
        if scan or build.scan:
            if build.cores != 1 or packed:
                raise ValueError("--cores and --packed are for single images, not for frames")
            size = (
                (lutnet.input_shape[0], images * lutnet.input_shape[1])
                if images
                else (height, width)
            )
            build = replace(
                build, scan=build.scan or Scan(), max_width=max(build.max_width, size[1])
            )
            of_overlay = manifest.geometry.scan if manifest else None
            background = of_overlay.background if of_overlay else None
            result, text = _bench_frames(lutnet, build, k, size, frames, stalls, background, images)
        else:
            result, text = _bench_images(lutnet, build, k, images or 60, stalls, packed)
    except ValueError as error:  # a size or a K that does not fit
        raise typer.BadParameter(str(error)) from error
    for unit in ("image", "frame"):
        if f"clocks_per_{unit}" in result:
            result[f"{unit}s_per_second"] = round(1e6 * mhz / result[f"clocks_per_{unit}"], 1)
    if update:
        _write_clocks(path, lutnet, k, result, stalls)
    if json_output:
        print(json.dumps({**result, **common}))
    else:
        unit = "image" if "clocks_per_image" in result else "frame"
        rate = result[f"{unit}s_per_second"]
        print(f"{path}: {text}; memory {stalls.value}; {rate:,.0f} {unit}s/s at {mhz} MHz")


def _write_clocks(
    path: Path, lutnet: Lutnet, k: int, result: dict[str, float], stalls: StallsName
) -> None:
    height, width, _ = lutnet.input_shape
    clocks = float(result["clocks_per_frame"])
    simulated = Simulated(
        width=int(result.get("width", width)),
        height=int(result.get("height", height)),
        stalls=stalls.value,
        clocks_per_frame={k: clocks},
    )
    overlay.set_simulated(path, simulated)


def _bench_images(
    lutnet: Lutnet, build: Build, k: int, images: int, stalls: StallsName, packed: bool
) -> tuple[dict[str, float], str]:
    from lutlens.host.devices.measure import throughput
    from lutlens.host.devices.rtl import STALLS

    with _building():
        found = throughput(
            lutnet, build, k=k, images=images, stalls=STALLS[stalls.value], packed=packed
        )
    height, width, _ = lutnet.input_shape
    clocks = found.clocks_per_image
    result = {
        "clocks_per_image": round(clocks, 2),
        "clocks_per_frame": round(clocks, 2),
        "pixels_per_clock": round(k * height * width / clocks, 4),
        "latency_clocks_max": found.latency_max,
        "images": images,
    }
    return result, (
        f"{clocks:.1f} clocks an image at K = {k}, at most {found.latency_max} from its first pixel "
        f"to its record"
    )


def _bench_frames(
    lutnet: Lutnet,
    build: Build,
    k: int,
    size: tuple[int, int],
    frames: int,
    stalls: StallsName,
    background: int | None,
    images: int | None,
) -> tuple[dict[str, float], str]:
    from lutlens.host.devices.measure_scan import scan_times
    from lutlens.host.devices.rtl import STALLS

    with _building():
        found = scan_times(
            lutnet,
            build,
            k=k,
            size=size,
            frames=frames,
            stalls=STALLS[stalls.value],
            background=background,
        )
    clocks = found.clocks_per_frame
    result: dict[str, float] = {
        "clocks_per_frame": round(clocks, 1),
        "pixels_per_clock": round(k * size[0] * size[1] / clocks, 4),
        "latency_clocks_max": found.latency_max,
        "width": size[1],
        "height": size[0],
        "frames": frames,
    }
    text = f"{clocks:,.0f} clocks a frame of {size[1]}x{size[0]} at K = {k}"
    if images:
        result["clocks_per_image"] = round(clocks / images, 2)
        text += f", {clocks / images:.1f} clocks for each of its {images} images"
    return result, f"{text}, at most {found.latency_max} from its last pixel to its result"


def _building() -> Status:
    return Console(stderr=True).status("building the simulation, and running it")


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
