"""Fixtures of the host's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.toolchains import write_overlay


@pytest.fixture(scope="session")
def small_overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_overlay(tmp_path_factory.mktemp("overlay"))


@pytest.fixture
def directory(small_overlay: Path, tmp_path: Path) -> Path:
    """An overlay to build."""
    return Path(shutil.copytree(small_overlay, tmp_path / "small"))
