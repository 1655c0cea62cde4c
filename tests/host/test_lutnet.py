"""The lutnet file: what is written is read again, and whatever else is refused by name."""

from __future__ import annotations

import dataclasses
import json
import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lutlens.host.lutnet import (
    MAX_BITS_PER_CLASS,
    MAX_FILE_BYTES,
    Layer,
    Lutnet,
    LutnetError,
    Stage,
)
from support.networks import digits_lutnet, lutnets, random_lutnet


def tensors_of(data: bytes) -> dict[str, Any]:
    return dict(safetensors.numpy.load(data))


def header_of(data: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<Q", data)
    text = json.loads(data[8 : 8 + length])["__metadata__"]["lutlens"]
    return dict(json.loads(text))


def file_of(header: Any, tensors: dict[str, Any]) -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    return bytes(safetensors.numpy.save(tensors, metadata={"lutlens": text}))


def assert_same(a: Lutnet, b: Lutnet) -> None:
    assert a.to_bytes() == b.to_bytes()
    assert a.sha256 == b.sha256
    for left, right in zip(a.stages, b.stages, strict=True):
        assert (left.window, left.stride, left.pool) == (right.window, right.stride, right.pool)
        for x, y in zip(left.layers, right.layers, strict=True):
            np.testing.assert_array_equal(x.tables, y.tables)
            np.testing.assert_array_equal(x.connections, y.connections)
    assert a.thresholds.keys() == b.thresholds.keys()
    for k in a.thresholds:
        np.testing.assert_array_equal(a.thresholds[k], b.thresholds[k])
    assert (a.input_shape, a.classes, a.provenance) == (b.input_shape, b.classes, b.provenance)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(lutnets(channels=st.integers(1, 3)), st.dictionaries(st.text(), json_values, max_size=3))
def test_round_trip(net: Lutnet, provenance: dict[str, Any]) -> None:
    net = dataclasses.replace(net, provenance=provenance)
    assert_same(Lutnet.from_bytes(net.to_bytes()), net)


def test_save_and_load(tmp_path: Path) -> None:
    net = digits_lutnet(0)
    path = tmp_path / "digits.lutnet"
    net.save(path)
    assert_same(Lutnet.load(path), net)
    assert list(tmp_path.iterdir()) == [path]
    assert net.build_id == int(net.sha256[:16], 16) == Lutnet.load(path).build_id


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.lutnet"
    random_lutnet(1).save(path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        random_lutnet(2).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


SMALL = random_lutnet(3, stages=2).to_bytes()


def refused(data: bytes) -> str:
    """The message of the only error that may come out, if one does."""
    try:
        net = Lutnet.from_bytes(data)
    except LutnetError as error:
        return str(error)
    # What was read is a network, then, and can be written.
    assert_same(Lutnet.from_bytes(net.to_bytes()), net)
    return ""


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(SMALL) - 1))
def test_truncated(length: int) -> None:
    assert refused(SMALL[:length])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(0, 8 * len(SMALL) - 1), min_size=1, max_size=8))
def test_flipped_bits(bits: list[int]) -> None:
    data = bytearray(SMALL)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    refused(bytes(data))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
@example(b"\xff" * 8)
@example(struct.pack("<Q", 2) + b"{}")
@example(struct.pack("<Q", 4) + b"null")
def test_arbitrary_bytes(data: bytes) -> None:
    assert refused(data)


HEADER = header_of(SMALL)
FIELDS = [
    ("schema_version",),
    ("input_shape",),
    ("input_shape", 0),
    ("encoder_bits",),
    ("passes",),
    ("passes", 0),
    ("classes",),
    ("classes", 0),
    ("stages",),
    ("stages", 0),
    ("stages", 0, "window"),
    ("stages", 0, "window", 1),
    ("stages", 0, "stride"),
    ("stages", 0, "pool"),
    ("stages", 0, "layers"),
    ("provenance",),
]


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(FIELDS),
    json_values | st.sampled_from([0, -1, 2**31, 2**63, 1e308, True, "1", [], {}, [[]] * 70]),
)
def test_any_value_in_any_field_of_the_header(field: tuple[str | int, ...], value: Any) -> None:
    header = json.loads(json.dumps(HEADER))
    place = header
    for step in field[:-1]:
        place = place[step]
    place[field[-1]] = value
    refused(file_of(header, tensors_of(SMALL)))


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(tensors_of(SMALL))),
    st.sampled_from(["uint64", "int32", "uint8", "float32", "bool", "int8"]),
    st.lists(st.integers(0, 9), max_size=4),
    st.integers(-2, 2**31 - 1),
)
def test_any_tensor_of_another_type_shape_or_content(
    name: str, dtype: str, shape: list[int], value: int
) -> None:
    tensors = tensors_of(SMALL)
    with np.errstate(all="ignore"):
        tensors[name] = np.full(shape, value).astype(dtype)
    message = refused(file_of(HEADER, tensors))
    assert not message or message.startswith((name, "classes", "stages", "thresholds"))


