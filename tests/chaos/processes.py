"""Processes that cost a fork and no more: children of a server that has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

Process = ForkServerProcess
TRACEBACK = 12  # exit code of a process that ended with an exception

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "tests.chaos.warm",
        "tests.chaos.courier",
        "tests.chaos.relay",
        "digest.run",
        "aiosmtplib",
        "dns.asyncresolver",
        "encodings.idna",
        "jinja2.ext",
        "alembic.command",
        "psycopg",
        "sqlalchemy.dialects.sqlite",
        "sqlalchemy.dialects.postgresql.psycopg",
    ]
)


def start(log: Path, act: Callable[..., int], *arguments: Any) -> Process:
    """Call `act` in a process of its own; what it returns is the exit code, what it prints is added to `log`."""
    process = _context.Process(target=_act, args=(log, act, arguments), daemon=True)
    process.start()
    return process


def _act(log: Path, act: Callable[..., int], arguments: tuple[Any, ...]) -> None:
    code = TRACEBACK
    try:
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        code = act(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def last_word(log: Path) -> str:
    """What was printed last to this log."""
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "(nothing was said)"
