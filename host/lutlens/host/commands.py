"""Commands of the `lutlens` command line that the host room brings. Docstrings are manual pages."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from lutlens.host import overlay
from lutlens.host.overlay import DEFAULT_CLOCK_MHZ
from rich.console import Console
from rich.table import Table

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on the standard output.")
]
NetworkArgument = Annotated[
    Path,
    typer.Argument(metavar="OVERLAY|F.lutnet", help="An overlay directory, or a lutnet file."),
]


def generate(
    lutnet: Annotated[
        Path, typer.Argument(metavar="F.lutnet", help="The network, as `lutlens train` wrote it.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIRECTORY", help="Its name becomes the overlay's name."),
    ],
    clock: Annotated[
        float, typer.Option(metavar="MHZ", help="FCLK0; becomes the next one that the board has.")
    ] = DEFAULT_CLOCK_MHZ,
    max_width: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Widest frame that the line buffers hold. Default: an image's width; scan: 640.",
            show_default=False,
        ),
    ] = None,
    pixels_per_clock: Annotated[
        int, typer.Option(metavar="1|2|4|8", help="Pixels that the network takes a clock.")
    ] = 1,
    scan: Annotated[
        bool,
        typer.Option("--scan", help="A core that scans whole frames, not one for single images."),
    ] = False,
    cores: Annotated[
        int,
        typer.Option(metavar="1|2|4", help="Cores to which single images are dealt out in turn."),
    ] = 1,
    lut_ram_beats: Annotated[
        int,
        typer.Option(
            metavar="BEATS",
            min=0,
            max=64,
            help="Keep the network's memories of lines in LUTs, not in block RAM, where a line has at most "
            "so many beats.",
        ),
    ] = 0,
    description: Annotated[
        str, typer.Option(metavar="TEXT", help="One sentence for the model card.")
    ] = "",
    json_output: JsonOption = False,
) -> None:
    """Turn a lutnet into an overlay directory.

    It gets the lutnet, the `.hwh` that pynq reads, golden vectors, a model card, and the manifest
    `overlay.json` with the hash of every file. The directory appears whole or not at all; an
    overlay that was there is replaced. The RTL is not in it: the lutnet reproduces it.

    A batch build, the default, recognises single images. A scan build (`--scan`) takes frames of
    any height, up to `--max-width` wide, and gives a class for every position of its window; a
    class called `background` is what the network says where nothing is to be found.

        lutlens generate digits.lutnet --out overlays/digits
        lutlens generate scan.lutnet --out overlays/scan --scan --pixels-per-clock 8
        lutlens generate digits.lutnet --out overlays/fast --cores 4 --pixels-per-clock 8
    """
    manifest = overlay.generate(
        lutnet,
        out,
        clock_mhz=clock,
        max_width=max_width,
        pixels_per_clock=pixels_per_clock,
        scan=scan,
        cores=cores,
        lut_ram_beats=lut_ram_beats,
        description=description,
    )
    if json_output:
        print(json.dumps({"overlay": str(out), **manifest.model_dump(mode="json")}))
    else:
        print(f"{out}: build {manifest.build_id}, FCLK0 {manifest.clock_mhz} MHz")


def synth(
    path: NetworkArgument,
    update: Annotated[
        bool,
        typer.Option("--update", help="Write the counts into the overlay's manifest and card."),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Synthesise for xc7z020 with Yosys, and count the cells.

    `core` is the encoder, the network and the scorer; `pl` is the whole programmable logic.
    LUT counts every LUT cell, inverter, shift register and site of LUT-RAM, small ones not paired;
    two BRAM18 are one BRAM36. Depth is the number of LUTs between two flip-flops. An overlay's
    line buffers are as wide as its manifest says, a lutnet's as its images.

        lutlens synth overlays/digits --update
    """
    from lutlens.host.area import for_manifest, synthesise_all
    from lutlens.host.rtl import Build

    lutnet, manifest = overlay.read(path)
    if update and manifest is None:
        raise typer.BadParameter(f"{path} is no overlay directory; --update needs one")
    build = Build.of(manifest.geometry) if manifest else Build.for_images(lutnet)
    with Console(stderr=True).status("synthesising, a minute or two"):
        found = synthesise_all(lutnet, build)
    if update:
        overlay.set_resources(path, for_manifest(found))
    if json_output:
        print(json.dumps({name: asdict(cells) for name, cells in found.items()}))
        return
    table = Table("", "LUT", "FF", "BRAM36", "CARRY4", "depth")
    for name, cells in found.items():
        table.add_row(name, *(str(number) for number in asdict(cells).values()))
    Console().print(table)


