"""Devices with one fault each: the check that is there for it fails, and says what it saw."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board import registers as reg
from lutlens.board.hil import speed, suite
from lutlens.board.hil.bench import Bench, Service
from lutlens.board.hil.reference import Reference
from lutlens.board.hil.report import CHECK_NAMES, Outcome
from lutlens.board.manifest import Manifest, Simulated
from lutlens.board.overlay import load
from lutlens.host import overlay
from lutlens.host.devices import open_device
from lutlens.host.devices.model import Model, ModelDevice
from lutlens.host.hil.local import serving
from lutlens.host.hil.reference import with_answers
from lutlens.host.lutnet import Lutnet
from support.networks import random_lutnet
from support.squares import squares_lutnet

CHECKS = {check.name: check for check in suite.CHECKS}
Fault = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def overlays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One that takes single images, one with several cores for them, one that scans."""
    folder = tmp_path_factory.mktemp("overlays")
    random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1).save(folder / "batch.lutnet")
    squares_lutnet().save(folder / "scan.lutnet")
    overlay.generate(folder / "batch.lutnet", folder / "batch")
    overlay.generate(folder / "batch.lutnet", folder / "cores", cores=4)
    overlay.generate(folder / "scan.lutnet", folder / "scan", scan=True)
    return {name: folder / name for name in ("batch", "cores", "scan")}


@pytest.fixture(scope="module")
def device() -> Iterator[Any]:
    with open_device("model") as device:
        yield device


@contextmanager
def bench_on(device: Any, directory: Path, **options: Any) -> Iterator[Bench]:
    with Bench(directory, device, soak_s=0, **options) as bench:
        bench.patience_s = 0.3
        yield bench


def run(bench: Bench, name: str) -> Outcome:
    return suite.run(CHECKS[name], bench)


def reading(offset: int, value: Callable[[int], int]) -> Fault:
    """A register that reads as something else."""

    def fault(patch: pytest.MonkeyPatch) -> None:
        real = Model.read
        patch.setattr(
            Model,
            "read",
            lambda self, at: value(real(self, at)) if at == offset else real(self, at),
        )

    return fault


def ignoring(offset: int) -> Fault:
    """A register that keeps nothing, and says that it does."""

    def fault(patch: pytest.MonkeyPatch) -> None:
        write, read, held = Model.write, Model.read, {offset: 0}

        def keep(self: Model, at: int, value: int) -> None:
            if at == offset:
                held[offset] = value
            else:
                write(self, at, value)

        patch.setattr(Model, "write", keep)
        patch.setattr(Model, "read", lambda self, at: held[at] if at in held else read(self, at))

    return fault


def one_wrong_bit(patch: pytest.MonkeyPatch) -> None:
    """The seventh frame's result has the lowest bit of its last byte but one flipped."""
    real = Model._store

    def store(self: Model, result: list[tuple[int, Any]], *rest: Any) -> None:
        if self._values[reg.FRAME_TAIL] == 6:
            start, data = result[0]
            data = data.copy()
            data[8] ^= 1
            result = [(start, data), *result[1:]]
        real(self, result, *rest)

    patch.setattr(Model, "_store", store)


def hanging(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Model, "_ready", 0)


def overrunning(patch: pytest.MonkeyPatch) -> None:
    """A full ring of results is written over."""
    patch.setattr(Model, "_room", 64)


def aliased(patch: pytest.MonkeyPatch) -> None:
    """An address line that is stuck: two registers are one."""
    write = Model.write
    patch.setattr(Model, "write", lambda self, at, value: write(self, at & ~0x10, value))


