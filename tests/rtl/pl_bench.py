"""What cocotb tests of the PL share: processor, memory, and the stand-in network's answers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Event, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave
from lutlens.board import registers as reg
from lutlens.board.records import answers

FRAME_RING = 0x0001_0FC8  # near the end of a 4 KiB page, so that images lie across pages
RESULT_RING = 0x0004_0000
MEMORY_BYTES = 0x8_0000
TIMEOUT_US = 2000


class Memory:
    """What the PL's master port reads and writes; latency, errors and hangs can be set."""

    def __init__(self, rng: random.Random, clock: object) -> None:
        self.bytes = bytearray(MEMORY_BYTES)
        self.rng = rng
        self.clock = clock
        self.latency = 0  # clocks before a burst's first beat, at most
        self.bad_reads: set[int] = set()
        self.bad_writes: set[int] = set()
        self.bursts = 0
        self._awake = Event()
        self._awake.set()

    def hang(self) -> None:
        """Answer no read from now on."""
        self._awake.clear()

    def wake(self) -> None:
        self._awake.set()

    async def read(self, address: int, length: int) -> bytes:
        await self._awake.wait()
        if address % 128 == 0 and self.latency:
            await ClockCycles(self.clock, self.rng.randint(1, self.latency))
        if address in self.bad_reads:
            raise OSError("bad read")
        return bytes(self.bytes[address : address + length])

    async def write(self, address: int, data: bytes) -> None:
        if address in self.bad_writes:
            raise OSError("bad write")
        self.bytes[address : address + len(data)] = data


@dataclass(frozen=True)
class Record:
    sequence: int
    label: int
    flags: int
    margin: int
    scores: tuple[int, ...]
    padding: bytes


