"""Overlays on simulated devices through the board's own loader: golden vectors, and what it refuses."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from lutlens.board.manifest import MANIFEST_NAME, Manifest, ManifestError
from lutlens.board.overlay import load
from lutlens.board.selftest import SelfTestError
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.devices.rtl import Rtl
from lutlens.host.lutnet import Lutnet
from support.networks import random_lutnet


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlays")
    random_lutnet(1, stages=2, encoder_bits=2, degenerate=0.1).save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net")
    return folder / "net"


@pytest.fixture
def copy(directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(directory, tmp_path / "net"))


@pytest.mark.parametrize("kind", ["model", pytest.param("rtl", marks=pytest.mark.rtl)])
def test_golden_vectors_and_then_others(kind: str, directory: Path) -> None:
    lutnet = Lutnet.load(directory / "net.lutnet")
    images = np.random.default_rng(3).integers(0, 256, (300, *lutnet.input_shape[:2]), np.uint8)
    with open_device(kind) as device:  # type: ignore[arg-type]
        classifier = load(directory, device)
        for k in sorted(lutnet.thresholds):
            scores = classifier.classify(images, k).scores
            assert np.array_equal(scores, Executor(lutnet).scores(images, k=k)[:, 0, 0])
        counters = classifier.counters()
        assert counters.frames_in == counters.frames_out
        assert counters.frames_dropped == counters.read_errors == counters.write_errors == 0
        classifier.close()


def test_a_flipped_bit_in_any_file_is_refused(directory: Path, tmp_path: Path) -> None:
    with open_device("model") as device:
        for name in sorted([*Manifest.load(directory).files, MANIFEST_NAME]):
            changed = Path(shutil.copytree(directory, tmp_path / name / "net"))
            data = bytearray((changed / name).read_bytes())
            # In the manifest, where the build id stands: elsewhere a bit may be free text.
            place = data.find(b'"build_id"') + 15 if name == MANIFEST_NAME else len(data) // 2
            data[place] ^= 0x01
            (changed / name).write_bytes(data)
            with pytest.raises(ManifestError, match=name):
                load(changed, device)


def test_a_missing_and_an_unknown_file_are_refused(copy: Path) -> None:
    with open_device("model") as device:
        (copy / "stray").touch()
        with pytest.raises(ManifestError, match="stray"):
            load(copy, device)
        (copy / "stray").unlink()
        (copy / "net.hwh").unlink()
        with pytest.raises(ManifestError, match=r"net\.hwh"):
            load(copy, device)


def test_a_device_that_answers_otherwise_is_refused(copy: Path) -> None:
    """Wrong scores under a right hash: as if the hardware had a fault."""
    with np.load(copy / "vectors.npz") as vectors:
        arrays = dict(vectors)
    k = int(arrays["k"][0])
    arrays[f"scores_{k}"][7, 1] ^= 1
    np.savez(copy / "vectors.npz", **arrays)
    manifest = Manifest.load(copy)
    digest = hashlib.sha256((copy / "vectors.npz").read_bytes()).hexdigest()
    manifest.model_copy(update={"files": {**manifest.files, "vectors.npz": digest}}).save(copy)
    with open_device("model") as device, pytest.raises(SelfTestError, match="image 7, class 1"):
        load(copy, device)


@pytest.mark.rtl
def test_the_simulation_is_the_same_every_time(directory: Path) -> None:
    def clocks() -> int:
        with open_device("rtl") as device:
            load(directory, device).close()
            assert isinstance(device.logic, Rtl)
            return device.logic.clocks

    first = clocks()
    assert first == clocks()
