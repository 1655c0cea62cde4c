"""What the programmable logic of a scan build takes for a frame, counted in clocks under Verilator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.host import golden
from lutlens.host.c import Executor
from lutlens.host.devices.ddr import Ddr, DeviceError
from lutlens.host.devices.measure import WARM_UP, set_thresholds, wait_for_records
from lutlens.host.devices.rtl import Rtl, Stalls, compile_pl
from lutlens.host.lutnet import Lutnet
from lutlens.host.registers import Scan
from lutlens.host.rtl import Build
from lutlens.host.scores import cells

ALONE = 2
"""Frames that are measured one at a time, for their latency."""

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ScanTimes:
    """Of one simulation.

    frame_clocks: clocks between the results of successive frames, one for each that was measured.
    latency_max: clocks from the last pixel of a frame's last pass to its result being acknowledged, at
        most; each frame by itself. Nobody sees pixels enter the core, so it is the less of two
        times that are no shorter: from the memory's last data of the frame, and from the frame's
        first pixel less the clocks that the core takes for its pixels at least.
    """

    frame_clocks: tuple[int, ...]
    latency_max: int

    @property
    def clocks_per_frame(self) -> float:
        return sum(self.frame_clocks) / len(self.frame_clocks)


def scan_times(
    lutnet: Lutnet,
    build: Build,
    *,
    k: int,
    size: tuple[int, int],
    frames: int,
    stalls: Stalls,
    background: int | None = None,
    seed: int = 1,
) -> ScanTimes:
    """Keep the ring of frames full, and read FRAME_CYCLES after every result; then frame by frame.

    size: height and width of the frames.
    Every result has to be that of the generated C, bit for bit, or else DeviceError is raised.
    """
    scan = build.scan
    if scan is None:
        raise ValueError("build: takes single images, must scan")
    least = lutnet.input_shape[:2]
    step = scanning.WIDTH_STEP
    if size[0] < least[0] or not least[1] <= size[1] <= build.max_width or size[1] % step:
        raise ValueError(
            f"size: {size[1]}x{size[0]}, must be at least {least[1]}x{least[0]}, a multiple of "
            f"{step} wide, and at most {build.max_width}"
        )
    count = WARM_UP + frames
    slots = 1 << (count + ALONE - 1).bit_length()
    pixels = scenes(lutnet, count + ALONE, size)
    found = cells(Executor(lutnet).scores(pixels, k=k))
    positions = found[0].size
    if k > 1 and positions > scan.max_positions:
        raise ValueError(
            f"size: {positions} positions, must be at most {scan.max_positions} at K = {k}"
        )
    slot_bytes = scanning.slot_bytes(positions, scan.max_windows)
    ddr = Ddr()
    ring = ddr.allocate((slots, *size), np.uint8, None)
    results = ddr.allocate((slots, slot_bytes), np.uint8, None)
    ring[: len(pixels)] = pixels

    logic = Rtl(compile_pl(lutnet, build), ddr, stalls, seed, poll_clocks=64)
    try:
        set_thresholds(logic, lutnet, k)
        none = scanning.NO_BACKGROUND
        logic.write(reg.BACKGROUND, none if background is None else background)
        logic.write(reg.FRAME_SIZE, size[0] << 16 | size[1])
        logic.write(reg.FRAME_BASE, ring.device_address)
        logic.write(reg.FRAME_STRIDE, size[0] * size[1])
        logic.write(reg.FRAME_SLOTS, slots)
        logic.write(reg.RESULT_BASE, results.device_address)
        logic.write(reg.RESULT_STRIDE, slot_bytes)
        logic.write(reg.RESULT_SLOTS, slots)
        logic.write(reg.CONTROL, reg.CONTROL_ENABLE)
        logic.write(reg.FRAME_HEAD, count)
        limit = 20 * k * size[0] * size[1] + 100_000
        clocks, latencies = [], []
        for i in range(count):
            _wait_for_result(logic, i, limit)
            clocks.append(logic.read(reg.FRAME_CYCLES))
        for i in range(count, count + ALONE):
            logic.write(reg.FRAME_HEAD, i + 1)
            _wait_for_result(logic, i, limit)
            pixels_alone = k * size[0] * size[1] // build.pixels_per_clock
            latencies.append(
                min(
                    logic.last_response - logic.last_read,
                    logic.read(reg.LATENCY_LAST) - pixels_alone,
                )
            )
    finally:
        logic.close()
    for i in range(count + ALONE):
        check_result(bytes(results[i]), found[i], scan, sequence=i, background=background)
    return ScanTimes(tuple(clocks[WARM_UP:]), max(latencies))


def _wait_for_result(logic: Rtl, index: int, limit: int) -> None:
    """Until result `index` is there, and the next one is not. Raises DeviceError."""
    head, _ = wait_for_records(logic, index + 1, limit)
    if head > index + 1:
        raise DeviceError("two results between two looks: the frame is too small to be measured")


def scenes(lutnet: Lutnet, count: int, size: tuple[int, int]) -> Frames:
    """Frames uint8 `[count, height, width]` full of images of the network's size, none like another."""
    height, width, _ = lutnet.input_shape
    images = golden.images(height, width)
    rows, columns = -(-size[0] // height), -(-size[1] // width)
    tiles = np.resize(images, (rows, columns, height, width))
    scene = tiles.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    rolled = [np.roll(scene, (3 * i, 5 * i), (0, 1)) for i in range(count)]
    return np.stack(rolled)[:, : size[0], : size[1]]


def check_result(
    slot: bytes,
    found: scanning.Cells,
    scan: Scan,
    *,
    sequence: int,
    scale: int = 0,
    flags: int = 0,
    background: int | None = None,
    min_margin: int = 1,
) -> None:
    """Raise DeviceError where a result in memory is not that of a map of cells `[rows, columns]`."""
    none = scanning.NO_BACKGROUND
    windows = scanning.peaks(found, none if background is None else background, min_margin)
    listed = scanning.listed(windows, scan.max_windows)
    rows, columns = found.shape
    expected = {
        "sequence": sequence,
        "scale": scale,
        "flags": flags,
        "windows": len(listed),
        "columns": columns,
        "rows": rows,
        "found": min(len(windows), 0xFFFF),
    }
    header = np.frombuffer(slot, scanning.HEADER, 1)[0]
    for name, value in expected.items():
        if header[name] != value:
            raise DeviceError(f"result {sequence}: {name} is {header[name]}, must be {value}")
    first = scanning.HEADER.itemsize
    if slot[first : first + listed.nbytes] != listed.tobytes():
        raise DeviceError(f"result {sequence}: its windows are not those of the generated C")
    first = scanning.map_offset(scan.max_windows)
    held = np.frombuffer(slot, "<u4", found.size, first).reshape(found.shape)
    if (held != found).any():
        row, column = np.argwhere(held != found)[0]
        raise DeviceError(
            f"result {sequence}: the cell at row {row}, column {column} is "
            f"{held[row, column]:#010x}, the generated C says {found[row, column]:#010x}"
        )
