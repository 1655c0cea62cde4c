"""The header of a lutnet's file, as host/LUTNET.md specifies it."""

from __future__ import annotations

import json
import struct
from typing import Annotated, Any

from lutlens.board.values import Values
from lutlens.host.modulation import Modulator
from pydantic import BaseModel, ConfigDict, Field, ValidationError

SCHEMA_VERSION = 1
MAX_FILE_BYTES = 64 << 20
MAX_HEADER_BYTES = 1 << 20
MAX_PASSES = 64
MAX_ENCODER_BITS = 4
MAX_OUTPUTS = 4096
"""Where outputs are numbers."""

Size = Annotated[int, Field(strict=True, ge=1, le=4096)]


class LutnetError(ValueError):
    """A lutnet that cannot be used; the message names file (if any), field, and what is right."""


class StageHeader(BaseModel):
    """`layers` is their number."""

    model_config = ConfigDict(extra="forbid")
    window: tuple[Size, Size]
    stride: tuple[Size, Size]
    pool: tuple[Size, Size]
    layers: Annotated[int, Field(strict=True, ge=1, le=64)]
    recurrent: Annotated[bool, Field(strict=True)] = False


class Header(BaseModel):
    """All of a lutnet but its tensors. A field of its default is left out of the file."""

    model_config = ConfigDict(extra="forbid")
    schema_version: Annotated[int, Field(strict=True, ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    input_shape: tuple[Size, Size, Annotated[int, Field(strict=True, ge=1, le=64)]]
    encoder_bits: Annotated[int, Field(strict=True, ge=1, le=MAX_ENCODER_BITS)]
    passes: Annotated[
        list[Annotated[int, Field(strict=True, ge=1, le=MAX_PASSES)]],
        Field(min_length=1, max_length=16),
    ]
    classes: Annotated[
        list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=MAX_OUTPUTS)
    ]
    values: Values | None = None
    modulator: Modulator | None = None
    stages: Annotated[list[StageHeader], Field(min_length=1, max_length=64)]
    provenance: dict[str, Any]


def read_header(data: bytes) -> Header:
    """From a file's bytes. Raises LutnetError that names the field."""
    if len(data) > MAX_FILE_BYTES:
        raise LutnetError(f"file: larger than the {MAX_FILE_BYTES} bytes that are read")
    if len(data) < 8:
        raise LutnetError(f"file: {len(data)} bytes are too few for a lutnet")
    (length,) = struct.unpack_from("<Q", data)
    if length > len(data) - 8:
        raise LutnetError("file: truncated, the header is longer than the file")
    if length > MAX_HEADER_BYTES:
        raise LutnetError(f"header: {length} bytes, at most {MAX_HEADER_BYTES} are read")
    try:
        text = json.loads(data[8 : 8 + length].decode("utf-8"))["__metadata__"]["lutlens"]
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LutnetError(
            "header: not a lutnet (no `lutlens` entry in the safetensors metadata)"
        ) from error
    if not isinstance(text, str):
        raise LutnetError("header: the `lutlens` entry must be a string of JSON")
    try:
        return Header.model_validate_json(text)
    except ValidationError as error:
        raise named(error) from error
    except ValueError as error:  # not Unicode
        raise LutnetError(f"header: {error}") from error


def named(error: ValidationError) -> LutnetError:
    """By the first field that is wrong."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "header"
    return LutnetError(f"{where}: {first['msg']}")
