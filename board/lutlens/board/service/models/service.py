"""The service itself, on the wire: what runs, how it is set, what a client brought, what went wrong."""

from __future__ import annotations

from typing import Annotated, Literal

from lutlens.board.service.models.base import (
    Count,
    Milliseconds,
    Model,
    Passes,
    PerSecond,
    Pixels,
    RequestModel,
)
from lutlens.board.service.models.results import Detection, Recognition
from pydantic import Field


class DeviceInfo(Model):
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


class OverlayInfo(Model):
    """An overlay and its figures."""

    name: Annotated[str, Field(examples=["digits"])]
    description: str
    build_id: Annotated[str, Field(examples=["6e1f0c9a5b7d2e34"])]
    classes: Annotated[list[str], Field(examples=[["0", "1", "2"]])]
    image_width: Pixels
    image_height: Pixels
    channels: Annotated[
        Literal[1, 3], Field(description="Of its images: grey, or red, green and blue.")
    ]
    reads: Annotated[
        Literal["ink", "pictures"],
        Field(
            description="`ink`: written characters, which are looked for; so are those that are given again in grey. "
            "`pictures`: the middle of a picture as it is, because its images have colours or its classes are no "
            "single characters."
        ),
    ]
    gives: Annotated[
        tuple[int, int, int] | None,
        Field(
            description="Height, width and channels of the images that it gives again, of an auto-encoder; null for "
            "classes.",
            examples=[None],
        ),
    ]
    bits_per_class: Annotated[
        int, Field(ge=1, description="The highest score of one pass.", examples=[48])
    ]
    scans: Annotated[
        bool, Field(description="True: whole frames, every window of each. False: single images.")
    ]
    passes: Annotated[
        list[int], Field(description="The K that it has thresholds for.", examples=[[1, 3, 7, 15]])
    ]
    loaded: bool


class SourceInfo(Model):
    """Something that can be watched."""

    name: Annotated[str, Field(description="What to PUT.", examples=["synthetic"])]
    kind: Annotated[str, Field(examples=["synthetic"])]
    description: Annotated[str, Field(examples=["Synthetic scene of drifting digits"])]
    active: bool


class SourceChoice(RequestModel):
    """Which of the offered sources to watch."""

    name: Annotated[str, Field(min_length=1, max_length=64, examples=["synthetic"])]


class Settings(Model):
    """How frames are recognised."""

    k: Passes
    min_margin: Annotated[
        int,
        Field(ge=0, le=65535, description="Detections below it are not shown.", examples=[4]),
    ]
    paused: Annotated[bool, Field(description="Paused: no frame is captured.")]


class SettingsChange(RequestModel):
    """The settings to change; what is left out stays."""

    k: Passes | None = None
    min_margin: Annotated[int, Field(ge=0, le=65535, examples=[4])] | None = None
    paused: bool | None = None


class Rates(Model):
    """Frames a second over the last seconds, each named by what it counts."""

    captured: Annotated[
        PerSecond, Field(description="Taken from the source; of a replay, given to the core.")
    ]
    recognised: Annotated[PerSecond, Field(description="Through the core.")]
    shown: Annotated[
        PerSecond,
        Field(description="Offered to viewers; of a replay, the newest at every look at it."),
    ]


class Counts(Model):
    """Frames since the service started."""

    captured: Annotated[
        Count,
        Field(
            description="Taken from the source; of a replay, given to the core.", examples=[9000]
        ),
    ]
    recognised: Annotated[Count, Field(description="Through the core.", examples=[8998])]
    dropped: Annotated[
        Count, Field(description="Captured, but overtaken before the core.", examples=[2])
    ]
    at_work: Annotated[
        Count,
        Field(description="Captured, and neither recognised nor dropped so far.", examples=[0]),
    ]
    shown: Annotated[Count, Field(description="Offered to viewers.", examples=[8998])]
    source_failures: Annotated[
        Count, Field(description="How often the source could not be opened, or failed.")
    ]


class Latency(Model):
    """Captured to recognised, over the last frames; null before the first."""

    p50_ms: Milliseconds | None
    p99_ms: Milliseconds | None


class SourceState(Model):
    """The source being watched."""

    name: Annotated[str, Field(examples=["synthetic"])]
    kind: Annotated[str, Field(examples=["synthetic"])]
    description: str
    replayed: Annotated[
        bool,
        Field(description="Whether its frames lie in memory, and the core takes them at its rate."),
    ]
    error: Annotated[
        str | None, Field(description="Why no frames come; it is being retried. Null if they do.")
    ]


class Status(Model):
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


class FileResult(Model):
    """What was found in one uploaded file."""

    name: Annotated[str, Field(description="As the client called it.", examples=["seven.png"])]
    width: Pixels
    height: Pixels
    direct: Annotated[
        bool,
        Field(description="True: exactly the network's input size, classified as it is."),
    ]
    detections: list[Detection]


class Classified(Model):
    """The answer to uploaded files, in their order."""

    k: Passes
    overlay: Annotated[str, Field(examples=["digits"])]
    device: Annotated[str, Field(examples=["model"])]
    files: list[FileResult]


class Drawing(Model):
    """The answer to a drawing; null for an empty one."""

    k: Passes
    recognition: Recognition | None


class Cells(Model):
    """FPGA cells after synthesis."""

    lut: Count
    ff: Count
    bram36: Annotated[float, Field(ge=0)]
    carry4: Count


class ModelCard(Model):
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


class Health(Model):
    """`/healthz`, `/readyz`."""

    status: Literal["ok"] = "ok"


class InvalidField(Model):
    """One thing that is wrong with a request."""

    where: Annotated[str, Field(examples=["body.k"])]
    detail: Annotated[str, Field(examples=["Input should be less than or equal to 16"])]


class Problem(Model):
    """Every error, by RFC 9457."""

    type: Annotated[str, Field(examples=["about:blank"])] = "about:blank"
    title: Annotated[str, Field(examples=["Unprocessable Content"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[422])]
    detail: Annotated[str, Field(examples=["k: this overlay has thresholds for 1, 3, 7 and 15"])]
    instance: Annotated[
        str, Field(description="The path asked for.", examples=["/api/v1/settings"])
    ]
    errors: list[InvalidField] = Field(
        default_factory=list, description="Empty unless fields are wrong."
    )
