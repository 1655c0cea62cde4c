"""What goes over the wire: typed, described, with examples; client generators read them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Pixels = Annotated[int, Field(ge=0, description="Pixels.", examples=[64])]
Milliseconds = Annotated[float, Field(ge=0, description="Milliseconds.", examples=[4.2])]
PerSecond = Annotated[float, Field(ge=0, description="Frames a second.", examples=[29.97])]
Count = Annotated[int, Field(ge=0)]
Passes = Annotated[
    int,
    Field(ge=1, le=16, description="K: passes added into one score (oversampling).", examples=[3]),
]


class _Model(BaseModel):
    """What the service says."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class _Request(BaseModel):
    """What the service is told: a field that it does not know is an error, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(_Model):
    """A rectangle in the picture, its origin at the top left."""

    x: Annotated[int, Field(description="Left edge, in pixels.", examples=[212])]
    y: Annotated[int, Field(description="Top edge, in pixels.", examples=[96])]
    width: Pixels
    height: Pixels


class Recognition(_Model):
    """The network's answer to one 28x28 view."""

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
            "the core scans whole frames, and keeps the best class only.",
            examples=[[9, 12, 14, 13, 8, 7, 3, 41, 10, 22]],
        ),
    ]
    view: Annotated[
        str,
        Field(
            description="What the network saw: 28x28 grey bytes, row by row, in base64.",
            json_schema_extra={"format": "byte"},
            examples=["AAAAAA=="],
        ),
    ]


class Detection(Recognition):
    """A digit found in a picture."""

    box: Box
    track: Annotated[
        int | None,
        Field(
            description="The digit's number, the same from frame to frame; null where digits are "
            "not followed.",
            examples=[12],
        ),
    ] = None


class Truth(_Model):
    """What the synthetic scene really drew."""

    box: Box
    digit: Annotated[int, Field(ge=0, examples=[7])]


class Result(_Model):
    """One frame, recognised."""

    type: Literal["result"] = "result"
    sequence: Annotated[int, Field(ge=0, description="Number of the frame.", examples=[1234])]
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
    skipped: Annotated[
        int,
        Field(
            ge=0,
            description="On the stream: results that this viewer was too slow for, so far.",
            examples=[0],
        ),
    ] = 0


class DeviceInfo(_Model):
    """What the network runs on."""

    kind: Annotated[
        Literal["board", "model", "rtl"],
        Field(
            description="`board`: real programmable logic. `model`: registers and network in"
            " software. `rtl`: the whole design, simulated cycle by cycle."
        ),
    ]
    name: Annotated[str, Field(examples=["lutlens model"])]
    simulated: Annotated[bool, Field(description="True for everything but a real board.")]


class OverlayInfo(_Model):
    """An overlay and its figures."""

    name: Annotated[str, Field(examples=["digits"])]
    description: str
    build_id: Annotated[str, Field(examples=["6e1f0c9a5b7d2e34"])]
    classes: Annotated[list[str], Field(examples=[["0", "1", "2"]])]
    bits_per_class: Annotated[
        int, Field(ge=1, description="The highest score of one pass.", examples=[48])
    ]
    passes: Annotated[
        list[int], Field(description="The K that it has thresholds for.", examples=[[1, 3, 7, 15]])
    ]
    loaded: bool


class SourceInfo(_Model):
    """Something that can be watched."""

    name: Annotated[str, Field(description="What to PUT.", examples=["synthetic"])]
    kind: Annotated[str, Field(examples=["synthetic"])]
    description: Annotated[str, Field(examples=["Synthetic scene of drifting digits"])]
    active: bool


class SourceChoice(_Request):
    """Which of the offered sources to watch."""

    name: Annotated[str, Field(min_length=1, max_length=64, examples=["synthetic"])]


class Settings(_Model):
    """How frames are recognised."""

    k: Passes
    min_margin: Annotated[
        int,
        Field(ge=0, le=65535, description="Detections below it are not shown.", examples=[4]),
    ]
    paused: Annotated[bool, Field(description="Paused: no frame is captured.")]


class SettingsChange(_Request):
    """The settings to change; what is left out stays."""

    k: Passes | None = None
    min_margin: Annotated[int, Field(ge=0, le=65535, examples=[4])] | None = None
    paused: bool | None = None


