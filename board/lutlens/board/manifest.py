"""The manifest of an overlay directory: `overlay.json`, its schema and its checks.

An overlay directory holds `NAME.lutnet`, `NAME.hwh`, `vectors.npz` (golden inputs and scores), `README.md` (the model
card), `NAME.bit` once a bitstream has been built, and `overlay.json`, which says what the others are and what they hash
to. `Manifest.load` parses it, `Manifest.verify` holds the directory to it.

That an overlay has run on hardware is said only beside `hil-report.json`, the report of a board that says so too:
`lutlens hil --record` puts both there.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from lutlens.board import schema
from lutlens.board.files import write_atomically
from lutlens.board.hil.report import REPORT_NAME, Report, ReportError
from lutlens.board.schema import BuildId, Count, FileName, Name, Sha256, StrictModel
from lutlens.board.values import Values
from pydantic import Field, model_validator

MANIFEST_NAME = "overlay.json"
VECTORS_NAME = "vectors.npz"
CARD_NAME = "README.md"

Size = Annotated[int, Field(ge=1, le=8192)]
Passes = Annotated[int, Field(ge=1, le=64)]
MAX_CLASSES = 256
MAX_OUTPUTS = 2044
"""Of a core whose outputs are numbers: their scores fill a record of 4 KiB."""
Fraction = Annotated[float, Field(ge=0, le=1)]
PixelsPerClock = Literal[1, 2, 4, 8]
Cores = Literal[1, 2, 4]
Byte = Annotated[int, Field(ge=0, le=255)]


class ManifestError(ValueError):
    """An overlay directory that cannot be used; the message names the file, the field, and what would be right."""


def record_bytes(classes: int) -> int:
    """Bytes of one result record: header (8) and scores (2 a class), up to the next power of two, at least 32."""
    return max(32, 1 << (8 + 2 * classes - 1).bit_length())


class ScanGeometry(StrictModel):
    """What a core that scans frames was built for.

    step_y, step_x: pixels from one window to the next.
    max_positions: windows of a frame whose scores can be added over passes.
    max_windows: peaks that a result lists.
    background: class of windows that show nothing; None if the network has no such class.
    """

    step_y: Size
    step_x: Size
    max_positions: Annotated[int, Field(ge=1, le=1 << 20)]
    max_windows: Annotated[int, Field(ge=1, le=1024)]
    background: Annotated[int, Field(ge=0, le=255)] | None = None


class Geometry(StrictModel):
    """What the core was built for; all but `bits_per_class`, `max_width` and the names can be read back from registers.

    channels: 8-bit values of a pixel, which lie one behind the other.
    bits_per_class: the highest score of one pass; a score of K passes is at most K times that.
    pixels_per_clock: that the network takes.
    scan: of a core that scans frames; None for one that takes single images (batch mode).
    cores: to which images are dealt out in turn.
    lut_ram_beats: the network's memories of lines are in LUTs if a line has at most so many beats, else in block RAM.
    values: what scores stand for where outputs are numbers, whose names `classes` are then.
    """

    image_width: Size
    image_height: Size
    channels: Annotated[int, Field(ge=1, le=64)]
    encoder_bits: Annotated[int, Field(ge=1, le=4)]
    classes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(min_length=1, max_length=MAX_OUTPUTS),
    ]
    bits_per_class: Annotated[int, Field(ge=1, le=4095)]
    max_width: Size
    max_passes: Passes
    record_bytes: Annotated[int, Field(ge=32, le=4096)]
    pixels_per_clock: PixelsPerClock = 1
    scan: ScanGeometry | None = None
    cores: Cores = 1
    lut_ram_beats: Annotated[int, Field(ge=0, le=64)] = 0
    values: Values | None = None

    @property
    def gives(self) -> tuple[int, int, int] | None:
        """Height, width and channels of the images that are its outputs; None if they are none."""
        return self.values.shape if self.values else None

    @property
    def reads_ink(self) -> bool:
        """Whether it reads written characters, which are looked for as ink: their images are grey, and each of their
        classes has a name of one character, or it gives grey images again. Any other network looks at pictures as they
        are.
        """
        if self.gives:
            return self.channels == self.gives[2] == 1
        ground = self.scan.background if self.scan else None
        names = (name for number, name in enumerate(self.classes) if number != ground)
        return self.channels == 1 and all(len(name) == 1 for name in names)

    @property
    def features(self) -> int:
        """What the register FEATURES holds."""
        beside_first = (self.channels - 1) << 16 | (self.cores - 1) << 12
        return beside_first | self.pixels_per_clock << 8 | (self.scan is not None)

    @model_validator(mode="after")
    def _consistent(self) -> Geometry:
        if self.values is None and not 2 <= len(self.classes) <= MAX_CLASSES:
            raise ValueError(f"classes must be 2 to {MAX_CLASSES}, {len(self.classes)} are given")
        if self.values and self.values.outputs not in (None, len(self.classes)):
            raise ValueError(f"values.shape must be of {len(self.classes)} outputs")
        if self.values and self.scan:
            raise ValueError("values must not be given for a core that scans")
        right = record_bytes(len(self.classes))
        if self.record_bytes != right:
            raise ValueError(f"record_bytes must be {right} for {len(self.classes)} classes")
        if self.max_width < self.image_width:
            raise ValueError(f"max_width must be at least image_width, {self.image_width}")
        if self.scan and self.cores != 1:
            raise ValueError("cores must be 1 for a core that scans")
        if self.scan and self.channels != 1:
            raise ValueError("channels must be 1 for a core that scans")
        background = self.scan.background if self.scan else None
        if background is not None and background >= len(self.classes):
            raise ValueError(f"scan.background must be one of {len(self.classes)} classes")
        return self


class Cells(StrictModel):
    """Cells after synthesis: every LUT cell, SRL and LUT-RAM site counted; two BRAM18 are one BRAM36."""

    lut: Count
    ff: Count
    bram36: Annotated[float, Field(ge=0)]
    carry4: Count


class Resources(StrictModel):
    """`core`: encoder, network and scorer. `pl`: everything in the programmable logic."""

    core: Cells
    pl: Cells


class Bitstream(StrictModel):
    """How `NAME.bit` was built, and the clock that place and route supports.

    estimated: whether the toolchain times only a part of all paths, so that `fmax_mhz` is an estimate.
    lut, ff, bram36: what the whole design takes, as the toolchain counts.
    """

    toolchain: Annotated[str, Field(min_length=1, max_length=200)]
    fmax_mhz: Annotated[float, Field(gt=0, le=1000)]
    estimated: bool = False
    board: Name = "pynq-z2"
    seed: Count | None = None
    lut: Count | None = None
    ff: Count | None = None
    bram36: Annotated[float, Field(ge=0)] | None = None


class Simulated(StrictModel):
    """Clocks that a frame takes in the RTL in steady state, as `lutlens bench rtl --update` counted them.

    width, height: of the frames.
    stalls: how the memory behaved, as `lutlens bench rtl --stalls` names it.
    clocks_per_frame: mean, by K.
    """

    width: Size
    height: Size
    stalls: Name
    clocks_per_frame: Annotated[dict[Passes, Annotated[float, Field(gt=0)]], Field(min_length=1)]


class Manifest(StrictModel):
    """`overlay.json`.

    build_id: the first 16 hex digits of the lutnet file's SHA-256; the core's build-id register holds the same.
    files: SHA-256 of every file beside the manifest.
    thresholds: for each K, a list of K passes of `encoder_bits` thresholds (0 to 255).
    clock_mhz: FCLK0, at which the core is clocked.
    accuracy: fraction of test images recognised, at each K measured.
    simulated: what hardware is held to; None if it was not counted yet.
    run_on_hardware: whether every check has passed on a physical board, by the report that lies beside.
    """

    schema_version: Literal[1]
    name: Name
    description: Annotated[str, Field(max_length=2000)]
    build_id: BuildId
    files: dict[FileName, Sha256]
    geometry: Geometry
    thresholds: Annotated[dict[Passes, list[list[Byte]]], Field(min_length=1)]
    clock_mhz: Annotated[float, Field(gt=0, le=1000)]
    resources: Resources | None = None
    accuracy: dict[Passes, Fraction] = Field(default_factory=dict)
    simulated: Simulated | None = None
    bitstream: Bitstream | None = None
    run_on_hardware: bool = False
    tool_versions: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @property
    def lutnet_name(self) -> str:
        return f"{self.name}.lutnet"

    @property
    def hwh_name(self) -> str:
        return f"{self.name}.hwh"

    @property
    def bit_name(self) -> str:
        return f"{self.name}.bit"

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        for needed in (self.lutnet_name, self.hwh_name, VECTORS_NAME, CARD_NAME):
            if needed not in self.files:
                raise ValueError(f"files must list {needed}")
        if (self.bitstream is not None) != (self.bit_name in self.files):
            raise ValueError(f"bitstream must be given exactly if files lists {self.bit_name}")
        if self.run_on_hardware and self.bitstream is None:
            raise ValueError("run_on_hardware must be false while there is no bitstream")
        if self.run_on_hardware and REPORT_NAME not in self.files:
            raise ValueError(f"run_on_hardware must be false unless files lists {REPORT_NAME}")
        lutnet_hash = self.files[self.lutnet_name]
        if not lutnet_hash.startswith(self.build_id):
            raise ValueError(
                f"build_id must be the first 16 digits of the lutnet's hash, {lutnet_hash[:16]}"
            )
        bits = self.geometry.encoder_bits
        for k, passes in self.thresholds.items():
            most = self.geometry.max_passes
            if k > most and (k % most or not self.geometry.values):
                raise ValueError(
                    f"thresholds.{k}: the core has at most {most} passes; the driver adds up whole "
                    "rounds of them where outputs are numbers"
                )
            if len(passes) != k or any(len(levels) != bits for levels in passes):
                raise ValueError(f"thresholds.{k} must be {k} passes of {bits} thresholds")
        simulated = self.simulated.clocks_per_frame if self.simulated else {}
        for name, by_k in (("accuracy", self.accuracy), ("simulated", simulated)):
            for k in by_k:
                if k not in self.thresholds:
                    raise ValueError(
                        f"{name}.{k}: there are thresholds for {sorted(self.thresholds)}"
                    )
        return self

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Manifest:
        """Read `directory/overlay.json`. Of the other files only the report is looked at, where one is needed.

        Raises ManifestError.
        """
        root = Path(directory)
        manifest = schema.read(cls, root / MANIFEST_NAME, ManifestError)
        if manifest.run_on_hardware:
            manifest._check_report(root)
        return manifest

    def _check_report(self, root: Path) -> None:
        """Whether `hil-report.json` says what `run_on_hardware` says. Raises ManifestError."""
        path = root / REPORT_NAME
        self._check_hash(root, REPORT_NAME)
        try:
            report = Report.load(path)
        except ReportError as error:
            raise ManifestError(f"run_on_hardware: {error}") from error
        wrong = report.why_no_sign_off(self.name, self.build_id, self.files, self.clock_mhz)
        if wrong:
            raise ManifestError(
                f"{root / MANIFEST_NAME}: run_on_hardware must be false: {path}: {wrong}"
            )

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write `directory/overlay.json`; it appears whole or not at all."""
        text = self.model_dump_json(indent=2) + "\n"
        write_atomically(Path(directory) / MANIFEST_NAME, text.encode())

    def verify(self, directory: str | os.PathLike[str]) -> None:
        """Hash every file. Raises ManifestError if one is missing, differs, or lies there unannounced.

        Hidden files and directories are not looked at.
        """
        root = Path(directory)
        for name in self.files:
            self._check_hash(root, name)
        for path in sorted(root.iterdir()):
            known = path.name in self.files or path.name == MANIFEST_NAME
            if path.is_file() and not known and not path.name.startswith("."):
                raise ManifestError(f"{path}: not listed under files in {MANIFEST_NAME}")

    def _check_hash(self, root: Path, name: str) -> None:
        actual, expected = sha256_of(root / name), self.files[name]
        if actual != expected:
            raise ManifestError(
                f"{root / name}: hashes to {actual[:16]}..., "
                f"files.{name} in {MANIFEST_NAME} says {expected[:16]}...: not of the same build"
            )


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hex digest of a file's content. Raises ManifestError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as f:
            while chunk := f.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise ManifestError(f"{os.fspath(path)}: {error.strerror or error}") from error
    return digest.hexdigest()
