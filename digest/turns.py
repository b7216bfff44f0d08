"""Whose turn it is to ask a host: one request at a time, and a gap between the end of one and the start of the
next, over all threads of this process; with a file, over all processes of this machine.

The file holds two times of the machine's monotonic clock, which no setting of the time moves: when it was written,
and until when nobody asks. It is locked while a request is under way. One from before the last start of the machine
was written later than now, and says nothing.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NAP_SECONDS = 0.05  # between looks whether somebody else has ended
MOST_SECONDS = 86_400.0  # for which a host is left alone
# Who has waited so long for one request of another, which ends within its deadline, waits for one that hangs.
LONGEST_WAIT_SECONDS = 600.0


class NotYet(Exception):
    """The host wants to be left alone for longer than anybody waits."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Taken(Exception):
    """Somebody else has been asking for longer than a request can take."""


@dataclass(slots=True)
class Turn:
    """`rest`: seconds after the end of this request in which nobody asks; whoever has it may lengthen it."""

    rest: float


@dataclass(slots=True)
class _Place:
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = 0.0


class Turns:
    """The places in the queues of all hosts; one for a process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._places: dict[str, _Place] = {}

    @contextmanager
    def turn(
        self,
        host: str,
        gap: float,
        *,
        file: Path | None,
        patience: float,
        pause: Callable[[float], None],
        nap: Callable[[float], None],
    ) -> Iterator[Turn]:
        """Waits by `pause` until nobody is to be left alone any more, and by `nap` while somebody else asks.

        Raises `NotYet` where it would be more than `patience` seconds, `Taken`, and `OSError` for the file.
        """
        with self._guard:
            place = self._places.setdefault(host, _Place())
        while True:
            with _held(place, nap), _locked(file, nap) as opened:
                now = self._monotonic()
                wait = max(place.until, _read(opened, now)) - now
                if wait <= 0:
                    turn = Turn(gap)
                    _write(opened, now, now + gap)  # for whoever comes after one that was killed
                    try:
                        yield turn
                    finally:
                        now = self._monotonic()
                        place.until = now + min(turn.rest, MOST_SECONDS)
                        _write(opened, now, place.until)
                    return
            if wait > patience:
                raise NotYet(wait)
            pause(wait)  # not while holding the place, or the others would never have it


@contextmanager
def _held(place: _Place, nap: Callable[[float], None]) -> Iterator[None]:
    _wait_for(lambda: place.lock.acquire(blocking=False), nap)
    try:
        yield
    finally:
        place.lock.release()


@contextmanager
def _locked(file: Path | None, nap: Callable[[float], None]) -> Iterator[int | None]:
    if file is None:
        yield None
        return
    opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _wait_for(lambda: _try_lock(opened), nap)
        yield opened
    finally:
        os.close(opened)


def _try_lock(opened: int) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks; what is written there still holds
    return True


def _wait_for(taken: Callable[[], bool], nap: Callable[[float], None]) -> None:
    patience = LONGEST_WAIT_SECONDS
    while not taken():
        if patience <= 0:
            raise Taken
        nap(NAP_SECONDS)
        patience -= NAP_SECONDS


def _read(opened: int | None, now: float) -> float:
    """Until when nobody asks; 0 where the file is new, from another start of the machine, or not ours."""
    if opened is None:
        return 0.0
    try:
        at, until = map(float, os.pread(opened, 100, 0).split())
    except ValueError:
        return 0.0
    return min(until, at + MOST_SECONDS) if at <= now else 0.0


def _write(opened: int | None, now: float, until: float) -> None:
    if opened is not None:
        line = b"%024.6f %024.6f\n" % (now, until)
        os.pwrite(opened, line, 0)
        os.ftruncate(opened, len(line))  # of whatever stood there
