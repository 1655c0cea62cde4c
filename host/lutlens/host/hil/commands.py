"""`lutlens hil`. The docstring is its manual page."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from lutlens.board.files import write_atomically
from lutlens.board.hil.bench import SOAK_S
from lutlens.board.hil.report import REPORT_NAME, OverlayFacts, Report
from lutlens.board.manifest import Manifest
from lutlens.host import overlay
from lutlens.host.commands import DeviceName, JsonOption
from lutlens.host.deployment.commands import RootOption, connecting
from lutlens.host.deployment.deploy import DEFAULT_ROOT
from lutlens.host.deployment.ssh import Connection, Target
from lutlens.host.devices import open_device
from lutlens.host.hil import local, page, reference, remote
from lutlens.host.hil.events import Ran
from lutlens.host.hil.progress import Progress
from lutlens.host.paths import REPOSITORY

SHIPPED = REPOSITORY / "overlays/digits"
PAGE_NAME = "hil-report.html"
OUT = Path("build/hil")
RTL_IMAGES = 20
FAILED, INCOMPLETE = 1, 3


@connecting
def hil(
    target: Target | None = None,
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OVERLAY]",
            help="The overlay directory.",
            show_default="overlays/digits; with --host the shipped one of the name deployed there",
        ),
    ] = None,
    device: Annotated[
        DeviceName | None,
        typer.Option(help="On this machine. Default: model.", show_default=False),
    ] = None,
    soak: Annotated[
        float,
        typer.Option(min=0, max=7 * 86400, metavar="S", help="How long the core is kept busy."),
    ] = SOAK_S,
    images: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Only the first so many test images; accuracy is of all.",
            show_default=f"all; {RTL_IMAGES} on rtl",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The data that the overlay was trained on, a folder or an .npz, instead of MNIST.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="For the report. Default: build/hil/NAME-DEVICE.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="If every check passes on a board, say so in the overlay's manifest."
        ),
    ] = False,
    root: RootOption = DEFAULT_ROOT,
    json_output: JsonOption = False,
) -> None:
    """Check an overlay on a board, or on a simulated device, and write a report.

    The same checks everywhere, in this order: `files` and their hashes; `registers` and their reset
    values; `build` id, geometry and clock; `golden` vectors; test `images`, every answer compared with
    the generated C's; `accuracy`, exactly the manifest's; `rings` that wrap around, and full ones;
    `watchdog` and recovery; `clocks` a frame takes, against the simulated; `clock`, FCLK0 by the wall
    clock; frame `rate`, by the same; a `soak` of random batches; the `rest` contract of the service.
    What makes no sense for a device or an overlay is `not applicable`, with the reason.

    With `--host` the release that `lutlens deploy` brought there is checked. Its service, which owns
    the device, is stopped for the checks and started again afterwards, whatever happens; the page is
    away meanwhile. Test images are sent along: they are read here, as by `lutlens train`, from
    LUTLENS_DATA. The REST contract is checked over the network.

    The report is `hil-report.json`, and `hil-report.html` for people. With `--record`, and from a board's
    alone, it goes into the overlay directory: `run_on_hardware` in `overlay.json` is believed only beside it.

    Exit status: 0 every check passed, or was not applicable; 1 a check failed, or could not be carried
    through; 2 wrong usage or input; 3 no check failed, but some were skipped.

        lutlens hil overlays/digits --device model --soak 10
        lutlens hil --host pynq.local --record
    """
    if target and device:
        raise typer.BadParameter(
            "--host and --device exclude each other: what is deployed there runs"
        )
    kind = (device or DeviceName.model).value
    if record and not target and kind != "board":
        raise typer.BadParameter(
            f"--record: run on hardware is what a board says, not device {kind}"
        )
    begun = datetime.now(timezone.utc)
    with Progress() as progress:
        if target:
            directory, manifest, ran = _there(
                target, root, directory, data, images, soak, record, progress
            )
        else:
            directory = directory or SHIPPED
            manifest, ran = _here(directory, kind, data, images, soak, progress)
    report = Report(
        device=ran.device,
        overlay=OverlayFacts(
            name=manifest.name,
            build_id=manifest.build_id,
            files=manifest.files,
            clock_mhz=manifest.clock_mhz,
        ),
        soak_s=soak,
        started_at=begun,
        finished_at=datetime.now(timezone.utc),
        outcomes=ran.outcomes,
        tool_versions=ran.tool_versions,
    )
    folder = out or OUT / f"{manifest.name}-{report.device.kind}"
    folder.mkdir(parents=True, exist_ok=True)
    report.save(folder / REPORT_NAME)
    write_atomically(folder / PAGE_NAME, page.render(report).encode())
    if json_output:
        print(report.model_dump_json())
    else:
        print(f"{page.verdict(report)}; {folder / PAGE_NAME}")
    if report.failed:
        raise typer.Exit(FAILED)
    if report.open:
        raise typer.Exit(INCOMPLETE)
    if record:
        overlay.set_report(directory, report)


def _here(
    directory: Path,
    kind: str,
    data: Path | None,
    images: int | None,
    soak: float,
    progress: Progress,
) -> tuple[Manifest, Ran]:
    manifest = Manifest.load(directory)
    progress.told("reading test images")
    limit = images or (RTL_IMAGES if kind == "rtl" else None)
    known = reference.make(directory, manifest, data=data, limit=limit)
    with open_device(kind) as device:  # type: ignore[arg-type]
        return manifest, local.run(directory, device, known, soak, progress)


def _there(
    where: Target,
    root: str,
    directory: Path | None,
    data: Path | None,
    images: int | None,
    soak: float,
    record: bool,
    progress: Progress,
) -> tuple[Path, Manifest, Ran]:
    progress.told(f"connecting to {where}")
    with Connection(where) as far:
        deployed = remote.find(far, root, directory)
        kind = deployed.release.device
        if record and kind != "board":
            raise typer.BadParameter(
                f"--record: {where.host} runs device {kind}; run on hardware is what a board says"
            )
        progress.told("reading test images")
        limit = images or (RTL_IMAGES if kind == "rtl" else None)
        known = reference.make(deployed.directory, deployed.manifest, data=data, limit=limit)
        ran = remote.run(deployed, known, soak, progress)
    return deployed.directory, deployed.manifest, ran
