"""The board's top, with processor and memory behind a stand-in for the PS7."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import ClockCycles, ValueChange, with_timeout
from cocotbext.axi import AxiBurstType, AxiBus, AxiMaster, AxiResp, AxiSlave
from lutlens.board import registers as reg
from lutlens.board.records import answers
from lutlens.host.hwh import BASE_ADDRESS
from lutlens.host.lutnet import Lutnet
from support.networks import oracle_scores, random_lutnet

FRAMES, RESULTS, MEMORY_BYTES = 0x1000, 0x8000, 0x1_0000
LED_PERIOD = 1 << 6
CLOCK_NS = 10
HEARTBEAT, FRAME, SEEN, ERROR = 1, 2, 4, 8


def network() -> Lutnet:
    """What the core behind the top recognises."""
    return random_lutnet(1, degenerate=0.1)


class Memory:
    """64 KiB; a read or write of `bad` is answered with an error."""

    def __init__(self) -> None:
        self.bytes = bytearray(MEMORY_BYTES)
        self.bad: int | None = None

    async def read(self, address: int, length: int) -> bytes:
        if self.bad is not None and address <= self.bad < address + length:
            raise OSError("bad read")
        return bytes(self.bytes[address : address + length])

    async def write(self, address: int, data: bytes) -> None:
        self.bytes[address : address + len(data)] = data


class Board:
    """A board whose FCLK0 runs, out of reset; random pauses on every channel."""

    def __init__(self, dut: object, seed: int) -> None:
        self.dut, self.ps = dut, dut.u_ps7
        self.rng = random.Random(seed)
        self.memory = Memory()
        self.lit = 0
        bus = (self.ps.clock, self.ps.resetn)
        self.cpu = AxiMaster(
            AxiBus.from_prefix(self.ps, "gp"), *bus, reset_active_level=False, max_burst_len=16
        )
        ddr = AxiSlave(
            AxiBus.from_prefix(self.ps, "hp"), *bus, target=self.memory, reset_active_level=False
        )
        for write, read in ((x.write_if, x.read_if) for x in (self.cpu, ddr)):
            channels = (write.aw_channel, write.w_channel, write.b_channel)
            for channel in (*channels, read.ar_channel, read.r_channel):
                channel.set_pause_generator(self._pauses(self.rng.choice([0.1, 0.3, 0.6])))

    def _pauses(self, share: float) -> Iterator[bool]:
        rng = random.Random(self.rng.random())
        while True:
            yield from itertools.repeat(rng.random() < share, rng.choice([1, 1, 4]))

    @classmethod
    async def start(cls, dut: object, seed: int) -> Board:
        dut.u_ps7.resetn.value = 0
        cocotb.start_soon(Clock(dut.u_ps7.clock, CLOCK_NS, unit="ns").start())
        board = cls(dut, seed)
        await board.clocks(5)
        dut.u_ps7.resetn.value = 1
        await board.clocks(8)
        cocotb.start_soon(board._watch_leds())
        return board

    async def clocks(self, number: int) -> None:
        await ClockCycles(self.ps.clock, number)

    async def read(self, offset: int, words: int = 1, **how: object) -> tuple[list[int], AxiResp]:
        """Words from registers on, and the worst answer."""
        done = await with_timeout(self.cpu.read(BASE_ADDRESS + offset, 4 * words, **how), 100, "us")
        return np.frombuffer(done.data, "<u4").tolist(), done.resp

    async def write(self, offset: int, *words: int, **how: object) -> AxiResp:
        data = np.array(words, "<u4").tobytes()
        done = await with_timeout(self.cpu.write(BASE_ADDRESS + offset, data, **how), 100, "us")
        return done.resp

    async def value(self, offset: int) -> int:
        (word,), response = await self.read(offset)
        assert response == AxiResp.OKAY
        return word

    async def until(self, offset: int, value: int) -> None:
        """Wait for a register to have a value."""
        for _ in range(300):
            if await self.value(offset) == value:
                return
            await self.clocks(20)
        raise AssertionError(f"0x{offset:03x} is {await self.value(offset)}, expected {value}")

    async def leds(self) -> int:
        """Which ones were lit since this was called last, up to three periods from now."""
        await self.clocks(3 * LED_PERIOD)
        lit, self.lit = self.lit, int(self.dut.led_o.value)
        return lit

    async def _watch_leds(self) -> None:
        while True:
            await ValueChange(self.dut.led_o)
            self.lit |= int(self.dut.led_o.value)

    def finish(self) -> None:
        assert int(self.ps.violations.value) == 0, "see the log for the rules broken"


@cocotb.test()
async def single_accesses(dut: object) -> None:
    """What the processor's loads and stores become, under every ID."""
    board = await Board.start(dut, 1)
    net = network()
    assert await board.value(reg.MAGIC) == reg.RESET[reg.MAGIC]
    assert await board.value(reg.BUILD_ID_LOW) == net.build_id & 0xFFFF_FFFF
    assert await board.value(reg.BUILD_ID_HIGH) == net.build_id >> 32
    for identifier in (0, 1, 0x800, 0xABC, 0xFFF):
        value = board.rng.randrange(1 << 32) & ~7
        assert await board.write(reg.FRAME_BASE, value, awid=identifier) == AxiResp.OKAY
        (word,), response = await board.read(reg.FRAME_BASE, arid=identifier)
        assert (word, response) == (value, AxiResp.OKAY)
    board.finish()


