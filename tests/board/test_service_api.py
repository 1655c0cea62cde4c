"""The REST interface over a real pipeline on the model device."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from lutlens.board import handwriting
from lutlens.board.driver import CoreError
from lutlens.board.pipeline import Pipeline
from lutlens.board.service import counters
from starlette.testclient import TestClient
from support.service import Desk, encoded, wait_for

CLASSES = 10


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk.open(tmp_path_factory.mktemp("overlays")) as desk:
        wait_for(lambda: desk.pipeline.latest is not None, "a first frame")
        yield desk


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    yield desk.client
    desk.client.patch("/api/v1/settings", json={"k": 1, "min_margin": 0, "paused": False})


@pytest.fixture
def pipeline(desk: Desk) -> Pipeline:
    return desk.pipeline


def digit(number: int = 3) -> npt.NDArray[np.uint8]:
    return handwriting.draw(number, np.random.default_rng(5))


def check_problem(response: Any, status: int, *words: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["instance"] == response.request.url.path
    for word in words:
        assert word in body["detail"]
    return body


# Status and settings


def test_status_says_what_runs(client: TestClient, desk: Desk) -> None:
    status = client.get("/api/v1/status").json()
    assert status["device"] == {"kind": "model", "name": "model", "simulated": True}
    assert status["overlay"]["name"] == desk.names[0]
    assert status["overlay"]["build_id"] == desk.pipeline.classifier.manifest.build_id
    assert status["overlay"]["bits_per_class"] >= 1
    assert status["source"]["error"] is None
    counts = status["counts"]
    assert counts["captured"] == counts["recognised"] + counts["dropped"] + counts["at_work"]
    assert status["hardware"]["frames_in"] >= status["hardware"]["frames_out"] > 0
    assert status["token_required"] is False


def test_settings_change_only_what_is_named(client: TestClient) -> None:
    before = client.get("/api/v1/settings").json()
    after = client.patch("/api/v1/settings", json={"min_margin": 3})
    assert after.json() == before | {"min_margin": 3}
    assert client.get("/api/v1/settings").json() == after.json()


def test_k_is_used_by_the_core(client: TestClient, pipeline: Pipeline) -> None:
    assert client.patch("/api/v1/settings", json={"k": 3}).json()["k"] == 3
    assert pipeline.k == 3


def test_pause_stops_recognition_and_resume_begins_it(
    client: TestClient, pipeline: Pipeline
) -> None:
    assert client.patch("/api/v1/settings", json={"paused": True}).json()["paused"] is True
    wait_for(lambda: _still(pipeline), "recognition to stop")
    assert client.get("/readyz").status_code == 200
    assert client.patch("/api/v1/settings", json={"paused": False}).json()["paused"] is False
    stood = pipeline.counts.recognised
    wait_for(lambda: pipeline.counts.recognised > stood, "recognition to begin again")


def _still(pipeline: Pipeline) -> bool:
    before = pipeline.counts.recognised
    time.sleep(0.3)
    return pipeline.counts.recognised == before


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"k": 0}, "body.k"),
        ({"k": 17}, "body.k"),
        ({"k": "many"}, "body.k"),
        ({"min_margin": -1}, "body.min_margin"),
        ({"paused": "perhaps"}, "body.paused"),
        ({"kk": 3}, "body.kk"),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, change: dict[str, Any], where: str) -> None:
    problem = check_problem(client.patch("/api/v1/settings", json=change), 422, where)
    assert [error["where"] for error in problem["errors"]] == [where]


def test_a_k_without_thresholds_is_refused_and_changes_nothing(client: TestClient) -> None:
    before = client.get("/api/v1/settings").json()
    response = client.patch("/api/v1/settings", json={"min_margin": 9, "k": 5})
    check_problem(response, 422, "K = [1, 3]")
    assert client.get("/api/v1/settings").json() == before


def test_what_is_no_json_is_a_problem(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.patch("/api/v1/settings", content=b'{"k": ', headers=headers)
    check_problem(response, 422, "JSON")


# Sources


def test_sources_are_offered_by_name(client: TestClient, desk: Desk) -> None:
    sources = client.get("/api/v1/sources").json()
    assert [source["name"] for source in sources] == list(desk.sources)
    assert sum(source["active"] for source in sources) == 1


def test_another_source_can_be_watched(client: TestClient, desk: Desk) -> None:
    first, second = list(desk.sources)[:2]
    assert client.put("/api/v1/source", json={"name": second}).json()["active"] is True
    assert client.get("/api/v1/status").json()["source"]["name"] == second
    assert client.put("/api/v1/source", json={"name": first}).status_code == 200


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "video", "file:///etc/passwd"])
def test_a_source_that_is_not_offered_cannot_be_named(client: TestClient, name: str) -> None:
    check_problem(client.put("/api/v1/source", json={"name": name}), 404, "not offered")


# Classify


def test_a_28x28_image_is_classified_as_it_is(client: TestClient, desk: Desk) -> None:
    files = [("files", (f"{n}.png", encoded(digit(n)), "image/png")) for n in range(3)]
    answer = client.post("/api/v1/classify", files=files, params={"k": 3}).json()
    assert answer["k"] == 3
    assert answer["device"] == "model"
    results = desk.pipeline.classifier.classify(np.stack([digit(n) for n in range(3)]), k=3)
    for n, found in enumerate(answer["files"]):
        assert found["name"] == f"{n}.png"
        assert found["direct"] is True
        (detection,) = found["detections"]
        assert detection["scores"] == results.scores[n].tolist()
        assert detection["digit"] == results.classes[n]
        assert detection["margin"] == results.margins[n]
        assert base64.b64decode(detection["view"]) == digit(n).tobytes()


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_a_photograph_is_searched_for_digits(client: TestClient, extension: str) -> None:
    paper = np.full((300, 400, 3), 230, np.uint8)
    places = [(30, 40), (260, 150)]
    for x, y in places:
        ink = cv2.resize(digit(), (96, 96), interpolation=cv2.INTER_CUBIC)
        paper[y : y + 96, x : x + 96] -= (ink[:, :, None] * 0.8).astype(np.uint8)
    upload = {"files": (f"photo{extension}", encoded(paper, extension), "application/octet-stream")}
    (found,) = client.post("/api/v1/classify", files=upload).json()["files"]
    assert found["direct"] is False
    assert (found["width"], found["height"]) == (400, 300)
    for x, y in places:
        assert any(
            abs(d["box"]["x"] + d["box"]["width"] / 2 - x - 48) < 20
            and abs(d["box"]["y"] + d["box"]["height"] / 2 - y - 48) < 20
            for d in found["detections"]
        )


def test_files_are_needed(client: TestClient) -> None:
    check_problem(client.post("/api/v1/classify"), 422, "files")


def test_too_many_files_are_refused(client: TestClient) -> None:
    files = [("files", (f"{n}.png", encoded(digit()), "image/png")) for n in range(65)]
    check_problem(client.post("/api/v1/classify", files=files), 413, "at most 64")


@pytest.mark.parametrize(
    ("data", "status"), [(b"GIF89a", 415), (b"", 415), (encoded(digit())[:-20], 422)]
)
def test_a_bad_file_is_named(client: TestClient, data: bytes, status: int) -> None:
    files = {"files": ("bad.png", data, "image/png")}
    check_problem(client.post("/api/v1/classify", files=files), status, "bad.png")


@pytest.mark.parametrize("k", [2, 0, 99, "x"])
def test_classify_needs_a_k_that_exists(client: TestClient, k: Any) -> None:
    files = {"files": ("digit.png", encoded(digit()), "image/png")}
    check_problem(client.post("/api/v1/classify", files=files, params={"k": k}), 422, "k")


# The pad


def test_a_drawing_is_centred_and_classified(client: TestClient, desk: Desk) -> None:
    canvas = np.zeros((140, 140), np.uint8)
    canvas[10:80, 20:90] = cv2.resize(digit(), (70, 70))
    body = encoded(canvas)
    answer = client.post("/api/v1/pad", content=body, headers={"Content-Type": "image/png"})
    recognition = answer.json()["recognition"]
    view = np.frombuffer(base64.b64decode(recognition["view"]), np.uint8).reshape(28, 28)
    moments = cv2.moments(view)
    assert abs(moments["m10"] / moments["m00"] - 13.5) <= 1
    assert abs(moments["m01"] / moments["m00"] - 13.5) <= 1
    results = desk.pipeline.classifier.classify(view[np.newaxis].copy(), k=1)
    assert recognition["scores"] == results.scores[0].tolist()
    assert len(recognition["scores"]) == CLASSES


def test_dark_ink_on_light_paper_is_the_same_drawing(client: TestClient) -> None:
    canvas = np.zeros((140, 140), np.uint8)
    canvas[10:80, 20:90] = cv2.resize(digit(), (70, 70))
    light, dark = (
        client.post("/api/v1/pad", content=encoded(image)).json()["recognition"]
        for image in (canvas, 255 - canvas)
    )
    assert light == dark


def test_an_empty_drawing_is_nothing(client: TestClient) -> None:
    answer = client.post("/api/v1/pad", content=encoded(np.zeros((140, 140), np.uint8)))
    assert answer.json()["recognition"] is None


def test_a_drawing_that_is_no_image_is_refused(client: TestClient) -> None:
    check_problem(client.post("/api/v1/pad", content=b"drawing"), 415, "drawing")


# Results


def test_the_latest_result_holds_the_scene(client: TestClient) -> None:
    result = client.get("/api/v1/detections/latest").json()
    assert result["width"] * result["height"] > 0
    assert result["latency_ms"] > 0
    assert result["truth"] is not None
    for found in result["detections"]:
        assert len(found["scores"]) == CLASSES
        assert found["digit"] == int(np.argmax(found["scores"]))
        assert len(base64.b64decode(found["view"])) == 28 * 28


def test_the_snapshot_is_the_frame_with_boxes(client: TestClient, pipeline: Pipeline) -> None:
    client.patch("/api/v1/settings", json={"paused": True})
    wait_for(lambda: _still(pipeline), "recognition to stop")
    response = client.get("/api/v1/snapshot.jpg")
    assert response.headers["content-type"] == "image/jpeg"
    image = cv2.imdecode(np.frombuffer(response.content, np.uint8), cv2.IMREAD_COLOR)
    latest = pipeline.latest
    assert latest is not None
    assert image.shape == latest.image.shape
    for found in latest.detections:
        x, y, _, height = found.box
        changed = np.abs(image[y : y + height, x].astype(int) - latest.image[y : y + height, x])
        assert changed.mean() > 8


# Overlays


def test_overlays_are_listed_and_one_is_loaded(client: TestClient, desk: Desk) -> None:
    overlays = client.get("/api/v1/overlays").json()
    assert {overlay["name"] for overlay in overlays} == set(desk.names)
    assert [overlay["name"] for overlay in overlays if overlay["loaded"]] == [desk.names[0]]
    assert overlays[0]["passes"] == [1, 3]


def test_another_overlay_can_be_loaded(client: TestClient, desk: Desk) -> None:
    first, second = desk.names
    answer = client.post(f"/api/v1/overlays/{second}/load")
    assert answer.json()["loaded"] is True
    status = client.get("/api/v1/status").json()
    assert status["overlay"]["name"] == second
    stood = desk.pipeline.counts.recognised
    wait_for(lambda: desk.pipeline.counts.recognised > stood, "recognition with the other overlay")
    assert client.post(f"/api/v1/overlays/{first}/load").status_code == 200


def test_between_two_overlays_the_counters_are_those_read_last(
    client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "MAX_AGE_S", 0.0)
    before = client.get("/api/v1/status").json()["hardware"]
    assert before

    def closed() -> None:
        raise CoreError("overlay first was closed")

    monkeypatch.setattr(desk.pipeline.classifier, "counters", closed)
    response = client.get("/api/v1/status")
    assert response.status_code == 200
    assert response.json()["hardware"] == before


@pytest.mark.parametrize("name", ["nothing", "..", "..%2F..%2Fetc", "%2Fetc%2Fpasswd"])
def test_an_overlay_that_is_not_offered_is_not_found(client: TestClient, name: str) -> None:
    check_problem(client.post(f"/api/v1/overlays/{name}/load"), 404)


def test_a_broken_overlay_leaves_the_former_running(client: TestClient, desk: Desk) -> None:
    first, second = desk.names
    vectors: Path = desk.directory(second) / "vectors.npz"
    whole = vectors.read_bytes()
    vectors.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        response = client.post(f"/api/v1/overlays/{second}/load")
        check_problem(response, 502, "vectors.npz", f"{first} runs on")
    finally:
        vectors.write_bytes(whole)
    assert client.get("/api/v1/status").json()["overlay"]["name"] == first
    stood = desk.pipeline.counts.recognised
    wait_for(lambda: desk.pipeline.counts.recognised > stood, "recognition after the failure")


def test_the_card_holds_figures_and_text(client: TestClient, desk: Desk) -> None:
    card = client.get("/api/v1/overlay/card").json()
    manifest = desk.pipeline.classifier.manifest
    assert card["overlay"]["name"] == manifest.name
    assert card["clock_mhz"] == manifest.clock_mhz
    assert card["run_on_hardware"] is False
    assert card["markdown"] == (desk.directory(manifest.name) / "README.md").read_text()


# Health and metrics


def test_health(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_metrics_count(client: TestClient, desk: Desk) -> None:
    before = metrics(client)
    for _ in range(3):
        client.get("/api/v1/status")
    client.get("/nowhere")
    after = metrics(client)
    status = 'lutlens_http_requests_total{method="GET",route="/api/v1/status",status="200"}'
    assert after[status] - before.get(status, 0) == 3
    assert after['lutlens_http_requests_total{method="any",route="unmatched",status="404"}'] >= 1
    assert after["lutlens_frames_captured_total"] >= before["lutlens_frames_captured_total"] > 0
    assert after["lutlens_frames_recognised_total"] > 0
    assert 0 < after['lutlens_latency_seconds{quantile="0.5"}'] < 5
    assert after["lutlens_source_up"] == 1
    assert after['lutlens_core_register{register="frames_out"}'] > 0


def metrics(client: TestClient) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = [line for line in response.text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


# Errors that belong to no route


def test_what_is_not_there_is_a_problem(client: TestClient) -> None:
    check_problem(client.get("/api/v2/status"), 404, "/api/v2/status", "/docs")


def test_a_wrong_method_is_a_problem_that_says_the_right_one(client: TestClient) -> None:
    response = client.delete("/api/v1/status")
    check_problem(response, 405, "DELETE")
    assert response.headers["allow"] == "GET"


def test_a_failure_inside_says_nothing_about_the_inside(
    client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError("/secret/path is gone")

    monkeypatch.setattr(type(desk.context.overlays), "manifests", property(fail))
    quiet = TestClient(desk.app, base_url=str(desk.client.base_url), raise_server_exceptions=False)
    response = quiet.get("/api/v1/overlays")
    check_problem(response, 500)
    assert "secret" not in response.text
    assert "content-security-policy" in response.headers
