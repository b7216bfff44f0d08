"""Files that hold a secret: who else on this machine may read or write them."""

from __future__ import annotations

import logging
import os
import shlex
import stat
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)


def everybody_may(path: Path) -> bool:
    """Raises OSError."""
    return bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))


def exposure(path: Path) -> str:
    """Who else may read or write a file, in words, or "". Raises OSError.

    A file of another user's, root's as a rule, may be there for our group to read.
    """
    found = path.stat()
    if everybody_may(path):
        return "everybody on this machine may read or write it"
    if found.st_mode & stat.S_IWGRP:
        return "its group may change it"
    return "its group may read it" if found.st_mode & stat.S_IRGRP and found.st_uid == os.geteuid() else ""


def remedy(path: Path) -> str:
    return f"`chmod 600 {shlex.quote(str(path))}`"


@cache
def warn_of_exposure(path: Path) -> None:
    """Say once in the log who could sign with what stands in it; a file that is not there exposes nothing."""
    try:
        if who := exposure(path):
            log.warning("%s: %s, and so sign as you — %s", path, who, remedy(path))
    except OSError:
        pass
