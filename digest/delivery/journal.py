"""What a courier has let go and what it heard, kept outside the store so that kill -9 leaves no more in doubt than
was under way.

The store is told in groups, long after the relay has spoken; a line here costs a few microseconds. Nothing is
synced: what a killed process wrote is in the system's hands already. Only a machine that goes down may lose lines,
so a journal from before the last boot is believed in what it says and not in what it does not say.

Beside the journal's segments (`.0`, `.1`, …) stands the flag (`.flag`), whose one byte says whether the courier may
go on. The courier holds a lock on it while it lives. Whoever takes its letters away strikes the byte first and
reads afterwards; the courier writes its line first and looks at the byte afterwards. So of a courier that wakes up
too late either the line is seen, and the letter held, or the byte is, and the letter does not leave.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path

from digest.model import LetterState, Outcome

NAME = ".sending-"  # what the files of a courier begin with
SEGMENT_BYTES = 1 << 20  # then what is settled is left behind
GO, STRUCK = b"+", b"-"


def boot() -> str:
    """Which machine this is, since it was switched on; "" where that is not known."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


class Journal:
    """One courier's. Every line is in the system's hands when the call returns."""

    def __init__(self, folder: Path, token: str) -> None:
        """Raises `OSError` where none can be kept there."""
        self.path = folder / f"{NAME}{token}"
        self.fault: OSError | None = None  # why no more can be written
        self._flag = os.open(f"{self.path}.flag", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._number = -1
        self._size = 0
        try:
            os.write(self._flag, GO)
            fcntl.flock(self._flag, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._byte = mmap.mmap(self._flag, 1, prot=mmap.PROT_READ)
            self._file = self._next_segment(())
        except OSError:
            os.close(self._flag)
            _remove(self.path)
            raise

    def leaving(self, letter_id: int, attempt: int = 1) -> bool:
        """The letter is about to leave; False: it must not, as its fate could not be known afterwards.

        `attempt` counts its claims: a run may claim a letter again, and what was said of it before is then old.
        """
        return self._say(_left(letter_id, attempt)) and self._byte[0] == GO[0]

    @property
    def is_struck(self) -> bool:
        """Whether somebody has taken the letters away."""
        return self._byte[0] != GO[0]

    def heard(self, letter_id: int, outcome: Outcome, attempt: int = 1) -> None:
        """What became of it."""
        self._say(_heard(letter_id, outcome, attempt))

    def forget(self, left: Mapping[int, int], unrecorded: Mapping[int, Outcome]) -> None:
        """The store knows of everything but these letters (id → attempt). Starts a new segment where this one has
        grown large."""
        if self._size < SEGMENT_BYTES:
            return
        lines = [_left(i, attempt) for i, attempt in left.items()]
        lines += [_heard(i, one, left.get(i, 1)) for i, one in unrecorded.items()]
        old, number = self._file, self._number
        try:
            self._file = self._next_segment(lines)
        except OSError:
            return  # the old one goes on growing
        os.close(old)
        os.unlink(f"{self.path}.{number}")

    def close(self, remove: bool) -> None:
        """Let go. Without `remove` whoever comes next reads what stands there."""
        self._byte.close()
        os.close(self._file)
        if remove:
            _remove(self.path)
        os.close(self._flag)

    def _next_segment(self, lines: Iterable[str]) -> int:
        """Open the next segment with these lines in it. The last one is still there, so nothing ever misses."""
        data = "".join(lines).encode()
        path = f"{self.path}.{self._number + 1}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        try:
            if os.write(file, data) != len(data):
                raise OSError("short write")
        except OSError:
            os.close(file)
            os.unlink(path)
            raise
        self._number += 1
        self._size = len(data)
        return file

    def _say(self, line: str) -> bool:
        if self.fault:
            return False
        data = line.encode()
        try:
            if os.write(self._file, data) != len(data):
                raise OSError("short write")
        except OSError as error:
            self.fault = error
            return False
        self._size += len(data)
        return True


@dataclass(slots=True)
class Told:
    """What a courier's journal says."""

    alive: bool  # its process still runs, asleep or not
    left: set[int] = field(default_factory=set)  # letters that may have left
    heard: dict[int, Outcome] = field(default_factory=dict)  # of them those whose fate is known
    attempts: dict[int, int] = field(default_factory=dict, compare=False)  # at which attempt that was


def is_held(path: Path) -> bool | None:
    """Whether the courier of this journal still runs on this machine; None: there is no such journal here."""
    try:
        flag = os.open(f"{path}.flag", os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(flag, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(flag)


def strike(path: Path) -> Told:
    """Stop the courier of this journal, should it still run, and read what it has done. Raises `OSError`."""
    flag = os.open(f"{path}.flag", os.O_RDWR)
    try:
        os.pwrite(flag, STRUCK, 0)
        try:
            fcntl.flock(flag, fcntl.LOCK_EX | fcntl.LOCK_NB)
            told = Told(alive=False)
        except OSError:
            told = Told(alive=True)
        for line in _lines(path):
            _take(told, line)
        return told
    finally:
        os.close(flag)


def remove(path: Path) -> None:
    """The courier is gone and its letters are settled."""
    _remove(path)


def sweep(folder: Path, known: Iterable[str]) -> None:
    """Take away what couriers left behind whose letters were settled long ago: all but the journals `known`."""
    kept = set(known)
    for flag in folder.glob(f"{NAME}*.flag"):
        path = flag.with_suffix("")
        if str(path) not in kept and is_held(path) is False:
            _remove(path)


def _lines(path: Path) -> list[str]:
    while True:
        segments = sorted(path.parent.glob(f"{path.name}.[0-9]*"), key=lambda one: int(one.suffix[1:]))
        try:
            texts = [one.read_bytes() for one in segments]
        except FileNotFoundError:
            continue  # a courier that still ran has just begun the next
        # A last line without an end was being written when everything stopped.
        return [line.decode("utf-8", "replace") for text in texts for line in text.split(b"\n")[:-1]]


def _left(letter_id: int, attempt: int) -> str:
    return f"> {letter_id} {attempt}\n"


def _heard(letter_id: int, outcome: Outcome, attempt: int) -> str:
    # JSON, whose encoder takes longer to be set up.
    wait = outcome.wait.total_seconds() if outcome.wait else "null"
    reply, where, kind = _quoted(outcome.reply), _quoted(outcome.where), _quoted(outcome.kind)
    return f'< [{letter_id}, {attempt}, "{outcome.state}", {reply}, {where}, {kind}, {wait}]\n'


def _take(told: Told, line: str) -> None:
    with suppress(ValueError, TypeError, KeyError, OverflowError):  # a disk that went down may leave anything
        if line.startswith("> "):
            letter_id, attempt = map(int, line[2:].split())
            told.left.add(letter_id)
            told.attempts[letter_id] = attempt
            told.heard.pop(letter_id, None)  # what was said of an earlier try
        elif line.startswith("< "):
            letter_id, attempt, state, reply, where, kind, wait = json.loads(line[2:])
            waits = None if wait is None else timedelta(seconds=wait)
            outcome = Outcome(LetterState(state), reply, where, kind, waits)  # type: ignore[arg-type]
            told.heard[int(letter_id)], told.attempts[int(letter_id)] = outcome, int(attempt)


def _remove(path: Path) -> None:
    for one in path.parent.glob(f"{path.name}.*"):
        with suppress(OSError):
            one.unlink()