class DeviceName(str, Enum):
    """Kinds of devices, as `lutlens.host.devices.open_device` knows them."""

    model = "model"
    rtl = "rtl"
    board = "board"


def serve(
    directory: Annotated[
        Path, typer.Argument(metavar="OVERLAY", help="The overlay directory to begin with.")
    ],
    device: Annotated[
        DeviceName, typer.Option(help="What runs it: `model` is fast, `rtl` exact to the clock.")
    ] = DeviceName.model,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:ARGUMENT]",
            help="What to watch; may be given several times. Default: synthetic.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", min=1, max=16, help="Passes. Default: the fewest.")
    ] = None,
    min_margin: Annotated[
        int, typer.Option(min=0, help="Leave out what is recognised by a smaller margin.")
    ] = 0,
    own_processor: Annotated[
        bool,
        typer.Option(
            "--own-processor",
            help="Keep a processor for the `model` device: it works beside the service, as logic does.",
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further name by which browsers may call the service.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show an overlay live in the browser.

    Starts the service that runs on the board, on a simulated device in the same process: live
    page, REST, WebSocket and metrics. Prints the URL once golden vectors were replayed, and stays
    until Ctrl-C. The overlays beside the given one can be loaded from the page.

    Devices: `model` has the network in C behind the registers of the programmable logic; `rtl`
    is the logic itself under Verilator; `board` is what pynq finds on this machine.

    Sources: `camera:N`, `video:FILE`, `folder:DIRECTORY`, `synthetic`, `synthetic:FILE.npz`,
    `pattern`; the first is watched at the beginning. An overlay that scans frames replays the
    pattern from memory, as fast as the core is.

    Whoever can reach the service may look. Changes need the token in the printed URL, unless the
    service listens on this machine alone; LUTLENS_TOKEN sets it, and then it is not printed.

        lutlens serve overlays/digits
        lutlens serve overlays/digits --device rtl --source video:clip.mp4
    """
    from lutlens.board.serve import serve as run
    from lutlens.board.service.settings import ServiceSettings
    from lutlens.host.devices import open_device

    try:
        settings = ServiceSettings.given(host, port, allow_host or ())
        with open_device(DeviceName(device).value, own_processor=own_processor) as opened:
            run(
                directory,
                opened,
                settings=settings,
                source_texts=tuple(source or ()),
                k=k,
                min_margin=min_margin,
            )
    except KeyboardInterrupt:
        return
    except ValueError as error:  # an option, an overlay, a source or a K that does not fit
        raise typer.BadParameter(str(error)) from error


def info(path: NetworkArgument, json_output: JsonOption = False) -> None:
    """Tell what is in a lutnet or an overlay.

    Its input, passes, classes and accuracy; stage by stage the windows, layers and nodes, and what
    simplification removes of them: constants, buffers, nodes equal to others, nodes nobody reads.
    An overlay's files are checked against their hashes first.

        lutlens info overlays/digits
    """
    from lutlens.host.info import describe, render

    lutnet, manifest = overlay.read(path)
    if json_output:
        print(json.dumps(describe(lutnet, manifest)))
    else:
        Console().print(render(lutnet, manifest))
