"""What all models of the wire share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Pixels = Annotated[int, Field(ge=0, description="Pixels.", examples=[64])]
Milliseconds = Annotated[float, Field(ge=0, description="Milliseconds.", examples=[4.2])]
PerSecond = Annotated[float, Field(ge=0, description="Frames a second.", examples=[29.97])]
Count = Annotated[int, Field(ge=0)]
Sequence = Annotated[int, Field(ge=0, description="Number of a frame.", examples=[1234])]
Passes = Annotated[
    int,
    Field(ge=1, le=16, description="K: passes added into one score (oversampling).", examples=[3]),
]


class Model(BaseModel):
    """What the service says."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class RequestModel(BaseModel):
    """What the service is told: a field that it does not know is an error, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")
