"""What the far end says, and what it says no more: events of the checks, and ends that were not meant."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lutlens.board.activation import Release
from lutlens.board.hil import suite
from lutlens.board.hil.report import Outcome
from lutlens.host.deployment import DeploymentError
from lutlens.host.deployment.ssh import ConnectionLost
from lutlens.host.hil import remote
from lutlens.host.hil.remote import Deployed

NAMES = [check.name for check in suite.ON_THE_DEVICE]
BACK = {"status": 0, "was_running": True, "problem": None}
DEVICE = {"kind": "model", "name": "model", "host": None, "machine": "x86_64", "model": None}


class Listener:
    def __init__(self) -> None:
        self.began: list[str] = []
        self.outcomes: list[Outcome] = []

    def begin(self, check: str) -> None:
        self.began.append(check)

    def told(self, text: str) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def events(count: int) -> Iterator[dict[str, Any]]:
    """Of so many checks that pass, and what is said between them."""
    for name in NAMES[:count]:
        yield {"begin": name}
        yield {"told": "half of it"}
        yield {"alive": True}
        yield {
            "outcome": {
                "check": name,
                "state": "passed",
                "detail": "well",
                "figures": {},
                "seconds": 1,
            }
        }


def hear(*said: object) -> tuple[remote.Ran, Listener]:
    """What becomes of a far end that says these lines, in pieces as a network makes them."""
    text = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in said)
    pieces = [text[i : i + 37] for i in range(0, len(text), 37)]
    return ran(SimpleNamespace(stream=lambda *_, **__: iter(pieces)))


def ran(connection: Any) -> tuple[remote.Ran, Listener]:
    connection.target = SimpleNamespace(host="pynq.local")
    release = Release("r", "net", "b", "model", "python", "none", "http://127.0.0.1:8000")
    manifest: Any = None
    deployed = Deployed(connection, "/root", release, Path("net"), manifest, loopback=False)
    listener = Listener()
    return remote._on_the_device(deployed, False, 0.0, listener), listener


def test_all_checks_and_the_service_back() -> None:
    facts = {"device": DEVICE, "tool_versions": {"numpy": "1.26.4"}}
    found, listener = hear("a warning", *events(len(NAMES)), facts, BACK)
    assert listener.began == NAMES
    assert found.outcomes == listener.outcomes
    assert [outcome.state for outcome in found.outcomes] == ["passed"] * len(NAMES)
    assert found.device.host == "pynq.local"
    assert found.tool_versions == {"numpy": "1.26.4"}


@pytest.mark.parametrize(
    ("status", "words"),
    [(None, "the process at the far end was killed"), (-11, "ended with status -11: no memory")],
)
def test_where_it_breaks_off_a_check_has_failed(status: int | None, words: str) -> None:
    said = "no memory" if status else {"alive": True}
    found, _ = hear(*events(3), {"begin": NAMES[3]}, said, {**BACK, "status": status})
    states = [outcome.state for outcome in found.outcomes]
    assert states == ["passed"] * 3 + ["failed"] + ["skipped"] * (len(NAMES) - 4)
    assert words in found.outcomes[3].detail
    assert (found.device.kind, found.device.host) == ("model", "pynq.local")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            [{**BACK, "problem": "address in use"}],
            r"pynq\.local does not run again: address in use",
        ),
        (
            [{"problem": "another deployment is at work"}],
            r"^checking the device: another deployment",
        ),
        (
            ["No module named lutlens.host.hil", {**BACK, "status": 1}],
            "hil. If the release .* older",
        ),
        (
            ["activation: error: invalid choice: 'borrow'"],
            "'borrow'. If the release there is older",
        ),
        ([], "the far end said nothing"),
    ],
)
def test_what_could_not_be_begun_or_ended_is_said(said: list[object], words: str) -> None:
    with pytest.raises(DeploymentError, match=words):
        hear(*said)


def test_a_board_needs_none_of_the_host_rooms_packages() -> None:
    """What runs at the far end is imported where those are not installed."""
    missing = {
        "jinja2",
        "paramiko",
        "peakrdl_regblock",
        "rich",
        "safetensors",
        "systemrdl",
        "torch",
        "typer",
    }
    script = f"import sys; sys.modules.update(dict.fromkeys({sorted(missing)})); import lutlens.host.hil.far_end"
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_lost_connection_says_what_becomes_of_the_service() -> None:
    def stream(*_: object, **__: object) -> Iterator[str]:
        yield json.dumps({"begin": NAMES[0]}) + "\n"
        raise ConnectionLost("gone")

    with pytest.raises(DeploymentError, match=r"was lost.*the service comes back by itself"):
        ran(SimpleNamespace(stream=stream))
