"""Detections over REST and WebSocket, and slow motion, on a core that scans."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lutlens.board import scanning
from lutlens.board.detection import ClassMap
from lutlens.board.driver import CoreTimeout
from lutlens.board.results import FrameResult, History, Recorded
from lutlens.board.service import past, present, recordings
from lutlens.board.service.errors import RequestError
from lutlens.board.service.recordings import Recorder, Recording
from lutlens.board.service.routes import recordings as routes
from starlette.testclient import TestClient
from support.service import Desk, wait_for

API = "/api/v1"
STREAM = "ws://127.0.0.1:8000/api/v1/detections/stream"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk.open_scanning(tmp_path_factory.mktemp("overlays")) as desk:
        wait_for(lambda: bool(desk.pipeline.latest and desk.pipeline.latest.detections), "a square")
        yield desk


@pytest.fixture
def client(desk: Desk) -> TestClient:
    return desk.client


# Detections


def test_the_latest_is_a_class_and_its_margin(client: TestClient) -> None:
    result = client.get(f"{API}/detections/latest").json()
    (found,) = result["detections"]
    assert found["label"] == "square"
    assert found["margin"] > 0
    assert found["scores"] is None
    assert found["track"] >= 1
    assert result["class_map"] is None


def test_the_class_map_comes_when_asked_for(desk: Desk, client: TestClient) -> None:
    pause(desk)
    result = client.get(f"{API}/detections/latest?map=true").json()
    client.patch(f"{API}/settings", json={"paused": False})
    latest = desk.pipeline.latest
    assert latest is not None
    assert latest.class_map is not None
    cells = latest.class_map.cells
    told = result["class_map"]
    assert result["sequence"] == latest.sequence
    assert (told["rows"], told["columns"]) == cells.shape
    data = np.frombuffer(base64.b64decode(told["cells"]), np.uint8).reshape(*cells.shape, 2)
    assert np.array_equal(data[..., 0], scanning.cell_class(cells))
    assert np.array_equal(data[..., 1], scanning.cell_margin(cells))  # none is above 255
    assert (told["x"], told["y"]) == latest.class_map.origin
    assert (told["step_x"], told["step_y"]) == latest.class_map.pitch


def test_margins_that_no_byte_holds_are_cut() -> None:
    found = scanning.cells(np.array([[3]]), np.array([[700]]), np.array([[900]]))
    told = present.class_map(ClassMap(found, (0.0, 0.0), (1.0, 1.0), None))
    assert base64.b64decode(told.cells) == bytes([3, 255])


def pause(desk: Desk) -> None:
    desk.client.patch(f"{API}/settings", json={"paused": True})


def test_what_came_since_is_whole(client: TestClient) -> None:
    last = client.get(f"{API}/detections/latest").json()["sequence"]
    seen: list[int] = []
    missing: list[int] = []
    since = last
    deadline = time.monotonic() + 20
    while len(seen) < 15:
        assert time.monotonic() < deadline
        answer = client.get(f"{API}/detections", params={"since": since, "limit": 4}).json()
        numbers = [result["sequence"] for result in answer["results"]]
        assert len(numbers) <= 4
        for gap in answer["gaps"]:
            missing += range(gap["first"], gap["last"] + 1)
        seen += numbers
        since = numbers[-1] if numbers else since
        assert answer["more"] == (since < answer["newest"])
        time.sleep(0.05)
    assert sorted(seen + missing) == list(range(last + 1, since + 1))


def test_a_since_beyond_the_newest_is_empty(client: TestClient) -> None:
    answer = client.get(f"{API}/detections", params={"since": 10**9}).json()
    assert answer["results"] == answer["gaps"] == []
    assert answer["more"] is False
    assert answer["oldest"] <= answer["newest"]


def test_what_is_no_longer_held_is_a_gap() -> None:
    history = History()
    history.add([recorded(n) for n in (5, 6, 9)], 0)
    answer = past.since(history, 2, 10)
    assert [result.sequence for result in answer.results] == [5, 6, 9]
    assert [(gap.first, gap.last) for gap in answer.gaps] == [(3, 4), (7, 8)]
    assert (answer.oldest, answer.newest, answer.more) == (5, 9, False)
    first = past.since(history, 2, 1)
    assert [(gap.first, gap.last) for gap in first.gaps] == [(3, 4)]
    assert first.more


def test_nothing_held_is_no_error() -> None:
    answer = past.since(History(), -1, 10)
    assert (answer.results, answer.oldest, answer.newest) == ([], None, None)


def recorded(sequence: int, height: int = 16) -> Recorded:
    image = np.full((height, 32, 3), sequence, np.uint8)
    return Recorded(sequence, time.monotonic(), lambda: FrameResult(sequence, 0, 1, image, (), ()))


@pytest.mark.parametrize("query", ["since=-2", "since=x", "limit=0", "limit=101"])
def test_a_wrong_query_is_a_problem(client: TestClient, query: str) -> None:
    response = client.get(f"{API}/detections?{query}")
    assert response.status_code == 422
    assert query.partition("=")[0] in response.json()["detail"]


def test_the_stream_carries_maps_on_request(client: TestClient) -> None:
    for query, there in (("", False), ("?map=true", True)):
        with client.websocket_connect(f"{STREAM}{query}") as viewer:
            message: dict[str, Any] = {"type": "status"}
            while message["type"] == "status":
                message = viewer.receive_json()
        assert bool(message["class_map"]) == there
        assert message["skipped"] == 0


def test_a_replay_is_said_to_be_one(desk: Desk, client: TestClient) -> None:
    assert client.get(f"{API}/status").json()["source"]["replayed"] is False
    client.put(f"{API}/source", json={"name": "pattern"})
    try:
        wait_for(lambda: desk.pipeline.replaying and desk.pipeline.rates.shown > 0, "the pattern")
        status = client.get(f"{API}/status").json()
        assert status["source"]["replayed"] is True
        assert status["source"]["kind"] == "pattern"
        assert status["rates"]["recognised"] >= status["rates"]["shown"] > 0
    finally:
        client.put(f"{API}/source", json={"name": "squares"})


def test_a_core_that_hangs_keeps_no_overlay_out(
    desk: Desk, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang() -> None:
        raise CoreTimeout("register STATUS holds 0x2, waited 10 s for 0x0")

    hung = desk.pipeline.classifier
    monkeypatch.setattr(hung._driver, "halt", hang)
    assert client.post(f"{API}/overlays/{desk.names[0]}/load").json()["loaded"] is True
    assert desk.pipeline.classifier is not hung
    stood = desk.pipeline.counts.recognised
    wait_for(lambda: desk.pipeline.counts.recognised > stood, "frames")


# Slow motion


@pytest.fixture
def recording(desk: Desk, client: TestClient) -> dict[str, Any]:
    wait_for(lambda: len(desk.pipeline.history.snapshot()) >= 5, "some frames")
    response = client.post(f"{API}/recordings")
    assert response.status_code == 201
    found: dict[str, Any] = response.json()
    return found


def test_the_frozen_stays_as_it_was(client: TestClient, recording: dict[str, Any]) -> None:
    where = f"{API}/recordings/{recording['id']}"
    assert recording["frames"] == len(recording["sequences"]) == len(recording["times_ms"])
    assert recording["times_ms"] == sorted(recording["times_ms"])
    last = recording["frames"] - 1
    for index in (0, last, 0):
        result = client.get(f"{where}/frames/{index}?map=true").json()
        assert result["sequence"] == recording["sequences"][index]
        assert result["class_map"]["rows"] > 0
        picture = client.get(f"{where}/frames/{index}/picture.jpg")
        image = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (result["height"], result["width"], 3)
    assert client.get(where).json() == recording


@pytest.mark.parametrize(
    ("path", "status"), [("frames/4000", 404), ("frames/-1", 422), ("frames/one", 422)]
)
def test_a_frame_that_is_not_in_it_is_a_problem(
    client: TestClient, recording: dict[str, Any], path: str, status: int
) -> None:
    response = client.get(f"{API}/recordings/{recording['id']}/{path}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_one_recording_is_held_at_a_time(client: TestClient, recording: dict[str, Any]) -> None:
    newer = client.post(f"{API}/recordings").json()
    assert client.get(f"{API}/recordings/{recording['id']}").status_code == 404
    assert client.delete(f"{API}/recordings/{newer['id']}").status_code == 204
    assert client.get(f"{API}/recordings/{newer['id']}").status_code == 404


@pytest.mark.parametrize("identity", ["..", "%2e%2e%2fetc", "nonsense", "a" * 33])
def test_an_id_is_only_compared(client: TestClient, identity: str) -> None:
    response = client.get(f"{API}/recordings/{identity}/video.avi")
    assert response.status_code in (404, 422)


def test_the_lines_are_the_frames(client: TestClient, recording: dict[str, Any]) -> None:
    response = client.get(f"{API}/recordings/{recording['id']}/detections.jsonl")
    first, last = recording["sequences"][0], recording["sequences"][-1]
    name = f'attachment; filename="lutlens-{first}-{last}.jsonl"'
    assert response.headers["content-disposition"] == name
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["sequence"] for line in lines] == recording["sequences"]
    assert any(line["detections"] for line in lines)
    assert all(found["view"] is None for line in lines for found in line["detections"])


def test_the_video_holds_every_frame(
    desk: Desk, client: TestClient, recording: dict[str, Any], tmp_path: Path
) -> None:
    response = client.get(f"{API}/recordings/{recording['id']}/video.avi?fps=12")
    assert int(response.headers["content-length"]) == len(response.content)
    (tmp_path / "video.avi").write_bytes(response.content)
    video = cv2.VideoCapture(str(tmp_path / "video.avi"))
    assert video.get(cv2.CAP_PROP_FPS) == 12
    frames = 0
    while video.read()[0]:
        frames += 1
    assert frames == recording["frames"]
    assert desk.context.downloads == 0


def test_a_video_goes_on_where_the_source_was_changed(desk: Desk, tmp_path: Path) -> None:
    recording = Recording([recorded(1), recorded(2, height=24), recorded(3)], desk.pipeline, 80)
    path = tmp_path / "video.avi"
    with path.open("wb") as file:
        recording.write_video(file, 12)
    video = cv2.VideoCapture(str(path))
    assert [video.read()[0] for _ in range(4)] == [True, True, True, False]


def test_a_video_leaves_nothing_behind(
    client: TestClient,
    recording: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert client.get(f"{API}/recordings/{recording['id']}/video.avi").status_code == 200
    monkeypatch.setattr(recordings, "VIDEO_PIXELS", 1000)
    refused = client.get(f"{API}/recordings/{recording['id']}/video.avi")
    assert refused.status_code == 422
    assert "too much for one video" in refused.json()["detail"]
    assert list(tmp_path.iterdir()) == []


def test_downloads_are_counted_and_bounded(
    desk: Desk, client: TestClient, recording: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "DOWNLOADS", 0)
    response = client.get(f"{API}/recordings/{recording['id']}/detections.jsonl")
    assert response.status_code == 503
    assert "Retry-After" in response.headers
    assert desk.context.downloads == 0


def test_a_recording_that_nobody_asks_for_is_let_go(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "KEPT_S", 0.1)

    async def check() -> None:
        recorder = Recorder(80)
        found = recorder.freeze(desk.pipeline)
        await asyncio.sleep(0.06)
        assert recorder.find(found.id) is found  # and it is kept anew
        await asyncio.sleep(0.06)
        assert recorder.find(found.id) is found
        await asyncio.sleep(0.2)
        with pytest.raises(RequestError, match="not held"):
            recorder.find(found.id)

    asyncio.run(check())


def test_frames_at_hand_are_few_and_made_once(desk: Desk) -> None:
    made: list[int] = []

    def counted(sequence: int) -> Recorded:
        frame = recorded(sequence)

        def make() -> FrameResult:
            made.append(sequence)
            return frame.result()

        return Recorded(sequence, frame.captured_at, make)

    async def check() -> None:
        found = Recording([counted(n) for n in range(40)], desk.pipeline, 80)
        await asyncio.gather(*(found.frame(3) for _ in range(5)))
        assert made == [3]
        for n in range(40):
            await found.frame(n)
        assert sorted(made) == list(range(40))
        await found.frame(3)
        assert made.count(3) == 2

    asyncio.run(check())