@cocotb.test()
async def bursts(dut: object) -> None:
    """What a copy to or from the registers becomes: as many accesses as words."""
    board = await Board.start(dut, 2)
    wanted = [8 * board.rng.randrange(1 << 28) for _ in range(2)]
    assert reg.FRAME_STRIDE == reg.FRAME_BASE + 4
    assert await board.write(reg.FRAME_BASE, *wanted) == AxiResp.OKAY
    for words in (1, 2, 3, 8, 16):
        found, response = await board.read(reg.MAGIC, words)
        assert response == AxiResp.OKAY
        assert found == [await board.value(reg.MAGIC + 4 * i) for i in range(words)]
    # FIXED: all beats to one register, the last one stays.
    last = 0x1238
    how = {"burst": AxiBurstType.FIXED}
    assert await board.write(reg.FRAME_BASE, 8, 16, last, **how) == AxiResp.OKAY
    found, response = await board.read(reg.FRAME_BASE, 3, **how)
    assert (found, response) == ([last] * 3, AxiResp.OKAY)
    assert await board.value(reg.FRAME_STRIDE) == (wanted[1] & ~7)
    board.finish()


@cocotb.test()
async def narrow_accesses(dut: object) -> None:
    """Bytes may be read; a write of a part of a word would change all of it, so it is refused."""
    board = await Board.start(dut, 3)
    assert await board.write(reg.FRAME_BASE, 0x1122_3348) == AxiResp.OKAY
    for size, length in ((0, 1), (1, 2), (0, 4), (1, 4)):
        start = BASE_ADDRESS + reg.FRAME_BASE
        done = await board.cpu.read(start, length, size=size)
        assert done.resp == AxiResp.OKAY
        assert done.data == (0x1122_3348).to_bytes(4, "little")[:length]
    for address in (start, start + 1, start + 2):
        done = await board.cpu.write(address, b"\xff")
        assert done.resp == AxiResp.SLVERR
    # Eight bytes from the middle of a word: parts of two words and one whole.
    done = await board.cpu.write(start + 2, bytes(8))
    assert done.resp == AxiResp.SLVERR
    assert await board.value(reg.FRAME_BASE) == 0x1122_3348
    assert await board.value(reg.FRAME_STRIDE) == 0
    board.finish()


@cocotb.test()
async def refusals(dut: object) -> None:
    """What is not ours is answered beat for beat, and changes nothing."""
    board = await Board.start(dut, 4)
    assert await board.write(reg.FRAME_BASE, 0x40) == AxiResp.OKAY
    for words in (1, 4, 16):
        elsewhere = 0x1_0000 + reg.FRAME_BASE
        assert await board.write(elsewhere, *[8] * words) == AxiResp.DECERR
        assert await board.read(elsewhere, words) == ([0] * words, AxiResp.DECERR)
    how = {"burst": AxiBurstType.WRAP}
    assert await board.write(reg.FRAME_BASE, *[8] * 4, **how) == AxiResp.SLVERR
    assert await board.read(reg.FRAME_BASE, 4, **how) == ([0] * 4, AxiResp.SLVERR)
    assert await board.value(reg.FRAME_BASE) == 0x40
    board.finish()


