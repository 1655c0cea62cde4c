"""The notebooks, cell after cell in IPython on the model device; and PYNQ's way to them.

No Jupyter is installed for this: `nbclient` would bring a kernel and ZeroMQ. IPython's shell runs
the cells, displays included.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pynq
import pytest
from IPython.core.interactiveshell import InteractiveShell
from lutlens.board import overlays
from lutlens.host.devices import open_device

NOTEBOOKS = sorted(
    path.name
    for path in resources.files("lutlens.board.notebooks").iterdir()
    if path.name.endswith(".ipynb")
)


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    with open_device("model") as device:
        yield device


def run(name: str, **changed: object) -> dict[str, Any]:
    """Execute a notebook's cells; `changed` replaces assignments to constants. What is defined then."""
    text = resources.files("lutlens.board.notebooks").joinpath(name).read_text("utf-8")
    shell = InteractiveShell()
    try:
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] != "code":
                continue
            source = "".join(cell["source"])
            for constant, value in changed.items():
                source = source.replace(f"{constant} = ", f"{constant} = {value!r}  # ")
            shell.run_cell(source).raise_error()
        return dict(shell.user_ns)
    finally:
        shell.history_manager.enabled = False
        InteractiveShell.clear_instance()


def test_there_are_two() -> None:
    assert NOTEBOOKS == ["1_first_steps.ipynb", "2_live_camera.ipynb"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_they_are_committed_clean(name: str) -> None:
    notebook = json.loads(resources.files("lutlens.board.notebooks").joinpath(name).read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert not [cell for cell in code if cell["outputs"] or cell["execution_count"]]


def test_first_steps(model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("1_first_steps.ipynb")
    right = (found["found"].classes == found["truth"]).mean()
    assert right >= 0.75, "the shipped overlay reads drawn digits"
    printed = capsys.readouterr().out
    assert f"build {found['manifest'].build_id}, on device model" in printed
    assert f"build id {found['manifest'].build_id}" in printed


def test_live_camera(model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("2_live_camera.ipynb", SECONDS=2)
    assert found["shown"] > 0
    assert found["pipeline"].counts.recognised > 0
    assert "shown" in capsys.readouterr().out


def test_pynq_get_notebooks_brings_them(tmp_path: Path) -> None:
    script = "from pynq._cli.get_notebooks import main; main()"
    command = [sys.executable, "-c", script, "lutlens", "-o", "-q", "-p", str(tmp_path)]
    subprocess.run(command, check=True, timeout=60, capture_output=True, cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "lutlens").glob("*.ipynb")) == NOTEBOOKS


def test_pynq_finds_overlays_by_name(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "digits" in overlays.names()
    with pytest.raises(FileNotFoundError, match=r"no overlay 'fruit'.*digits"):
        overlays.find("fruit")
    monkeypatch.chdir("/")
    overlay = pynq.Overlay("digits.hwh", download=False, device=model)
    assert Path(overlay.bitfile_name) == overlays.find("digits") / "digits.hwh"
