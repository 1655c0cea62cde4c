"""`python -m lutlens.board`: what it says, and its exit code, where it cannot serve."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lutlens.board.__main__ import main

SHIPPED = Path(__file__).parents[2] / "overlays" / "digits"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if line.startswith("lutlens.board: ")]
    return code, line


def test_a_missing_overlay_is_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, line = refused(capsys, str(tmp_path))
    assert code == 2
    assert str(tmp_path / "overlay.json") in line


def test_a_changed_file_is_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "digits")
    Path(copy, "digits.hwh").write_text("changed")
    code, line = refused(capsys, str(copy))
    assert code == 2
    assert "digits.hwh: hashes to" in line


@pytest.mark.filterwarnings("ignore:No devices found")
def test_a_machine_without_a_board_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refused(capsys, str(SHIPPED))
    assert code == 1
    assert "no board on this machine" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--source", "webcam"], "no such kind"),
        (["--source", "video"], "path"),
        (["--port", "70000"], "port: "),
    ],
)
def test_an_option_that_cannot_be_meant_is_bad_input(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    code, line = refused(capsys, str(SHIPPED), *options)
    assert code == 2
    assert words in line


def test_a_token_that_is_too_short_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUTLENS_TOKEN", "short")
    code, line = refused(capsys, str(SHIPPED))
    assert code == 2
    assert "at least 8 characters" in line
