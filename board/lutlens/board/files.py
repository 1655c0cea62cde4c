"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write beside the place, then rename: no reader ever sees half a file. Raises OSError."""
    target = Path(path)
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", delete=False
    ) as f:
        try:
            f.write(data)
            f.close()
            os.chmod(f.name, 0o644)
            os.replace(f.name, target)
        except BaseException:
            os.unlink(f.name)
            raise
