"""Letters as files: one Maildir for each recipient, under one folder. The way to run Digest without a mail server.

The name of a letter's file follows from its Message-ID alone, so that a letter can be recognised after a crash and
is never filed twice. Lines end in LF, as Maildir has it for everything on disk; the wire's CRLF is a transport's
matter and mail readers show stray carriage returns otherwise.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from digest.delivery.transport import Parcel, Supply
from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

SUFFIX = ".eml"  # a double click opens it in a mail program
HASH_LENGTH = 40
NAME_LENGTH = HASH_LENGTH + len(SUFFIX)  # of a letter's file, before the flags that a mail reader adds
NAME_LIMIT = 200  # bytes of a folder's name; file systems allow 255
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600  # a reader's mail is the reader's alone

# These are about one recipient's folder: a file in the place of a directory, a loop of links.
_OF_ONE_RECIPIENT = {errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.EISDIR, errno.ENAMETOOLONG}

_FAULTS = {
    errno.ENOSPC: ("the disk is full", "Make room on it, then deliver again"),
    errno.EDQUOT: ("the disk quota is used up", "Make room or raise the quota, then deliver again"),
    errno.EFBIG: ("the system does not let this process write a file so large", "Raise its limit (`ulimit -f`)"),
    errno.EROFS: ("the disk is read-only", "Mount it for writing, or set `delivery.maildir` to another folder"),
    errno.EACCES: (
        "this user may not write there",
        "Give the folder to the user that runs digest, or set `delivery.maildir` to another folder",
    ),
    errno.ENOTDIR: (
        "a file is where the folder should be",
        "Move the file away, or set `delivery.maildir` to another folder",
    ),
    errno.EIO: ("the disk fails to read or write", "Check the disk"),
    errno.EMFILE: ("too many files are open", "Raise the limit (`ulimit -n`)"),
}
_FAULTS[errno.EPERM] = _FAULTS[errno.EACCES]
_FAULTS[errno.EEXIST] = _FAULTS[errno.ENOTDIR]
_FAULTS[errno.ENFILE] = _FAULTS[errno.EMFILE]


class Maildir:
    """Files each parcel in its recipient's Maildir: `<folder>/<recipient>/{tmp,new,cur}`."""

    def __init__(self, folder: Path, in_flight: int = 64) -> None:
        self._folder = folder
        self._in_flight = in_flight

    @property
    def name(self) -> str:
        return f"maildir:{self._folder}"

    @property
    def in_flight(self) -> int:
        return self._in_flight

    async def open(self) -> None:
        """Make the folder and clear away what a killed run left half-written."""
        try:
            _make_directory(self._folder)
            if not os.access(self._folder, os.W_OK | os.X_OK):
                readonly = os.statvfs(self._folder).f_flag & os.ST_RDONLY
                raise OSError(errno.EROFS if readonly else errno.EACCES, "")
            for recipient in self._recipients():
                _clear_half_written(recipient / "tmp")
        except OSError as error:
            raise _unusable(self._folder, error) from error

    async def carry(self, supply: Supply) -> None:
        while (parcel := supply.take()) or await supply.more():
            if parcel is None:
                continue
            try:
                outcome = self._deliver(parcel, supply)
            except RelayUnusable as error:
                supply.back(parcel, str(error))
                raise
            except BaseException as error:  # a defect of ours, at an unknown moment
                supply.done(
                    parcel, Outcome(LetterState.UNCERTAIN, f"filing it broke off: {error!r}", kind="unknown-fate")
                )
                raise
            if outcome:
                supply.done(parcel, outcome)
            else:
                supply.back(parcel, "it was called back before it left")
            await asyncio.sleep(0)  # let others have their turn: filing waits for the disk and for nothing else

    def _deliver(self, parcel: Parcel, supply: Supply) -> Outcome | None:
        """None where the supply keeps it."""
        if not parcel.recipient:
            return Outcome(LetterState.FAILED, "there is no recipient", kind="unfit")
        message = _on_disk(parcel.message)
        if message is None:
            words = "the letter mixes kinds of line ends, so its lines cannot be told"
            return Outcome(LetterState.FAILED, words, kind="unfit")
        home = self._folder / folder_name(parcel.recipient)
        try:
            return _file(home, file_name(parcel.message_id), message, lambda: supply.leaving(parcel))
        except OSError as error:
            if self._is_of_one_recipient(home, error):
                detail = _FAULTS.get(error.errno or 0, (error.strerror or str(error), ""))[0]
                return Outcome(LetterState.FAILED, f"{home} cannot be used: {detail}", kind="refused")
            raise _unusable(home, error) from error

    async def settle(self, message_ids: Collection[str]) -> dict[str, Outcome]:
        """A letter counts as filed only once it is under its final name, so looking for that name answers for sure.

        Every folder is looked into, once: the address may have been another one when the letter left. What is found
        nowhere is left out only where a recipient's folder cannot be read. A letter that its reader has deleted, or
        moved to another folder, between the crash and the question counts as not delivered.
        """
        wanted = {file_name(one): one for one in message_ids}
        found: dict[str, Outcome] = {}
        unreadable = False
        try:
            recipients = self._recipients()
        except FileNotFoundError:
            recipients = []  # no folder, hence no letter
        except OSError as error:
            raise _unusable(self._folder, error) from error
        for recipient in recipients:
            try:
                for path in _filed(recipient):
                    if of := wanted.get(path.name[:NAME_LENGTH]):
                        found[of] = Outcome(LetterState.SENT, "found in the Maildir", str(path), "accepted")
            except OSError:
                unreadable = True
        if not unreadable:
            missing = Outcome(LetterState.DEFERRED, "not in the Maildir: it was interrupted before it was filed")
            found = dict.fromkeys(message_ids, missing) | found
        return found

    async def close(self) -> None:
        pass

    def _recipients(self) -> list[Path]:
        with os.scandir(self._folder) as entries:
            return [self._folder / entry.name for entry in entries if not entry.is_file(follow_symlinks=False)]

    def _is_of_one_recipient(self, home: Path, error: OSError) -> bool:
        """Whether the others can go on. Being denied is one recipient's matter, unless it is all of theirs."""
        if not self._folder.is_dir():
            return False
        if error.errno in _OF_ONE_RECIPIENT:
            return True
        return (
            error.errno in (errno.EACCES, errno.EPERM)
            and os.access(self._folder, os.W_OK | os.X_OK)
            and os.path.lexists(home)
        )


