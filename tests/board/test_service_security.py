"""Who may do what: tokens, names, origins, limits and headers, on the real application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lutlens.board.service.headers import SECURITY_HEADERS
from lutlens.board.service.settings import ServiceSettings
from pydantic import SecretStr, ValidationError
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from support.service import Desk

TOKEN = "a-long-enough-token"
CHANGES = [
    ("PATCH", "/api/v1/settings", {"min_margin": 1}),
    ("PUT", "/api/v1/source", {"name": "synthetic"}),
    ("POST", "/api/v1/overlays/first/load", None),
]
STREAM = "/api/v1/detections/stream"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk.open(tmp_path_factory.mktemp("overlays")) as desk:
        yield desk


@pytest.fixture(scope="module")
def guarded(desk: Desk) -> TestClient:
    """The same pipeline, reachable from the network."""
    settings = ServiceSettings(host="0.0.0.0", token=SecretStr(TOKEN), max_upload_bytes=4096)
    return TestClient(desk.another(settings), base_url="http://192.168.2.99:8000")


# The token


def test_loopback_needs_no_token(desk: Desk) -> None:
    assert desk.client.patch("/api/v1/settings", json={"min_margin": 0}).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer wrong-token-here", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer ü"],
)
def test_changes_need_the_token(
    guarded: TestClient, method: str, path: str, body: Any, authorization: str | None
) -> None:
    headers = {"Authorization": authorization.encode()} if authorization else {}
    response = guarded.request(method, path, json=body, headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in response.text


def test_the_token_opens(guarded: TestClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = guarded.patch("/api/v1/settings", json={"min_margin": 0}, headers=headers)
    assert response.status_code == 200


def test_every_change_is_covered(desk: Desk) -> None:
    """A route that changes something and forgot its token would show here."""
    open_to_all = {"/api/v1/classify", "/api/v1/pad"}  # they compute, and change nothing
    paths = desk.app.openapi()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            if method != "get" and path not in open_to_all:
                assert operation["security"] == [{"HTTPBearer": []}], (method, path)


def test_reading_needs_no_token(guarded: TestClient) -> None:
    status = guarded.get("/api/v1/status")
    assert status.json()["token_required"] is True


def test_a_service_on_the_network_is_never_without_a_token() -> None:
    one, other = ServiceSettings(host="0.0.0.0"), ServiceSettings(host="0.0.0.0")
    assert one.token is not None
    assert other.token is not None
    assert len(one.token.get_secret_value()) >= 24
    assert one.token != other.token
    assert f"#token={one.token.get_secret_value()}" in one.url
    assert one.token.get_secret_value() not in repr(one)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.4.5"])
def test_a_service_on_loopback_has_none(host: str) -> None:
    settings = ServiceSettings(host=host)
    assert settings.token is None
    assert "#" not in settings.url


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 8"):
        ServiceSettings(token=SecretStr("short"))


# Names and origins


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("127.0.0.1:8000", True),
        ("localhost:9000", True),
        ("LOCALHOST", True),
        ("[::1]:8000", True),
        ("rebound.example", False),
        ("127.0.0.1.rebound.example:8000", False),
        ("localhost.rebound.example", False),
        ("192.168.2.99:8000", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_on_loopback_only_loopback_names_are_served(desk: Desk, host: str, served: bool) -> None:
    response = desk.client.get("/api/v1/status", headers={"Host": host})
    assert response.status_code == (200 if served else 421)
    if not served:
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("host", "served"),
    [("192.168.2.99:8000", True), ("[fe80::1]:8000", True), ("rebound.example", False)],
)
def test_on_the_network_addresses_are_served_but_no_foreign_names(
    guarded: TestClient, host: str, served: bool
) -> None:
    assert guarded.get("/healthz", headers={"Host": host}).status_code == (200 if served else 421)


def test_a_name_can_be_allowed() -> None:
    settings = ServiceSettings(allowed_hosts=("Lens.example",))
    assert settings.accepts_host("lens.example")
    assert not settings.accepts_host("other.example")


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({}, True),
        ({"Origin": "http://127.0.0.1:8000"}, True),
        ({"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
def test_other_sites_cannot_change_anything(
    desk: Desk, headers: dict[str, str], served: bool
) -> None:
    change = {"min_margin": 0}
    response = desk.client.patch("/api/v1/settings", json=change, headers=headers)
    assert response.status_code == (200 if served else 403)
    drawing = desk.client.post("/api/v1/pad", content=b"", headers=headers)
    assert drawing.status_code == (415 if served else 403)
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:8000", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1:8000", "Origin": "null"},
        {"Host": "rebound.example", "Origin": "http://rebound.example"},
    ],
)
def test_other_sites_cannot_listen(desk: Desk, headers: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        desk.client.websocket_connect(STREAM, headers=headers),
    ):
        pass


def test_the_own_page_can_listen(desk: Desk) -> None:
    headers = {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"}
    with desk.client.websocket_connect(STREAM, headers=headers) as socket:
        assert socket.receive_json()["type"] == "status"


def test_a_listener_may_leave_at_any_moment(desk: Desk) -> None:
    """Cancelled while it ended, the stream once raised a cancellation that was not its own."""
    headers = {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"}
    for _ in range(100):
        with desk.client.websocket_connect(STREAM, headers=headers) as socket:
            socket.receive_json()
    assert desk.context.hub.viewers == 0


# Limits


def test_an_announced_body_that_is_too_large_is_not_read(guarded: TestClient) -> None:
    response = guarded.post("/api/v1/pad", content=bytes(4097))
    assert response.status_code == 413
    assert "4096" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/pad", "/api/v1/classify"])
def test_an_endless_body_is_cut_off(guarded: TestClient, path: str) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(100):
            sent += 1024
            yield bytes(1024)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = guarded.post(path, content=endless(), headers=headers)
    assert response.status_code == 413, response.text
    assert response.headers["content-type"] == "application/problem+json"


# Headers


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/static/main.js", "/api/v1/status", "/nowhere", "/metrics"]
)
def test_every_answer_is_strict(desk: Desk, path: str) -> None:
    headers = desk.client.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    "path", ["/static/../service/auth.py", "/static/%2e%2e/manifest.py", "/static//etc/passwd"]
)
def test_nothing_but_the_page_is_a_file(desk: Desk, path: str) -> None:
    assert desk.client.get(path).status_code == 404
