"""The checks, in the order in which they make sense, and how one is run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lutlens.board.hil import answers, identity, rest, rings, speed
from lutlens.board.hil.bench import Bench, CheckFailed, Found, NotApplicable, Skipped
from lutlens.board.hil.report import CheckName, Outcome, State

MAX_DETAIL = 2000


@dataclass(frozen=True)
class Check:
    """A check. Its title, for people, is the first line of the function's docstring."""

    name: CheckName
    run: Callable[[Bench], Found]

    @property
    def title(self) -> str:
        return (self.run.__doc__ or "").partition("\n")[0]


CHECKS = (
    Check("files", identity.files),
    Check("registers", identity.registers),
    Check("build", identity.build),
    Check("golden", answers.golden),
    Check("images", answers.images),
    Check("accuracy", answers.accuracy),
    Check("rings", rings.rings),
    Check("watchdog", rings.watchdog),
    Check("clocks", speed.clocks),
    Check("clock", speed.clock),
    Check("rate", speed.rate),
    Check("soak", speed.soak),
    Check("rest", rest.rest),
)
ON_THE_DEVICE = tuple(check for check in CHECKS if check.name != "rest")
"""The service owns the device while it runs: these need it for themselves."""


def run(check: Check, bench: Bench) -> Outcome:
    """Run one check; whatever goes wrong in it is its outcome."""
    began = time.monotonic()
    figures: dict[str, float | int | str] = {}
    state: State
    try:
        found = check.run(bench)
        state, detail, figures = "passed", found.detail, dict(found.figures)
    except NotApplicable as reason:
        state, detail = "not applicable", str(reason)
    except Skipped as reason:
        state, detail = "skipped", str(reason)
    except (
        Exception
    ) as error:  # a core that hangs, an overlay that does not load, a fault of the check's own
        state, detail = "failed", _reason(error)
        bench.drop()
    return Outcome(
        check=check.name,
        state=state,
        detail=detail[:MAX_DETAIL],
        figures=figures,
        seconds=round(time.monotonic() - began, 3),
    )


def _reason(error: Exception) -> str:
    ours = isinstance(error, CheckFailed) or type(error).__module__.startswith("lutlens.")
    return str(error) if ours else f"{type(error).__name__}: {error}"
