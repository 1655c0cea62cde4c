"""C and C++ sources to a loaded-at-run-time shared library, compiled once for this machine.

The library's file name holds a hash of everything that decides its content: sources, flags, and the
compiler's predefined macros, which tell both its version and, under `-march=native`, the processor.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import platformdirs

_KEEP_SECONDS = 30 * 24 * 3600
_COMPILERS = {".c": ("gcc", "clang", "cc"), ".cpp": ("g++", "clang++", "c++")}
_MESSAGE_LINES = 20


class CompilationError(RuntimeError):
    """No compiler, or one that failed: the message holds what it said, or what to install."""


def cache_directory() -> Path:
    """Where compiled libraries are kept: `lutlens/libraries` in the user's cache directory."""
    return Path(platformdirs.user_cache_dir("lutlens")) / "libraries"


def build_shared_library(
    sources: Mapping[str, str],
    flags: Sequence[str],
    name: str,
    *,
    timeout_s: float = 300.0,
) -> Path:
    """Compile and link `sources` to a shared library, unless that was done before; return its path.

    sources: file name to text. `.c` files or `.cpp` files (not both) are compiled, side by side;
        others (headers) lie beside them to be included.
    flags: given to the compiler and to the linker, e.g. `["-O2", "-march=native"]`.
    name: the beginning of the library's file name.
    timeout_s: for the whole build; then the compiler is killed.

    The library appears in the cache whole or not at all, so a build that is killed never blocks the
    next one. Raises CompilationError.
    """
    units = [file for file in sources if Path(file).suffix in _COMPILERS]
    languages = {Path(file).suffix for file in units}
    if len(languages) != 1:
        raise CompilationError(f"{name}: must be .c or .cpp files, not {sorted(sources)}")
    language = languages.pop()
    compiler = find_compiler(language)
    macros = _predefined_macros(compiler, tuple(flags), "c++" if language == ".cpp" else "c")
    target = cache_directory() / f"{name}-{_key(sources, [compiler, *flags, macros])}.so"
    try:
        os.utime(target)  # used today: not to be pruned
        return target
    except FileNotFoundError:
        pass

    target.parent.mkdir(parents=True, exist_ok=True)
    _prune(target.parent)
    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as folder:
        for file, text in sources.items():
            Path(folder, file).write_text(text, encoding="utf-8")

        def compile_unit(file: str) -> str:
            _run([compiler, *flags, "-fPIC", "-c", file, "-o", f"{file}.o"], folder, deadline)
            return f"{file}.o"

        with ThreadPoolExecutor(max_workers=min(len(units), os.cpu_count() or 1)) as pool:
            objects = list(pool.map(compile_unit, units))
        _run([compiler, *flags, "-shared", *objects, "-o", "library.so"], folder, deadline)
        os.replace(Path(folder, "library.so"), target)
    return target


def find_compiler(language: str) -> str:
    """The compiler that CC or CXX names, or else the first one found.

    language: `.c` or `.cpp`. Raises CompilationError.
    """
    variable = "CXX" if language == ".cpp" else "CC"
    for candidate in filter(None, (os.environ.get(variable), *_COMPILERS[language])):
        if path := shutil.which(candidate):
            return path
    raise CompilationError(
        f"no {'C++' if language == '.cpp' else 'C'} compiler found: "
        f"tried {', '.join(_COMPILERS[language])}; {variable} can name another. "
        "On Debian or Ubuntu: sudo apt-get install g++"
    )


def _key(sources: Mapping[str, str], circumstances: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in [*circumstances, *(part for file in sorted(sources.items()) for part in file)]:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:32]


@lru_cache
def _predefined_macros(compiler: str, flags: tuple[str, ...], language: str) -> str:
    """What the compiler knows of itself and of the processor that it compiles for."""
    command = [compiler, *flags, "-dM", "-E", "-x", language, os.devnull]
    return _run(command, ".", time.monotonic() + 20.0)


def _run(command: Sequence[str], folder: str, deadline: float) -> str:
    """Run a compiler; return its output. At the deadline it is killed with its children."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        output, messages = process.communicate(timeout=max(0.0, deadline - time.monotonic()))
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise CompilationError(f"timed out: {' '.join(command)}") from error
        raise
    if process.returncode:
        lines = messages.splitlines()[:_MESSAGE_LINES]
        raise CompilationError("\n".join([f"failed: {' '.join(command)}", *lines]))
    return output


def _prune(folder: Path) -> None:
    """Remove what nobody has used for a month, and what killed builds left."""
    for entry in folder.iterdir():
        try:
            if time.time() - entry.stat().st_mtime > _KEEP_SECONDS:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        except OSError:
            continue  # another process was faster
