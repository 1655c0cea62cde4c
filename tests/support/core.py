"""The core at its registers, for tests: through `pynq.MMIO` and `pynq.allocate`, without a driver."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pynq
from lutlens.board import registers as reg
from lutlens.board.manifest import record_bytes
from lutlens.board.records import answers
from lutlens.host.c import Executor
from lutlens.host.hwh import ADDRESS_RANGE, BASE_ADDRESS
from lutlens.host.lutnet import Lutnet

FRAME_SLOTS, RESULT_SLOTS = 4, 8
TIMEOUT_S = 60.0


@dataclass
class Record:
    sequence: int
    answer: int
    flags: int
    margin: int
    scores: list[int]


class Core:
    """A core with small rings, which are set up."""

    def __init__(self, device: Any, lutnet: Lutnet) -> None:
        self.device = device
        self.mmio = pynq.MMIO(BASE_ADDRESS, ADDRESS_RANGE, device=device)
        self.size = math.prod(lutnet.input_shape)
        self.classes = len(lutnet.classes)
        self.record_bytes = record_bytes(self.classes)
        stride = -(-self.size // 8) * 8
        self.frames = pynq.allocate((FRAME_SLOTS, stride), "u1", target=device)
        self.records = pynq.allocate((RESULT_SLOTS, self.record_bytes), "u1", target=device)
        self.write(reg.FRAME_BASE, self.frames.device_address)
        self.write(reg.FRAME_STRIDE, stride)
        self.write(reg.FRAME_SLOTS, FRAME_SLOTS)
        self.write(reg.RESULT_BASE, self.records.device_address)
        self.write(reg.RESULT_SLOTS, RESULT_SLOTS)
        self.head = 0

    def read(self, offset: int) -> int:
        return int(self.mmio.read(offset))

    def write(self, offset: int, value: int) -> None:
        self.mmio.write(offset, int(value))

    def control(self, pulse: int = 0) -> None:
        self.write(reg.CONTROL, reg.CONTROL_ENABLE | pulse)

    def set_thresholds(self, thresholds: npt.NDArray[np.uint8]) -> None:
        self.write(reg.PASSES, len(thresholds))
        for i, levels in enumerate(thresholds):
            word = int.from_bytes(levels.tobytes(), "little")
            self.write(reg.THRESHOLD + i * reg.THRESHOLD_STRIDE, word)

    def submit(self, images: npt.NDArray[np.uint8]) -> None:
        """Put images into the ring, which must have room, and tell the core."""
        for image in images:
            self.frames[self.head % FRAME_SLOTS, : self.size] = image.ravel()
            self.head += 1
        self.write(reg.FRAME_HEAD, self.head)

    def wait(self, offset: int, value: int) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while (held := self.read(offset)) != value:
            assert time.monotonic() < deadline, f"register {offset:#x} holds {held}, not {value}"

    def collect(self) -> list[Record]:
        """Take every record that is there."""
        found = []
        tail = self.read(reg.RESULT_TAIL)
        for i in range(tail, self.read(reg.RESULT_HEAD)):
            data = bytes(self.records[i % RESULT_SLOTS])
            used = 8 + 2 * self.classes
            assert not any(data[used:])
            found.append(
                Record(
                    sequence=int.from_bytes(data[0:4], "little"),
                    answer=data[4],
                    flags=data[5],
                    margin=int.from_bytes(data[6:8], "little"),
                    scores=np.frombuffer(data[8:used], "<u2").tolist(),
                )
            )
        self.write(reg.RESULT_TAIL, tail + len(found))
        return found

    def classify(self, images: npt.NDArray[np.uint8]) -> list[Record]:
        """All images, a few at a time."""
        found: list[Record] = []
        for i in range(0, len(images), FRAME_SLOTS):
            self.submit(images[i : i + FRAME_SLOTS])
            self.wait(reg.FRAME_TAIL, self.head)
            found += self.collect()
        return found


def images_for(lutnet: Lutnet, count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *lutnet.input_shape[:2]), dtype=np.uint8)


def expected(
    lutnet: Lutnet, images: npt.NDArray[np.uint8], thresholds: npt.NDArray[np.uint8]
) -> list[Record]:
    scores = Executor(lutnet).scores(images, thresholds=thresholds)[:, 0, 0, :]
    classes, margins = answers(scores)
    return [
        Record(i, int(classes[i]), 0, int(margins[i]), scores[i].tolist())
        for i in range(len(images))
    ]
