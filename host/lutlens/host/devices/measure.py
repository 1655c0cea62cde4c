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
from lutlens.host.lutnet import Lutnet
from lutlens.host.rtl import Build

WARM_UP = 4
"""Images before the count begins: by then the next ones are read ahead."""
TIMEOUT_IMAGES = 10
"""Give up on an image after so many times the clocks of its pixels, and 100,000 more."""


@dataclass(frozen=True)
class Throughput:
    """Of one simulation.

    frame_clocks: clocks between the records of successive images, one for each that was measured.
    latency_max: clocks from an image's first pixel arriving from memory to its record written.
    """

    frame_clocks: tuple[int, ...]
    latency_max: int

    @property
    def clocks_per_image(self) -> float:
        return sum(self.frame_clocks) / len(self.frame_clocks)


def throughput(
    lutnet: Lutnet, build: Build, *, k: int, images: int, stalls: Stalls, seed: int = 1
) -> Throughput:
    """Keep the ring of frames full, and read FRAME_CYCLES after every record.

    The scores have to be those of the generated C, or else DeviceError is raised.
    """
    height, width, _ = lutnet.input_shape
    count = WARM_UP + images
    slots = 1 << (count - 1).bit_length()
    stride = -(-height * width // 8) * 8
    ddr = Ddr()
    frames = ddr.allocate((slots, stride), np.uint8, None)
    records = ddr.allocate((slots, record_bytes(len(lutnet.classes))), np.uint8, None)
    pixels = np.resize(golden.images(height, width), (count, height, width))
    frames[:count, : height * width] = pixels.reshape(count, -1)

    logic = Rtl(compile_pl(lutnet, build), ddr, stalls, seed, poll_clocks=_step(height * width))
    try:
        set_thresholds(logic, lutnet, k)
        logic.write(reg.FRAME_BASE, frames.device_address)
        logic.write(reg.FRAME_STRIDE, stride)
        logic.write(reg.FRAME_SLOTS, slots)
        logic.write(reg.RESULT_BASE, records.device_address)
        logic.write(reg.RESULT_SLOTS, slots)
        logic.write(reg.CONTROL, reg.CONTROL_ENABLE)
        logic.write(reg.FRAME_HEAD, count)
        clocks = []
        for i in range(count):
            wait_for_record(logic, i, limit=TIMEOUT_IMAGES * k * height * width + 100_000)
            clocks.append(logic.read(reg.FRAME_CYCLES))
        latency_max = logic.read(reg.LATENCY_MAX)
    finally:
        logic.close()

    used = records[:count, 8 : 8 + 2 * len(lutnet.classes)]
    scores = np.ascontiguousarray(used).view("<u2")
    if not np.array_equal(scores, Executor(lutnet).scores(pixels, k=k)[:, 0, 0]):
        raise DeviceError("the RTL's scores are not those of the generated C")
    return Throughput(tuple(clocks[WARM_UP:]), latency_max)


def set_thresholds(logic: Rtl, lutnet: Lutnet, k: int) -> None:
    """Those for K passes, and K itself."""
    logic.write(reg.PASSES, k)
    for i, levels in enumerate(lutnet.thresholds_for(k)):
        word = int.from_bytes(levels.tobytes(), "little")
        logic.write(reg.THRESHOLD + i * reg.THRESHOLD_STRIDE, word)


def _step(pixels: int) -> int:
    """Clocks between two looks at RESULT_HEAD: few enough that no record is missed."""
    return max(1, min(64, pixels // 2 - 20))


def wait_for_record(logic: Rtl, index: int, limit: int) -> None:
    """Until record `index` is there, and the next one is not. Raises DeviceError."""
    start = logic.clocks
    while (head := logic.read(reg.RESULT_HEAD)) <= index:
        if logic.clocks - start > limit:
            raise DeviceError(
                f"RESULT_HEAD holds {head} after {limit} clocks, waiting for {index + 1}; "
                f"STATUS holds {logic.read(reg.STATUS):#x}"
            )
    if head > index + 1:
        raise DeviceError("two records between two looks: the image is too small to be measured")
