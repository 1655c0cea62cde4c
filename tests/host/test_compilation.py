"""Compiling and caching of shared libraries."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import pytest
from lutlens.host.compilation import CompilationError, build_shared_library, cache_directory

SOURCES = {
    "answer.c": '#include "answer.h"\nint answer(void) { return ANSWER; }\n',
    "answer.h": "#define ANSWER 42\n",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    assert tmp_path in cache_directory().parents
    return cache_directory()


def test_builds_and_loads() -> None:
    assert ctypes.CDLL(str(build_shared_library(SOURCES, ["-O1"], "answer"))).answer() == 42


def test_cxx() -> None:
    sources = {"twice.cpp": 'extern "C" int twice(int x) { auto y = 2 * x; return y; }\n'}
    assert ctypes.CDLL(str(build_shared_library(sources, [], "twice"))).twice(21) == 42


@pytest.mark.parametrize("sources", [{"a.h": ""}, {"a.c": "", "b.cpp": ""}])
def test_one_language(sources: dict[str, str]) -> None:
    with pytest.raises(CompilationError, match=r"must be \.c or \.cpp files"):
        build_shared_library(sources, [], "none")


def test_built_once(cache: Path) -> None:
    first = build_shared_library(SOURCES, ["-O1"], "answer")
    written = first.stat().st_ino
    assert build_shared_library(SOURCES, ["-O1"], "answer") == first
    assert first.stat().st_ino == written


def test_another_header_flag_or_source_is_another_library() -> None:
    paths = {
        build_shared_library(SOURCES, ["-O1"], "answer"),
        build_shared_library(SOURCES, ["-O2"], "answer"),
        build_shared_library(SOURCES | {"answer.h": "#define ANSWER 43\n"}, ["-O1"], "answer"),
        build_shared_library(SOURCES, ["-O1", "-DX"], "answer"),
    }
    assert len(paths) == 4


def test_compiler_error_is_passed_on(cache: Path) -> None:
    with pytest.raises(CompilationError, match=r"wrong.c:1:.*error"):
        build_shared_library({"wrong.c": "int wrong( {\n"}, [], "wrong")
    assert list(cache.iterdir()) == []


def test_timeout_kills_the_compiler_and_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = build_shared_library(SOURCES, [], "answer")
    real.unlink()
    slow = tmp_path / "slow-compiler"
    slow.write_text('#!/bin/sh\ncase "$*" in *-dM*) exit 0;; esac\nsleep 60\n')
    slow.chmod(0o755)
    monkeypatch.setenv("CC", str(slow))
    start = time.monotonic()
    with pytest.raises(CompilationError, match="timed out"):
        build_shared_library(SOURCES, [], "answer", timeout_s=0.5)
    assert time.monotonic() - start < 10
    assert list(cache.iterdir()) == []


def test_no_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompilationError, match="apt-get install g"):
        build_shared_library(SOURCES, [], "answer")


def test_what_a_killed_build_left_neither_blocks_nor_stays(cache: Path) -> None:
    cache.mkdir(parents=True)
    rubbish = cache / ".answer-killed"
    rubbish.mkdir()
    (rubbish / "library.so").write_bytes(b"\x7fELF")
    long_ago = time.time() - 40 * 24 * 3600
    os.utime(rubbish, (long_ago, long_ago))
    assert ctypes.CDLL(str(build_shared_library(SOURCES, [], "answer"))).answer() == 42
    assert not rubbish.exists()