@pytest.mark.parametrize(
    ("fault", "check", "words"),
    [
        (reading(reg.PASSES, lambda held: held | 2), "registers", "PASSES holds 0x3 .*must be 0x1"),
        (aliased, "registers", "THRESHOLD_0 holds .* after a write"),
        (reading(reg.MAGIC, lambda held: 0), "build", "MAGIC holds 0x0"),
        (
            reading(reg.BUILD_ID_LOW, lambda held: held ^ 1),
            "build",
            "BUILD_ID holds .*another build",
        ),
        (one_wrong_bit, "golden", r"vectors\.npz: scores_1, image 6, class 0: the device gives"),
        (one_wrong_bit, "images", r"mine, scores at K = 1, image 6, class 0"),
        (one_wrong_bit, "soak", "class 0: the device gives"),
        (hanging, "golden", "FRAME_TAIL holds 0x0, waited 0.3 s for"),
        (hanging, "rings", "8 frames fit|frames fit two rings of 4 slots; registers hold STATUS"),
        (overrunning, "rings", "room for frame 9 where both rings are full"),
        (ignoring(reg.WATCHDOG_CYCLES), "watchdog", "a frame of .* clocks has a result"),
        (reading(reg.WATCHDOG_TIMEOUTS, lambda held: 0), "watchdog", "WATCHDOG_TIMEOUTS grew by 0"),
        (reading(reg.FRAMES_DROPPED, lambda held: held + 1), "rings", None),
        (reading(reg.READ_ERRORS, lambda held: held + 7), "registers", "READ_ERRORS holds 0x7"),
    ],
)
def test_a_fault_is_found(
    fault: Fault,
    check: str,
    words: str | None,
    overlays: dict[str, Path],
    device: Any,
    reference: Reference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bench_on(device, overlays["batch"], reference=reference) as bench:
        fault(monkeypatch)
        outcome = run(bench, check)
        if words is None:  # a fault that is another check's
            assert outcome.state == "passed"
            return
        assert outcome.state == "failed"
        assert re.search(words, outcome.detail), outcome.detail
        monkeypatch.undo()
        assert run(bench, check).state == "passed", "a check that failed leaves nothing behind"


@pytest.fixture(scope="module")
def reference(overlays: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return made_reference(overlays["batch"], tmp_path_factory.mktemp("images"))


def made_reference(directory: Path, folder: Path, limit: int | None = None) -> Reference:
    """Thirty random images, by way of the file that a board gets."""
    manifest = Manifest.load(directory)
    net = Lutnet.load(directory / manifest.lutnet_name)
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (30, *net.input_shape[:2]), np.uint8)
    labels = rng.integers(0, len(net.classes), 30)
    about = {"name": np.array("mine"), "sha256": np.array("ab" * 32)}
    np.savez(folder / "test.npz", images=images, labels=labels, **about)
    with_answers(folder / "test.npz", net, manifest, limit).save(folder / "reference.npz")
    return Reference.load(folder / "reference.npz")


@pytest.mark.parametrize(
    "name", ["files", "registers", "build", "golden", "rings", "watchdog", "soak"]
)
@pytest.mark.parametrize("kind", ["cores", "scan"])
def test_other_kinds_of_core_pass(
    kind: str, name: str, overlays: dict[str, Path], device: Any
) -> None:
    with bench_on(device, overlays[kind]) as bench:
        outcome = run(bench, name)
        assert outcome.state == "passed", outcome.detail


def test_a_file_that_was_changed(overlays: dict[str, Path], device: Any) -> None:
    path = overlays["batch"] / "vectors.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    try:
        with bench_on(device, overlays["batch"]) as bench:
            assert re.search(r"vectors\.npz: hashes to", run(bench, "files").detail)
            assert run(bench, "build").state == "failed"
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        (0, "passed", "exactly as overlay.json says"),
        (1, "failed", r"K = 1: (\d+) of 30 images are recognised, .*overlay.json says"),
        (None, "not applicable", "overlay.json states no accuracy"),
        ("other data", "skipped", "mine is not the data"),
        ("fewer", "skipped", "20 of 30 test images were tried"),
    ],
)
def test_accuracy_is_exactly_what_the_manifest_says(
    change: object,
    state: str,
    words: str,
    overlays: dict[str, Path],
    device: Any,
    reference: Reference,
    tmp_path: Path,
) -> None:
    directory = overlays["batch"]
    if change == "fewer":
        reference = made_reference(directory, tmp_path, limit=20)
    with bench_on(device, directory, reference=reference) as bench:
        assert run(bench, "images").state == "passed"
        right = {k: int((reference.answers[k].classes == reference.labels).sum()) for k in bench.ks}
        more = change if isinstance(change, int) else 0
        accuracy = {k: (n + more) / 30 for k, n in right.items()} if change is not None else {}
        sha256 = "0" * 64 if change == "other data" else reference.sha256
        provenance = {"data": "mine", "data_sha256": sha256}
        bench.manifest = bench.manifest.model_copy(
            update={"accuracy": accuracy, "provenance": provenance}
        )
        outcome = run(bench, "accuracy")
    assert (outcome.state, bool(re.search(words, outcome.detail))) == (state, True), outcome.detail


