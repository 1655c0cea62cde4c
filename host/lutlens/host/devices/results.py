"""What the two kinds of core make of frames: a record for each image, or a scan of each frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.board.manifest import ScanGeometry
from lutlens.board.records import FLAG_READ_ERROR, answers, record_dtype
from lutlens.host.c import Executor
from lutlens.host.lutnet import Lutnet

Bytes = npt.NDArray[np.uint8]
Registers = Mapping[int, int]
"""Values by address."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames that a core works on.

    frames: uint8 `[n, h, w(, channels)]`, of one size. numbers: int64 `[n]`, theirs since reset.
    damaged: bool `[n]`, read with errors. thresholds: uint8 `[K, z]`.
    """

    frames: Bytes
    numbers: npt.NDArray[np.int64]
    damaged: npt.NDArray[np.bool_]
    thresholds: Bytes

    def __len__(self) -> int:
        return len(self.frames)


class Kind(Protocol):
    """A kind of core."""

    constants: Registers
    """Registers that say what was built."""
    alignment: int
    """Bytes: the ring of results begins at a multiple of so many; lower address bits are ignored."""

    def size(self, registers: Registers, number: int) -> tuple[int, int] | None:
        """Height and width of frame `number` since reset; None if the core drops such a frame."""

    def stride(self, registers: Registers) -> int:
        """Bytes from one result slot to the next."""

    def results(self, registers: Registers, batch: Batch) -> list[list[tuple[int, Bytes]]]:
        """Of each frame, what is written to its slot: bytes and the offset where they go."""


class Images:
    """Single images; every class's score is kept."""

    def __init__(self, lutnet: Lutnet, executor: Executor) -> None:
        self._executor = executor
        self._record = record_dtype(len(lutnet.classes))
        self._size = lutnet.input_shape[:2]
        self.alignment = self._record.itemsize
        self.constants: Registers = {reg.RECORD_BYTES: self._record.itemsize}

    def size(self, registers: Registers, number: int) -> tuple[int, int]:
        return self._size

    def stride(self, registers: Registers) -> int:
        return self._record.itemsize

    def results(self, registers: Registers, batch: Batch) -> list[list[tuple[int, Bytes]]]:
        scores = self._executor.scores(batch.frames, thresholds=batch.thresholds)[:, 0, 0, :]
        records = np.zeros((len(batch), self._record.itemsize), np.uint8)
        fields = records.view(self._record)[:, 0]
        fields["sequence"] = batch.numbers
        fields["answer"], fields["margin"] = answers(scores)
        fields["flags"] = batch.damaged * FLAG_READ_ERROR
        fields["scores"] = scores
        return [[(0, record)] for record in records]


class Scans:
    """Whole frames, of up to eight sizes in turn; of every window the best class is kept."""

    alignment = scanning.SLOT_STEP

    def __init__(
        self, lutnet: Lutnet, executor: Executor, scan: ScanGeometry, max_width: int
    ) -> None:
        self._executor = executor
        self._lutnet = lutnet
        self._max_width = max_width
        self._max_positions, self._max_windows = scan.max_positions, scan.max_windows
        self.constants: Registers = {
            reg.RECORD_BYTES: 0,
            reg.MAX_POSITIONS: scan.max_positions,
            reg.MAX_WINDOWS: scan.max_windows,
        }

    def _scale(self, registers: Registers, number: int) -> int:
        return number % min(max(registers[reg.SCALES], 1), scanning.MAX_SCALES)

    def size(self, registers: Registers, number: int) -> tuple[int, int] | None:
        scale = self._scale(registers, number)
        held = registers[reg.FRAME_SIZE + scale * reg.FRAME_SIZE_STRIDE]
        height, width = held >> 16, held & 0xFFFF
        step = 64 if registers[reg.FORMAT] else scanning.WIDTH_STEP
        least, most = self._lutnet.input_shape, self._max_width
        taken = height >= least[0] and least[1] <= width <= most and width % step == 0
        if taken and registers[reg.PASSES] > 1:
            rows, columns = self._lutnet.output_size(height, width)
            taken = rows * columns <= self._max_positions
        return (height, width) if taken else None

    def stride(self, registers: Registers) -> int:
        return registers[reg.RESULT_STRIDE]

    def results(self, registers: Registers, batch: Batch) -> list[list[tuple[int, Bytes]]]:
        maps = self._executor.cells(batch.frames, thresholds=batch.thresholds)
        headers = np.zeros(len(batch), scanning.HEADER)
        headers["sequence"] = batch.numbers
        headers["scale"] = [self._scale(registers, int(number)) for number in batch.numbers]
        headers["flags"] = batch.damaged * FLAG_READ_ERROR
        headers["rows"], headers["columns"] = maps.shape[1:]
        return [self._result(registers, headers[i : i + 1], maps[i]) for i in range(len(batch))]

    def _result(
        self, registers: Registers, header: npt.NDArray[np.void], found: scanning.Cells
    ) -> list[tuple[int, Bytes]]:
        windows = scanning.peaks(found, registers[reg.BACKGROUND], registers[reg.MIN_MARGIN])
        listed = scanning.listed(windows, self._max_windows)
        header["found"], header["windows"] = min(len(windows), 0xFFFF), len(listed)
        return [
            (0, header.view(np.uint8)),
            (scanning.HEADER.itemsize, listed.view(np.uint8)),
            (scanning.map_offset(self._max_windows), found.astype("<u4").ravel().view(np.uint8)),
        ]
