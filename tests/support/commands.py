"""The command line in this process, for tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from lutlens.host import cli


def lutlens(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `lutlens` with these arguments."""
    with pytest.raises(SystemExit) as exit_:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(exit_.value.code or 0), captured.out, captured.err
