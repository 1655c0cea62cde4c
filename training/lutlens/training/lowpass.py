"""A low-pass filter for delta-sigma bit streams, learned from examples.

A value between -1 and 1 comes as a stream of bits, the more ones the higher it is. A recurrent network reads a bit a
step and says after each what the low frequencies of the value are: of its last layer's bits, half speak for, half
against. It is shown streams, and what the filter below, of so many taps, makes of the values that they stand for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from lutlens.host.c import Executor
from lutlens.host.commands import JsonOption
from lutlens.host.lutnet import Lutnet
from lutlens.host.systemverilog.simulation import NetworkRtl
from lutlens.training import plots
from lutlens.training.network import LayerSpec, Network, NetworkSpec, StageSpec
from lutlens.training.options import BUILD, SeedOption, ThreadsOption, use_threads
from lutlens.training.progress import counting_progress

Float = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
Streams = npt.NDArray[np.uint8]
"""Bits as pixels, 0 or 255: `[n, steps, 1]`."""
Scores = npt.NDArray[np.uint16]
ScoresOf = Callable[[Lutnet, Streams], Scores]
"""A network and streams to scores after every step, `[n, steps, 1, classes]`."""

TAPS = 63
CUT_OFF, PASS_BAND, STOP_BAND = 0.04, 0.02, 0.08
"""Frequencies, in cycles a step: half gain; the end of the pass band; the begin of the stop band."""
STEPS = 384
BATCH = 64
RATE = 0.03
THRESHOLD = 127
PERIOD = 2048
"""Steps in which the response is measured, after `TAPS` to settle."""
AMPLITUDE = 0.5


def delta_sigma(values: Float) -> Bits:
    """First-order delta-sigma modulation along the last axis: the bits' running sum follows that of the values.

    values: -1 to 1; a bit stands for 1 or -1.
    """
    error = np.zeros(values.shape[:-1])
    bits = np.empty(values.shape, np.bool_)
    for t in range(values.shape[-1]):
        error += values[..., t]
        bits[..., t] = error >= 0
        error -= np.where(bits[..., t], 1, -1)
    return bits


def taps() -> Float:
    """The filter to be learned: a sinc at the cut-off under a Hamming window, its gain 1 at frequency 0."""
    t = np.arange(TAPS) - (TAPS - 1) / 2
    found: Float = np.sinc(2 * CUT_OFF * t) * np.hamming(TAPS)
    found /= found.sum()
    return found


def spec(state: int = TAPS, bits: int = 128) -> NetworkSpec:
    """state: bits of it. bits: counted after every step, for and against."""
    cell = LayerSpec(nodes=state, rate=0.01)
    last = LayerSpec(nodes=bits, connections="learned", smooth=False)
    return NetworkSpec(
        input_shape=(1, 1, 1),
        stages=(
            StageSpec(window=(1, 1), recurrent=True, layers=(cell,)),
            StageSpec(layers=(last,)),
        ),
        classes=2,
    )


def examples(random: np.random.Generator, count: int) -> tuple[Bits, Float]:
    """Streams `[count, STEPS]` and what the filter makes of their values: sums of four sines of any frequency."""
    frequencies = np.exp(random.uniform(np.log(0.001), np.log(0.5), (count, 4, 1)))
    phases = random.uniform(0, 2 * np.pi, (count, 4, 1))
    sines = random.random((count, 4, 1)) * np.sin(
        2 * np.pi * frequencies * np.arange(STEPS) + phases
    )
    values = sines.sum(axis=1)
    values *= random.uniform(0.1, 0.9, (count, 1)) / np.abs(values).max(axis=1, keepdims=True)
    wanted = np.stack([np.convolve(one, taps())[:STEPS] for one in values])
    return delta_sigma(values), wanted


def train(
    network: Network, steps: int, seed: int, report: Callable[[], object] = lambda: None
) -> float:
    """The mean squared error of the last tenth of the steps. report: called after each."""
    random = np.random.default_rng(seed)
    connections = {"params": network.connection_scores(), "rate": 0.02}
    tables = ({"params": t, "rate": RATE * rate} for rate, t in network.rated_tables().items())
    optimizer = torch.optim.Adam([*tables, connections], betas=(0.9, 0.99))
    errors = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * 0.5 * (1 + np.cos(np.pi * step / steps))
        bits, wanted = examples(random, BATCH)
        against, told = network.counts(torch.from_numpy(bits)[..., None, None].float()).unbind(-1)
        found = (told - against)[:, TAPS:, 0] / (network.group_sum.features / 2)
        loss = (found - torch.from_numpy(wanted[:, TAPS:]).float()).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        network.constrain()
        if step % 50 == 49 and step < 0.6 * steps:
            network.redraw_connections(optimizer)
        errors.append(loss.item())
        report()
    return float(np.mean(errors[-max(1, steps // 10) :]))


def c_scores(net: Lutnet, streams: Streams) -> Scores:
    """By the generated C."""
    return Executor(net).scores(streams)


def rtl_scores(net: Lutnet, streams: Streams) -> Scores:
    """By the generated SystemVerilog under Verilator, with random pauses on both sides."""
    rtl = NetworkRtl(net, max_width=1)
    return np.stack(rtl.run(list(streams), net.thresholds_for(1)[0], gaps=0.2, stalls=0.2).scores)


def filtered(net: Lutnet, bits: Bits, scores_of: ScoresOf = c_scores) -> Float:
    """What the network says after every bit, -1 to 1. bits: `[n, steps]`."""
    scores = scores_of(net, np.where(bits, 255, 0).astype(np.uint8)[..., None])[:, :, 0]
    against, told = scores.astype(np.float64).transpose(2, 0, 1)
    found: Float = (told - against) / net.bits_per_class
    return found


def response(net: Lutnet, scores_of: ScoresOf = c_scores) -> tuple[Float, Float, Float]:
    """Frequencies, the gain at each, and the filter's own.

    A sine of each frequency goes in alone; its gain is that of the line that the output's spectrum has there.
    """
    turns = np.unique(np.round(np.geomspace(4, PERIOD / 2 - 1, 60)).astype(int))
    frequencies = turns / PERIOD
    sines = AMPLITUDE * np.sin(2 * np.pi * frequencies[:, None] * np.arange(TAPS + PERIOD) + 1.0)
    spectra = np.abs(np.fft.rfft(filtered(net, delta_sigma(sines), scores_of)[:, TAPS:], axis=1))
    gains = spectra[np.arange(len(turns)), turns] / (AMPLITUDE * PERIOD / 2)
    ideal = np.abs(np.exp(-2j * np.pi * frequencies[:, None] * np.arange(TAPS)) @ taps())
    return frequencies, gains, ideal


def decibels(gains: Float) -> Float:
    found: Float = 20 * np.log10(np.maximum(gains, 1e-5))
    return found


def lowpass(
    out: Annotated[Path, typer.Option("--out", metavar="F.lutnet", help="The network.")] = BUILD
    / "lowpass.lutnet",
    png: Annotated[Path, typer.Option(metavar="F.png", help="Its response.")] = BUILD
    / "lowpass.png",
    steps: Annotated[int, typer.Option(min=1, help="Of training, 64 streams each.")] = 500,
    seed: SeedOption = 1,
    rtl: Annotated[
        bool, typer.Option("--rtl", help="Measure its RTL, under Verilator, instead of its C.")
    ] = False,
    threads: ThreadsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Train a recurrent network to filter delta-sigma bit streams, and draw its response.

    It is measured as generated C, or RTL: sines go in as bits, each of one frequency.

        lutlens lowpass --steps 500
        lutlens lowpass --rtl
    """
    use_threads(threads)
    network = Network(spec(), seed=seed)
    with counting_progress() as progress:
        task = progress.add_task("training", total=steps)
        error = train(network, steps, seed, lambda: progress.advance(task))
    net = network.to_lutnet(
        {1: np.array([[THRESHOLD]], np.uint8)},
        ("against", "for"),
        {"recipe": "lowpass", "seed": seed, "steps": steps},
    )
    for path in (out, png):
        path.parent.mkdir(parents=True, exist_ok=True)
    net.save(out)
    frequencies, gains, ideal = response(net, rtl_scores if rtl else c_scores)
    passed = float(decibels(gains)[frequencies <= PASS_BAND].min())
    stopped = float(decibels(gains)[frequencies >= STOP_BAND].max())
    plots.response(frequencies, decibels(gains), decibels(ideal), out.stem, png)
    if json_output:
        told = {"nodes": net.nodes, "squared_error": error, "engine": "rtl" if rtl else "c"}
        bands = {"pass_band_db": passed, "stop_band_db": stopped}
        print(json.dumps({**told, **bands, "out": str(out), "png": str(png)}))
        return
    print(f"{out}: {net.nodes} nodes, mean squared error {error:.5f}")
    print(f"pass band, to {PASS_BAND}: {passed:.1f} dB at least")
    print(f"stop band, from {STOP_BAND}: {stopped:.1f} dB at most, {passed - stopped:.1f} dB below")
    print(png)
