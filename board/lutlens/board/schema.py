"""What all files with a schema share: strict models, names and hashes, and errors that name file and field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_FILE_BYTES = 1 << 20

Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
BuildId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class StrictModel(BaseModel):
    """No field unknown, none converted, nothing infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=StrictModel)


def read(kind: type[Model], path: Path, error: type[ValueError]) -> Model:
    """A JSON file as a model. Raises `error`, whose message names the file, the field, and what is wrong."""
    try:
        with path.open("rb") as f:
            data = f.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise error(f"{path}: {problem.strerror or problem}") from problem
    if len(data) > MAX_FILE_BYTES:
        raise error(f"{path}: more than {MAX_FILE_BYTES} bytes")
    return parse(kind, data, str(path), error)


def parse(kind: type[Model], data: bytes, where: str, error: type[ValueError]) -> Model:
    """JSON as a model. Raises `error`; its message begins with `where`."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        raise error(f"{where}: {field}: {first['msg']}") from problem
