"""Saved pages → papers and listings in the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

from digest.errors import DigestError, PageUnreadable, StoreError
from digest.model import Page, Rejected
from digest.sources import saved_page
from digest.sources.days import resolve_day
from digest.store import papers
from digest.store.opening import Store
from digest.store.papers import Added

LARGEST_PAGE = 50_000_000  # bytes; a saved page is some hundred thousand


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one file."""

    path: str
    day: date | None = None  # None where the page could not be taken
    papers: int = 0  # on the page
    added: Added = field(default_factory=Added)
    repeated: int = 0  # entries that the page holds twice
    rejected: tuple[Rejected, ...] = ()
    flagged: tuple[Rejected, ...] = ()
    error: DigestError | None = None


def pages_in(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant: a file stands for itself, a folder for the files in it, by name.

    Hidden files and editors' backups in a folder are left out. Raises `PageUnreadable` for a path that is not
    there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            if path.is_dir():
                inside = [p for p in path.iterdir() if p.is_file() and p.name[0] not in ".#" and p.name[-1] != "~"]
                found.update(dict.fromkeys(sorted(inside)))
            elif path.is_file():
                found[path] = None
            elif path.exists():  # a pipe would keep us waiting for ever
                raise PageUnreadable(path=path, detail="it is not an ordinary file")
            else:
                raise PageUnreadable(path=path, detail="no such file or folder")
        except OSError as error:
            raise PageUnreadable(path=path, detail=error.strerror or str(error)) from None
    return list(found)


def ingest(
    store: Store, path: Path, today: date, now: datetime, *, day: date | None = None, year: int | None = None
) -> Ingested:
    """Take one page, in one transaction. Taking it again adds nothing.

    A page that cannot be taken is an answer with `error`, so that the next one is still read; only the store's own
    trouble is raised.
    """
    try:
        page = saved_page.parse(_read(path), str(path))
        on = resolve_day(page, today, day, year)
    except StoreError:
        raise
    except DigestError as error:
        return Ingested(str(path), error=error)
    with store.write() as connection:
        added = papers.add(connection, page.entries, source_of(page, on), on, len(page.entries), now)
    return Ingested(str(path), on, len(page.entries), added, page.repeated, page.rejected, page.flagged)


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
        if path.stat().st_size > LARGEST_PAGE:
            raise PageUnreadable(path=path, detail=f"it is larger than {LARGEST_PAGE // 10**6} MB")
        return path.read_bytes()
    except OSError as error:
        raise PageUnreadable(path=path, detail=error.strerror or str(error)) from None
