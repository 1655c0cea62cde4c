"""The systemd unit of a release, and the environment that it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jinja2

LOGIN_VARIABLES = ("PATH", "BOARD", "XILINX_XRT", "LD_LIBRARY_PATH")
"""What a login shell on a PYNQ image has and a system service has not; pynq finds no board without XILINX_XRT."""
XRT_DEFAULT = "/usr"
REPOSITORY_VARIABLE = "LUTLENS_REPOSITORY"


@dataclass(frozen=True)
class ServiceOptions:
    """How the service is run.

    device: "board", or a simulated one. listen, port: where it answers. allow_hosts: names by which
    browsers call it. sources, k: as of `lutlens serve`.
    """

    device: str = "board"
    listen: str = "0.0.0.0"
    port: int = 8000
    allow_hosts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    k: int | None = None


def unit(root: str, overlay: str, options: ServiceOptions, patience_s: float) -> str:
    """The unit file; all its paths go through `ROOT/current`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("lutlens.service.jinja").render(
        overlay=overlay,
        root=root,
        command=" ".join(map(_word, command(root, overlay, options))),
        patience=round(patience_s),
    )


def command(root: str, overlay: str, options: ServiceOptions) -> list[str]:
    """What the unit starts."""
    binaries, directory = f"{root}/current/venv/bin", f"{root}/current/overlays/{overlay}"
    if options.device == "board":
        words = [f"{binaries}/python", "-m", "lutlens.board", directory]
    else:
        words = [f"{binaries}/lutlens", "serve", directory, "--device", options.device]
    words += ["--host", options.listen, "--port", str(options.port)]
    for option, values in (("--allow-host", options.allow_hosts), ("--source", options.sources)):
        for value in values:
            words += [option, value]
    return words if options.k is None else [*words, "--k", str(options.k)]


def environment(root: str, login: Mapping[str, str], options: ServiceOptions) -> str:
    """The unit's environment file. login: LOGIN_VARIABLES as the far end's login shell has them."""
    path = login.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    variables = {"PYTHONUNBUFFERED": "1", **login}
    variables["PATH"] = f"{root}/current/venv/bin:{path}"
    if options.device == "board":
        variables.setdefault("XILINX_XRT", XRT_DEFAULT)
    else:
        variables[REPOSITORY_VARIABLE] = f"{root}/current"
    return variable_lines(variables)


def variable_lines(variables: Mapping[str, str]) -> str:
    """NAME="value" lines as systemd.exec(5) reads them."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(variables.items()))


def _word(text: str) -> str:
    """One word of a command line as systemd.service(5) reads it."""
    return _quoted(text.replace("%", "%%").replace("$", "$$"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != text or not text or set(text) & set(" \t';#") else text