WIDE = np.zeros((2, 1), np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, t: h.update(schema_version=2), r"schema_version: "),
        (lambda h, t: h.update(surprise=1), r"surprise: "),
        (lambda h, t: h.pop("classes"), r"classes: "),
        (lambda h, t: h.update(classes=["a", "a", "b"]), r"classes: two have the same"),
        (lambda h, t: h.update(passes=[1, 1]), r"thresholds\.1: tensor missing"),
        (lambda h, t: h.update(passes=[1]), r"thresholds\.\d+: tensor that the header"),
        (lambda h, t: h.update(input_shape=[4096, 4096, 1]), r"stages: an image of input_shape"),
        (lambda h, t: h["stages"][0].update(stride=[0, 1]), r"stages\.0\.stride\.0: "),
        (lambda h, t: h["stages"][0].update(layers=60), r"stages\.0\.layers\.\d+\.tables: tensor"),
        (lambda h, t: h["stages"][1].update(pool=[2, 2]), r"stages\.1\.pool: "),
        (lambda h, t: h["stages"][0].update(window=[4096, 4096]), r"stages\.0\.window: .* at most"),
        (lambda h, t: t.update({"thresholds.1": WIDE}), r"thresholds\.1: uint8 \[2, 1\], must be"),
        (
            lambda h, t: t["stages.0.layers.0.connections"].fill(-1),
            r"stages\.0\..*connections: index",
        ),
    ],
)
def test_the_field_is_named(
    change: Callable[[dict[str, Any], dict[str, Any]], Any], message: str
) -> None:
    header, tensors = header_of(SMALL), tensors_of(SMALL)
    change(header, tensors)
    assert re.match(message, refused(file_of(header, tensors)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "file: 0 bytes"),
        (struct.pack("<Q", 1 << 62) + bytes(100), "file: truncated"),
        (struct.pack("<Q", 2 << 20) + bytes(3 << 20), "header: 2097152 bytes, at most"),
        (file_of("no json", tensors_of(SMALL)), "header: Invalid JSON"),
        (bytes(safetensors.numpy.save(tensors_of(SMALL))), "header: not a lutnet"),
    ],
)
def test_what_is_no_lutnet(data: bytes, message: str) -> None:
    assert refused(data).startswith(message)


def test_not_a_number_in_the_provenance() -> None:
    text = json.dumps(HEADER | {"provenance": {"accuracy": float("nan")}})
    assert refused(file_of(text, tensors_of(SMALL))).startswith("provenance: must be JSON")


def test_a_deeply_nested_header() -> None:
    text = '{"provenance": ' + "[" * 100_000 + "]" * 100_000 + "}"
    assert refused(file_of(text, tensors_of(SMALL)))
    outer = ("[" * 100_000 + "]" * 100_000).encode()
    assert refused(struct.pack("<Q", len(outer)) + outer)


def test_a_file_that_pretends_to_be_large_takes_no_memory() -> None:
    header = json.dumps(
        {
            "__metadata__": {"lutlens": json.dumps(HEADER)},
            "stages.0.layers.0.tables": {
                "dtype": "U64",
                "shape": [1 << 40],
                "data_offsets": [0, 1 << 43],
            },
        }
    ).encode()
    tracemalloc.start()
    message = refused(struct.pack("<Q", len(header)) + header)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith("file: ")
    assert peak < 10 << 20


def test_files_that_are_too_large_missing_or_no_files(tmp_path: Path) -> None:
    large = tmp_path / "large.lutnet"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(LutnetError, match=r"large\.lutnet: file: larger than"):
        Lutnet.load(large)
    with pytest.raises(LutnetError, match=r"none\.lutnet: No such file"):
        Lutnet.load(tmp_path / "none.lutnet")
    with pytest.raises(LutnetError, match="Is a directory"):
        Lutnet.load(tmp_path)


def test_a_network_in_memory_is_checked_like_a_file() -> None:
    net = random_lutnet(5)
    for field, value in [
        ("encoder_bits", 5),
        ("classes", ("only",)),
        ("stages", ()),
        ("thresholds", {}),
        ("thresholds", {65: np.zeros((65, 1), np.uint8)}),
        ("input_shape", (0, 1, 1)),
        ("provenance", {"set": {1}}),
    ]:
        with pytest.raises(LutnetError, match=field if field != "thresholds" else "passes"):
            dataclasses.replace(net, **{field: value})


def test_a_score_fits_in_sixteen_bits() -> None:
    def net(bits: int) -> Lutnet:
        layer = Layer(np.zeros(2 * bits, np.uint64), np.zeros((2 * bits, 1), np.int32))
        levels = {1: np.zeros((1, 1), np.uint8)}
        return Lutnet((1, 1, 1), 1, levels, (Stage((1, 1), (layer,)),), ("a", "b"))

    assert net(MAX_BITS_PER_CLASS).bits_per_class * 16 < 1 << 16
    with pytest.raises(LutnetError, match="classes: 4096 bits each, at most 4095"):
        net(MAX_BITS_PER_CLASS + 1)
