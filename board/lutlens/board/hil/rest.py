"""Does the service keep its contract: the types that it promises, its refusals, the core's own answers?"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.hil.bench import Bench, CheckFailed, Found, Service, Skipped
from lutlens.board.service import models
from lutlens.board.service.headers import SECURITY_HEADERS
from pydantic import TypeAdapter, ValidationError

ANSWER_S = 60.0
MAX_BYTES = 64 << 20
IMAGES = 20
PROBLEM = "application/problem+json"
JSON = "application/json"
READS: Mapping[str, Any] = {
    "/healthz": models.Health,
    "/readyz": models.Health,
    "/api/v1/status": models.Status,
    "/api/v1/settings": models.Settings,
    "/api/v1/sources": list[models.SourceInfo],
    "/api/v1/overlays": list[models.OverlayInfo],
    "/api/v1/overlay/card": models.ModelCard,
}
"""What can be read at any time, and what it is."""


@dataclass(frozen=True)
class Answer:
    """request: method and path, for messages."""

    request: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    def expect(self, status: int, kind: str) -> Answer:
        """This answer. Raises CheckFailed if it is another one, or lacks what every answer has."""
        if (self.status, self.kind) != (status, kind):
            raise CheckFailed(
                f"{self.request} answers {self.status} {self.kind}, must be {status} {kind}: "
                f"{self.body[:200].decode(errors='replace')}"
            )
        for name, value in SECURITY_HEADERS.items():
            if self.headers.get(name.lower()) != value:
                raise CheckFailed(f"{self.request} answers without the header {name}: {value}")
        return self

    def read(self, kind: Any) -> Any:
        """The body as this type. Raises CheckFailed."""
        try:
            return TypeAdapter(kind).validate_json(self.body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise CheckFailed(f"{self.request}: {where}: {first['msg']}") from error


@dataclass(frozen=True)
class Client:
    """Asks one service."""

    service: Service

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = JSON,
        *,
        token: str | None = None,
    ) -> Answer:
        """Raises CheckFailed if nothing answers."""
        headers = {"Content-Type": kind} if body else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection(urlsplit(self.service.url).netloc, timeout=ANSWER_S)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            data = response.read(MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise CheckFailed(f"{method} {self.service.url}{path}: {error}") from error
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(f"{method} {path}", response.status, found, data)


def rest(bench: Bench) -> Found:
    """Every answer is of the type that it promises, every refusal a problem, and uploads get the core's answers."""
    if bench.serving is None:
        raise Skipped("nothing serves this overlay")
    bench.drop()  # a service has the device for itself
    with bench.serving() as service:
        return _check(Client(service), bench)


def _check(client: Client, bench: Bench) -> Found:
    for path, kind in READS.items():
        client.ask("GET", path).expect(200, JSON).read(kind)
    operations = _openapi(client)
    status: models.Status = client.ask("GET", "/api/v1/status").read(models.Status)
    for name, found, right in (
        ("overlay.name", status.overlay.name, bench.manifest.name),
        ("overlay.build_id", status.overlay.build_id, bench.manifest.build_id),
        ("device.kind", status.device.kind, bench.kind),
    ):
        if found != right:
            raise CheckFailed(f"GET /api/v1/status: {name} is {found}, must be {right}")
    client.ask("GET", "/metrics").expect(200, "text/plain")
    _latest(client)
    _refusals(client, status)
    _changes(client, status)
    sent = _uploads(client, bench)
    return Found(
        f"{len(READS)} resources and {operations} operations as described, refusals are problems, "
        f"{sent} uploaded files get {'answers' if bench.vectors.scans else 'their golden scores'}",
        {"operations": operations, "files": sent},
    )


def _latest(client: Client) -> None:
    """The last result, once there is one; a problem where the source gives no frames."""
    deadline = time.monotonic() + ANSWER_S
    while (answer := client.ask("GET", "/api/v1/detections/latest")).status != 200:
        answer.expect(503, PROBLEM)
        status: models.Status = client.ask("GET", "/api/v1/status").read(models.Status)
        if status.source.error is not None:
            return
        if time.monotonic() > deadline:
            raise CheckFailed(f"GET /api/v1/status: no frame was recognised within {ANSWER_S:g} s")
        time.sleep(0.2)
    answer.expect(200, JSON).read(models.Result)


