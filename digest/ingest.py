"""Saved pages → papers and listings in the store."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

from digest.errors import DigestError, PageUnreadable
from digest.model import Page, Rejected
from digest.sources import saved
from digest.sources.days import resolve_day
from digest.sources.record import told
from digest.store import listings, merging
from digest.store.merging import Added
from digest.store.opening import Store

LARGEST_PAGE = 50_000_000  # bytes; a saved page is some hundred thousand, with its scripts some million
_TO_A_FILE = "Save the page to a file and name that"


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one file."""

    path: str
    day: date | None = None  # None where the page could not be taken, or lists nothing
    papers: int = 0  # on the page
    added: Added = field(default_factory=Added)
    repeated: int = 0  # entries that the page holds twice
    rejected: tuple[Rejected, ...] = ()
    flagged: tuple[Rejected, ...] = ()
    error: DigestError | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of one file whose listings were to go."""

    path: str
    day: date | None = None  # None where the page could not be read
    listings: int = 0  # that are gone
    error: DigestError | None = None


def pages_in(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant: a file stands for itself, a folder for the files in it, by name.

    Hidden files and editors' backups in a folder are left out. What is not there, or cannot be looked into, stays:
    taking it gives the error, and the next one is still read.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            inside = [p for p in path.iterdir() if p.is_file() and p.name[0] not in ".#" and p.name[-1] != "~"]
            found.update(dict.fromkeys(sorted(inside)))
        except OSError:
            found[path] = None
    return list(found)


def ingest(
    store: Store, path: Path, today: date, now: datetime, *, day: date | None = None, year: int | None = None
) -> Ingested:
    """Take one page, in one transaction. Taking it again adds nothing.

    A page that cannot be taken is an answer with `error`, so that the next one is still read; only the store's own
    trouble is raised.
    """
    try:
        page = saved.parse(_read(path), str(path))
        if not page.entries:  # it lists nothing, so nobody needs to say its day
            return Ingested(str(path), rejected=page.rejected)
        on = resolve_day(page, today, day, year)
    except DigestError as error:
        return Ingested(str(path), error=error)
    with store.write() as connection:
        records = [told(entry) for entry in page.entries]
        added = merging.take(connection, records, source_of(page, on), now, day=on, undated=True)
    return Ingested(str(path), on, len(page.entries), added, page.repeated, page.rejected, page.flagged)


def forget(store: Store, path: Path, today: date, *, day: date | None = None, year: int | None = None) -> Forgotten:
    """Undo taking a page for a day: its listings of that day go. Its papers stay, and so do letters with them."""
    try:
        page = saved.parse(_read(path), str(path))
        on = resolve_day(page, today, day, year)
    except DigestError as error:
        return Forgotten(str(path), error=error)
    with store.write() as connection:
        return Forgotten(str(path), on, listings.forget(connection, source_of(page, on), on))


def source_of(page: Page, day: date) -> str:
    """A saved page has no name of its own, so its day and its papers are its name; a copy is the same source."""
    named = "\n".join([str(day), *(entry.paper.keys[-1] for entry in page.entries)])
    return f"page:{sha256(named.encode()).hexdigest()[:16]}"


def total(done: Sequence[Ingested]) -> Added:
    return Added(
        sum(one.added.new for one in done),
        sum(one.added.known for one in done),
        sum(one.added.merged for one in done),
        sum(one.added.listings for one in done),
    )


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            remedy = "Let this user read the folder"
            raise PageUnreadable(path=path, detail="the folder cannot be looked into", remedy=remedy)
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting for ever
            raise PageUnreadable(path=path, detail="it is not an ordinary file", remedy=_TO_A_FILE)
        if found.st_size > LARGEST_PAGE:
            detail = f"it is larger than {LARGEST_PAGE // 10**6} MB, and a saved page has some hundred KB"
            raise PageUnreadable(path=path, detail=detail, remedy="Look what it holds, or split it")
        data = path.read_bytes()
    except FileNotFoundError:
        remedy = _TO_A_FILE if str(path) == "-" else "Check the name, and the folder it starts from"
        raise PageUnreadable(path=path, detail="no such file or folder", remedy=remedy) from None
    except OSError as error:
        remedy = "Check the name, and whether this user may read it"
        raise PageUnreadable(path=path, detail=error.strerror or str(error), remedy=remedy) from None
    if not data.strip():
        raise PageUnreadable(path=path, detail="it is empty", remedy="Save the page once more")
    return data
