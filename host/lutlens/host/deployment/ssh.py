"""The far end, by ssh: commands, root's too, and files. Every error says what was being done."""

from __future__ import annotations

import codecs
import io
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import paramiko
from lutlens.host.deployment import DeploymentError

CONNECT_S = 20.0
COMMAND_S = 120.0
KEEPALIVE_S = 10
CHUNK = 1 << 15


class ConnectionLost(DeploymentError):
    """The far end does not answer any more."""


@dataclass(frozen=True)
class Target:
    """Where, and as whom.

    known_hosts: file of the host keys that are trusted; one accepted is added to it.
    host_key: fingerprint, "SHA256:...", of the one unknown key to accept.
    key: private key file; None: those of the ssh agent and of ~/.ssh.
    password: for logging in and for sudo; never shown.
    """

    host: str
    user: str = "xilinx"
    port: int = 22
    known_hosts: Path = field(default_factory=lambda: Path.home() / ".ssh" / "known_hosts")
    host_key: str | None = None
    key: Path | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != 22 else "")


@dataclass(frozen=True)
class Result:
    """Of a command at the far end."""

    status: int
    output: str
    error: str

    @property
    def message(self) -> str:
        """What it complained of, at most five lines."""
        lines = [*self.output.splitlines(), *self.error.splitlines()]
        return "\n".join(filter(str.strip, lines[-5:])) or f"exit status {self.status}"


class Connection:
    """An open connection; a context manager."""

    def __init__(self, target: Target) -> None:
        """Connect. Raises DeploymentError: unknown or changed host key, no login, no answer."""
        self.target = target
        self.is_root = target.user == "root"
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(_Unknown(target))
        try:
            if target.known_hosts.exists():
                self._client.load_host_keys(str(target.known_hosts))
            self._client.connect(
                target.host,
                target.port,
                target.user,
                target.password,
                key_filename=str(target.key) if target.key else None,
                allow_agent=not (target.key or target.password),
                look_for_keys=not (target.key or target.password),
                timeout=CONNECT_S,
                banner_timeout=CONNECT_S,
                auth_timeout=CONNECT_S,
            )
        except BaseException as error:
            self._client.close()
            if isinstance(error, (OSError, paramiko.SSHException, EOFError, ValueError)):
                _explain(error, target)
            raise
        transport = self._client.get_transport()
        assert transport is not None
        transport.set_keepalive(KEEPALIVE_S)
        self._transport = transport

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def run(
        self,
        command: Sequence[str],
        *,
        doing: str,
        stdin: bytes = b"",
        root: bool = False,
        check: bool = True,
        timeout_s: float = COMMAND_S,
    ) -> Result:
        """Run a command and wait for its end.

        doing: what it is for; errors begin with it.
        root: by sudo, unless logged in as root. Takes no `stdin` then: that is sudo's.
        check: raise DeploymentError if its exit status is not 0.
        """
        output, error = bytearray(), bytearray()
        with self._lost(doing), self._begin(command, stdin, root) as channel:
            deadline = time.monotonic() + timeout_s
            while True:
                done = channel.exit_status_ready()
                for ready, receive, sink in (
                    (channel.recv_ready, channel.recv, output),
                    (channel.recv_stderr_ready, channel.recv_stderr, error),
                ):
                    while ready():
                        sink += receive(CHUNK)
                if done and channel.eof_received:
                    break
                if not self._transport.is_active():
                    raise EOFError
                if time.monotonic() > deadline:
                    raise DeploymentError(f"{doing}: no end after {timeout_s:g} s")
                time.sleep(0.005)
            status = channel.recv_exit_status()
        result = Result(status, output.decode(errors="replace"), error.decode(errors="replace"))
        if root and not self.is_root and status and "sudo:" in result.error:
            raise DeploymentError(
                f"{doing}: {self.target.user} does not become root by sudo on {self.target.host} "
                f"({result.message}); give the password with --password-stdin"
            )
        if check and status:
            raise DeploymentError(f"{doing}: {result.message}")
        return result

    def stream(
        self, command: Sequence[str], *, doing: str, root: bool, silence_s: float | None = None
    ) -> Iterator[str]:
        """What a command writes, piece by piece, until it ends or the generator is closed.

        silence_s: raise DeploymentError if nothing comes for so long; None: it may be silent for ever.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._lost(doing), self._begin(command, b"", root) as channel:
            channel.set_combine_stderr(True)
            channel.settimeout(silence_s)
            try:
                while piece := channel.recv(CHUNK):
                    yield decoder.decode(piece)
            except TimeoutError as error:
                raise DeploymentError(f"{doing}: not a word for {silence_s:g} s") from error

    def upload(
        self, files: dict[str, bytes], folder: str, *, doing: str, told: Callable[[int], None]
    ) -> None:
        """Write files, by their path below `folder`. `told` hears of every file's bytes."""
        with self._lost(doing), self._client.open_sftp() as sftp:
            sftp.get_channel().settimeout(COMMAND_S)
            made: set[str] = set()
            for name, data in files.items():
                try:
                    self._make_parents(sftp, f"{folder}/{name}", made)
                    # Ends with a look at the size: a write that fails is not told otherwise.
                    sftp.putfo(io.BytesIO(data), f"{folder}/{name}", confirm=True)
                except OSError as error:
                    if not self._transport.is_active():
                        raise
                    raise DeploymentError(
                        f"{doing}: {folder}/{name}: {self._why(folder, error)}"
                    ) from error
                told(len(data))

    def read_secret(self, path: str) -> str | None:
        """A small file's text; None if there is none."""
        with self._lost("reading the token"), self._client.open_sftp() as sftp:
            try:
                with sftp.open(path) as file:
                    return str(file.read().decode())
            except FileNotFoundError:
                return None

    def write_secret(self, path: str, text: str) -> None:
        """Write a file that nobody else may read."""
        with (
            self._lost("writing the token"),
            self._client.open_sftp() as sftp,
            sftp.open(path, "w") as file,
        ):
            sftp.chmod(path, 0o600)
            file.write(text)

    def _why(self, folder: str, error: OSError) -> str:
        """OpenSSH says no more than "Failure" of a full disk."""
        free = self.run(["df", "-Pk", folder], doing="looking at the disk", check=False).output
        available = free.splitlines()[-1].split()[3:4] if free else []
        if available == ["0"]:
            return f"the disk of {self.target.host} is full"
        return str(error)

    @staticmethod
    def _make_parents(sftp: Any, path: str, made: set[str]) -> None:
        parents = [str(parent) for parent in Path(path).parents][::-1]
        for parent in parents:
            if parent in made:
                continue
            made.add(parent)
            try:
                sftp.stat(parent)
            except FileNotFoundError:
                sftp.mkdir(parent)

    @contextmanager
    def _begin(self, command: Sequence[str], stdin: bytes, root: bool) -> Iterator[Any]:
        if root and not self.is_root:
            if self.target.password is None:
                command = ["sudo", "-n", "--", *command]
            else:
                command = ["sudo", "-S", "-k", "-p", "", "--", *command]
                stdin = self.target.password.encode() + b"\n"
        channel = self._transport.open_session(timeout=CONNECT_S)
        try:
            channel.settimeout(CONNECT_S)
            channel.exec_command(shlex.join(command))
            if stdin:
                channel.sendall(stdin)
            channel.shutdown_write()
            yield channel
        finally:
            channel.close()

    @contextmanager
    def _lost(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError, paramiko.SSHException) as error:
            if isinstance(error, OSError) and self._transport.is_active():
                raise DeploymentError(f"{doing}: {error}") from error
            raise ConnectionLost(
                f"{doing}: the connection to {self.target.host} was lost; what ran there before runs "
                "on; deploying again goes on from what has arrived whole"
            ) from error


