"""What was fitted, kept as plain arrays in files named after their content. Nothing in them can run.

A cache: losing it costs time, and a file that cannot be read is as good as none.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

DRAFT_SECONDS = 3600.0
KEEP = 4  # files of a kind; time zones make two or three days current at once

log = logging.getLogger(__name__)


def load(folder: Path, kind: str, name: str) -> dict[str, np.ndarray] | None:
    """The arrays that were kept under this name; None if there are none, or none that can be read."""
    path = _path(folder, kind, name)
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {key: stored[key] for key in stored.files}
    except FileNotFoundError:
        return None
    except Exception as error:  # a spoilt archive fails in many ways
        log.warning("%s cannot be read (%s); it is made anew", path, error)
        return None
    with suppress(OSError):
        os.utime(path)  # what is used is kept
    return found


def save(folder: Path, kind: str, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep arrays; the files of this kind that were longest unused go. A disk that is full is no reason to stop."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=folder, prefix=f".{kind}-", suffix=".npz")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **dict(arrays))  # type: ignore[arg-type]
            Path(draft).replace(_path(folder, kind, name))  # at once whole, also when two do it
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        for path in sorted(folder.glob(f"{kind}-*.npz"), key=_used)[:-KEEP]:
            path.unlink(missing_ok=True)
        for path in folder.glob(f".{kind}-*.npz"):  # drafts of processes that were killed
            if _used(path) < _used(_path(folder, kind, name)) - DRAFT_SECONDS:
                path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: what was fitted cannot be kept (%s)", folder, error.strerror or error)


def _used(path: Path) -> float:
    with suppress(OSError):  # another process may have removed it
        return path.stat().st_mtime
    return 0.0


def _path(folder: Path, kind: str, name: str) -> Path:
    return folder / f"{kind}-{name}.npz"
