"""Commands of the `lutlens` command line for deployed releases. Docstrings are manual pages."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from lutlens.host.commands import DeviceName, JsonOption
from lutlens.host.deployment import DeploymentError
from lutlens.host.deployment import deploy as steps
from lutlens.host.deployment.deploy import DEFAULT_ROOT, PYNQ_PYTHON, Plan
from lutlens.host.deployment.ssh import Target
from lutlens.host.deployment.unit import ServiceOptions

RootOption = Annotated[
    str, typer.Option("--root", metavar="DIRECTORY", help="Where releases are kept there.")
]


class Init(str, Enum):
    """What starts the service at the far end."""

    systemd = "systemd"
    none = "none"


def _target(
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="The board's name or address.")
    ],
    user: Annotated[str, typer.Option("--user", help="Who to log in as.")] = "xilinx",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of ssh.")] = 22,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", metavar="FILE", help="Private key. Default: the agent's, and ~/.ssh's."
        ),
    ] = None,
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin", help="Read the password, for ssh and sudo, from the standard input."
        ),
    ] = False,
    ask_password: Annotated[
        bool, typer.Option("--ask-password", "-p", help="Ask for the password.")
    ] = False,
    host_key: Annotated[
        str | None,
        typer.Option(
            "--host-key",
            metavar="SHA256:...",
            help="Accept and remember this one unknown host key.",
        ),
    ] = None,
    known_hosts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Host keys to trust. Default: ~/.ssh/known_hosts.",
            show_default=False,
        ),
    ] = None,
) -> Target:
    """The far end, by the options that all these commands have."""
    if password_stdin and ask_password:
        raise typer.BadParameter("--password-stdin and --ask-password exclude each other")
    password = None
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif ask_password:
        password = getpass.getpass(f"{user}@{host}'s password: ")
    if password == "":
        raise typer.BadParameter("the password is empty")
    if key is not None and not key.is_file():
        raise typer.BadParameter(f"--key: {key}: there is no such file")
    chosen = {} if known_hosts is None else {"known_hosts": known_hosts}
    return Target(host, user, port, host_key=host_key, key=key, password=password, **chosen)


def connecting(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is a `Target`, with the options of `_target` in its place.

    Where that parameter has the default None, so has --host.
    """
    options = dict(signature(_target, eval_str=True).parameters)
    first, *own = signature(command, eval_str=True).parameters.values()
    if first.default is None:
        options["host"] = options["host"].replace(default=None)
    parameters = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in (*options.values(), *own)]

    @wraps(command)
    def connect(**given: Any) -> None:
        asked = {name: given.pop(name) for name in options}
        command(None if asked["host"] is None else _target(**asked), **given)

    # What typer reads.
    connect.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    connect.__annotations__ = {p.name: p.annotation for p in parameters}
    return connect


@connecting
def deploy(
    target: Target,
    directory: Annotated[
        Path, typer.Argument(metavar="OVERLAY", help="The overlay directory to deploy.")
    ],
    offline: Annotated[
        bool, typer.Option("--offline", help="The board has no network: collect packages here.")
    ] = False,
    python: Annotated[
        str, typer.Option(metavar="PATH", help="The Python environment there to build on.")
    ] = PYNQ_PYTHON,
    root: RootOption = DEFAULT_ROOT,
    device: Annotated[
        DeviceName, typer.Option(help="`model` and `rtl` are for machines without a PL.")
    ] = DeviceName.board,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="127.0.0.1: only the board itself sees the page.")
    ] = "0.0.0.0",
    service_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the page.")] = 8000,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:ARGUMENT]",
            help="What to watch, as of `lutlens serve`; may be given several times.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", min=1, max=16, help="Passes. Default: the fewest.")
    ] = None,
    init: Annotated[
        Init | None,
        typer.Option(help="Default: systemd if the far end runs it.", show_default=False),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1, max=3600, metavar="S", help="The service gets ready within it.")
    ] = 120.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at the far end; print every step, do none.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Bring an overlay to a board over ssh, and let it run there from now on.

    Copies the wheel and the overlay into a directory of their own, verifies every hash there,
    installs what is missing into a layer over PYNQ's Python environment, which stays as it is, and
    starts a systemd service that replays the golden vectors before it answers. The release that
    ran before comes back if the new one does not get ready. A board's logic holds one overlay, so
    between the two the service is away for some seconds.

    An unknown host key is refused: the message says how to accept it. The token in the printed URL
    is made once and kept at the far end, for the service and for root to read.

        lutlens deploy overlays/digits --host pynq.local
        lutlens deploy overlays/digits --host pynq.local --offline --dry-run
    """
    plan = Plan(
        directory,
        ServiceOptions(device.value, listen, service_port, (), tuple(source or ()), k),
        python,
        root,
        init.value if init else None,
        offline,
        patience,
        dry_run,
    )
    done = steps.deploy(target, plan, lambda text: print(text, file=sys.stderr, flush=True))
    if json_output:
        print(json.dumps(asdict(done)))
    elif done.url:
        print(done.url)


@connecting
def undeploy(
    target: Target,
    root: RootOption = DEFAULT_ROOT,
    json_output: JsonOption = False,
) -> None:
    """Stop the service on a board and remove what `lutlens deploy` put there.

    PYNQ's Python environment needs no repair: nothing was put into it.

        lutlens undeploy --host pynq.local
    """
    removed = steps.manage(target, root, "remove")
    _fail_on(removed, "not removed")
    print(
        json.dumps(removed)
        if json_output
        else f"{target.host}: release {removed['release']} removed"
    )


@connecting
def status(
    target: Target,
    root: RootOption = DEFAULT_ROOT,
    json_output: JsonOption = False,
) -> None:
    """Tell what runs on a board: release, overlay, build, and whether it is ready.

    Exit status 1 if it is not.

        lutlens status --host pynq.local
    """
    found = steps.manage(target, root, "status")
    if json_output:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"{name.replace('_', ' '):15} {'-' if shown in (None, '') else shown}")
    if found.get("problem"):
        raise typer.Exit(1)


@connecting
def logs(
    target: Target,
    root: RootOption = DEFAULT_ROOT,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many.")] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="And what comes, until Ctrl-C.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Print what the service on a board has written.

    lutlens logs --host pynq.local --follow
    """
    if json_output:
        print(json.dumps({"log": "".join(steps.follow(target, root, lines, False))}))
        return
    try:
        for piece in steps.follow(target, root, lines, follow):
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        return


def _fail_on(outcome: dict[str, object], what: str) -> None:
    if problem := outcome.get("problem"):
        raise DeploymentError(f"{what}: {problem}")