@cocotb.test()
async def reads_and_writes_together(dut: object) -> None:
    """Neither side waits for ever for the other, and none sees the other's answers."""
    board = await Board.start(dut, 5)
    writes = [cocotb.start_soon(board.write(reg.FRAME_BASE, 8 * i, awid=i % 4)) for i in range(20)]
    reads = [cocotb.start_soon(board.read(reg.MAGIC, 1 + i % 3, arid=i % 4)) for i in range(20)]
    for write in writes:
        assert await write == AxiResp.OKAY
    for read in reads:
        words, response = await read
        assert (words[0], response) == (reg.RESET[reg.MAGIC], AxiResp.OKAY)
    assert await board.value(reg.FRAME_BASE) == 8 * 19
    board.finish()


@cocotb.test()
async def images_go_through(dut: object) -> None:
    """From DDR to the record: every score, the interrupt, the LEDs; an error lights the fourth."""
    board = await Board.start(dut, 6)
    net = network()
    height, width, _ = net.input_shape
    k = min(net.thresholds)
    levels = net.thresholds[k]
    images = np.random.default_rng(6).integers(0, 256, (8, height, width, 1), np.uint8)
    scores = oracle_scores(net, images, levels).reshape(len(images), -1)
    _, margins = answers(scores.astype(np.uint16))
    assert 0 < np.count_nonzero(margins) < len(images), "the test shows nothing"
    classes = len(net.classes)
    record_bytes = await board.value(reg.RECORD_BYTES)
    stride = -(-width * height // 8) * 8
    for offset, value in (
        *((reg.FRAME_BASE, FRAMES), (reg.FRAME_STRIDE, stride), (reg.FRAME_SLOTS, len(images))),
        *((reg.RESULT_BASE, RESULTS), (reg.RESULT_SLOTS, 2 * len(images)), (reg.PASSES, k)),
        (reg.IRQ_ENABLE, 1),
    ):
        assert await board.write(offset, value) == AxiResp.OKAY
    for i, row in enumerate(levels):
        packed = sum(int(level) << (8 * bit) for bit, level in enumerate(row))
        await board.write(reg.THRESHOLD + i * reg.THRESHOLD_STRIDE, packed)
    assert await board.leds() & (FRAME | SEEN | ERROR) == 0
    assert int(board.ps.IRQF2P.value) == 0
    await board.write(reg.CONTROL, reg.CONTROL_ENABLE)
    for i, image in enumerate(images):
        at = FRAMES + i * stride
        board.memory.bytes[at : at + image.size] = image.tobytes()
        await board.write(reg.FRAME_HEAD, i + 1)
        await board.until(reg.RESULT_HEAD, i + 1)
        record = bytes(board.memory.bytes[RESULTS + i * record_bytes :])[:record_bytes]
        assert int.from_bytes(record[:4], "little") == i
        assert record[4] == scores[i].argmax()
        assert np.frombuffer(record[8 : 8 + 2 * classes], "<u2").tolist() == scores[i].tolist()
        assert await board.leds() & (FRAME | SEEN | ERROR) == FRAME | (SEEN if margins[i] else 0)
        assert await board.leds() & (FRAME | SEEN) == 0  # nothing new
    assert int(board.ps.IRQF2P.value) == 1

    board.memory.bad = FRAMES
    await board.write(reg.FRAME_HEAD, len(images) + 1)
    await board.until(reg.RESULT_HEAD, len(images) + 1)
    assert await board.value(reg.STATUS) & reg.STATUS_READ_ERROR
    assert await board.leds() & ERROR
    await board.write(reg.CONTROL, reg.CONTROL_ENABLE | reg.CONTROL_CLEAR_ERRORS)
    await board.leds()
    assert await board.leds() & ERROR == 0
    board.finish()


@cocotb.test()
async def heartbeat(dut: object) -> None:
    """Changes every 16 periods, whatever the core does; reset ends everything at once."""
    board = await Board.start(dut, 7)
    changes = []
    for _ in range(4):
        await with_timeout(ValueChange(dut.led_o), 20 * LED_PERIOD * CLOCK_NS, "ns")
        changes.append((get_sim_time("ns"), int(dut.led_o.value)))
    times, values = zip(*changes, strict=True)
    assert {b - a for a, b in itertools.pairwise(times)} == {16 * LED_PERIOD * CLOCK_NS}
    assert values == (HEARTBEAT, 0, HEARTBEAT, 0)
    await board.write(reg.FRAME_BASE, 0x40)
    dut.u_ps7.resetn.value = 0
    await board.clocks(5)
    dut.u_ps7.resetn.value = 1
    await board.clocks(8)
    assert await board.value(reg.FRAME_BASE) == 0
    board.finish()
