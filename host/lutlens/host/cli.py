"""The `lutlens` command, assembled from the entry points of every installed room.

`lutlens.commands` names the commands, `lutlens.bench` the members of `lutlens bench`. A command's
module is imported when it runs, not before: `lutlens --help` neither needs nor waits for PyTorch.
What the list says about a command is the first line of its function's docstring, read from the
source. Docstrings are the manual pages, in Markdown.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import warnings
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

FAILED, BAD_INPUT = 1, 2
MARKUP: Final = "markdown"
# The order of work; what other packages add follows by name.
ORDER = (
    *(
        "demo",
        "doctor",
        "recipes",
        "train",
        "sweep",
        "eval",
        "passes",
        "modulators",
        "reconstruct",
        "sequence",
        "lowpass",
        "generate",
        "info",
        "synth",
        "build",
        "package-ip",
    ),
    *("serve", "deploy", "status", "logs", "undeploy", "hil", "bench"),
)


class CommandUnavailable(RuntimeError):
    """A command whose module cannot be imported here."""


class LazyCommand(TyperCommand):
    """A command that is imported when it is first parsed."""

    def __init__(self, entry_point: EntryPoint) -> None:
        super().__init__(entry_point.name, help=_summary(entry_point), rich_markup_mode=MARKUP)
        self.entry_point = entry_point

    @cached_property
    def loaded(self) -> Any:
        try:
            function = self.entry_point.load()
        except (ImportError, AttributeError) as error:
            room = self.entry_point.module.split(".")[1]
            raise CommandUnavailable(
                f"`lutlens {self.name}` cannot be loaded ({error}); "
                f"it needs the packages of: pip install 'lutlens[{room}]'"
            ) from error
        app = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
        app.command(self.name)(function)
        return get_command(app)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        return self.loaded.make_context(*args, **kwargs)


def _summary(entry_point: EntryPoint) -> str:
    """First line of the function's docstring, found without importing its module."""
    # A room, `lutlens.training` say, is found without importing it; what is within would import the room.
    *packages, module = entry_point.module.split(".")
    room, inner = packages[:2], packages[2:]
    spec = importlib.util.find_spec(".".join(room))
    for folder in (spec and spec.submodule_search_locations) or ():
        source = Path(folder, *inner, f"{module}.py")
        if not source.is_file():
            continue
        for node in ast.parse(source.read_bytes(), source).body:
            if isinstance(node, ast.FunctionDef) and node.name == entry_point.attr:
                return (ast.get_docstring(node) or "").partition("\n")[0]
    return "(not installed)"


def _add(group: TyperGroup, entry_point_group: str) -> None:
    for entry_point in entry_points(group=entry_point_group):
        group.add_command(LazyCommand(entry_point))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"lutlens {version('lutlens')}")
        raise typer.Exit


def _lutlens(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Networks of FPGA look-up tables: train, turn into an overlay, watch recognising digits live.

    The way of a network: `train` writes a lutnet, `eval` measures it, `generate` makes an overlay
    of it, `synth` counts its area, `build` makes its bitstream, `serve` shows it in the browser.
    `demo` does all of it in a few minutes, `doctor` tells what can run on this machine.

    Every command has `--json`: one JSON object on the standard output, progress on the standard
    error.

    Exit status: 0 done; 1 failed, or a check not met; 2 wrong usage or input. `LUTLENS_DEBUG=1`
    shows the traceback of an error that would otherwise be one line.
    """


def _bench() -> None:
    """Measure speed: training, inference and scans in C, the live service, or clocks of the RTL."""


def _group(function: Any) -> Any:
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=MARKUP,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(function)
    return get_command(app)


def build() -> Any:
    """The whole command line."""
    root, bench = _group(_lutlens), _group(_bench)
    _add(root, "lutlens.commands")
    _add(bench, "lutlens.bench")
    root.add_command(bench, "bench")
    bench.name = "bench"
    places = {name: place for place, name in enumerate(ORDER)}
    root.commands = dict(
        sorted(root.commands.items(), key=lambda item: (places.get(item[0], len(ORDER)), item[0]))
    )
    return root


def _status(error: Exception) -> int | None:
    """Exit status of an error that a user can understand from its message; None for a bug of ours.

    Our own error types say what is wrong: a ValueError or OSError among them is about the input,
    another kind about what failed. An OSError of Python's about a file is about the input too.
    """
    if type(error).__module__.startswith("lutlens."):
        about_input = isinstance(error, (ValueError, OSError))
        return BAD_INPUT if about_input and not isinstance(error, TimeoutError) else FAILED
    if isinstance(error, OSError) and error.filename is not None:
        return BAD_INPUT
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and leave the process with its exit status."""
    # pynq's dependency on pkg_resources, which has its own opinion of namespace packages.
    warnings.filterwarnings("ignore", module=r"pynqutils\.")
    try:
        build().main(args=arguments, prog_name="lutlens")
    except Exception as error:
        status = _status(error)
        if status is None or os.environ.get("LUTLENS_DEBUG"):
            raise
        if isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename}: {error.strerror}"
        else:
            message = str(error)
        print(f"lutlens: {message}", file=sys.stderr)
        sys.exit(status)
