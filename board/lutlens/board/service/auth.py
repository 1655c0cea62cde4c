"""Who may do what: the bearer token, and the checks that keep other web sites out.

A browser sends requests to 127.0.0.1 on behalf of any page that it shows. So the name by which the
service was called has to be its own (DNS rebinding), and whatever is not a plain read has to come
from the service's own page (cross-site requests; RFC 6454 origins). Programs other than browsers
send no Origin and pass.
"""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from lutlens.board.service.context import Core
from lutlens.board.service.errors import RequestError, problem
from lutlens.board.service.settings import ServiceSettings
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(
    auto_error=False, description="Needed for changes unless the service is bound to loopback."
)


def require_token(
    core: Core,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """A dependency of every route that changes something."""
    if core.settings.token is None:
        return
    expected = core.settings.token.get_secret_value()
    given = credentials.credentials if credentials else ""
    if not secrets.compare_digest(given.encode(), expected.encode()):
        detail = "Changes need the service's token: send 'Authorization: Bearer TOKEN'."
        challenge = 'Bearer realm="lutlens"' + (', error="invalid_token"' if given else "")
        raise RequestError(401, detail, {"WWW-Authenticate": challenge})


class Guard:
    """ASGI middleware: refuses foreign Host names and cross-site requests, WebSockets included."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            refusal = self._refusal(scope, Headers(scope=scope))
            if refusal is not None:
                status, detail = refusal
                # Starlette turns this into a refused handshake when the scope is a WebSocket's.
                await problem(status, detail, scope["path"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if not self.settings.accepts_host(name):
            return 421, (
                f"Host {host!r} is not a name of this service; --allow-host adds one to its names."
            )
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, f"Requests from {origin!r} are not served; only the service's own page is."
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "Cross-site requests are not served."
        return None
