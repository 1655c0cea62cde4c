"""Is it as fast as the simulation said, at the clock that it says, for as long as one likes?"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.driver import SLOTS, LutlensDriver
from lutlens.board.hil.bench import Bench, CheckFailed, Found, NotApplicable, Skipped
from lutlens.board.manifest import Simulated
from lutlens.board.rings import distance
from lutlens.board.scanner import Scanner

SLOWER = 0.10
"""Of the simulated figure: the simulation's memory is an assumption."""
UNEVEN = 0.10
"""By which a few frames may follow each other faster than pixels come: results wait for the memory, now and then."""
CLOCK_OFF = 0.002
"""Of the clock: crystals are 50 parts in a million, and two clocks are not read at one moment."""
RUN_S = 2.0
READINGS = 50
BURST = 6
"""Frames at once for each core, of which the last is measured: by then the core reads ahead."""
SAMPLES, FEW_SAMPLES = 50, 3
SCAN_SLOTS = 16
TOLD_S = 2.0

Frames = npt.NDArray[np.uint8]


def clocks(bench: Bench) -> Found:
    """Clocks a frame takes in steady state, counted by the core, against the RTL's."""
    if bench.kind == "model":
        raise NotApplicable("the model counts no clocks: it works them out from the pixels")
    simulated = _simulated(bench)
    geometry = bench.manifest.geometry
    figures: dict[str, float] = {}
    for k, expected in simulated.clocks_per_frame.items():
        pixels = simulated.width * simulated.height
        least = k * pixels / geometry.pixels_per_clock / geometry.cores
        samples: list[int] = []
        with _bursts(bench, simulated, k) as burst:
            for i in range((FEW_SAMPLES if bench.few else SAMPLES) * geometry.cores):
                bench.tell(f"K = {k}, burst {i + 1}")
                # Cores end in turn, and not evenly.
                burst(BURST * geometry.cores + i % geometry.cores)
                samples.append(int(bench.overlay.driver.read(reg.FRAME_CYCLES)))
        mean = sum(samples) / len(samples)
        if mean < (1 - UNEVEN) * least:
            raise CheckFailed(
                f"K = {k}: {mean:.1f} clocks a frame by FRAME_CYCLES, the pixels alone take {least:g}"
            )
        if mean > (1 + SLOWER) * expected:
            raise CheckFailed(
                f"K = {k}: {mean:.1f} clocks a frame, must be at most {100 * SLOWER:g} % more than the "
                f"simulated {expected:.1f}"
            )
        figures[f"clocks_per_frame_k{k}"] = round(mean, 1)
        figures[f"simulated_clocks_per_frame_k{k}"] = expected
    shown = ", ".join(
        f"{figures[f'clocks_per_frame_k{k}']:,.1f} at K = {k} (simulated {expected:,.1f})"
        for k, expected in simulated.clocks_per_frame.items()
    )
    return Found(f"clocks a frame of {simulated.width}x{simulated.height}: {shown}", figures)


def clock(bench: Bench) -> Found:
    """FCLK0, by counting its cycles for two seconds of the processor's own clock."""
    if bench.kind != "board":
        raise NotApplicable("seconds are not simulated")
    driver, stated = bench.overlay.driver, bench.manifest.clock_mhz
    first, began = _cycles(driver)
    time.sleep(RUN_S)
    last, ended = _cycles(driver)
    mhz = distance(last, first) / (ended - began) / 1e6
    if abs(mhz - stated) > CLOCK_OFF * stated:
        raise CheckFailed(f"FCLK0 runs at {mhz:.3f} MHz, overlay.json says {stated:g} MHz")
    return Found(f"{mhz:.3f} MHz, overlay.json says {stated:g} MHz", {"clock_mhz": round(mhz, 3)})


def _cycles(driver: LutlensDriver) -> tuple[int, float]:
    """The counter, and when it was read; of some readings the quickest, which nothing came between."""
    readings = []
    for _ in range(READINGS):
        before = time.perf_counter()
        held = int(driver.read(reg.CYCLES))
        after = time.perf_counter()
        readings.append((after - before, held, (before + after) / 2))
    _, held, at = min(readings)
    return held, at


def rate(bench: Bench) -> Found:
    """Frames a second that the core does by the wall clock, frames lying in memory, against the simulated rate."""
    if bench.kind != "board":
        raise NotApplicable("seconds are not simulated")
    simulated = _simulated(bench)
    # The longer a frame takes, the more easily the processor keeps up.
    k = max(simulated.clocks_per_frame)
    expected = 1e6 * bench.manifest.clock_mhz / simulated.clocks_per_frame[k]
    with _replay(bench, simulated, k) as turn:
        turn()
        done, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < RUN_S:
            done += turn()
    measured = done / seconds
    if measured < (1 - SLOWER) * expected:
        raise CheckFailed(
            f"{measured:,.1f} frames/s at K = {k}, must be at least {100 * (1 - SLOWER):g} % of the "
            f"simulated {expected:,.1f}"
        )
    size = f"{simulated.width}x{simulated.height}"
    return Found(
        f"{measured:,.1f} frames/s of {size} at K = {k} (simulated {expected:,.1f})",
        {"frames_per_s": round(measured, 1), "simulated_frames_per_s": round(expected, 1)},
    )


