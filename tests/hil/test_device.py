"""The suite itself, check by check, on the device that was asked for."""

from __future__ import annotations

import pytest
from lutlens.board.hil import suite
from lutlens.board.hil.bench import Bench


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.name)
def test_device(bench: Bench, check: suite.Check) -> None:
    outcome = suite.run(check, bench)
    if outcome.state in ("not applicable", "skipped"):
        pytest.skip(f"{outcome.state}: {outcome.detail}")
    assert outcome.state == "passed", outcome.detail
