"""A real OpenSSH server on loopback, and what may happen to the connection to it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class SshServer:
    """port: where it listens. key: a private key that it accepts. known_hosts: names its host key.

    tools: a directory that comes first in the PATH of its sessions.
    """

    port: int
    user: str
    key: Path
    known_hosts: Path
    tools: Path

    def tool(self, name: str, script: str) -> None:
        """Put a shell script in front of a command. `$REAL` in it is the command itself."""
        path = self.tools / name
        path.write_text(f"#!/bin/sh\nREAL={shutil.which(name) or ''}\n{script}\n")
        path.chmod(0o755)

    def no_tools(self) -> None:
        for path in self.tools.iterdir():
            path.unlink()


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Run it, as the current user, with keys of its own."""
    daemon = shutil.which("sshd") or "/usr/sbin/sshd"
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, timeout=START_S)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    tools = folder / "tools"
    tools.mkdir()
    port = free_port()
    known_hosts = folder / "known_hosts"
    kind, public = (folder / "host.pub").read_text().split()[:2]
    known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {public}\n")
    (folder / "sshd_config").write_text(
        f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication yes
PermitRootLogin yes
MaxAuthTries 3
Subsystem sftp internal-sftp
SetEnv PATH={tools}:{os.environ["PATH"]}
"""
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation wants it
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(
            [daemon, "-D", "-e", "-f", str(folder / "sshd_config")], stdout=log, stderr=log
        )
    try:
        _wait_for(port, process, folder / "sshd.log")
        yield SshServer(port, getpass.getuser(), folder / "user", known_hosts, tools)
    finally:
        process.terminate()
        process.wait(START_S)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@contextmanager
def breaking_connection(port: int, after_bytes: int) -> Iterator[int]:
    """A port that passes everything on to `port`, until so many bytes have gone there; then it breaks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                near, _ = listener.accept()
                with near, socket.create_connection(("127.0.0.1", port)) as far:
                    back = threading.Thread(target=_pass_on, args=(far, near, None), daemon=True)
                    back.start()
                    _pass_on(near, far, after_bytes)
                    for side in (near, far):
                        side.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
    thread.join(START_S)


def _pass_on(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    passed = 0
    with suppress(OSError):
        while (limit is None or passed < limit) and (data := source.recv(1 << 14)):
            sink.sendall(data)
            passed += len(data)
