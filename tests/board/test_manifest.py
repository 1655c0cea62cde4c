"""The manifest: what is accepted, what is refused, and that a refusal names the place."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lutlens.board.manifest import MANIFEST_NAME, Manifest, ManifestError, record_bytes

CONTENTS = {
    "net.lutnet": b"network",
    "net.hwh": b"hardware",
    "vectors.npz": b"vectors",
    "README.md": b"card",
}


def valid() -> dict[str, Any]:
    files = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENTS.items()}
    return {
        "schema_version": 1,
        "name": "net",
        "description": "A network.",
        "build_id": files["net.lutnet"][:16],
        "files": files,
        "geometry": {
            "image_width": 28,
            "image_height": 28,
            "channels": 1,
            "encoder_bits": 2,
            "classes": [str(digit) for digit in range(10)],
            "bits_per_class": 48,
            "max_width": 640,
            "max_passes": 16,
            "record_bytes": 32,
        },
        "thresholds": {"1": [[64, 128]], "3": [[32, 96], [64, 128], [96, 160]]},
        "clock_mhz": 125.0,
        "accuracy": {"1": 0.98},
    }


def write(folder: Path, manifest: object) -> None:
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)
    write(tmp_path, valid())
    return tmp_path


def test_what_was_saved_is_loaded(directory: Path) -> None:
    manifest = Manifest.load(directory)
    assert manifest.thresholds[3][2] == [96, 160]
    before = (directory / MANIFEST_NAME).read_bytes()
    manifest.save(directory)
    assert (directory / MANIFEST_NAME).read_bytes() != before  # laid out for people
    assert Manifest.load(directory) == manifest
    manifest.verify(directory)


@pytest.mark.parametrize(
    ("classes", "expected"), [(2, 32), (10, 32), (12, 32), (13, 64), (60, 128), (256, 1024)]
)
def test_a_record_has_room_for_its_scores(classes: int, expected: int) -> None:
    assert record_bytes(classes) == expected


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("schema_version",), 2, "schema_version"),
        (("name",), "../net", "name"),
        (("name",), None, "name"),
        (("build_id",), "0123456789abcdef", "build_id must be the first 16 digits"),
        (("build_id",), "XYZ", "build_id"),
        (("surplus",), 1, "surplus"),
        (("files", "../secret"), "0" * 64, "files"),
        (("files", "net.hwh"), "0" * 63, r"files\.net\.hwh"),
        (("files", "net.bit"), "0" * 64, "bitstream"),
        (("run_on_hardware",), True, "run_on_hardware"),
        (("run_on_hardware",), 0, "run_on_hardware"),
        (("geometry", "record_bytes"), 64, "record_bytes must be 32"),
        (("geometry", "max_width"), 20, "max_width must be at least"),
        (("geometry", "encoder_bits"), 3, r"thresholds\.1 must be 1 passes of 3"),
        (("geometry", "max_passes"), 2, r"thresholds\.3"),
        (("thresholds", "2"), [[1, 2]], r"thresholds\.2 must be 2 passes"),
        (("thresholds", "17"), [[1, 2]] * 17, "thresholds"),
        (("thresholds", "1"), [[64, 256]], r"thresholds\.1\.0\.1"),
        (("thresholds",), {}, "thresholds"),
        (("accuracy", "7"), 0.5, r"accuracy\.7"),
        (("accuracy", "1"), 1.5, r"accuracy\.1"),
        (("clock_mhz",), 0, "clock_mhz"),
        (("clock_mhz",), float("inf"), "clock_mhz"),
    ],
)
def test_a_refusal_names_file_and_field(
    directory: Path, path: tuple[str, ...], value: object, words: str
) -> None:
    manifest = valid()
    place = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    write(directory, manifest)
    with pytest.raises(ManifestError, match=rf"overlay\.json: .*{words}"):
        Manifest.load(directory)


@pytest.mark.parametrize("name", CONTENTS)
def test_every_needed_file_has_to_be_listed(directory: Path, name: str) -> None:
    manifest = valid()
    del manifest["files"][name]
    write(directory, manifest)
    with pytest.raises(ManifestError, match=f"files must list {name}"):
        Manifest.load(directory)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_changed_a_missing_and_a_stray_file_are_found(directory: Path, name: str) -> None:
    manifest = Manifest.load(directory)
    (directory / name).write_bytes(b"changed")
    with pytest.raises(ManifestError, match=rf"{name}: hashes to"):
        manifest.verify(directory)
    (directory / name).unlink()
    with pytest.raises(ManifestError, match=rf"{name}: No such file"):
        manifest.verify(directory)
    (directory / name).write_bytes(CONTENTS[name])
    (directory / ".hidden").touch()
    manifest.verify(directory)
    (directory / "net.bit").touch()
    with pytest.raises(ManifestError, match=r"net\.bit: not listed"):
        manifest.verify(directory)


def test_a_directory_without_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=rf"{tmp_path}.*overlay\.json: No such file"):
        Manifest.load(tmp_path)


def test_an_endless_one_is_not_read(directory: Path) -> None:
    (directory / MANIFEST_NAME).write_bytes(b" " * (2 << 20))
    with pytest.raises(ManifestError, match="more than"):
        Manifest.load(directory)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@settings(
    max_examples=200,
    deadline=None,
    # Beside what the profile suppresses: an emulated machine takes a minute to list Unicode.
    suppress_health_check=[
        *settings().suppress_health_check,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(data=st.data())
def test_only_its_own_error_comes_out(directory: Path, data: st.DataObject) -> None:
    """Whatever stands in one place of it, or whatever byte is another one."""
    manifest = valid()
    if data.draw(st.booleans(), "a field"):
        place: Any = manifest
        while isinstance(place, dict) and place:
            key = data.draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or data.draw(st.booleans(), "here"):
                place[key] = data.draw(_JSON, "value")
                break
            place = place[key]
        raw = json.dumps(manifest).encode()
    else:
        damaged = bytearray(json.dumps(manifest).encode())
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
        raw = bytes(damaged[: data.draw(st.integers(position, len(damaged)))])
    (directory / MANIFEST_NAME).write_bytes(raw)
    try:
        loaded = Manifest.load(directory)
    except ManifestError as refusal:
        named = str(refusal).startswith(str(directory / MANIFEST_NAME))
    else:
        loaded.save(directory)
        named = Manifest.load(directory) == loaded
    assert named
