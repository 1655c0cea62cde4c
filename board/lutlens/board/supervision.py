"""Telling the init system that the service is ready, and that it still is: sd_notify(3) without its library.

systemd names a datagram socket in NOTIFY_SOCKET. READY=1 goes there once `/readyz` has said so, and
WATCHDOG=1 as long as `/healthz` answers: a process that hangs is found out, and started again.
"""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SOCKET_VARIABLE, WATCHDOG_VARIABLE = "NOTIFY_SOCKET", "WATCHDOG_USEC"
ANYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}
READY_POLL_S = 0.2
ANSWER_S = 5.0


@contextmanager
def supervised(host: str, port: int) -> Iterator[None]:
    """While a service that listens at `host`, `port` runs: report to systemd, if that started us."""
    address = os.environ.pop(SOCKET_VARIABLE, "")  # no child of ours is to report for us
    if not address:
        yield
        return
    interval_s = int(os.environ.pop(WATCHDOG_VARIABLE, "0")) / 1e6 / 3
    ended = threading.Event()
    arguments = (address, ANYWHERE.get(host, host), port, interval_s, ended)
    thread = threading.Thread(target=_report, args=arguments, name="supervision", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        _notify(address, "STOPPING=1")


def _report(address: str, host: str, port: int, interval_s: float, ended: threading.Event) -> None:
    while not _answers(host, port, "/readyz"):
        if ended.wait(READY_POLL_S):
            return
    _notify(address, "READY=1")
    while interval_s and not ended.wait(interval_s):
        if _answers(host, port, "/healthz"):
            _notify(address, "WATCHDOG=1")


def _answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _notify(address: str, message: str) -> None:
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.sendto(message.encode(), name)
