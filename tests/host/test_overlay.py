"""Overlay directories: what is in them, that they appear whole, and that no change goes unseen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lutlens.board import scanning
from lutlens.board.manifest import Cells, Manifest, ManifestError, Resources, ScanGeometry
from lutlens.board.records import answers
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.hwh import ClockError
from lutlens.host.lutnet import Lutnet, Stage
from lutlens.host.systemverilog import GenerationError
from support.networks import random_layers, random_lutnet


@pytest.fixture(scope="module")
def lutnet_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lutnet") / "small.lutnet"
    random_lutnet(6, stages=2, encoder_bits=2, degenerate=0.1).save(path)
    return path


@pytest.fixture(scope="module")
def made(lutnet_path: Path) -> Path:
    """An overlay to look at; to change it, copy it."""
    overlay.generate(lutnet_path, lutnet_path.parent / "small")
    return lutnet_path.parent / "small"


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_is_in_it(made: Path, lutnet_path: Path) -> None:
    lutnet = Lutnet.load(lutnet_path)
    manifest = Manifest.load(made)
    manifest.verify(made)
    assert manifest.name == "small"
    assert int(manifest.build_id, 16) == lutnet.build_id
    assert set(content(made)) == {
        "overlay.json", "small.lutnet", "small.hwh", "vectors.npz", "README.md"
    }  # fmt: skip
    assert (made / "small.lutnet").read_bytes() == lutnet_path.read_bytes()
    assert manifest.thresholds == {k: v.tolist() for k, v in lutnet.thresholds.items()}
    assert manifest.resources is None
    assert manifest.bitstream is None
    assert not manifest.run_on_hardware


def test_golden_vectors_are_varied_and_right(made: Path, lutnet_path: Path) -> None:
    lutnet = Lutnet.load(lutnet_path)
    with np.load(made / "vectors.npz", allow_pickle=False) as vectors:
        images = vectors["images"]
        assert images.shape[1:] == lutnet.input_shape[:2]
        assert vectors["k"].tolist() == sorted(lutnet.thresholds)
        for k in vectors["k"]:
            right = Executor(lutnet, simplified=False).scores(images, k=int(k))[:, 0, 0]
            assert np.array_equal(vectors[f"scores_{k}"], right)
        assert len(np.unique(vectors[f"scores_{k}"], axis=0)) > len(images) // 3
    assert images.min() == 0
    assert images.max() == 255


def test_a_scan_build_says_what_it_scans(tmp_path: Path) -> None:
    net = random_lutnet(3, stages=3, classes=4)
    names = ("a", "b", scanning.BACKGROUND_LABEL, "c")
    replace(net, classes=names).save(tmp_path / "n.lutnet")
    manifest = overlay.generate(
        tmp_path / "n.lutnet", tmp_path / "n", scan=True, pixels_per_clock=4, max_width=320
    )
    size = np.array(net.input_shape[:2])
    assert net.output_size(*(size + 3 * np.array(net.step))) == (4, 4)
    assert manifest.geometry.pixels_per_clock == 4
    assert manifest.geometry.scan == ScanGeometry(
        step_y=net.step[0], step_x=net.step[1], max_positions=4608, max_windows=64, background=2
    )
    assert Manifest.load(tmp_path / "n") == manifest
    assert "A scan build" in (tmp_path / "n" / "README.md").read_text()


@pytest.mark.parametrize("max_width", [24, 640])
def test_golden_frames_are_varied_and_right(
    made: Path, lutnet_path: Path, tmp_path: Path, max_width: int
) -> None:
    lutnet = Lutnet.load(lutnet_path)
    overlay.generate(lutnet_path, tmp_path / "n", scan=True, max_width=max_width)
    with np.load(tmp_path / "n" / "vectors.npz", allow_pickle=False) as vectors:
        frames = vectors["frames"]
        assert frames.shape[2] % scanning.WIDTH_STEP == 0
        assert lutnet.input_shape[1] <= frames.shape[2] <= max_width
        for k in sorted(lutnet.thresholds):
            scores = Executor(lutnet, simplified=False).scores(frames, k=k)
            classes, margins = answers(scores)
            found = vectors[f"cells_{k}"]
            assert np.array_equal(scanning.cell_class(found), classes)
            assert np.array_equal(scanning.cell_margin(found), margins)
            assert np.array_equal(scanning.cell_score(found), scores.max(axis=-1))
        assert len(np.unique(found)) > 5
    assert frames.min() == 0
    assert frames.max() == 255


def test_what_a_scan_cannot_hold_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, nodes, classes in (("bits_per_class", 512, 2), ("classes", 256, 256)):
        net = Lutnet(
            (4, 8, 1),
            1,
            {1: np.full((1, 1), 128, np.uint8)},
            (Stage((4, 8), random_layers(rng, 32, [nodes])),),
            tuple(f"class {i}" for i in range(classes)),
        )
        net.save(tmp_path / f"{name}.lutnet")
        with pytest.raises(overlay.OverlayError, match=name):
            overlay.generate(tmp_path / f"{name}.lutnet", tmp_path / "x", scan=True)
    net = random_lutnet(4, stages=2)
    net.save(tmp_path / "n.lutnet")
    width = net.input_shape[1]
    assert width % scanning.WIDTH_STEP
    with pytest.raises(overlay.OverlayError, match=r"max_width: .* at least"):
        overlay.generate(tmp_path / "n.lutnet", tmp_path / "x", scan=True, max_width=width)
    with pytest.raises(GenerationError, match="pixels_per_clock: 3"):
        overlay.generate(tmp_path / "n.lutnet", tmp_path / "x", pixels_per_clock=3)
    assert not (tmp_path / "x").exists()


def test_the_same_lutnet_gives_the_same_bytes(
    made: Path, lutnet_path: Path, tmp_path: Path
) -> None:
    overlay.generate(lutnet_path, tmp_path / "small")
    assert content(tmp_path / "small") == content(made)


def test_generating_again_replaces_what_was_there(lutnet_path: Path, tmp_path: Path) -> None:
    overlay.generate(lutnet_path, tmp_path / "net", clock_mhz=100.0)
    (tmp_path / "net" / "stray.txt").write_text("left over")
    overlay.generate(lutnet_path, tmp_path / "net", clock_mhz=50.0)
    assert Manifest.load(tmp_path / "net").clock_mhz == 50.0
    assert not (tmp_path / "net" / "stray.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_a_failure_leaves_the_old_overlay(
    lutnet_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay.generate(lutnet_path, tmp_path / "net")
    before = content(tmp_path / "net")

    def full(self: Manifest, directory: Path) -> None:
        raise OSError(28, "No space left on device", str(directory))

    monkeypatch.setattr(Manifest, "save", full)
    for name in ("net", "other"):
        with pytest.raises(OSError, match="No space left"):
            overlay.generate(lutnet_path, tmp_path / name, clock_mhz=50.0)
    assert content(tmp_path / "net") == before
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_a_directory_of_something_else_is_not_replaced(lutnet_path: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(overlay.OverlayError, match="holds other files"):
        overlay.generate(lutnet_path, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_resources_are_written_into_manifest_and_card(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "small")
    cells = Cells(lut=1234, ff=2345, bram36=3.5, carry4=0)
    overlay.set_resources(tmp_path / "small", Resources(core=cells, pl=cells))
    manifest = Manifest.load(tmp_path / "small")
    manifest.verify(tmp_path / "small")
    assert manifest.resources is not None
    assert manifest.resources.core.lut == 1234
    assert "| 1234 | 2345 | 3.5 | 0 |" in (tmp_path / "small" / "README.md").read_text()


def test_a_flipped_bit_anywhere_is_seen(made: Path, tmp_path: Path) -> None:
    for name in sorted(Manifest.load(made).files):
        copy = tmp_path / name
        shutil.copytree(made, copy)
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 0x10
        (copy / name).write_bytes(data)
        with pytest.raises(ManifestError, match=name):
            overlay.set_resources(copy, _no_resources())


def _no_resources() -> Resources:
    cells = Cells(lut=0, ff=0, bram36=0, carry4=0)
    return Resources(core=cells, pl=cells)


def test_the_card_says_what_it_must(made: Path) -> None:
    card = (made / "README.md").read_text()
    assert card.startswith("# small\n")
    assert "Not yet run on a physical board." in card
    assert "lutlens synth overlays/small" in card
    assert "lutlens bench rtl overlays/small" in card


@pytest.mark.parametrize(("data", "compared"), [("MNIST", True), ("Fashion-MNIST", False)])
def test_accuracy_comes_from_provenance(tmp_path: Path, data: str, compared: bool) -> None:
    net = random_lutnet(5, stages=2)
    provenance = {"accuracy": {str(k): 0.98765 for k in net.thresholds}, "data": data}
    Lutnet(
        net.input_shape, net.encoder_bits, net.thresholds, net.stages, net.classes, provenance
    ).save(tmp_path / "n.lutnet")
    manifest = overlay.generate(tmp_path / "n.lutnet", tmp_path / "n")
    assert manifest.accuracy == dict.fromkeys(sorted(net.thresholds), 0.98765)
    card = (tmp_path / "n" / "README.md").read_text()
    assert "| 98.77 % |" in card
    assert ("5,444 LUT" in card) == compared


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"clock_mhz": 900.0}, ClockError, "clock"),
        ({"max_width": 3}, ValueError, "max.width"),
    ],
)
def test_bad_options(
    lutnet_path: Path, tmp_path: Path, options: dict[str, float], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        overlay.generate(lutnet_path, tmp_path / "x", **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
