"""Where frames come from. A new kind is one class and one entry in `KINDS`."""

from __future__ import annotations

from lutlens.board.sources.base import Box, Frame, Source, SourceError, SourceSpec
from lutlens.board.sources.capture import CameraSpec, VideoSpec
from lutlens.board.sources.folder import FolderSpec
from lutlens.board.sources.synthetic import SyntheticSpec
from pydantic import ValidationError

__all__ = ["KINDS", "Box", "Frame", "Source", "SourceError", "SourceSpec", "parse"]

KINDS: dict[str, type[SourceSpec]] = {
    "synthetic": SyntheticSpec,
    "camera": CameraSpec,
    "video": VideoSpec,
    "folder": FolderSpec,
}


def parse(text: str) -> SourceSpec:
    """`KIND` or `KIND:ARGUMENT`, as on the command line. Raises ValueError."""
    kind, _, argument = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"source: {kind!r} is none of {', '.join(KINDS)}")
    try:
        return KINDS[kind].parse(argument)
    except ValidationError as error:
        raise ValueError(f"source: {text}: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise ValueError(f"source: {text}: {error}") from error