# ---- names


def file_name(message_id: str) -> str:
    """The name of a letter's file. A hash, because a Message-ID may hold a slash and a colon starts the flags."""
    return hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH] + SUFFIX


def folder_name(address: str) -> str:
    """The name of a recipient's folder: the address, with everything that is not plain percent-encoded.

    No two addresses share one: "%" itself is encoded, and only a shortened name holds a "~". A leading dot is
    encoded too: `..` leads out of the folder, and mail readers take `.name` for a sub-folder.
    """
    raw = address.encode("utf-8", "surrogatepass")
    name = re.sub(rb"^\.|[^A-Za-z0-9@._+-]", lambda found: b"%%%02X" % found[0][0], raw).decode("ascii")
    if len(name) > NAME_LIMIT:
        name = f"{name[: NAME_LIMIT - 33]}~{hashlib.sha256(raw).hexdigest()[:32]}"
    return name


def _on_disk(message: bytes) -> bytes | None:
    """The message with LF line ends; None where lone CRs or LFs stand among CRLFs.

    In a message that mixes them one of the two came from outside: as a line end it could begin a header of its own.
    """
    lines = message.replace(b"\r\n", b"\n")
    if b"\r" in lines or (len(lines) != len(message) and message.count(b"\r\n") != lines.count(b"\n")):
        return None
    return lines


# ---- files


def _file(home: Path, name: str, message: bytes, leaving: Callable[[], bool]) -> Outcome | None:
    for part in ("tmp", "new", "cur"):
        _make_directory(home / part)
    if found := _find(home, name):
        return Outcome(LetterState.SENT, "already in the Maildir", str(found), "accepted")
    target = home / "new" / name
    words = _place(home / "tmp", target, message, leaving)
    return Outcome(LetterState.SENT, words, str(target), "accepted") if words else None


def _place(tmp: Path, target: Path, message: bytes, leaving: Callable[[], bool]) -> str:
    """Write under tmp/, then give it its final name in one step, so that new/ never holds half a letter.

    Says what came of it; "" where it may not leave any more.
    """
    path, handle = _create_locked(tmp, target.name)
    try:
        rest = memoryview(message)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
        if not leaving():
            return ""
        try:
            os.link(path, target)
        except FileExistsError:
            return "already in the Maildir"
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            # A file system without hard links. Nobody else files this letter: it is leased to this courier.
            os.rename(path, target)
        try:
            _sync_directory(target.parent)
        except OSError:
            # Raising says "not delivered", so it must not lie there either.
            with suppress(OSError):
                os.unlink(target)
            raise
        return "filed"
    finally:
        os.close(handle)
        with suppress(OSError):
            os.unlink(path)


def _create_locked(tmp: Path, name: str) -> tuple[Path, int]:
    """A new file that `_clear_half_written` leaves alone: the lock tells it from one whose writer was killed."""
    while True:
        path = tmp / f"{name}.{secrets.token_hex(8)}"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return path, handle
        os.close(handle)  # cleared away by another process before we had the lock


def _find(home: Path, name: str) -> Path | None:
    """The letter's file in new/ or, once the reader has seen it, in cur/ with flags behind its name."""
    fresh = home / "new" / name
    if os.path.lexists(fresh):
        return fresh
    try:
        with os.scandir(home / "cur") as entries:
            return next((home / "cur" / entry.name for entry in entries if entry.name.startswith(name)), None)
    except OSError as error:
        if error.errno in (errno.ENOENT, *_OF_ONE_RECIPIENT):
            return None  # no directory there, so nothing in it
        raise


def _filed(home: Path) -> Iterator[Path]:
    """Every file in new/ and cur/. Raises `OSError` where one of them cannot be read."""
    for part in ("new", "cur"):
        try:
            with os.scandir(home / part) as entries:
                yield from [home / part / entry.name for entry in entries]
        except OSError as error:
            if error.errno not in (errno.ENOENT, *_OF_ONE_RECIPIENT):
                raise  # else there is no directory, so nothing in it


def _clear_half_written(tmp: Path) -> None:
    """Remove our files that nobody is writing any more. Those of other programs stay."""
    try:
        names = [name for name in os.listdir(tmp) if re.fullmatch(rf"[0-9a-f]{{40}}{SUFFIX}\.[0-9a-f]{{16}}", name)]
    except OSError:
        return  # no tmp/, or not ours to read: that recipient's delivery will say so
    for name in names:
        with suppress(OSError):  # locked: its writer is alive
            handle = os.open(tmp / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(tmp / name)
            finally:
                os.close(handle)


def _make_directory(path: Path) -> None:
    """Make a directory that survives a power cut: its parent is written out as well."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    with suppress(FileExistsError):
        path.mkdir(DIRECTORY_MODE)
        _sync_directory(path.parent)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(where: Path, error: OSError) -> RelayUnusable:
    detail, remedy = _FAULTS.get(
        error.errno or 0, (error.strerror or str(error), "Check the folder that `delivery.maildir` names")
    )
    return RelayUnusable(where=where, detail=detail, remedy=remedy)
