"""uvicorn around the application: bounded, and quick to stop though streams are open."""

from __future__ import annotations

import os
import socket

import uvicorn
from fastapi import FastAPI
from lutlens.board.service.context import Context

GRACE_S = 3
MAX_MESSAGE_BYTES = 4096  # viewers send acknowledgements, nothing else
BACKLOG = 128


class Server(uvicorn.Server):
    """Ends the viewers' streams first: uvicorn waits for open responses, and these never end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        context: Context = self.config.app.state.context  # type: ignore[union-attr]
        context.hub.dismiss()
        await super().shutdown(sockets)


def configure(app: FastAPI, *, port: int | None = None, log_level: str = "warning") -> Server:
    """A server that is ready to run; `port` overrides the settings', 0 takes a free one."""
    context: Context = app.state.context
    config = uvicorn.Config(
        app,
        host=context.settings.host,
        port=context.settings.port if port is None else port,
        log_level=log_level,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # JPEG does not get smaller, only the processor busier
    )
    return Server(config)


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serve on a socket of `listen` until interrupted, and close it."""
    configure(app).run(sockets=[listening])


class PortError(RuntimeError):
    """Nobody can listen there."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; they wait until somebody serves. Port 0: a free one.

    Raises PortError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0  # Python adds to what the system says
        reason = os.strerror(number) if number > 0 else str(error)
        raise PortError(f"cannot listen on {host} port {port}: {reason}") from error
