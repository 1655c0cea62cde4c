"""The report, what may be said of an overlay because of it, and the command that writes it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lutlens.board.hil import speed, suite
from lutlens.board.hil.report import CHECK_NAMES, REPORT_NAME, Report, ReportError
from lutlens.board.manifest import MANIFEST_NAME, Bitstream, Manifest, ManifestError, Simulated
from lutlens.host import boards, cli, overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.devices.model import Model
from lutlens.host.hil import page, reference
from lutlens.host.lutnet import Lutnet
from lutlens.host.overlay import OverlayError
from lutlens.training import datasets
from lutlens.training import test_set as exporter
from support.bitfiles import bitfile
from support.networks import random_lutnet

BIT = bitfile("7z020clg400")


@pytest.fixture(scope="module")
def net() -> Lutnet:
    return random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1)


@pytest.fixture(scope="module")
def images(net: Lutnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random images of the network's size, as a user's own data."""
    path = tmp_path_factory.mktemp("data") / "mine.npz"
    rng = np.random.default_rng(4)
    arrays = {}
    for prefix, n in (("", 40), ("test_", 25)):
        arrays[f"{prefix}images"] = rng.integers(0, 256, (n, *net.input_shape[:2]), np.uint8)
        arrays[f"{prefix}labels"] = np.arange(n) % len(net.classes)
    np.savez(path, classes=np.array(net.classes), **arrays)
    return path


