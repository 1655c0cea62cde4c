"""Progress on the standard error: a line for each check as it ends, and what the one at work says."""

from __future__ import annotations

from types import TracebackType

from lutlens.board.hil.report import CheckName, Outcome
from rich.console import Console
from rich.text import Text

STYLES = {"passed": "green", "failed": "bold red", "not applicable": "dim", "skipped": "yellow"}


class Progress:
    """A listener; a context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("")
        self._check = ""

    def __enter__(self) -> Progress:
        self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def begin(self, check: CheckName) -> None:
        self._check = check
        self._status.update(Text(check))

    def told(self, text: str) -> None:
        self._status.update(Text(f"{self._check}  {text}" if self._check else text))

    def ended(self, outcome: Outcome) -> None:
        line = Text(f"{outcome.check:10}")
        line.append(f"{outcome.state:15}", STYLES[outcome.state])
        self._console.print(line.append(outcome.detail))
        self._check = ""
