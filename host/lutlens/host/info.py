"""What `lutlens info` tells of a network."""

from __future__ import annotations

from typing import Any

from lutlens.board.manifest import Geometry, Manifest
from lutlens.host.lutnet import Lutnet
from lutlens.host.netlist import Netlist
from lutlens.host.simplify import Savings, simplify
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table


def describe(lutnet: Lutnet, manifest: Manifest | None) -> dict[str, Any]:
    """Everything, for `--json`."""
    _, savings = simplify(Netlist.from_lutnet(lutnet))
    stages = [
        {
            "window": list(stage.window),
            "stride": list(stage.stride),
            "pool": list(stage.pool),
            "layers": [layer.nodes for layer in stage.layers],
            "recurrent": stage.recurrent,
            "channels": saved.channels[1],
            "nodes": saved.nodes[0],
            "nodes_simplified": saved.nodes[1],
            "inputs": saved.inputs[0],
            "inputs_simplified": saved.inputs[1],
            "removed": {
                "constant": saved.constant,
                "buffer": saved.buffer,
                "equal": saved.equal,
                "unread": saved.unread,
            },
        }
        for stage, saved in zip(lutnet.stages, savings.stages, strict=True)
    ]
    return {
        "build_id": f"{lutnet.build_id:016x}",
        "input_shape": list(lutnet.input_shape),
        "encoder_bits": lutnet.encoder_bits,
        "k": sorted(lutnet.thresholds),
        "classes": list(lutnet.classes),
        "bits_per_class": lutnet.bits_per_class,
        "nodes": savings.nodes[0],
        "nodes_simplified": savings.nodes[1],
        "stages": stages,
        "modulator": lutnet.modulator.model_dump() if lutnet.modulator else None,
        "values": lutnet.values.model_dump(mode="json") if lutnet.values else None,
        "provenance": lutnet.provenance,
        "overlay": manifest.model_dump(mode="json") if manifest else None,
    }


def render(lutnet: Lutnet, manifest: Manifest | None) -> RenderableType:
    """The same for people."""
    height, width, channels = lutnet.input_shape
    facts = Table.grid(padding=(0, 2))
    facts.add_row("build id", f"{lutnet.build_id:016x}")
    facts.add_row("input", f"{width}x{height}x{channels}, {lutnet.encoder_bits} threshold(s)")
    facts.add_row("passes", ", ".join(f"K = {k}" for k in sorted(lutnet.thresholds)))
    if lutnet.modulator:
        facts.add_row("modulator", f"{lutnet.modulator.kind}, swing {lutnet.modulator.swing}")
    facts.add_row(*_outputs(lutnet))
    for k, r2 in sorted(lutnet.provenance.get("r2", {}).items(), key=lambda one: int(one[0])):
        facts.add_row(f"R2, K = {k}", f"{r2:.4f}")
    for k, fraction in lutnet.provenance.get("accuracy", {}).items():
        facts.add_row(f"accuracy, K = {k}", f"{100 * fraction:.2f} %")
    if manifest is not None:
        facts.add_row("clock", f"{manifest.clock_mhz} MHz")
        facts.add_row("build", _build(manifest.geometry))
        if manifest.resources is not None:
            for name, cells in (("core", manifest.resources.core), ("pl", manifest.resources.pl)):
                facts.add_row(name, f"{cells.lut} LUT, {cells.ff} FF, {cells.bram36} BRAM36")
        facts.add_row("run on hardware", "yes" if manifest.run_on_hardware else "no")
    _, savings = simplify(Netlist.from_lutnet(lutnet))
    return Group(facts, "", _stage_table(lutnet, savings))


def _outputs(lutnet: Lutnet) -> tuple[str, str]:
    values, bits = lutnet.values, f"({lutnet.bits_per_class} bits each)"
    if values is None:
        return "classes", f"{', '.join(lutnet.classes)} {bits}"
    names = "x".join(map(str, values.shape)) if values.shape else ", ".join(lutnet.classes)
    return "numbers", f"{names} {bits}, {values.low:g} to {values.high:g}"


def _build(geometry: Geometry) -> str:
    pixels = f"{geometry.pixels_per_clock} pixel(s) a clock, lines up to {geometry.max_width}"
    scan = geometry.scan
    if scan is None:
        return f"single images, {geometry.cores} core(s); {pixels}"
    return f"whole frames, a window every {scan.step_x}x{scan.step_y} pixels; {pixels}"


def _stage_table(lutnet: Lutnet, savings: Savings) -> Table:
    """`left` is what simplification leaves of the nodes, the columns after it why others went."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("window", "stride", "pool", "layers"):
        table.add_column(heading)
    for heading in ("nodes", "left", "const", "buffer", "equal", "unread", "out"):
        table.add_column(heading, justify="right")
    for stage, saved in zip(lutnet.stages, savings.stages, strict=True):
        table.add_row(
            *(f"{pair[0]}x{pair[1]}" for pair in (stage.window, stage.stride, stage.pool)),
            ", ".join(str(layer.nodes) for layer in stage.layers) + stage.recurrent * ", recurrent",
            *(str(number) for number in saved.nodes),
            *(str(n) for n in (saved.constant, saved.buffer, saved.equal, saved.unread)),
            str(saved.channels[1]),
        )
    before, after = savings.nodes
    table.add_section()
    table.add_row("all", "", "", "", str(before), str(after), "", "", "", "", "")
    return table