class Bench:
    """`bench = await Bench.start(dut, seed)`, then registers and rings."""

    width: int
    height: int
    classes: int
    bits: int
    record_bytes: int

    def __init__(self, dut: object, seed: int) -> None:
        self.dut = dut
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.memory = Memory(self.rng, dut.aclk)
        self.axil = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, dut.aresetn, reset_active_level=False
        )
        self.axi = AxiSlave(
            AxiBus.from_prefix(dut, "m_axi"),
            dut.aclk,
            dut.aresetn,
            target=self.memory,
            reset_active_level=False,
        )
        self.frames: list[npt.NDArray[np.uint8]] = []  # since reset
        self.records: list[Record] = []
        self.k = 1
        self.thresholds = np.zeros((1, 1), np.uint8)
        self.frame_slots = self.result_slots = 1

    @classmethod
    async def start(cls, dut: object, seed: int, *, pauses: bool = True) -> Bench:
        """Hardware reset, and random pauses on every channel if asked for."""
        dut.aresetn.value = 0
        cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
        bench = cls(dut, seed)
        await ClockCycles(dut.aclk, 5)
        dut.aresetn.value = 1
        await RisingEdge(dut.aclk)
        if pauses:
            bench.pause()
        bench.width = await bench.read(reg.IMAGE_WIDTH)
        bench.height = await bench.read(reg.IMAGE_HEIGHT)
        bench.classes = await bench.read(reg.CLASSES)
        bench.bits = await bench.read(reg.ENCODER_BITS)
        bench.record_bytes = await bench.read(reg.RECORD_BYTES)
        return bench

    def pause(self) -> None:
        """Random pauses on all channels, rare on some, frequent on others."""
        self.memory.latency = self.rng.choice([0, 20, 60])
        write, read = self.axi.write_if, self.axi.read_if
        lite_write, lite_read = self.axil.write_if, self.axil.read_if
        for channel in (
            *(write.aw_channel, write.w_channel, write.b_channel),
            *(read.ar_channel, read.r_channel),
            *(lite_write.aw_channel, lite_write.w_channel, lite_write.b_channel),
            *(lite_read.ar_channel, lite_read.r_channel),
        ):
            channel.set_pause_generator(self._pauses(self.rng.choice([0.05, 0.3, 0.7])))

    def _pauses(self, share: float) -> Iterator[bool]:
        rng = random.Random(self.rng.random())
        while True:
            yield from itertools.repeat(rng.random() < share, rng.choice([1, 1, 2, 7]))

    # ---------------------------------------------------------------- registers

    async def read(self, offset: int) -> int:
        return int(await with_timeout(self.axil.read_dword(offset), TIMEOUT_US, "us"))

    async def write(self, offset: int, value: int) -> None:
        await with_timeout(self.axil.write_dword(offset, value), TIMEOUT_US, "us")

    async def wait_for(self, offset: int, value: int, mask: int = 0xFFFF_FFFF) -> None:
        """Until a register (its masked bits) has a value."""
        for _ in range(2000):
            if await self.read(offset) & mask == value:
                return
            await ClockCycles(self.dut.aclk, 20)
        now = await self.read(offset)
        raise AssertionError(f"register 0x{offset:03x} stays at 0x{now:x}, expected 0x{value:x}")

    async def configure(
        self,
        k: int,
        *,
        frame_slots: int = 8,
        result_slots: int = 8,
        stride: int | None = None,
        enable: bool = True,
    ) -> None:
        image_bytes = self.width * self.height
        self.stride = stride or (image_bytes + 7) // 8 * 8
        self.frame_slots, self.result_slots = frame_slots, result_slots
        await self.write(reg.FRAME_BASE, FRAME_RING)
        await self.write(reg.FRAME_STRIDE, self.stride)
        await self.write(reg.FRAME_SLOTS, frame_slots)
        await self.write(reg.RESULT_BASE, RESULT_RING)
        await self.write(reg.RESULT_SLOTS, result_slots)
        await self.set_passes(k)
        await self.write(reg.CONTROL, reg.CONTROL_ENABLE if enable else 0)

    async def set_passes(self, k: int) -> None:
        self.k = k
        self.thresholds = self.numbers.integers(0, 256, (k, self.bits), dtype=np.uint8)
        for p, row in enumerate(self.thresholds):
            value = sum(int(t) << (8 * i) for i, t in enumerate(row))
            await self.write(reg.THRESHOLD + p * reg.THRESHOLD_STRIDE, value)
        await self.write(reg.PASSES, k)

    # ---------------------------------------------------------------- rings

    def images(self, n: int) -> npt.NDArray[np.uint8]:
        return self.numbers.integers(0, 256, (n, self.height, self.width), dtype=np.uint8)

    async def put(self, images: Sequence[npt.NDArray[np.uint8]]) -> None:
        """Write frames to the ring; they have to fit."""
        for image in images:
            slot = len(self.frames) % self.frame_slots
            address = FRAME_RING + slot * self.stride
            # The bytes behind an image are read with its last beat and must not matter.
            data = image.tobytes() + self.rng.randbytes(-image.size % 8)
            self.memory.bytes[address : address + len(data)] = data
            self.frames.append(image)
        await self.write(reg.FRAME_HEAD, len(self.frames))

    async def collect(self) -> None:
        """Take the records that are there."""
        head = await self.read(reg.RESULT_HEAD)
        while len(self.records) < head:
            self.records.append(self._record(len(self.records) % self.result_slots))
        await self.write(reg.RESULT_TAIL, head)

    async def run(self, images: npt.NDArray[np.uint8]) -> None:
        """Feed frames and collect records as there is room, until all frames are done with."""
        remaining = list(images)
        for _ in range(5000):
            room = self.frame_slots - (len(self.frames) - await self.read(reg.FRAME_TAIL))
            if remaining and room:
                await self.put(remaining[:room])
                remaining = remaining[room:]
            await self.collect()
            if not remaining and await self.read(reg.FRAME_TAIL) == len(self.frames):
                await self.collect()
                return
            await ClockCycles(self.dut.aclk, self.rng.choice([1, 50, 200]))
        raise AssertionError(
            f"{len(self.records)} of {len(self.frames)} records after a long time; "
            f"STATUS {await self.read(reg.STATUS):x}"
        )

    def _record(self, slot: int) -> Record:
        start = RESULT_RING + slot * self.record_bytes
        data = bytes(self.memory.bytes[start : start + self.record_bytes])
        used = 8 + 2 * self.classes
        return Record(
            sequence=int.from_bytes(data[0:4], "little"),
            label=data[4],
            flags=data[5],
            margin=int.from_bytes(data[6:8], "little"),
            scores=tuple(np.frombuffer(data[8:used], "<u2").tolist()),
            padding=data[used:],
        )

    def expected(self, sequence: int, flags: int = 0) -> Record:
        """The record of a frame under the thresholds now set."""
        pixels = self.frames[sequence].reshape(-1)
        bits = (pixels[:, None, None] > self.thresholds).sum(axis=(1, 2))
        scores = np.bincount(np.arange(len(bits)) % self.classes, bits, self.classes).astype(int)
        label, margin = answers(scores.astype(np.uint16)[None])
        return Record(
            sequence=sequence,
            label=int(label[0]),
            flags=flags,
            margin=int(margin[0]),
            scores=tuple(scores.tolist()),
            padding=bytes(self.record_bytes - 8 - 2 * self.classes),
        )

    async def finish(self) -> None:
        """What has to hold at the end of every test."""
        frames_in = await self.read(reg.FRAMES_IN)
        out, dropped = await self.read(reg.FRAMES_OUT), await self.read(reg.FRAMES_DROPPED)
        assert frames_in == out + dropped
        assert int(self.dut.violations.value) == 0, "see the log for the AXI rules broken"
