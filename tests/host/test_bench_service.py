"""`lutlens bench service` against a real service of its own."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from lutlens.host import bench_service, overlay
from lutlens.host.bench_service import BenchError
from support.squares import squares_lutnet


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    squares_lutnet().save(tmp_path / "squares.lutnet")
    overlay.generate(tmp_path / "squares.lutnet", tmp_path / "squares", scan=True)
    return tmp_path / "squares"


def test_every_client_gets_frames_and_recognition_is_counted(
    squares: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench_service.service(squares, viewers=2, seconds=1, rounds=1, json_output=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["overlay"], found["source"]) == ("squares", "pattern")
    for arrangement in ("shared", "own_processor"):
        one = found[arrangement]
        assert [viewer["kind"] for viewer in one["viewers"]] == ["mjpeg", "pictures", "detections"]
        assert all(viewer["fps"] > 0 for viewer in one["viewers"])
        rates = one["recognised_per_second"]
        slowed = 100 * (1 - rates["watched"] / rates["alone"])
        rounded = 0.1 + 100 * 0.05 * (1 + rates["watched"] / rates["alone"]) / rates["alone"]
        assert one["slowed_percent"] == pytest.approx(slowed, abs=rounded)


def test_a_service_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="ended with status"):
        bench_service.service(tmp_path)


def test_a_viewer_that_gets_nothing_is_an_error() -> None:
    """Here because nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        for kind in ("mjpeg", "pictures"):
            client = bench_service._Client(f"http://{address}", kind)
            with (
                pytest.raises(BenchError, match=f"{address}: {kind}: .*refused"),
                bench_service._watching([client]),
            ):
                pass
