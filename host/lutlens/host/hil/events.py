"""What is heard of running checks: by a listener here, and line by line from the far end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from lutlens.board.hil import suite
from lutlens.board.hil.bench import Bench
from lutlens.board.hil.report import CheckName, DeviceFacts, Outcome


class Listener(Protocol):
    """Whoever shows progress."""

    def begin(self, check: CheckName) -> None:
        """A check begins."""

    def told(self, text: str) -> None:
        """How far it has come; or what happens between checks."""

    def ended(self, outcome: Outcome) -> None:
        """It has ended."""


@dataclass(frozen=True)
class Ran:
    """The checks that were run. tool_versions: of where they ran."""

    device: DeviceFacts
    outcomes: list[Outcome]
    tool_versions: dict[str, str]


def run_checks(checks: Iterable[suite.Check], bench: Bench, listener: Listener) -> list[Outcome]:
    """One check after the other; a failure ends only itself."""
    outcomes = []
    for check in checks:
        listener.begin(check.name)
        outcomes.append(suite.run(check, bench))
        listener.ended(outcomes[-1])
    return outcomes


class Lines:
    """A listener that prints one JSON object a line. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def begin(self, check: CheckName) -> None:
        self._say(begin=check)

    def told(self, text: str) -> None:
        self._say(told=text)

    def ended(self, outcome: Outcome) -> None:
        self._say(outcome=outcome.model_dump(mode="json"))

    def ran(self, ran: Ran) -> None:
        self._say(device=ran.device.model_dump(mode="json"), tool_versions=ran.tool_versions)

    def alive(self) -> None:
        self._say(alive=True)

    def _say(self, **what: Any) -> None:
        with self._lock:
            print(json.dumps(what), flush=True)
