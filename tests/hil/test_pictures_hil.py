"""Every check on a network that looks at pictures in colours."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lutlens.board.hil import suite
from lutlens.board.hil.bench import Bench
from lutlens.host import overlay
from lutlens.host.devices import open_device
from lutlens.host.hil.local import serving
from support.colours import colours_lutnet


def test_every_check_that_needs_no_test_images(tmp_path: Path) -> None:
    directory = tmp_path / "colours"
    colours_lutnet().save(tmp_path / "colours.lutnet")
    overlay.generate(tmp_path / "colours.lutnet", directory)
    with (
        open_device("model") as device,
        Bench(directory, device, None, 0.1, partial(serving, directory, device)) as bench,
    ):
        outcomes = {check.name: suite.run(check, bench) for check in suite.CHECKS}
    states = {name: outcome.state for name, outcome in outcomes.items()}
    assert "failed" not in states.values(), outcomes
    for name in ("golden", "rings", "watchdog", "soak", "rest"):
        assert states[name] == "passed", outcomes[name]
