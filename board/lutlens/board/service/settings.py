"""How the service itself is run: where it listens, who may change things, how much it takes."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from collections.abc import Iterable
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

TOKEN_VARIABLE = "LUTLENS_TOKEN"
"""The environment variable that sets the token."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class ServiceSettings(BaseModel):
    """Given on the command line, never by a request.

    host, port: where to listen.
    token: bearer token that changes ask for. Left out, a service bound to loopback has none, and
        any other gets a random one, which `url` carries.
    allowed_hosts: further names by which browsers may call the service.
    max_upload_bytes: the largest request body.
    max_pixels: the largest image, by its header, that is decoded.
    max_files: files in one classify request.
    max_viewers: open streams, WebSocket and MJPEG together.
    stream_fps: pictures a second at most, for each viewer.
    jpeg_quality: 1 to 100.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    token: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_upload_bytes: Annotated[int, Field(ge=1 << 10)] = 16 << 20
    max_pixels: Annotated[int, Field(ge=28 * 28)] = 16_000_000
    max_files: Annotated[int, Field(ge=1)] = 64
    max_viewers: Annotated[int, Field(ge=1)] = 32
    stream_fps: Annotated[float, Field(gt=0, le=1000)] = 30
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 85
    _made_up: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _token_unless_loopback(self) -> ServiceSettings:
        if self.token is None and not self.loopback:
            object.__setattr__(self, "token", SecretStr(secrets.token_urlsafe(24)))
            self._made_up = True
        if self.token is not None and len(self.token.get_secret_value()) < 8:
            raise ValueError("token: must have at least 8 characters")
        return self

    @classmethod
    def given(cls, host: str, port: int, allowed_hosts: Iterable[str]) -> ServiceSettings:
        """As options and the environment say. Raises ValueError, which names what is wrong."""
        token = os.environ.get(TOKEN_VARIABLE)
        try:
            return cls(
                host=host,
                port=port,
                token=None if token is None else SecretStr(token),
                allowed_hosts=tuple(allowed_hosts),
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(": ".join([*map(str, first["loc"]), first["msg"]])) from error

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK_NAMES or _is_loopback_address(self.host)

    @property
    def url(self) -> str:
        """Where the page is. A token travels in the fragment, which browsers keep to themselves.

        Only one that was made up: who gave one knows it, and a service's output ends in a log.
        """
        host = socket.gethostname() if self.host in ("0.0.0.0", "::", "") else self.host
        host = f"[{host}]" if ":" in host else host
        fragment = f"#token={self.token.get_secret_value()}" if self.token and self._made_up else ""
        return f"http://{host}:{self.port}/{fragment}"

    def accepts_host(self, name: str) -> bool:
        """Whether a browser may have called the service by this name.

        DNS rebinding needs a name that its attacker owns: this machine's names and plain addresses
        are safe.
        """
        name = name.lower().rstrip(".")
        own = socket.gethostname().lower()
        names = LOOPBACK_NAMES | {extra.lower() for extra in self.allowed_hosts}
        if not self.loopback:
            names = names | {own, f"{own}.local", socket.getfqdn().lower(), self.host.lower()}
        return name in names or (_is_loopback_address(name) if self.loopback else _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback_address(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_loopback