class Rates(_Model):
    """Frames a second over the last seconds, each named by what it counts."""

    captured: PerSecond
    recognised: PerSecond


class Counts(_Model):
    """Frames since the service started."""

    captured: Annotated[Count, Field(description="Taken from the source.", examples=[9000])]
    recognised: Annotated[Count, Field(description="Through the core.", examples=[8998])]
    dropped: Annotated[
        Count, Field(description="Captured, but overtaken before the core.", examples=[2])
    ]


class Latency(_Model):
    """Captured to recognised, over the last frames; null before the first."""

    p50_ms: Milliseconds | None
    p99_ms: Milliseconds | None


class SourceState(_Model):
    """The source being watched."""

    name: Annotated[str, Field(examples=["synthetic"])]
    description: str
    error: Annotated[
        str | None, Field(description="Why no frames come; it is being retried. Null if they do.")
    ]


class Status(_Model):
    """Everything that the page's edges show."""

    type: Literal["status"] = "status"
    version: Annotated[str, Field(examples=["0.1.0"])]
    uptime_s: Annotated[float, Field(ge=0, examples=[61.5])]
    device: DeviceInfo
    overlay: OverlayInfo
    clock_mhz: Annotated[
        float | None, Field(description="FCLK0 as read back, in MHz.", examples=[100.0])
    ]
    source: SourceState
    settings: Settings
    rates: Rates
    counts: Counts
    latency: Latency
    hardware: Annotated[
        dict[str, int],
        Field(
            description="The core's own counters, by register.",
            examples=[{"frames_in": 9000, "frames_out": 9000}],
        ),
    ]
    viewers: Annotated[int, Field(ge=0, description="Open streams, this one counted.")]
    token_required: Annotated[
        bool, Field(description="Whether a change asks for the bearer token.")
    ]


class FileResult(_Model):
    """What was found in one uploaded file."""

    name: Annotated[str, Field(description="As the client called it.", examples=["seven.png"])]
    width: Pixels
    height: Pixels
    direct: Annotated[
        bool,
        Field(description="True: exactly the network's input size, classified as it is."),
    ]
    detections: list[Detection]


class Classified(_Model):
    """The answer to uploaded files, in their order."""

    k: Passes
    overlay: Annotated[str, Field(examples=["digits"])]
    device: Annotated[str, Field(examples=["model"])]
    files: list[FileResult]


class Drawing(_Model):
    """The answer to a drawing; null for an empty one."""

    k: Passes
    recognition: Recognition | None


class Cells(_Model):
    """FPGA cells after synthesis."""

    lut: Count
    ff: Count
    bram36: Annotated[float, Field(ge=0)]
    carry4: Count


class ModelCard(_Model):
    """The loaded overlay's figures and its card."""

    overlay: OverlayInfo
    clock_mhz: Annotated[float, Field(description="FCLK0 that it was built for, in MHz.")]
    accuracy: Annotated[
        dict[int, float],
        Field(description="Fraction of test images recognised, by K.", examples=[{"1": 0.986}]),
    ]
    core: Annotated[Cells | None, Field(description="Encoder, network and scorer.")]
    pl: Annotated[Cells | None, Field(description="Everything in the programmable logic.")]
    bitstream: Annotated[str | None, Field(description="The toolchain, or null: none built yet.")]
    run_on_hardware: bool
    tool_versions: Annotated[
        dict[str, str], Field(description="What made it.", examples=[{"pyosys": "0.70"}])
    ]
    markdown: Annotated[str, Field(description="The card itself.")]


class Health(_Model):
    """`/healthz`, `/readyz`."""

    status: Literal["ok"] = "ok"


class InvalidField(_Model):
    """One thing that is wrong with a request."""

    where: Annotated[str, Field(examples=["body.k"])]
    detail: Annotated[str, Field(examples=["Input should be less than or equal to 16"])]


class Problem(_Model):
    """Every error, by RFC 9457."""

    type: Annotated[str, Field(examples=["about:blank"])] = "about:blank"
    title: Annotated[str, Field(examples=["Unprocessable Content"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[422])]
    detail: Annotated[str, Field(examples=["k: this overlay has thresholds for 1, 3, 7 and 15"])]
    instance: Annotated[
        str, Field(description="The path asked for.", examples=["/api/v1/settings"])
    ]
    errors: Annotated[list[InvalidField], Field(description="Empty unless fields are wrong.")] = []
