"""Images from clients: what is decoded, and what is refused before anything is."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board.service.errors import RequestError
from lutlens.board.service.uploads import decode
from support.service import encoded

MAX_PIXELS = 1_000_000


def picture(height: int = 40, width: int = 60) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(1)
    rough = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 1), dtype=np.uint8)
    grey = cv2.resize(rough, (width, height))
    return np.asarray(cv2.merge([grey, grey, grey]), np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def refused(data: bytes, *, max_pixels: int = MAX_PIXELS) -> RequestError:
    with pytest.raises(RequestError) as caught:
        decode(data, "photo", max_pixels)
    assert caught.value.detail.startswith("photo: ")
    return caught.value


def attempt(data: bytes) -> int | tuple[int, ...]:
    """The status it is refused with, or the shape it is decoded to."""
    try:
        return decode(data, "photo", MAX_PIXELS).shape
    except RequestError as error:
        return error.status_code


def test_png_comes_back_exactly() -> None:
    assert np.array_equal(decode(encoded(picture()), "photo", MAX_PIXELS), picture())


def test_jpeg_comes_back_nearly() -> None:
    difference = decode(encoded(picture(), ".jpg"), "photo", MAX_PIXELS).astype(int) - picture()
    assert np.abs(difference).mean() < 6


def test_grey_becomes_three_channels() -> None:
    grey = picture()[:, :, 0].copy()
    assert np.array_equal(decode(encoded(grey), "photo", MAX_PIXELS)[:, :, 1], grey)


@pytest.mark.parametrize("extension", [".bmp", ".webp", ".tiff"])
def test_other_formats_are_refused(extension: str) -> None:
    assert refused(encoded(picture(), extension)).status_code == 415


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", b"\x89PNG", b"\xff\xd8"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert refused(data).status_code == 415


@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(extension: str, kept: float) -> None:
    whole = encoded(picture(300, 400), extension)
    error = refused(whole[: int(len(whole) * kept)])
    assert error.status_code == 422
    assert "truncated" in error.detail


def test_a_damaged_png_is_refused() -> None:
    data = bytearray(encoded(picture()))
    data[len(data) // 2] ^= 0xFF
    assert refused(bytes(data)).status_code == 422


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_the_limit_is_in_pixels(extension: str) -> None:
    data = encoded(picture(), extension)
    assert decode(data, "photo", 60 * 40).shape == (40, 60, 3)
    error = refused(data, max_pixels=60 * 40 - 1)
    assert error.status_code == 413
    assert "60 x 40" in error.detail


def test_a_header_can_claim_anything_and_costs_nothing() -> None:
    tracemalloc.start()
    error = refused(png(2**31 - 1, 2**31 - 1, b""))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.status_code == 413
    assert peak < 1 << 20


def test_a_bomb_of_zeros_stays_small() -> None:
    """100 MB of zeros in 100 kB of PNG whose header admits to 28x28 pixels."""
    bomb = png(28, 28, bytes(100 << 20))
    assert len(bomb) < 200_000
    assert attempt(bomb) in (422, (28, 28, 3))


def test_a_bomb_of_pixels_is_refused_by_its_header() -> None:
    assert refused(png(10_000, 10_000, bytes(10_001 * 10_000))).status_code == 413


def test_zero_sized_images_are_refused() -> None:
    assert refused(png(0, 10, b"")).status_code == 422


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([".png", ".jpg"]), st.data())
def test_no_damage_gets_further_than_a_refusal(extension: str, draw: st.DataObject) -> None:
    data = bytearray(encoded(picture(), extension))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    del data[draw.draw(st.integers(0, len(data))) :]
    outcome = attempt(bytes(data))
    if isinstance(outcome, int):
        assert outcome in (413, 415, 422)
    else:
        assert outcome[2] == 3
        assert outcome[0] * outcome[1] <= MAX_PIXELS
