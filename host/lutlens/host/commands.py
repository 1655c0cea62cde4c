"""Commands of the `lutlens` command line that the host room brings. Docstrings are manual pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from lutlens.host.overlay import DEFAULT_CLOCK_MHZ
from lutlens.host.systemverilog import DEFAULT_MAX_WIDTH

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
OverlayDirectory = Annotated[
    Path, typer.Argument(metavar="OVERLAY", help="An overlay directory, such as overlays/digits.")
]


def generate(
    lutnet: Annotated[
        Path, typer.Argument(metavar="LUTNET", help="The network, as `lutlens train` wrote it.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The directory; its name is the overlay's.")
    ],
    clock: Annotated[
        float, typer.Option(metavar="MHZ", help="FCLK0; the next slower one that the board has.")
    ] = DEFAULT_CLOCK_MHZ,
    max_width: Annotated[
        int, typer.Option(metavar="PIXELS", help="Widest frame that the line buffers hold.")
    ] = DEFAULT_MAX_WIDTH,
    description: Annotated[str, typer.Option(help="One sentence for the model card.")] = "",
    as_json: Json = False,
) -> None:
    """Turn a lutnet into an overlay directory.

    The directory gets the lutnet, the `.hwh` that pynq reads, golden vectors, the manifest
    `overlay.json` with the hash of every file, and a model card. It appears whole or not at all; an
    overlay that was there is replaced. The RTL is not in it: the lutnet reproduces it.

        lutlens generate digits.lutnet --out overlays/digits
    """
    from lutlens.host import overlay

    manifest = overlay.generate(
        lutnet, out, clock_mhz=clock, max_width=max_width, description=description
    )
    if as_json:
        print(json.dumps({"overlay": str(out), **manifest.model_dump(mode="json")}))
        return
    typer.echo(f"{out}: build {manifest.build_id}, FCLK0 {manifest.clock_mhz} MHz")