class PretendBoard(ModelDevice):
    """The model, where it says that it is a board: its seconds and clocks count."""

    kind = "board"


@pytest.mark.parametrize(
    ("check", "clocks", "offset", "value", "state", "words"),
    [
        ("clocks", 1e6, None, None, "passed", r"simulated 1,000,000.0"),
        ("clocks", 10, None, None, "failed", r"clocks a frame, must be at most 10 % more"),
        ("clocks", 1e6, reg.FRAME_CYCLES, lambda held: 1, "failed", r"the pixels alone take"),
        ("clock", 1e6, None, None, "passed", r"12[45]\.\d+ MHz, overlay.json says 125 MHz"),
        ("clock", 1e6, reg.CYCLES, lambda held: held // 2, "failed", r"FCLK0 runs at 62\.\d+ MHz"),
        ("rate", 1e7, None, None, "passed", r"frames/s of .* \(simulated 12.5\)"),
        ("rate", 1, None, None, "failed", r"must be at least 90 % of the simulated 125,000,000"),
        ("rate", None, None, None, "skipped", r"lutlens bench rtl OVERLAY --update"),
    ],
)
@pytest.mark.parametrize("kind", ["batch", "scan"])
def test_speed_is_held_to_the_simulated(
    kind: str,
    check: str,
    clocks: float | None,
    offset: int | None,
    value: Callable[[int], int],
    state: str,
    words: str,
    overlays: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lutlens.host.devices.model.ModelDevice", PretendBoard)
    monkeypatch.setattr(speed, "RUN_S", 0.1)
    monkeypatch.setattr(speed, "SAMPLES", 2)
    monkeypatch.setattr("lutlens.board.hil.bench.load", load_without_bitstream)
    if offset is not None:
        reading(offset, value)(monkeypatch)
    with open_device("model") as board, bench_on(board, overlays[kind]) as bench:
        inputs = bench.vectors.inputs
        height, width = inputs.shape[1] + 3 * (kind == "scan"), inputs.shape[2]
        if clocks is not None:
            simulated = Simulated(
                width=width, height=height, stalls="busy", clocks_per_frame={1: float(clocks)}
            )
            bench.manifest = bench.manifest.model_copy(update={"simulated": simulated})
        outcome = run(bench, check)
    assert (outcome.state, bool(re.search(words, outcome.detail))) == (state, True), outcome.detail


def load_without_bitstream(directory: Path, device: Any, **options: Any) -> Any:
    """A board asks for one."""
    device.kind = "model"
    try:
        return load(directory, device, **options)
    finally:
        device.kind = "board"


def test_the_service_of_another_overlay(overlays: dict[str, Path], device: Any) -> None:
    with bench_on(
        device, overlays["batch"], serving=partial(serving, overlays["scan"], device)
    ) as bench:
        outcome = run(bench, "rest")
    assert outcome.state == "failed"
    assert "GET /api/v1/status: overlay.name is scan, must be batch" in outcome.detail


def test_no_service(overlays: dict[str, Path], device: Any) -> None:
    @contextmanager
    def nobody() -> Iterator[Service]:
        yield Service("http://127.0.0.1:9")

    with bench_on(device, overlays["batch"], serving=nobody) as bench:
        assert "Connection refused" in run(bench, "rest").detail
    with bench_on(device, overlays["batch"]) as bench:
        assert run(bench, "rest").state == "skipped"


def test_every_check_of_a_report_is_in_the_suite_once() -> None:
    assert tuple(check.name for check in suite.CHECKS) == CHECK_NAMES
    assert all(check.title for check in suite.CHECKS)
