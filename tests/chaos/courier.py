"""One life of a courier: what `digest run` does with the letters that wait, in a process that may be killed.

Nothing in the product knows of this. The clock, and the moment of death, are changed from outside.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

import digest
from digest import clock, config, ledger
from digest.edition import Press
from digest.errors import DigestError
from digest.run import run
from digest.store.opening import LOCK_WAIT_SECONDS, open_store

from .processes import Process, last_word, start

DONE, STOPPED, ERROR = 0, 10, 11  # exit codes of a life that nobody ended
PACKAGE = Path(digest.__file__).parent
Kind = Literal["never", "outside", "before commit", "after commit", "call", "send"]


@dataclass(frozen=True, slots=True)
class Death:
    kind: Kind = "never"
    at: int = 0  # the n-th such event; for "outside" the parent says when


@dataclass(frozen=True, slots=True)
class Life:
    home: Path
    name: str  # how it introduces itself to the relay
    ahead: timedelta = timedelta()  # of the real clock
    death: Death = field(default_factory=Death)
    lock_wait: float = LOCK_WAIT_SECONDS


def live(life: Life) -> int:
    """Deliver what waits. Returns an exit code, if it returns."""
    shift_clock(life)
    ledger.RECORD_WAIT = 0.05  # the number of tries is what counts
    socket.getfqdn = lambda name="": f"{life.name}.courier.test"
    _await(life.death)
    try:
        settings = config.load(life.home)
        store = open_store(settings.store_url, create=False, lock_wait=life.lock_wait)
        try:
            ran = run(Press(store, settings), [], clock.now)
        finally:
            store.close()
    except DigestError as error:
        print(f"{life.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return ERROR
    if ran.delivered.stopped:
        print(f"{life.name}: stopped: {ran.delivered.stopped}", file=sys.stderr)
    return STOPPED if ran.delivered.stopped else DONE


def shift_clock(life: Life) -> None:
    """Set the clock ahead; more by as many seconds as the file `ahead` in the home says, at any moment."""
    real, jumped = clock.now, life.home / "ahead"

    def now() -> datetime:
        more = float(jumped.read_text() or 0) if jumped.exists() else 0
        return real() + life.ahead + timedelta(seconds=more)

    clock.now = now


def begin(life: Life) -> Process:
    """Start a life. What it prints goes to `lives.log` in its home."""
    return start(life.home / "lives.log", live, life)


def command(life: Life, *arguments: str) -> str:
    """`digest …` in a process of its own; its answer. Raises `AssertionError` where it does not end well."""
    answer = life.home / "answer"
    process = start(life.home / "lives.log", _command, life, arguments, answer)
    process.join()
    assert process.exitcode == 0, f"digest {' '.join(arguments)}: {last_word(life.home / 'lives.log')}"
    return answer.read_text("utf-8")


def _command(life: Life, arguments: Sequence[str], answer: Path) -> int:
    from digest import cli

    shift_clock(life)
    sys.argv = ["digest", "--home", str(life.home), *arguments]
    with answer.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        try:
            cli.main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
    return 0


# ---- dying at a chosen event


def _await(death: Death) -> None:
    left = death.at

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if death.kind in ("before commit", "after commit"):
        _at_commits(count, after=death.kind == "after commit")
    elif death.kind == "call":
        # At any call into, or return from, what handles letters.
        places = tuple(str(PACKAGE / part) for part in ("courier", "delivery", "store", "run.py"))

        def on_call(frame: Any, event: str, _: Any) -> None:
            if event in ("call", "return") and frame.f_code.co_filename.startswith(places):
                count()

        sys.setprofile(on_call)
    elif death.kind == "send":
        # Around each system call that hands bytes to the network.
        def on_send(_: Any, event: str, function: Any) -> None:
            if event in ("c_call", "c_return") and function.__name__ in ("send", "sendmsg", "sendall", "writev"):
                count()

        sys.setprofile(on_send)


def _at_commits(count: Callable[[], None], *, after: bool) -> None:
    writing = False

    def on_commit(connection: sa.Connection) -> None:
        nonlocal writing
        writing = bool(connection.get_execution_options().get("digest_write"))
        if writing and not after:
            count()

    sa.event.listen(sa.Engine, "commit", on_commit)
    commit = DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        commit(self, connection)
        if writing and after:
            count()

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.courier", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--ahead", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--die", default="never", choices=Kind.__args__)
    parser.add_argument("--at", type=int, default=1)
    told = parser.parse_args()
    sys.exit(live(Life(told.home, "alone", timedelta(seconds=told.ahead), Death(told.die, told.at))))


if __name__ == "__main__":
    main()