class _Unknown(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Refuses keys that nobody vouched for; remembers the one that the user named."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        target = self._target
        if target.host_key == key.fingerprint:
            target.known_hosts.parent.mkdir(mode=0o700, exist_ok=True)
            with target.known_hosts.open("a") as file:
                file.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")
            return
        named = f", not {target.host_key}" if target.host_key else ""
        raise DeploymentError(
            f"{target.host}: its host key, {key.get_name()} {key.fingerprint}, is not in "
            f"{target.known_hosts}{named}. If the far end shows the same fingerprint "
            "(there: for f in /etc/ssh/ssh_host_*.pub; do ssh-keygen -lf $f; done), accept it: "
            f"--host-key {key.fingerprint}"
        )


def _explain(error: Exception, target: Target) -> NoReturn:
    """Raise what `connect` raised as a sentence."""
    if isinstance(error, paramiko.BadHostKeyException):
        message = (
            f"its host key has changed to {error.key.fingerprint}, {target.known_hosts} has another: "
            "a new SD card, or somebody in between. If it is the card: ssh-keygen -R "
            + (target.host if target.port == 22 else f"'[{target.host}]:{target.port}'")
        )
    elif isinstance(error, paramiko.AuthenticationException):
        tried = "the key" if target.key else "the password" if target.password else "no key"
        what = (
            f"{tried} is not accepted"
            if target.key or target.password
            else "accepts no key of ours"
        )
        message = f"{what}, for user {target.user}; see --user, --key and --password-stdin"
    elif isinstance(error, socket.gaierror):
        message = "no machine of this name; is the board on, and in this network?"
    elif isinstance(error, (TimeoutError, socket.timeout)):
        message = f"no answer at port {target.port} within {CONNECT_S:g} s"
    elif isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        message = f"nothing answers at port {target.port}"
    else:
        message = str(error) or type(error).__name__
    raise DeploymentError(f"{target.host}: {message}") from error
