"""What was recognised, on the wire: frames, what is in them, and the frames of the last seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from lutlens.board.service.models.base import Count, Model, Passes, PerSecond, Pixels, Sequence
from pydantic import Field


class Box(Model):
    """A rectangle in the picture, its origin at the top left."""

    x: Annotated[int, Field(description="Left edge, in pixels.", examples=[212])]
    y: Annotated[int, Field(description="Top edge, in pixels.", examples=[96])]
    width: Pixels
    height: Pixels


class Recognition(Model):
    """The network's answer to one view."""

    digit: Annotated[int, Field(ge=0, description="Index of the best class.", examples=[7])]
    label: Annotated[str, Field(description="Name of the best class.", examples=["7"])]
    margin: Annotated[
        int,
        Field(ge=0, description="Best score less the second best: how sure it is.", examples=[19]),
    ]
    scores: Annotated[
        list[int] | None,
        Field(
            description="For each class, its bits that were 1, added over the passes; null where "
            "the core scans whole frames, and keeps the best class only, or where images are given again.",
            examples=[[9, 12, 14, 13, 8, 7, 3, 41, 10, 22]],
        ),
    ]
    view: Annotated[
        str | None,
        Field(
            description="What the network saw, row by row, in base64: a byte a pixel, three (red, green, blue) of "
            "colours; null in listings of many frames.",
            json_schema_extra={"format": "byte"},
            examples=["AAAAAA=="],
        ),
    ]
    output: Annotated[
        str | None,
        Field(
            description="What the network gives again of the view, in the same form, where the overlay `gives` images: "
            "there are no classes then, and `digit`, `label` and `margin` are 0 and empty.",
            json_schema_extra={"format": "byte"},
            examples=["AAAAAA=="],
        ),
    ] = None


class Detection(Recognition):
    """A digit found in a picture, or what else the classes are."""

    box: Box
    track: Annotated[
        int | None,
        Field(
            description="The digit's number, the same from frame to frame; null where digits are "
            "not followed, by cores that take single images, and for what has no number yet. "
            "Following takes several times as long as the core: in a replay the frames that were "
            "shown, and one shortly before each, are followed, box and digit smoothed, and name "
            "the digits of those between, "
            "which have the box and the digit of that frame alone.",
            examples=[12],
        ),
    ] = None


class Truth(Model):
    """What the synthetic scene really drew."""

    box: Box
    digit: Annotated[int, Field(ge=0, examples=[7])]


class ClassMap(Model):
    """What the core says of every window of a frame, at the finest scale."""

    rows: Count
    columns: Count
    x: Annotated[float, Field(description="Middle of the first window, in pixels.", examples=[14])]
    y: Annotated[float, Field(description="Middle of the first window, in pixels.", examples=[14])]
    step_x: Annotated[
        float, Field(gt=0, description="From one window to the next, in pixels.", examples=[4])
    ]
    step_y: Annotated[
        float, Field(gt=0, description="From one window to the next, in pixels.", examples=[4])
    ]
    background: Annotated[
        int | None,
        Field(description="Class of windows that show nothing, if there is one.", examples=[10]),
    ]
    cells: Annotated[
        str,
        Field(
            description="Two bytes a window, row by row, in base64: its class, and its margin or "
            "255 if that is less.",
            json_schema_extra={"format": "byte"},
            examples=["CgAKAAcr"],
        ),
    ]


class Result(Model):
    """One frame, recognised."""

    type: Literal["result"] = "result"
    sequence: Sequence
    captured_at: Annotated[datetime, Field(description="When the frame was captured, UTC.")]
    latency_ms: Annotated[
        float, Field(ge=0, description="Captured to recognised, in milliseconds.", examples=[6.1])
    ]
    width: Pixels
    height: Pixels
    detections: list[Detection]
    truth: Annotated[
        list[Truth] | None, Field(description="Only for scenes that know it; otherwise null.")
    ]
    class_map: Annotated[
        ClassMap | None,
        Field(description="Only if it was asked for, and of cores that scan whole frames."),
    ] = None
    skipped: Annotated[
        int,
        Field(
            ge=0,
            description="On the stream: results that this viewer was too slow for, so far.",
            examples=[0],
        ),
    ] = 0


class Gap(Model):
    """Frames without a result: both numbers and all between."""

    first: Sequence
    last: Sequence


class ResultsSince(Model):
    """The recognised frames after a sequence number, as far as they are still held."""

    results: Annotated[
        list[Result],
        Field(description="The oldest first; detections are without `view`."),
    ]
    gaps: Annotated[
        list[Gap],
        Field(
            description="Numbers after the one asked for, up to the last result given, that have no "
            "result: those below `oldest` are no longer held, the others were dropped."
        ),
    ]
    oldest: Annotated[int | None, Field(description="The first that is held.", examples=[1200])]
    newest: Annotated[int | None, Field(description="The last that is held.", examples=[1320])]
    more: Annotated[
        bool, Field(description="Whether there are more: ask again from the last result on.")
    ]


class Recording(Model):
    """The last seconds, frozen: every frame that the core recognised."""

    id: Annotated[str, Field(examples=["9f86d081"])]
    source: Annotated[str, Field(examples=["Pattern of falling digits"])]
    overlay: Annotated[str, Field(examples=["digits-scan"])]
    k: Passes
    frames: Annotated[int, Field(ge=1, examples=[1994])]
    fps: Annotated[PerSecond, Field(description="Frames a second that the core recognised.")]
    seconds: Annotated[float, Field(ge=0, examples=[2.0])]
    sequences: Annotated[list[int], Field(description="The frames' numbers.")]
    times_ms: Annotated[
        list[float], Field(description="When each was captured, from the first on; milliseconds.")
    ]
