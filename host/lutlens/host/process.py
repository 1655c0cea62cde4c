"""Running a tool that takes long: line by line, with a time limit, leaving no children behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path


def run(
    command: Sequence[str | os.PathLike[str]],
    folder: Path,
    timeout_s: float,
    on_line: Callable[[str], None],
) -> int:
    """Run `command` in `folder` and hand over each line that it prints, errors too; its status.

    Raises TimeoutError after `timeout_s`, when the tool and all its children have been killed,
    or OSError if it cannot be started.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    timed_out = threading.Event()

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def end() -> None:
        timed_out.set()
        kill()

    timer = threading.Timer(timeout_s, end)
    timer.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            on_line(line.rstrip("\r\n"))
        status = process.wait()
    except BaseException:
        kill()
        process.wait()
        raise
    finally:
        timer.cancel()
        process.stdout.close()
    if timed_out.is_set():
        raise TimeoutError(f"{Path(command[0]).name} took more than {timeout_s:.0f} s")
    return status