def _openapi(client: Client) -> int:
    """How many operations it describes; each answers errors as problems."""
    document = json.loads(client.ask("GET", "/api/v1/openapi.json").expect(200, JSON).body)
    if not str(document.get("openapi", "")).startswith("3.1"):
        raise CheckFailed("GET /api/v1/openapi.json: openapi must be 3.1")
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for name, operation in operations:
        for status, answer in operation["responses"].items():
            if not status.startswith("2") and list(answer.get("content", {})) != [PROBLEM]:
                raise CheckFailed(
                    f"GET /api/v1/openapi.json: {name} answers {status} not by {PROBLEM}"
                )
    missing = [path for path in READS if path not in document["paths"]]
    if missing:
        raise CheckFailed(f"GET /api/v1/openapi.json: does not describe {missing[0]}")
    return len(operations)


def _refusals(client: Client, status: models.Status) -> None:
    token = client.service.token
    for method, path, body, kind, right in (
        ("GET", "/api/v1/nothing", b"", JSON, 404),
        ("DELETE", "/api/v1/status", b"", JSON, 405),
        ("PATCH", "/api/v1/settings", b'{"k": 99}', JSON, 422),
        ("PATCH", "/api/v1/settings", b'{"k": ', JSON, 422),
        ("POST", "/api/v1/pad", b"no picture", "image/png", 415),
    ):
        answer = client.ask(method, path, body, kind, token=token).expect(right, PROBLEM)
        problem: models.Problem = answer.read(models.Problem)
        if problem.status != right or problem.instance != path:
            raise CheckFailed(f"{answer.request}: status and instance must be {right} and {path}")
    if not status.token_required:
        return
    if token is None:
        raise Skipped("the service asks for a token that was not given")
    for wrong in (None, secrets.token_urlsafe()):
        client.ask("PATCH", "/api/v1/settings", b"{}", token=wrong).expect(401, PROBLEM)


def _changes(client: Client, status: models.Status) -> None:
    """The margin is set to another value and back; what was not named stays."""
    before = status.settings
    for margin in (before.min_margin + 1, before.min_margin):
        body = json.dumps({"min_margin": margin}).encode()
        answer = client.ask("PATCH", "/api/v1/settings", body, token=client.service.token)
        after: models.Settings = answer.expect(200, JSON).read(models.Settings)
        if after != before.model_copy(update={"min_margin": margin}):
            raise CheckFailed(
                f"{answer.request} gives {after}, where min_margin was set to {margin}"
            )


def _uploads(client: Client, bench: Bench) -> int:
    """Golden inputs as files; those of a core that takes single images get its golden scores or images. Returns
    how many were sent."""
    k, vectors = min(bench.ks), bench.vectors
    images = vectors.inputs[:IMAGES]
    body, kind = _multipart(images)
    answer = client.ask("POST", f"/api/v1/classify?k={k}", body, kind).expect(200, JSON)
    classified: models.Classified = answer.read(models.Classified)
    if len(classified.files) != len(images):
        raise CheckFailed(f"{answer.request}: {len(classified.files)} files, sent {len(images)}")
    if vectors.scans:  # found are digits, at all scales: no golden vector says which
        return len(images)
    geometry = bench.manifest.geometry
    for i, (file, scores) in enumerate(zip(classified.files, vectors.answers[k], strict=False)):
        if geometry.values:
            (image,) = geometry.values.images(scores[np.newaxis], k * geometry.bits_per_class)
            field, right = "output", base64.b64encode(image.tobytes()).decode()
        else:
            field, right = "scores", scores.tolist()
        held = [getattr(found, field) for found in file.detections]
        if held != [right]:
            raise CheckFailed(f"{answer.request}: file {i}: {field} {held}, must be {right}")
    return len(images)


def _multipart(images: npt.NDArray[np.uint8]) -> tuple[bytes, str]:
    """RFC 7578: the body, and its content type."""
    boundary = secrets.token_hex(16)
    parts = []
    for i, image in enumerate(images):
        # OpenCV has colours the other way round.
        _, png = cv2.imencode(".png", image if image.ndim == 2 else image[:, :, ::-1])
        head = f'Content-Disposition: form-data; name="files"; filename="{i}.png"'
        parts.append(
            f"--{boundary}\r\n{head}\r\nContent-Type: image/png\r\n\r\n".encode()
            + png.tobytes()
            + b"\r\n"
        )
    return b"".join(
        parts
    ) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
