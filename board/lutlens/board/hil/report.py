"""`hil-report.json`: which device was checked, with which overlay, by which checks, and how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

from lutlens.board import schema
from lutlens.board.files import write_atomically
from lutlens.board.schema import BuildId, FileName, Name, Sha256, StrictModel
from pydantic import AwareDatetime, Field

REPORT_NAME = "hil-report.json"

Text = Annotated[str, Field(max_length=4000)]
CheckName = Literal[
    "files",
    "registers",
    "build",
    "golden",
    "images",
    "accuracy",
    "rings",
    "watchdog",
    "clocks",
    "clock",
    "rate",
    "soak",
    "rest",
]
CHECK_NAMES: tuple[CheckName, ...] = get_args(CheckName)

State = Literal["passed", "failed", "not applicable", "skipped"]
"""not applicable: makes no sense for this device or overlay. skipped: it does, and was not done."""

CHANGES_WITH_THE_REPORT = ("README.md", REPORT_NAME)
"""Files of an overlay that differ before and after a report is put into it: the card tells of it."""


class ReportError(ValueError):
    """A report that cannot be used; the message names the file, the field, and what is wrong."""


class Outcome(StrictModel):
    """How a check ended. detail: what was found, one sentence; figures: by name, with the unit in the name."""

    check: CheckName
    state: State
    detail: Text
    figures: dict[str, float | int | str] = Field(default_factory=dict)
    seconds: Annotated[float, Field(ge=0)]


class DeviceFacts(StrictModel):
    """What the checks ran on.

    kind: "board", or the simulated device. name: as `pynq` has it. host: as it was reached; None for this machine.
    machine: processor and system. model: what the device tree says; None where there is none.
    """

    kind: Literal["board", "model", "rtl"]
    name: Text
    host: Text | None
    machine: Text
    model: Text | None


class OverlayFacts(StrictModel):
    """The overlay as it was checked: its hashes are those of overlay.json at that time."""

    name: Name
    build_id: BuildId
    files: dict[FileName, Sha256]
    clock_mhz: float


class Report(StrictModel):
    """`hil-report.json`. soak_s: how long the soak was to last."""

    schema_version: Literal[1] = 1
    device: DeviceFacts
    overlay: OverlayFacts
    soak_s: float
    started_at: AwareDatetime
    finished_at: AwareDatetime
    outcomes: list[Outcome]
    tool_versions: dict[str, str]

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.state == "failed"]

    @property
    def open(self) -> list[CheckName]:
        """Checks that were skipped, or are not there at all."""
        done = {o.check for o in self.outcomes if o.state in ("passed", "failed", "not applicable")}
        return [name for name in CHECK_NAMES if name not in done]

    def why_no_sign_off(
        self, name: str, build_id: str, files: Mapping[str, str], clock_mhz: float
    ) -> str | None:
        """Why this report does not say that an overlay has run on hardware; None if it does."""
        if self.device.kind != "board":
            return f"device.kind is {self.device.kind}, must be board"
        for field, ours, right in (
            ("name", self.overlay.name, name),
            ("build_id", self.overlay.build_id, build_id),
            ("clock_mhz", self.overlay.clock_mhz, clock_mhz),
        ):
            if ours != right:
                return f"overlay.{field} is {ours}, must be {right}"
        for file, right in files.items():
            if file not in CHANGES_WITH_THE_REPORT and self.overlay.files.get(file) != right:
                return f"overlay.files.{file} is not what overlay.json lists: of another build"
        if self.failed:
            return f"check {self.failed[0].check} failed: {self.failed[0].detail}"
        if self.open:
            return f"check {self.open[0]} was not done"
        return None

    @classmethod
    def load(cls, path: Path) -> Report:
        """Raises ReportError."""
        return schema.read(cls, path, ReportError)

    def to_bytes(self) -> bytes:
        return self.model_dump_json(indent=2).encode() + b"\n"

    def save(self, path: Path) -> None:
        """It appears whole or not at all. Raises OSError."""
        write_atomically(path, self.to_bytes())
