"""Reference libraries (BibTeX, RIS, Zotero, lists) → papers, and what a reader says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from digest.errors import DigestError, LibraryUnreadable, NothingImported
from digest.library import file as library_file
from digest.library.material import Library
from digest.model import Feedback, FeedbackKind, Record, Rejected, Subscriber
from digest.store import feedback, merging, papers, subscribers
from digest.store.opening import Store

LARGEST_LIBRARY = 250_000_000  # bytes; fifty thousand entries with abstracts are about eighty million
IMPORTED = "import:"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file."""

    path: str
    format: str = ""
    entries: int = 0  # in the file, the rejected ones included
    new: int = 0  # papers that the store did not have
    known: int = 0  # papers that it had
    duplicates: int = 0  # entries of a paper that stood earlier in this file or in one before it
    without_abstract: int = 0  # of the new and known: they count by their titles
    verdicts: int = 0  # that are new or changed
    by_hand: int = 0  # papers on which the reader said something else by hand: that stays
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    error: DigestError | None = None


def take(
    store: Store,
    reader: Subscriber,
    paths: Sequence[Path],
    kind: FeedbackKind,
    now: datetime,
    *,
    dry_run: bool = False,
) -> list[Imported]:
    """Take the papers of these files as what the reader liked, saved or disliked. Again is harmless.

    A file that cannot be read is an answer with `error`; the others are taken. With `dry_run` the same is done and
    then undone.
    """
    read = [_read(path) for path in paths]
    done: list[Imported] = []
    with suppress(_DryRun), store.write() as connection:
        seen: set[int] = set()
        said = {one.paper_id: one for one in feedback.of(connection, [reader.id]).get(reader.id, ())}
        by_hand = {i for i, one in said.items() if not one.source.startswith(IMPORTED)}
        for path, library in zip(paths, read, strict=True):
            if isinstance(library, DigestError):
                done.append(Imported(str(path), error=library))
            else:
                done.append(_take(connection, reader, path, library, kind, now, seen, by_hand))
        if kind != "disliked" and any(one.verdicts for one in done):
            subscribers.asked(connection, reader.id, now)
        if dry_run:
            raise _DryRun
    return done


def remove(store: Store, reader: Subscriber, paths: Iterable[Path], *, dry_run: bool = False) -> dict[str, int]:
    """Forget what came from files of these names: name → verdicts. The papers stay; no letter shows them.

    Raises `NothingImported` where nothing came from one of them, and then forgets nothing.
    """
    removed: dict[str, int] = {}
    with suppress(_DryRun), store.write() as connection:
        mine = feedback.of(connection, [reader.id]).get(reader.id, ())
        names = sorted({one.source.removeprefix(IMPORTED) for one in mine if one.source.startswith(IMPORTED)})
        for path in paths:
            if path.name not in names:
                known = f" Imported were: {', '.join(names)}." if names else " Nothing was imported yet."
                raise NothingImported(name=path.name, handle=reader.handle, known=known)
            removed[path.name] = feedback.remove(connection, reader.id, source=source_of(path))
        if dry_run:
            raise _DryRun
    return removed


def source_of(path: Path) -> str:
    return IMPORTED + path.name


class _DryRun(Exception):
    """Nothing went wrong, and nothing is kept."""


def _take(
    connection: sa.Connection,
    reader: Subscriber,
    path: Path,
    library: Library,
    kind: FeedbackKind,
    now: datetime,
    seen: set[int],
    by_hand: set[int],
) -> Imported:
    titled = [item for item in library.items if item.paper.title]
    records = [Record(item.paper.title, paper=item.paper) for item in titled]
    ids, added = merging.place(connection, records, now, listed=False)
    placed = list(zip(titled, ids, strict=True))
    rejected = list(library.rejected)
    bare = [item for item in library.items if not item.paper.title]
    known = papers.ids_by_key(connection, [key for item in bare for key in item.paper.keys])
    for item in bare:
        found = next((known[key] for key in item.paper.keys if key in known), None)
        if found is None:
            rejected.append(Rejected(item.line, f"{item.paper.keys[0]} is not known here; give a title"))
        else:
            placed.append((item, found))
    rows: dict[int, Feedback] = {}
    repeated = 0
    for item, i in sorted(placed, key=lambda one: one[0].line):
        repeated += i in seen
        seen.add(i)
        at = min(item.added or now, now)
        if i not in by_hand and i not in rows:
            rows[i] = Feedback(i, kind, at, source_of(path))
    distinct = {i for _, i in placed}
    abstracts = {one.id for one in papers.by_ids(connection, distinct) if one.abstract}
    return Imported(
        path=str(path),
        format=library.format,
        entries=len(library.items) + len(library.rejected),
        new=added.new,
        known=len(placed) - repeated - added.new,
        duplicates=repeated,
        without_abstract=len(distinct - abstracts),
        verdicts=feedback.record(connection, reader.id, rows.values()),
        by_hand=len(distinct & by_hand),
        rejected=tuple(sorted(rejected, key=lambda one: one.line)),
        notes=library.notes,
    )


def _read(path: Path) -> Library | DigestError:
    try:
        if not path.is_file():  # a pipe would keep us waiting for ever
            there = "it is not an ordinary file" if path.exists() else "no such file"
            return LibraryUnreadable(path=path, detail=there)
        if path.stat().st_size > LARGEST_LIBRARY:
            return LibraryUnreadable(path=path, detail=f"it is larger than {LARGEST_LIBRARY // 10**6} MB")
        return library_file.parse(path.read_bytes(), str(path))
    except OSError as error:
        return LibraryUnreadable(path=path, detail=error.strerror or str(error))
    except DigestError as error:
        return error
