"""`lutlens demo`: the whole way, from images to the live page."""

from __future__ import annotations

import io
import socket
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from lutlens.board.files import write_atomically
from lutlens.board.manifest import MANIFEST_NAME
from lutlens.board.overlay import load
from lutlens.host import overlay
from lutlens.host.commands import DeviceName, serve
from lutlens.host.devices import open_device
from lutlens.training import datasets, recipes
from lutlens.training.data import DataSet
from lutlens.training.loop import Run, Trainer
from lutlens.training.options import BUILD
from lutlens.training.publish import publish
from lutlens.training.train_command import result_table, training_progress
from rich.console import Console

NAME = "digits"
SHIPPED = Path("overlays") / NAME
INTERRUPTED = 130


class DemoError(ValueError):
    """The demo cannot start; the message says what would be right."""


def demo(
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Serve overlays/digits, without training.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: a free one.")] = 8000,
    minutes: Annotated[float, typer.Option(min=0.05, help="How long to train.")] = 1.0,
    device: Annotated[
        DeviceName, typer.Option(help="What runs it: `model` is fast, `rtl` exact to the clock.")
    ] = DeviceName.model,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="For everything random.")] = 1,
) -> None:
    """Train, turn into an overlay, check against its RTL, and show it live in the browser.

    Trains `digits` for about a minute, writes `build/digits.lutnet`, generates
    `build/overlays/digits` from it, replays its golden vectors through the programmable logic under
    Verilator, and starts the service on a simulated device, with a scene of drifting test digits.
    Open the URL that it prints. Ctrl-C ends it, at any point.

    With `--shipped` the overlay that comes with lutlens is served at once.

        lutlens demo --shipped --port 8001
    """
    console = Console()
    try:
        _check_port(port)
        images = datasets.load()
        directory = _shipped() if shipped else _make_overlay(images, minutes, seed, console)
        scene = _write_scene(images)
        serve(directory, device=device, port=port, source=[f"synthetic:{scene}"])
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(INTERRUPTED) from None


def _make_overlay(images: DataSet, minutes: float, seed: int, console: Console) -> Path:
    run = Run(
        recipe=recipes.recipe(NAME),
        seed=seed,
        data_sha256=images.sha256,
        epochs=None,
        minutes=minutes,
    )
    lutnet_path = BUILD / f"{NAME}.lutnet"
    trainer = Trainer(run, images, BUILD / f"{NAME}.train")
    console.rule("1. train")
    with training_progress(console) as report:
        trainer.train(report)
    with console.status("") as status:
        lutnet = publish(trainer, lutnet_path, report=status.update)
    console.print(result_table(lutnet))
    console.print(f"{lutnet_path}: {lutnet.nodes} nodes; {trainer.folder / 'curves.png'}")

    console.rule("2. turn into an overlay")
    directory = BUILD / "overlays" / NAME
    manifest = overlay.generate(
        lutnet_path, directory, description=f"{NAME}, trained by the demo in {minutes:g} min."
    )
    console.print(f"{directory}: build {manifest.build_id}")

    console.rule("3. check against the RTL")
    with console.status("compiling the programmable logic with Verilator, replaying vectors"):
        vectors = _replay_in_rtl(directory)
    console.print(f"{vectors} golden vectors: RTL and lutnet agree on every score")
    return directory


def _replay_in_rtl(directory: Path) -> int:
    """The driver's self-test on the whole simulated logic; the number of images it replayed."""
    with open_device("rtl") as device:
        classifier = load(directory, device)
        try:
            return classifier.counters().frames_out
        finally:
            classifier.close()


def _shipped() -> Path:
    """The overlay that ships: below the current folder, or in the checkout of this package."""
    for root in (Path(), *Path(__file__).resolve().parents):
        if (root / SHIPPED / MANIFEST_NAME).is_file():
            return root / SHIPPED
    raise DemoError(f"{SHIPPED}: not found; run this in a checkout of lutlens")


def _write_scene(images: DataSet) -> Path:
    """The test digits, for the synthetic scene: images that the network was not trained on."""
    file = io.BytesIO()
    np.savez(file, images=images.test.images, labels=images.test.labels)
    BUILD.mkdir(exist_ok=True)
    path = BUILD / "test-digits.npz"
    write_atomically(path, file.getvalue())
    return path


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(f"port {port}: {error.strerror}; choose another by --port") from error
