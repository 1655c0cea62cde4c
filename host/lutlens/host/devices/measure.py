"""What the programmable logic takes for an image, counted in clocks under Verilator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lutlens.board import registers as reg
from lutlens.board.manifest import record_bytes
from lutlens.host import golden
from lutlens.host.c import Executor
from lutlens.host.devices.ddr import Ddr, DeviceError
from lutlens.host.devices.rtl import Rtl, Stalls, compile_pl
from lutlens.host.lutnet import CORE_PASSES, Lutnet
from lutlens.host.rtl import Build

WARM_UP = 4
"""Images, of each core, before the count begins: by then the next ones are read ahead."""
LOOK_CLOCKS = 4
"""Between two looks at RESULT_HEAD, beside the clocks of the look."""
TIMEOUT_IMAGES = 10
"""Give up on an image after so many times the clocks of its pixels, and 100,000 more."""


@dataclass(frozen=True)
class Throughput:
    """Of one simulation.

    clocks_per_image: from the record of one image to the next one's, on average.
    latency_max: clocks from an image's first pixel arriving from memory to its record written.
    """

    clocks_per_image: float
    latency_max: int


def throughput(
    lutnet: Lutnet,
    build: Build,
    *,
    k: int,
    images: int,
    stalls: Stalls,
    packed: bool = False,
    seed: int = 1,
) -> Throughput:
    """Keep the ring of frames full, and watch records come.

    packed: images of one bit a pixel.
    The scores have to be those of the generated C, or else DeviceError is raised.
    """
    height, width, channels = lutnet.input_shape
    warm_up = WARM_UP * build.cores
    count = warm_up + images
    slots = 1 << (count - 1).bit_length()
    pixels = golden.images(height, width, channels)
    pixels = np.resize(pixels, (count, *pixels.shape[1:]))
    data = pixels.reshape(count, -1)
    if packed:
        data = np.packbits(data > 127, axis=1, bitorder="little")
        pixels = np.where(pixels > 127, 255, 0).astype(np.uint8)
    stride = -(-data.shape[1] // 8) * 8
    ddr = Ddr()
    frames = ddr.allocate((slots, stride), np.uint8, None)
    records = ddr.allocate((slots, record_bytes(len(lutnet.classes))), np.uint8, None)
    frames[:count, : data.shape[1]] = data

    logic = Rtl(compile_pl(lutnet, build), ddr, stalls, seed, poll_clocks=LOOK_CLOCKS)
    try:
        set_thresholds(logic, lutnet, k)
        logic.write(reg.FORMAT, int(packed))
        logic.write(reg.FRAME_BASE, frames.device_address)
        logic.write(reg.FRAME_STRIDE, stride)
        logic.write(reg.FRAME_SLOTS, slots)
        logic.write(reg.RESULT_BASE, records.device_address)
        logic.write(reg.RESULT_SLOTS, slots)
        logic.write(reg.CONTROL, reg.CONTROL_ENABLE)
        logic.write(reg.FRAME_HEAD, count)
        limit = TIMEOUT_IMAGES * k * height * width * channels + 100_000
        first, begin = wait_for_records(logic, warm_up, limit)
        last, end = wait_for_records(logic, count, limit * images)
        latency_max = logic.read(reg.LATENCY_MAX)
    finally:
        logic.close()

    used = records[:count, 8 : 8 + 2 * len(lutnet.classes)]
    scores = np.ascontiguousarray(used).view("<u2")
    if not np.array_equal(scores, Executor(lutnet).scores(pixels, k=k)[:, 0, 0]):
        raise DeviceError("the RTL's scores are not those of the generated C")
    return Throughput((end - begin) / (last - first), latency_max)


def set_thresholds(logic: Rtl, lutnet: Lutnet, k: int) -> None:
    """Those for K passes, and K itself. Raises DeviceError for more than the core adds."""
    if k > CORE_PASSES:
        raise DeviceError(f"k: {k}, the core adds at most {CORE_PASSES} passes")
    logic.write(reg.PASSES, k)
    for i, levels in enumerate(lutnet.thresholds_for(k)):
        word = int.from_bytes(levels.tobytes(), "little")
        logic.write(reg.THRESHOLD + i * reg.THRESHOLD_STRIDE, word)


def wait_for_records(logic: Rtl, count: int, limit: int) -> tuple[int, int]:
    """Until so many records are there: how many are, and at which clock. Raises DeviceError."""
    start = logic.clocks
    while (head := logic.read(reg.RESULT_HEAD)) < count:
        if logic.clocks - start > limit:
            raise DeviceError(
                f"RESULT_HEAD holds {head} after {limit} clocks, waiting for {count}; "
                f"STATUS holds {logic.read(reg.STATUS):#x}"
            )
    return head, logic.clocks
