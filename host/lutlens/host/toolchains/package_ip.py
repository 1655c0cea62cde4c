"""The core as an IP for somebody's own block design: IP-XACT, written by Vivado's packager.

The top of an IP is plain Verilog, with ports of fixed widths; they are taken from the elaborated core.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lutlens.board.manifest import Manifest
from lutlens.host import overlay, synthesis
from lutlens.host.boards import Board
from lutlens.host.rtl import Build, core_sources, network_sources
from lutlens.host.toolchains import vivado
from lutlens.host.toolchains.base import Job, Reporter, ToolError
from lutlens.host.toolchains.vivado import Vivado


@dataclass(frozen=True)
class Port:
    """A port of the core."""

    name: str
    direction: str
    width: int


def package(
    directory: Path, tool: Vivado, board: Board, folder: Path, report: Reporter, timeout_s: float
) -> Path:
    """Package the core of an overlay; the directory to add to Vivado's list of IP repositories.

    folder: where the work is done; made if need be.
    Raises ManifestError, LutnetError, GenerationError, SynthesisError or ToolError.
    """
    lutnet, manifest = overlay.read(directory)
    if manifest is None:
        raise overlay.OverlayError(f"{directory}: must be an overlay directory")
    tool.version()
    build = Build.of(manifest.geometry)
    files = vivado.sources(network_sources(lutnet, build) | core_sources(build))
    top = "lutlens_" + "".join(c if c.isalnum() else "_" for c in manifest.name)
    report.step("ports: Yosys")
    found = ports(files, build.core)
    files[f"{top}.v"] = wrapper(manifest, top, build.core, found)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ip", "project"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    # The packager wants paths that do not depend on where Vivado happens to run.
    script = vivado.render(
        "package_ip.tcl.jinja",
        name=manifest.name,
        top=top,
        buses=buses(found),
        part=board.part,
        sources=[str((folder / name).resolve()) for name in files],
        version=".".join(version("lutlens").split(".")[:2]),
        display_name=f"lutlens {manifest.name}",
        description=f"{manifest.description} Build {manifest.build_id}.",
    )
    job = Job(manifest.name, top, board, manifest.clock_mhz, files, folder, timeout_s=timeout_s)
    tool.run("package_ip.tcl", script, job, report)
    if not (folder / "ip/component.xml").is_file():
        raise ToolError(f"Vivado wrote no component.xml. Its log: {job.log}")
    return folder / "ip"


def ports(files: dict[str, str], core: str) -> list[Port]:
    """Ports of module `core` as it is elaborated with this network. Raises SynthesisError."""
    module = json.loads(synthesis.elaborate(files, core))["modules"][core]
    return [
        Port(name, port["direction"], len(port["bits"])) for name, port in module["ports"].items()
    ]


def buses(found: list[Port]) -> list[str]:
    """The AXI4-Streams among the ports."""
    return [port.name.removesuffix("_tdata") for port in found if port.name.endswith("_tdata")]


def wrapper(manifest: Manifest, top: str, core: str, found: list[Port]) -> str:
    """The IP's top, in Verilog."""
    return vivado.render(
        "core.v.jinja",
        name=manifest.name,
        build_id=manifest.build_id,
        top=top,
        core=core,
        ports=found,
        buses=buses(found),
    )