def soak(bench: Bench) -> Found:
    """Random batches at random K for as long as was asked; every answer is compared, nothing is lost."""
    overlay, seed = bench.overlay, secrets.randbits(32)
    rng = np.random.default_rng(seed)
    before = overlay.counters()
    most = BURST if bench.few else 2 * SLOTS
    began = told = time.monotonic()
    images = rounds = 0
    while time.monotonic() < began + bench.soak_s or not rounds:
        k, reference = int(rng.choice(bench.ks)), bench.reference
        if reference is not None and rounds % 2 == 0:
            chosen = rng.integers(0, len(reference), rng.integers(1, most + 1))
            reference.ask(overlay, k, chosen, bench.patience_s)
        else:
            chosen = rng.integers(0, len(bench.vectors.inputs), rng.integers(1, BURST + 1))
            bench.vectors.ask(overlay, k, chosen, bench.patience_s)
        images, rounds = images + len(chosen), rounds + 1
        if time.monotonic() > told + TOLD_S:
            told = time.monotonic()
            bench.tell(f"{told - began:,.0f} of {bench.soak_s:,.0f} s, {images:,} images")
    seconds, after = time.monotonic() - began, overlay.counters()
    for name in ("frames_dropped", "read_errors", "write_errors", "watchdog_timeouts"):
        if grown := getattr(after, name) - getattr(before, name):
            raise CheckFailed(f"register {name.upper()} grew by {grown} in {seconds:,.0f} s")
    frames = after.frames_out - before.frames_out
    if after.frames_in - before.frames_in != frames:
        raise CheckFailed(f"{after.frames_in - before.frames_in} frames went in, {frames} came out")
    return Found(
        f"{seconds:,.0f} s: {images:,} images in {frames:,} frames, every answer right, nothing dropped",
        {"seconds": round(seconds, 1), "images": images, "frames": frames, "seed": seed},
    )


def _simulated(bench: Bench) -> Simulated:
    if bench.manifest.simulated is None:
        raise Skipped(
            "overlay.json has no simulated figures to compare with: `lutlens bench rtl OVERLAY --update`"
        )
    return bench.manifest.simulated


def _frames(bench: Bench, simulated: Simulated, count: int) -> Frames:
    """Golden frames, next to each other where larger ones are asked for, uint8 `[count, height, width]`."""
    inputs = bench.vectors.inputs
    rows, columns = inputs.shape[1:]
    tiles = np.tile(inputs, (1, -(-simulated.height // rows), -(-simulated.width // columns)))
    cut = tiles[:, : simulated.height, : simulated.width]
    return np.resize(cut, (count, *cut.shape[1:]))


@contextmanager
def _bursts(bench: Bench, simulated: Simulated, k: int) -> Iterator[Callable[[int], object]]:
    """What puts so many frames through the core; the counters are theirs until the block ends."""
    overlay, most = bench.overlay, (BURST + 1) * bench.manifest.geometry.cores
    frames = _frames(bench, simulated, most)
    if not isinstance(overlay, Scanner):
        yield lambda count: overlay.classify(frames[:count], k, bench.patience_s)
        return
    with overlay.stream([(simulated.width, simulated.height)], k, frames=most) as stream:
        yield lambda count: stream.run(frames[:count], bench.patience_s)


@contextmanager
def _replay(bench: Bench, simulated: Simulated, k: int) -> Iterator[Callable[[], int]]:
    """A function that lets the core take as many frames as there is room for; how many it finished since."""
    overlay = bench.overlay
    if isinstance(overlay, Scanner):
        size = simulated.width, simulated.height
        with overlay.stream([size], k, frames=SCAN_SLOTS) as stream:
            stream.fill(_frames(bench, simulated, stream.slots))

            def turn_frames() -> int:
                stream.replay(stream.slots)
                return len(stream.collect())

            yield turn_frames
        return
    yield _turn_images(overlay, _frames(bench, simulated, SLOTS), k, bench.patience_s)
    bench.drop()  # frames are under way that nobody waits for


def _turn_images(
    overlay: LoadedOverlay, frames: Frames, k: int, patience_s: float
) -> Callable[[], int]:
    driver = overlay.driver
    overlay.classify(frames, k, patience_s)  # lays them into the ring, and sets K

    def turn() -> int:
        driver.advance(driver.room)
        return len(driver.take())

    return turn
