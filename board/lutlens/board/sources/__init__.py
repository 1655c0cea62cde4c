"""Where frames come from, by kind. A new kind is a file here and a line in `KINDS`."""

from __future__ import annotations

from lutlens.board.sources.base import Box, Frame, Source, SourceError, SourceSpec
from lutlens.board.sources.camera import CameraSpec
from lutlens.board.sources.folder import FolderSpec
from lutlens.board.sources.pattern import PatternSpec
from lutlens.board.sources.synthetic import SyntheticSpec
from lutlens.board.sources.video import VideoSpec
from pydantic import ValidationError

__all__ = [
    "KINDS",
    "Box",
    "CameraSpec",
    "FolderSpec",
    "Frame",
    "PatternSpec",
    "Source",
    "SourceError",
    "SourceSpec",
    "SyntheticSpec",
    "VideoSpec",
    "parse",
]

KINDS: dict[str, tuple[type[SourceSpec], str]] = {
    "camera": (CameraSpec, "device"),
    "video": (VideoSpec, "path"),
    "folder": (FolderSpec, "path"),
    "synthetic": (SyntheticSpec, "digits"),
    "pattern": (PatternSpec, "seed"),
}
"""Kind to its class, and the option that stands behind the colon on the command line."""


def parse(text: str) -> SourceSpec:
    """The command line's form, `KIND` or `KIND:ARGUMENT`, as in `camera:0` or `video:clip.mp4`.

    Raises ValueError.
    """
    kind, _, argument = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"source {text!r}: no such kind; there are {', '.join(KINDS)}")
    model, option = KINDS[kind]
    try:
        return model.model_validate({"kind": kind} | ({option: argument} if argument else {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or option
        raise ValueError(f"source {text!r}: {where}: {first['msg']}") from error
