"""A file of the user's, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """New contents for a file that is there; its mode stays, and a link stays a link. Raises `OSError`."""
    path = path.resolve()
    # Beside the file, and hidden: whoever reads the folder meanwhile sees the old file or the new one.
    number, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".new")
    try:
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, stat.S_IMODE(path.stat().st_mode))
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
