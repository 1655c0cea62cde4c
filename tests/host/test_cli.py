"""The command line as a whole: its list, its errors, its exit statuses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest
from lutlens.host import bench_scan, cli
from support.commands import lutlens
from support.networks import random_lutnet


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`lutlens` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from lutlens.host.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "80", **environment},
    )


@pytest.fixture
def lutnet(tmp_path: Path) -> Path:
    random_lutnet(6, stages=2, encoder_bits=2, degenerate=0.1).save(tmp_path / "net.lutnet")
    return tmp_path / "net.lutnet"


def fail(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and standard error of a command that does not succeed."""
    status, out, err = lutlens(capsys, *arguments)
    assert out == ""
    return status, err


def succeed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard output of a command."""
    status, out, _ = lutlens(capsys, *arguments)
    assert status == 0
    return out


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys; from lutlens.host.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print([name for name in sys.modules if name.partition('.')[0] in "
        "('torch', 'numpy', 'pynq')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert result.stdout.strip().endswith("[]")
    for name in ("train", "eval", "generate", "info", "synth", "serve", "bench"):
        assert f"│ {name} " in result.stdout
    assert "Turn a lutnet into an overlay directory." in result.stdout


def test_every_command_has_a_manual_page() -> None:
    for group in ("lutlens.commands", "lutlens.bench"):
        for entry_point in entry_points(group=group):
            summary = cli.LazyCommand(entry_point).help
            assert summary.endswith("."), f"{entry_point.name}: {summary!r}"
            assert len(summary) <= 90, entry_point.name


def test_a_command_that_cannot_be_imported_leaves_the_others_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    missing = EntryPoint("fly", "lutlens.training.no_such_module:fly", "lutlens.commands")
    command = cli.LazyCommand(missing)
    assert command.help == "(not installed)"
    with pytest.raises(cli.CommandUnavailable, match=r"lutlens\[training\]"):
        command.make_context("fly", [])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert succeed(capsys, "--version").startswith("lutlens 0.")


def test_wrong_usage_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    status, error = fail(capsys, "genrate")
    assert status == 2
    assert "generate" in error
    assert fail(capsys, "info")[0] == 2
    assert fail(capsys, "info", "a", "--no-such-option")[0] == 2


def test_bad_input_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, lutnet: Path
) -> None:
    status, error = fail(capsys, "info", str(tmp_path / "none.lutnet"))
    assert status == 2
    assert error.count("\n") == 1
    assert "none.lutnet" in error
    (tmp_path / "broken.lutnet").write_bytes(b"nonsense" * 10)
    status, error = fail(capsys, "info", str(tmp_path / "broken.lutnet"))
    assert status == 2
    assert error.startswith("lutlens: ")
    assert "broken.lutnet" in error
    status, error = fail(
        capsys, "generate", str(lutnet), "--out", str(tmp_path / "o"), "--clock", "999"
    )
    assert (status, error.count("\n")) == (2, 1)


def test_a_timeout_is_a_failure_not_bad_input() -> None:
    class Late(TimeoutError):
        pass

    Late.__module__ = "lutlens.board.driver"
    assert cli._status(Late("RESULT_HEAD held 3")) == cli.FAILED
    assert cli._status(ZeroDivisionError()) is None


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = run("info", str(tmp_path / "none"), LUTLENS_DEBUG="1")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_generate_and_info_print_json_and_nothing_else(lutnet: Path, tmp_path: Path) -> None:
    result = run("generate", str(lutnet), "--out", str(tmp_path / "net"), "--json")
    assert (result.returncode, result.stderr) == (0, "")
    made = json.loads(result.stdout)
    assert made["overlay"] == str(tmp_path / "net")
    for path in (lutnet, tmp_path / "net"):
        result = run("info", str(path), "--json")
        assert (result.returncode, result.stderr) == (0, "")
        facts = json.loads(result.stdout)
        assert facts["build_id"] == made["build_id"]
        removed = sum(sum(stage["removed"].values()) for stage in facts["stages"])
        assert facts["nodes"] - facts["nodes_simplified"] == removed
    assert facts["overlay"]["name"] == "net"


def test_info_of_a_tampered_overlay_is_refused(
    capsys: pytest.CaptureFixture[str], lutnet: Path, tmp_path: Path
) -> None:
    succeed(capsys, "generate", str(lutnet), "--out", str(tmp_path / "net"))
    with (tmp_path / "net" / "net.hwh").open("a") as file:
        file.write(" ")
    status, error = fail(capsys, "info", str(tmp_path / "net"))
    assert status == 2
    assert "net.hwh" in error


def test_serve_answers_and_ends_at_ctrl_c(
    capsys: pytest.CaptureFixture[str], lutnet: Path, tmp_path: Path
) -> None:
    succeed(capsys, "generate", str(lutnet), "--out", str(tmp_path / "net"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from lutlens.host.cli import main; main()"
    arguments = ["serve", str(tmp_path / "net"), "--port", str(port), "--device", "model"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"http://127.0.0.1:{port}/\n"
            status = _get(f"http://127.0.0.1:{port}/api/v1/status", deadline_s=60)
            assert status["overlay"]["name"] == "net"
            assert status["device"]["kind"] == "model"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()


def _get(url: str, deadline_s: float) -> Any:
    end = time.monotonic() + deadline_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def test_serve_refuses_bad_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert fail(capsys, "serve", str(tmp_path), "--device", "toaster")[0] == 2
    assert fail(capsys, "serve", str(tmp_path), "--port", "99999")[0] == 2
    status, error = fail(capsys, "serve", str(tmp_path / "none"))
    assert status == 2
    # The message stands in a frame, folded wherever the path happens to be long.
    assert str(tmp_path / "none") in re.sub(r"[\s│]+", "", error)
    status, error = fail(capsys, "serve", str(tmp_path), "--source", "telepathy")
    assert status == 2
    assert "telepathy" in error


def test_generate_makes_scan_builds(
    lutnet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scanner"
    options = ("--scan", "--max-width", "320", "--json")
    made = json.loads(succeed(capsys, "generate", str(lutnet), "--out", str(out), *options))
    assert made["geometry"]["scan"]["max_windows"] == 64
    assert made["geometry"]["max_width"] == 320
    for bad, message in (
        (("--pixels-per-clock", "3"), "pixels_per_clock: 3"),
        (("--cores", "3"), "cores: 3, must be one of 1, 2, 4"),
        (("--cores", "2", "--scan"), "cores: 2, a scan build has 1"),
    ):
        status, error = fail(capsys, "generate", str(lutnet), "--out", str(out), *bad)
        assert status == 2
        assert message in error


def test_generate_makes_builds_of_several_cores(
    lutnet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fast"
    options = ("--cores", "4", "--pixels-per-clock", "8", "--json")
    made = json.loads(succeed(capsys, "generate", str(lutnet), "--out", str(out), *options))
    assert made["geometry"]["cores"] == 4
    assert "| cores | 4 beside each other, 8 pixels a clock each" in (out / "README.md").read_text()
    assert "single images, 4 core(s)" in succeed(capsys, "info", str(out))
    status, error = fail(capsys, "bench", "rtl", str(lutnet), "--scan", "--packed")
    assert status == 2
    assert "--packed" in error


def test_bench_scan_fields(lutnet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench_scan.scan(lutnet, width=64, height=48, seconds=0.1, json_output=True)
    figures = json.loads(capsys.readouterr().out)
    assert (figures["width"], figures["height"]) == (64, 48)
    assert figures["frames_per_second"]["1"]["c"] > figures["frames_per_second"]["1"]["device"] > 0
    before = os.sched_getaffinity(0)
    bench_scan.scan(lutnet, width=64, height=48, seconds=0.1)
    assert "64x48, K = 1: " in capsys.readouterr().out
    assert os.sched_getaffinity(0) == before


@pytest.mark.rtl
def test_bench_rtl_fields(lutnet: Path) -> None:
    result = run("bench", "rtl", str(lutnet), "--images", "5", "--stalls", "heavy", "--json")
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["k"] == 1
    assert figures["clocks_per_image"] == figures["clocks_per_frame"] > 0
    assert 0.1 < figures["pixels_per_clock"] <= 1.1
    assert figures["images_per_second"] == pytest.approx(
        1e6 * figures["clock_mhz"] / figures["clocks_per_image"], rel=1e-3
    )


@pytest.mark.rtl
def test_bench_rtl_widens_an_overlay_that_was_built_for_fewer_pixels_a_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = random_lutnet(1)
    assert net.input_shape[1] % 4
    net.save(tmp_path / "net.lutnet")
    out = tmp_path / "narrow"
    succeed(capsys, "generate", str(tmp_path / "net.lutnet"), "--out", str(out))
    measured = ("--packed", "--pixels-per-clock", "4", "--images", "5", "--json")
    assert json.loads(succeed(capsys, "bench", "rtl", str(out), *measured))["clocks_per_image"] > 0
