"""Every check on a network that looks at pictures in colours, and on one that gives images."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from lutlens.board.hil import suite
from lutlens.board.hil.bench import Bench
from lutlens.host import overlay
from lutlens.host.devices import open_device
from lutlens.host.hil.local import serving
from lutlens.host.lutnet import Lutnet
from support.colours import colours_lutnet
from support.inverting import inverting_lutnet


@pytest.mark.parametrize("net", [colours_lutnet(), inverting_lutnet()], ids=["colours", "images"])
def test_every_check_that_needs_no_test_images(net: Lutnet, tmp_path: Path) -> None:
    directory = tmp_path / "network"
    net.save(tmp_path / "network.lutnet")
    overlay.generate(tmp_path / "network.lutnet", directory)
    with (
        open_device("model") as device,
        Bench(directory, device, None, 0.1, partial(serving, directory, device)) as bench,
    ):
        outcomes = {check.name: suite.run(check, bench) for check in suite.CHECKS}
    states = {name: outcome.state for name, outcome in outcomes.items()}
    assert "failed" not in states.values(), outcomes
    for name in ("golden", "rings", "watchdog", "soak", "rest"):
        assert states[name] == "passed", outcomes[name]
