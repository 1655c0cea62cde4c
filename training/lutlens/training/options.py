"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from lutlens.training.devices import DeviceName
from lutlens.training.engines import EngineName

BUILD = Path("build")
"""Where results go by default."""

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Your own images, a folder or an .npz file, instead of the data set.",
        show_default=False,
    ),
]
EngineOption = Annotated[
    EngineName, typer.Option(help="What executes the network; all give the same scores.")
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Only the first so many test images.", show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field of the recipe; may be given several times.",
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="For everything random.")]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="CPU threads. Default: all cores.", show_default=False)
]
DeviceOption = Annotated[
    DeviceName, typer.Option(help="Where to train; `auto`: a CUDA device if there is one.")
]


def use_threads(threads: int | None) -> None:
    """Of the processor, from now on; None leaves them as they are."""
    if threads is not None:
        torch.set_num_threads(threads)


def length(
    epochs: float | None, minutes: float | None, default: float
) -> tuple[float | None, float | None]:
    """Epochs or minutes of a training, the other one None; `default` epochs if neither is asked for."""
    if epochs is not None and minutes is not None:
        raise typer.BadParameter("give --epochs or --minutes, not both")
    return (default if minutes is None and epochs is None else epochs), minutes
