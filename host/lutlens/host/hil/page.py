"""`hil-report.html`: the report for people."""

from __future__ import annotations

import jinja2
from lutlens.board.hil import suite
from lutlens.board.hil.report import Report

TITLES = {check.name: check.title for check in suite.CHECKS}


def render(report: Report) -> str:
    """One page of HTML that needs nothing else."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.jinja").render(
        report=report, titles=TITLES, verdict=verdict(report)
    )


def verdict(report: Report) -> str:
    """One sentence."""
    name = report.overlay.name
    on = {
        "board": f"on the board {report.device.host or 'at hand'}",
        "model": "on the model, which is software: this says nothing of a board",
        "rtl": "on the simulated RTL: this says nothing of a board",
    }[report.device.kind]
    if report.failed:
        return f"{name}: {len(report.failed)} of {len(report.outcomes)} checks failed {on}"
    if report.open:
        return f"{name}: no check failed {on}; not done: {', '.join(report.open)}"
    return f"{name}: every check passed {on}"
