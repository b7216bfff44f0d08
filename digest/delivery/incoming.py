"""Mails that lie in files: a Maildir, an mbox, one mail a file."""

from __future__ import annotations

import mailbox
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from digest.delivery.bounces import MOST_BYTES


class Waiting(NamedTuple):
    """A mail, and what says that it was stored: its file is then not read again."""

    name: str
    data: bytes  # at most `MOST_BYTES`
    seen: Callable[[], None]


class NoMails(Exception):
    """Something that holds no mails; the message says what it is, and what to name instead."""


def mails_in(path: Path) -> Iterator[Waiting]:
    """The mails of a Maildir that nobody has seen yet, all of an mbox, or the one of a file.

    Raises `NoMails`, and OSError for what cannot be read.
    """
    if path.is_dir():
        if not (path / "new").is_dir() or not (path / "cur").is_dir():
            raise NoMails(
                "a folder that is no Maildir: it has no new/ and cur/ — name a Maildir, or the files in it"
            )
        return _maildir(path)
    if not path.exists():
        raise NoMails("no such file or folder — name a Maildir, an mbox or a mail")
    with path.open("rb") as file:
        start = file.read(5)
    if start == b"From ":
        return _mbox(path)
    return iter([Waiting(str(path), read_from(path), _nothing)])


def read_from(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES)


def _maildir(path: Path) -> Iterator[Waiting]:
    new = sorted(one for one in (path / "new").iterdir() if _is_mail(one))
    # What another mail program has moved, but nobody has looked at.
    unseen = sorted(one for one in (path / "cur").iterdir() if _is_mail(one) and "S" not in _flags(one.name))
    for one in (*new, *unseen):
        try:
            data = read_from(one)
        except FileNotFoundError:
            continue  # another reader was first
        yield Waiting(str(one), data, lambda one=one: _move(path, one))  # type: ignore[misc]


def _is_mail(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_file()


def _flags(name: str) -> str:
    return name.rpartition(":2,")[2] if ":2," in name else ""


def _move(path: Path, file: Path) -> None:
    base, _, flags = file.name.partition(":2,")
    with suppress(FileNotFoundError):  # another reader was first, and stored the same
        file.rename(path / "cur" / f"{base}:2,{''.join(sorted({*flags, 'S'}))}")


def _mbox(path: Path) -> Iterator[Waiting]:
    with closing(mailbox.mbox(path, create=False)) as box:
        for place, key in enumerate(box.iterkeys(), 1):
            with closing(box.get_file(key)) as file:
                yield Waiting(f"{path}, mail {place}", file.read(MOST_BYTES), _nothing)


def _nothing() -> None:
    pass