@pytest.fixture(scope="module")
def built(net: Lutnet, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An overlay with a bitstream, its accuracy, and simulated figures that any machine keeps; copy it to change it."""
    folder = tmp_path_factory.mktemp("built")
    found, executor = datasets.load(images), Executor(net)
    accuracy = {
        str(k): float(
            (
                executor.scores(found.test.images, k=k)[:, 0, 0].argmax(-1) == found.test.labels
            ).mean()
        )
        for k in net.thresholds
    }
    provenance = {"data": found.name, "data_sha256": found.sha256, "accuracy": accuracy}
    replace(net, provenance=provenance).save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net")
    put_bitstream(folder / "net", BIT)
    height, width, _ = net.input_shape
    simulated = Simulated(width=width, height=height, stalls="busy", clocks_per_frame={1: 1e7})
    overlay.set_simulated(folder / "net", simulated)
    return folder / "net"


def put_bitstream(directory: Path, bit: bytes) -> None:
    bitstream = Bitstream(toolchain="tools 1.0", fmax_mhz=130.0)
    overlay.set_bitstream(directory, bit, bitstream, 125.0, boards.load("pynq-z2"))


@pytest.fixture
def directory(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "net"))


def report_of(directory: Path, **changes: Any) -> Report:
    """Of a board where everything passed. changes: other values, by path: device__kind="model"."""
    manifest = Manifest.load(directory)
    found = {
        "schema_version": 1,
        "device": {
            "kind": "board",
            "name": "xlnk",
            "host": "pynq.local",
            "machine": "armv7l",
            "model": None,
        },
        "overlay": {
            "name": manifest.name,
            "build_id": manifest.build_id,
            "files": dict(manifest.files),
            "clock_mhz": manifest.clock_mhz,
        },
        "soak_s": 600.0,
        "started_at": "2026-11-22T10:00:00Z",
        "finished_at": "2026-11-22T10:15:00Z",
        "outcomes": [
            {"check": name, "state": "passed", "detail": "well", "figures": {}, "seconds": 1.5}
            for name in CHECK_NAMES
        ],
        "tool_versions": {"lutlens": "0.1.0"},
    }
    for path, value in changes.items():
        place: Any = found
        *steps, last = path.split("__")
        for step in steps:
            place = place[int(step) if step.isdigit() else step]
        place[last] = value
    return Report.model_validate_json(json.dumps(found))


def test_a_boards_report_lets_the_overlay_say_so(directory: Path) -> None:
    report = report_of(directory)
    overlay.set_report(directory, report)
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    assert manifest.run_on_hardware
    assert Report.load(directory / REPORT_NAME) == report
    assert "Run on a physical board: `hil-report.json`" in (directory / "README.md").read_text()
    overlay.set_simulated(directory, Simulated.model_validate(manifest.simulated))
    assert Manifest.load(directory).run_on_hardware, "figures of the simulation change no hardware"


WRONG = [
    ("device__kind", "model", "device.kind is model, must be board"),
    ("device__kind", "rtl", "device.kind is rtl, must be board"),
    ("overlay__build_id", "0" * 16, "overlay.build_id is 0000000000000000, must be"),
    ("overlay__name", "other", "overlay.name is other, must be net"),
    ("overlay__clock_mhz", 100.0, "overlay.clock_mhz is 100.0, must be 125"),
    ("overlay__files__net.bit", "0" * 64, r"overlay.files.net.bit is not what overlay.json lists"),
    ("outcomes__3__state", "failed", "check golden failed: well"),
    ("outcomes__5__state", "skipped", "check accuracy was not done"),
    ("outcomes", [], "check files was not done"),
]


@pytest.mark.parametrize(("path", "value", "words"), WRONG)
def test_any_other_report_does_not(directory: Path, path: str, value: Any, words: str) -> None:
    report = report_of(directory, **{path: value})
    with pytest.raises(OverlayError, match=f"net: not recorded: {REPORT_NAME}: {words}"):
        overlay.set_report(directory, report)
    assert not Manifest.load(directory).run_on_hardware
    # Nor if somebody writes it there by hand, hashes and all.
    claim(directory, report.to_bytes())
    with pytest.raises(ManifestError, match=rf"run_on_hardware must be false: .*{words}"):
        Manifest.load(directory)


def claim(directory: Path, report: bytes) -> None:
    """Write a report into an overlay, and the claim into its manifest."""
    (directory / REPORT_NAME).write_bytes(report)
    text = json.loads((directory / MANIFEST_NAME).read_text())
    text["files"][REPORT_NAME] = overlay._sha256(report)
    text["run_on_hardware"] = True
    (directory / MANIFEST_NAME).write_text(json.dumps(text))


def test_a_claim_needs_its_report(directory: Path) -> None:
    good = report_of(directory).to_bytes()
    claim(directory, good)
    assert Manifest.load(directory).run_on_hardware
    (directory / REPORT_NAME).write_bytes(good + b"\n")
    with pytest.raises(ManifestError, match=rf"{REPORT_NAME}: hashes to"):
        Manifest.load(directory)
    (directory / REPORT_NAME).unlink()
    with pytest.raises(ManifestError, match=rf"{REPORT_NAME}: No such file"):
        Manifest.load(directory)
    claim(directory, b'{"schema_version": 1}')
    with pytest.raises(
        ManifestError, match=rf"run_on_hardware: .*{REPORT_NAME}: device: Field required"
    ):
        Manifest.load(directory)
    text = json.loads((directory / MANIFEST_NAME).read_text())
    del text["files"][REPORT_NAME]
    (directory / MANIFEST_NAME).write_text(json.dumps(text))
    with pytest.raises(
        ManifestError, match=f"run_on_hardware must be false unless files lists {REPORT_NAME}"
    ):
        Manifest.load(directory)


def test_simulated_clocks_of_a_kind_are_kept_together(directory: Path) -> None:
    before = Manifest.load(directory).simulated
    assert before is not None
    k = max(Manifest.load(directory).thresholds)
    more = before.model_copy(update={"clocks_per_frame": {k: 1234.5}})
    overlay.set_simulated(directory, more)
    found = Manifest.load(directory)
    found.verify(directory)
    assert found.simulated is not None
    assert found.simulated.clocks_per_frame == {**before.clocks_per_frame, k: 1234.5}
    assert "| 1,234.5 |" in (directory / "README.md").read_text()
    overlay.set_simulated(directory, more.model_copy(update={"stalls": "heavy"}))
    assert Manifest.load(directory).simulated == more.model_copy(update={"stalls": "heavy"})


@pytest.mark.parametrize("options", [["--cores", "2"], ["--packed"], ["--images", "8"], []])
def test_only_what_is_built_is_written_down(
    directory: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = directory if options else directory / "net.lutnet"
    with pytest.raises(SystemExit) as left:
        cli.main(["bench", "rtl", str(path), "--update", *options])
    assert left.value.code == 2
    assert "--update is for overlay directories" in capsys.readouterr().err


def test_another_bitstream_has_run_nowhere(directory: Path) -> None:
    overlay.set_report(directory, report_of(directory))
    put_bitstream(directory, bitfile("7z020clg400", bytes(1001)))
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    assert not manifest.run_on_hardware
    assert REPORT_NAME not in manifest.files


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("schema_version", 2, "schema_version"),
        ("device__kind", "fpga", "device.kind"),
        ("outcomes__0__check", "luck", r"outcomes\.0\.check"),
        ("started_at", "2026-11-22T10:00:00", "started_at"),
        ("surplus", 1, "surplus"),
    ],
)
def test_a_report_that_is_none_names_file_and_field(
    directory: Path, path: str, value: Any, field: str
) -> None:
    good = json.loads(report_of(directory).to_bytes())
    place = good
    *steps, last = path.split("__")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    (directory / "r.json").write_text(json.dumps(good))
    with pytest.raises(ReportError, match=rf"r\.json: {field}: "):
        Report.load(directory / "r.json")


def test_the_page_says_it_all_and_runs_nothing(directory: Path) -> None:
    nasty = "<script>alert(1)</script>"
    shown = page.render(
        report_of(directory, outcomes__2__detail=nasty, outcomes__4__state="failed")
    )
    assert nasty not in shown
    assert "&lt;script&gt;" in shown
    assert "net: 1 of 13 checks failed on the board pynq.local" in shown
    for text in (*CHECK_NAMES, "pynq.local", "armv7l", Manifest.load(directory).build_id):
        assert text in shown


# The command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short measurements; the test images come by the same file, not by another process."""
    monkeypatch.setattr(speed, "RUN_S", 0.1)
    monkeypatch.setattr(speed, "SAMPLES", 2)

    def export(arguments: list[str]) -> None:
        assert exporter.main(arguments) == 0

    monkeypatch.setattr(reference, "_export", export)


@pytest.fixture
def hil(
    directory: Path, images: Path, tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command on this overlay: exit status, standard output, standard error."""

    def run(*options: str) -> tuple[int, str, str]:
        common = ["--data", str(images), "--soak", "0", "--out", str(tmp_path / "out")]
        with pytest.raises(SystemExit) as left:
            cli.main(["hil", str(directory), *common, *options])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_on_the_model_it_checks_and_records_nothing(
    hil: Callable[..., tuple[int, str, str]], directory: Path, tmp_path: Path
) -> None:
    before = (directory / MANIFEST_NAME).read_bytes()
    status, out, err = hil("--json")
    assert status == 0, err
    report = Report.model_validate_json(out)
    assert report == Report.load(tmp_path / "out" / REPORT_NAME)
    assert (report.device.kind, report.overlay.name) == ("model", "net")
    states = {outcome.check: outcome.state for outcome in report.outcomes}
    assert tuple(states) == CHECK_NAMES
    inapplicable = {name for name, state in states.items() if state == "not applicable"}
    assert inapplicable == {"clocks", "clock", "rate"}
    assert set(states.values()) == {"passed", "not applicable"}
    assert report.finished_at > report.started_at
    assert re.search(r"golden +passed", err)
    assert "this says nothing of a board" in (tmp_path / "out" / "hil-report.html").read_text()
    status, _, err = hil("--record")
    assert status == 2
    assert "run on hardware is what a board says" in err
    assert (directory / MANIFEST_NAME).read_bytes() == before


def test_a_failure_is_the_exit_status(
    hil: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Model.read
    monkeypatch.setattr(Model, "read", lambda self, at: real(self, at) ^ (at == 0x008))
    status, out, err = hil()
    assert status == 1
    assert re.search(r"build +failed", err)
    assert "checks failed on the model" in out


def test_what_was_not_done_is_another(
    hil: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [check for check in suite.CHECKS if check.name != "rest"]
    monkeypatch.setattr(suite, "CHECKS", quick)
    status, out, err = hil("--images", "7")
    assert status == 3
    assert "7 of 25 test images were tried" in err
    assert "not done: accuracy, rest" in out


def test_a_board_that_passes_is_recorded(
    hil: Callable[..., tuple[int, str, str]], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model says that it is a board."""

    @contextmanager
    def board(kind: str) -> Iterator[Any]:
        assert kind == "board"
        with open_device("model") as device:
            device.kind = "board"
            yield device

    monkeypatch.setattr("lutlens.host.hil.commands.open_device", board)
    status, out, err = hil("--device", "board", "--record")
    assert status == 0, err
    assert "every check passed on the board" in out
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    assert manifest.run_on_hardware
    report = Report.load(directory / REPORT_NAME)
    assert {o.state for o in report.outcomes if o.check in ("clocks", "clock", "rate")} == {
        "passed"
    }


def test_input_that_is_wrong(
    hil: Callable[..., tuple[int, str, str]], directory: Path, tmp_path: Path
) -> None:
    status, _, err = hil("--host", "pynq.local", "--device", "model")
    assert status == 2
    assert "exclude each other" in err
    (directory / MANIFEST_NAME).unlink()
    status, _, err = hil()
    assert status == 2
    assert "overlay.json: No such file" in err
