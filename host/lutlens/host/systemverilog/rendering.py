"""Jinja2 as this package uses it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import jinja2

_LINE_LENGTH = 100


def wrap(items: Iterable[str], indent: int) -> str:
    """Items separated by commas, over as many lines as they take, each indented."""
    return textwrap.fill(
        ", ".join(items),
        width=_LINE_LENGTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
    )


environment = jinja2.Environment(
    loader=jinja2.PackageLoader(__package__, ""),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
environment.filters["wrap"] = wrap
