"""Both simulated devices, register by register: what software sees of one it sees of the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pynq
import pytest
from lutlens.board import registers as reg
from lutlens.board.manifest import record_bytes
from lutlens.host import overlay
from lutlens.host.devices import DeviceError, open_device
from lutlens.host.devices.measure import throughput
from lutlens.host.devices.rtl import STALLS
from lutlens.host.hwh import ADDRESS_RANGE, BASE_ADDRESS
from lutlens.host.lutnet import Lutnet
from lutlens.host.registers import registers
from lutlens.host.rtl import Build
from support.core import (
    FRAME_SLOTS,
    RESULT_SLOTS,
    TIMEOUT_S,
    Core,
    Record,
    expected,
    images_for,
)
from support.networks import random_lutnet

NOWHERE = 0x0800_0000  # below the memory
CORES = Build(cores=4, pixels_per_clock=8)  # a line is no multiple of 8 pixels


@pytest.fixture(scope="module")
def lutnet() -> Lutnet:
    return random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1)  # 110 pixels


@pytest.fixture(scope="module")
def directory(lutnet: Lutnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlays")
    lutnet.save(folder / "small.lutnet")
    overlay.generate(folder / "small.lutnet", folder / "small", clock_mhz=143.0)
    overlay.generate(
        folder / "small.lutnet",
        folder / "cores",
        clock_mhz=143.0,
        cores=CORES.cores,
        pixels_per_clock=CORES.pixels_per_clock,
    )
    return folder / "small"


@pytest.fixture(
    params=[
        *(("model", name) for name in ("small", "cores")),
        *(pytest.param(("rtl", name), marks=pytest.mark.rtl) for name in ("small", "cores")),
    ],
    ids="-".join,
)
def core(request: pytest.FixtureRequest, directory: Path, lutnet: Lutnet) -> Iterator[Core]:
    kind, name = request.param
    with open_device(kind) as device:
        pynq.Overlay(str(directory.with_name(name) / f"{name}.hwh"), device=device)
        yield Core(device, lutnet)


def several(core: Core) -> bool:
    return bool(core.read(reg.FEATURES) & reg.FEATURES_MORE_CORES)


def test_reset_values_and_geometry(core: Core, lutnet: Lutnet) -> None:
    assert core.read(reg.FEATURES) in (0x100, 0x3800)
    configured = {
        reg.FRAME_BASE, reg.FRAME_STRIDE, reg.FRAME_SLOTS, reg.RESULT_BASE, reg.RESULT_SLOTS
    }  # fmt: skip
    for offset, value in reg.RESET.items():
        if offset not in configured:
            assert core.read(offset) == value, hex(offset)
    height, width, _ = lutnet.input_shape
    assert core.read(reg.BUILD_ID_HIGH) << 32 | core.read(reg.BUILD_ID_LOW) == lutnet.build_id
    assert core.read(reg.IMAGE_WIDTH) == width
    assert core.read(reg.IMAGE_HEIGHT) == height
    assert core.read(reg.CLASSES) == len(lutnet.classes)
    assert core.read(reg.ENCODER_BITS) == lutnet.encoder_bits
    assert core.read(reg.RECORD_BYTES) == record_bytes(len(lutnet.classes))


def test_packed_images(core: Core, lutnet: Lutnet) -> None:
    """A bit a pixel, one image after the other pixel by pixel: lines begin anywhere in a byte."""
    images = np.where(images_for(lutnet, 4) > 127, 255, 0).astype(np.uint8)
    core.write(reg.FORMAT, 1)
    core.set_thresholds(lutnet.thresholds[1])
    core.control()
    for i, image in enumerate(images):
        bits = np.packbits(image.ravel() > 0, bitorder="little")
        core.frames[i, : bits.size] = bits
    core.head = len(images)
    core.write(reg.FRAME_HEAD, core.head)
    core.wait(reg.FRAME_TAIL, core.head)
    assert core.collect() == expected(lutnet, images, lutnet.thresholds[1])


def test_settings_keep_their_bits_and_the_rest_ignores_writes(core: Core) -> None:
    for register in registers():
        if register.name == "CONTROL":
            continue
        held = core.read(register.offset)
        writable = sum(field.mask for field in register.fields if field.access == "rw")
        core.write(register.offset, 0xFFFF_FFFF)
        if register.scan_only:
            assert core.read(register.offset) == held == 0, register.name
        elif writable and register.array is None:
            assert core.read(register.offset) == writable, register.name
        elif register.name != "CYCLES" and register.array is None:
            assert core.read(register.offset) == held, register.name
    core.write(0x7F0, 5)
    assert core.read(0x7F0) == 0


def test_where_no_register_block_is_nothing_answers(core: Core) -> None:
    outside = pynq.MMIO(BASE_ADDRESS + ADDRESS_RANGE, 16, device=core.device)
    with pytest.raises(DeviceError, match="0x40010000"):
        outside.read(0)


def test_clock_reads_back(core: Core) -> None:
    assert core.device.fclk0_mhz == pytest.approx(1000 / 7)
    assert pynq.Clocks.fclk0_mhz == pytest.approx(1000 / 7)
    before = core.read(reg.CYCLES)
    core.read(reg.STATUS)
    assert core.read(reg.CYCLES) != before


@pytest.mark.parametrize("k", [1, 3, 15])
def test_records_are_those_of_the_c_executor(core: Core, lutnet: Lutnet, k: int) -> None:
    rng = np.random.default_rng(k)
    thresholds = rng.integers(0, 256, (k, lutnet.encoder_bits), dtype=np.uint8)
    images = images_for(lutnet, 10)
    core.set_thresholds(thresholds)
    core.control()
    found = core.classify(images)
    assert found == expected(lutnet, images, thresholds)
    assert len({tuple(record.scores) for record in found}) > 3
    assert core.read(reg.FRAMES_IN) == core.read(reg.FRAMES_OUT) == len(images)
    assert core.read(reg.FRAMES_DROPPED) == 0
    assert core.read(reg.LATENCY_MAX) >= core.read(reg.LATENCY_LAST)
    assert core.read(reg.LATENCY_LAST) >= k * core.size / (8 if several(core) else 1)
    assert core.read(reg.FRAME_CYCLES) > 0
    assert core.read(reg.STATUS) == 0


def test_rings_wrap_around_and_a_full_one_loses_nothing(core: Core, lutnet: Lutnet) -> None:
    thresholds = np.full((1, lutnet.encoder_bits), 128, np.uint8)
    images = images_for(lutnet, 40, seed=1)
    core.set_thresholds(thresholds)
    core.control()
    found: list[Record] = []
    deadline = time.monotonic() + TIMEOUT_S
    while len(found) < len(images):
        assert time.monotonic() < deadline
        room = FRAME_SLOTS - (core.head - core.read(reg.FRAME_TAIL))
        core.submit(images[core.head : core.head + room])
        full = core.read(reg.RESULT_HEAD) - core.read(reg.RESULT_TAIL) == RESULT_SLOTS
        if full or core.read(reg.FRAME_TAIL) == len(images):
            found += core.collect()
    assert found == expected(lutnet, images, thresholds)


def test_a_frame_that_waits_for_room_is_at_work(core: Core, lutnet: Lutnet) -> None:
    core.set_thresholds(np.full((1, lutnet.encoder_bits), 128, np.uint8))
    core.control()
    images = images_for(lutnet, RESULT_SLOTS + 1)
    for i in range(0, len(images), FRAME_SLOTS):
        core.submit(images[i : i + FRAME_SLOTS])
        core.wait(reg.FRAME_TAIL, min(core.head, RESULT_SLOTS))
    for _ in range(5):
        core.wait(reg.STATUS, reg.STATUS_BUSY)
    assert core.read(reg.RESULT_HEAD) == core.read(reg.FRAMES_OUT) == RESULT_SLOTS
    assert core.read(reg.FRAMES_IN) == RESULT_SLOTS + 1
    core.collect()
    core.wait(reg.RESULT_HEAD, RESULT_SLOTS + 1)
    assert core.collect()[0].sequence == RESULT_SLOTS


def test_nothing_starts_while_disabled(core: Core, lutnet: Lutnet) -> None:
    core.submit(images_for(lutnet, 2))
    for _ in range(5):
        assert core.read(reg.STATUS) == 0
    assert core.read(reg.FRAMES_IN) == 0
    core.control()
    core.wait(reg.FRAME_TAIL, 2)


def test_read_errors_are_counted_flagged_and_cleared(core: Core, lutnet: Lutnet) -> None:
    thresholds = np.full((2, lutnet.encoder_bits), 100, np.uint8)
    # Several cores read a frame once for all passes.
    beats = (1 if several(core) else 2) * -(-core.size // 8)
    core.set_thresholds(thresholds)
    core.write(reg.FRAME_BASE, NOWHERE)
    core.control()
    core.submit(images_for(lutnet, 1))
    core.wait(reg.FRAME_TAIL, 1)
    (bad,) = core.collect()
    assert bad.flags == 1
    assert core.read(reg.READ_ERRORS) == beats
    core.wait(reg.STATUS, reg.STATUS_READ_ERROR)
    assert core.read(reg.IRQ_STATUS) == reg.IRQ_STATUS_RESULT | reg.IRQ_STATUS_ERROR

    core.write(reg.FRAME_BASE, core.frames.device_address)
    core.control(reg.CONTROL_CLEAR_ERRORS)
    assert core.read(reg.STATUS) == 0
    image = images_for(lutnet, 1, seed=2)
    core.submit(image)
    core.wait(reg.FRAME_TAIL, 2)
    (good,) = core.collect()
    (right,) = expected(lutnet, image, thresholds)
    right.sequence = 1
    assert good == right
    assert core.read(reg.READ_ERRORS) == beats


def test_a_frame_half_outside_of_memory(core: Core, lutnet: Lutnet) -> None:
    core.set_thresholds(np.full((1, lutnet.encoder_bits), 100, np.uint8))
    page = pynq.allocate(4096, "u1", target=core.device)  # what follows it is nobody's
    image = images_for(lutnet, 1, seed=8)
    inside = 16
    page[-inside:] = image.ravel()[:inside]
    core.write(reg.FRAME_BASE, page.device_address + 4096 - inside)
    core.control()
    core.write(reg.FRAME_HEAD, 1)
    core.wait(reg.FRAME_TAIL, 1)
    assert core.read(reg.READ_ERRORS) == -(-core.size // 8) - inside // 8
    (found,) = core.collect()
    image.ravel()[inside:] = 0
    (right,) = expected(lutnet, image, np.full((1, lutnet.encoder_bits), 100, np.uint8))
    right.flags = 1
    assert found == right


def test_write_errors_drop_the_frame(core: Core, lutnet: Lutnet) -> None:
    core.set_thresholds(np.full((1, lutnet.encoder_bits), 100, np.uint8))
    core.write(reg.RESULT_BASE, NOWHERE)
    core.control()
    core.submit(images_for(lutnet, 3))
    core.wait(reg.FRAME_TAIL, 3)
    assert core.read(reg.RESULT_HEAD) == 0
    assert core.read(reg.WRITE_ERRORS) == core.read(reg.FRAMES_DROPPED) == 3
    assert core.read(reg.FRAMES_IN) == 3
    core.wait(reg.STATUS, reg.STATUS_WRITE_ERROR)
    assert core.read(reg.IRQ_STATUS) == reg.IRQ_STATUS_ERROR
    core.write(reg.RESULT_BASE, core.records.device_address)
    core.submit(images_for(lutnet, 1))
    core.wait(reg.RESULT_HEAD, 1)
    assert core.collect()[0].sequence == 3


def test_a_write_error_drops_what_is_on_its_way_behind_it(core: Core, lutnet: Lutnet) -> None:
    thresholds = np.full((1, lutnet.encoder_bits), 100, np.uint8)
    core.set_thresholds(thresholds)
    page = pynq.allocate(4096, "u1", target=core.device)  # what follows it is nobody's
    core.write(reg.RESULT_BASE, page.device_address + 4096 - core.record_bytes)
    core.control()
    images = images_for(lutnet, 4)
    core.submit(images)
    core.wait(reg.FRAME_TAIL, 4)
    assert core.read(reg.RESULT_HEAD) == 1
    assert core.read(reg.WRITE_ERRORS) == core.read(reg.FRAMES_DROPPED) == 3
    core.write(reg.RESULT_BASE, core.records.device_address)
    core.submit(images)
    core.wait(reg.FRAME_TAIL, 8)
    right = expected(lutnet, images, thresholds)
    for record in right:
        record.sequence += 4
    core.write(reg.RESULT_TAIL, 1)
    assert core.collect() == right


def test_the_watchdog_drops_a_frame_and_work_goes_on(core: Core, lutnet: Lutnet) -> None:
    thresholds = np.full((3, lutnet.encoder_bits), 100, np.uint8)
    core.set_thresholds(thresholds)
    core.write(reg.WATCHDOG_CYCLES, 40)  # less than a third of what a frame needs
    core.control()
    core.submit(images_for(lutnet, 2))
    core.wait(reg.FRAME_TAIL, 2)
    assert core.read(reg.WATCHDOG_TIMEOUTS) == core.read(reg.FRAMES_DROPPED) == 2
    assert core.read(reg.FRAMES_IN) == 2
    assert core.read(reg.RESULT_HEAD) == 0
    core.wait(reg.STATUS, reg.STATUS_WATCHDOG)
    core.write(reg.WATCHDOG_CYCLES, 0)
    image = images_for(lutnet, 1, seed=3)
    core.submit(image)
    core.wait(reg.FRAME_TAIL, 3)
    (found,) = core.collect()
    (right,) = expected(lutnet, image, thresholds)
    right.sequence = 2
    assert found == right


def test_interrupt_status_is_cleared_by_ones(core: Core, lutnet: Lutnet) -> None:
    core.set_thresholds(np.full((1, lutnet.encoder_bits), 100, np.uint8))
    core.control()
    core.submit(images_for(lutnet, 1))
    core.wait(reg.FRAME_TAIL, 1)
    assert core.read(reg.IRQ_STATUS) == reg.IRQ_STATUS_RESULT
    core.write(reg.IRQ_STATUS, reg.IRQ_STATUS_ERROR)
    assert core.read(reg.IRQ_STATUS) == reg.IRQ_STATUS_RESULT
    core.write(reg.IRQ_STATUS, reg.IRQ_STATUS_RESULT)
    assert core.read(reg.IRQ_STATUS) == 0


def test_reset_empties_rings_and_keeps_settings(core: Core, lutnet: Lutnet) -> None:
    thresholds = np.full((3, lutnet.encoder_bits), 100, np.uint8)
    core.set_thresholds(thresholds)
    core.control()
    core.classify(images_for(lutnet, 5))
    core.control(reg.CONTROL_RESET)
    core.wait(reg.STATUS, 0)
    for offset in (
        reg.FRAME_HEAD, reg.FRAME_TAIL, reg.RESULT_HEAD, reg.RESULT_TAIL, reg.FRAMES_IN,
        reg.FRAMES_OUT, reg.LATENCY_MAX, reg.IRQ_STATUS,
    ):  # fmt: skip
        assert core.read(offset) == 0, hex(offset)
    assert core.read(reg.PASSES) == 3
    assert core.read(reg.FRAME_SLOTS) == FRAME_SLOTS
    core.head = 0
    images = images_for(lutnet, 3, seed=4)
    assert core.classify(images) == expected(lutnet, images, thresholds)


def test_counters_are_cleared_and_sequence_goes_on(core: Core, lutnet: Lutnet) -> None:
    core.set_thresholds(np.full((1, lutnet.encoder_bits), 100, np.uint8))
    core.control()
    core.classify(images_for(lutnet, 3))
    core.control(reg.CONTROL_CLEAR_COUNTERS)
    assert core.read(reg.FRAMES_IN) == core.read(reg.FRAMES_OUT) == 0
    assert core.read(reg.LATENCY_MAX) == 0
    assert core.classify(images_for(lutnet, 1))[0].sequence == 3
    assert core.read(reg.FRAMES_OUT) == 1


@pytest.mark.parametrize(("written", "passes"), [(0, 1), (20, 16)])
def test_passes_out_of_range(core: Core, lutnet: Lutnet, written: int, passes: int) -> None:
    rng = np.random.default_rng(6)
    thresholds = rng.integers(0, 256, (16, lutnet.encoder_bits), dtype=np.uint8)
    core.set_thresholds(thresholds)
    core.write(reg.PASSES, written)
    core.control()
    images = images_for(lutnet, 2)
    assert core.classify(images) == expected(lutnet, images, thresholds[:passes])


@pytest.mark.rtl
def test_several_cores_at_full_rate(lutnet: Lutnet, directory: Path) -> None:
    """All records right, and as many times faster as there are cores: 11 lines of 2 clocks."""
    k = max(lutnet.thresholds)
    free = throughput(lutnet, CORES, k=k, images=20, stalls=STALLS["none"])
    assert free.clocks_per_image == pytest.approx(k * 48 / 4, rel=0.05)
    throughput(lutnet, CORES, k=1, images=60, stalls=STALLS["heavy"], packed=True)


@pytest.mark.rtl
def test_several_cores_are_reset_at_any_moment(lutnet: Lutnet, directory: Path) -> None:
    thresholds = lutnet.thresholds[max(lutnet.thresholds)]
    images = images_for(lutnet, FRAME_SLOTS)
    with open_device("rtl") as device:
        device.stalls = STALLS["heavy"]
        pynq.Overlay(str(directory.with_name("cores") / "cores.hwh"), device=device)
        core = Core(device, lutnet)
        core.set_thresholds(thresholds)
        core.control()
        for clocks in range(40, 1600, 120):
            core.submit(images)
            device.logic.advance(clocks)
            core.control(reg.CONTROL_RESET)
            while core.read(reg.STATUS) & reg.STATUS_BUSY:
                pass
            core.head = 0
            assert core.classify(images) == expected(lutnet, images, thresholds)
            core.control(reg.CONTROL_RESET)
            core.head = 0


def test_a_device_runs_one_overlay_after_another(directory: Path, tmp_path: Path) -> None:
    other = random_lutnet(9, stages=1)
    other.save(tmp_path / "other.lutnet")
    overlay.generate(tmp_path / "other.lutnet", tmp_path / "other")
    with open_device("model") as device:
        for folder in (directory, tmp_path / "other", directory):
            pynq.Overlay(str(folder / f"{folder.name}.hwh"), device=device)
            mmio = pynq.MMIO(BASE_ADDRESS, ADDRESS_RANGE, device=device)
            build_id = Lutnet.load(folder / f"{folder.name}.lutnet").build_id
            assert mmio.read(reg.BUILD_ID_LOW) == build_id & 0xFFFF_FFFF


def test_a_closed_device_answers_no_more(directory: Path) -> None:
    with open_device("model") as device:
        pynq.Overlay(str(directory / "small.hwh"), device=device)
        mmio = pynq.MMIO(BASE_ADDRESS, ADDRESS_RANGE, device=device)
    with pytest.raises(DeviceError, match="before an overlay was loaded"):
        mmio.read(0)
