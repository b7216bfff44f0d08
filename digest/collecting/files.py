"""Saved pages in a folder, and JSON lines: files that somebody else puts there."""

from __future__ import annotations

import gzip
import shlex
import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from digest import clock
from digest.collecting.feed import dated
from digest.collecting.round import Failure, Places, Round, Work
from digest.errors import DigestError, PageDayUnclear
from digest.fetch import Fetched, Validators
from digest.ingest import ingest, pages_in
from digest.model import Record, Rejected
from digest.sources import jsonl
from digest.store import sources
from digest.store.opening import Store

BATCH = 2000  # records stored in one transaction: so many are held in memory
_PIECE = jsonl.LONGEST_LINE + 1  # bytes; the rest of a longer line is skipped


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    saved: datetime
    version: Fetched  # by which it is known the next time


def pages(round: Round) -> Iterator[Work]:
    """As `digest ingest` takes them, but a page that is as it was is not read again."""
    for file in _files(round, ()):
        yield _page(round, file)
    yield _end(round)


def _page(round: Round, file: _File) -> Work:
    def work(store: Store) -> None:
        # A page without a year means the year in which it was saved, also when it is read again years later.
        done = ingest(store, file.path, clock.machine_day(file.saved), round.now())
        round.done.reject(_named(file.path, done.rejected))
        if isinstance(done.error, PageDayUnclear):
            # What the error says of --day is said to somebody who types another command.
            by_hand = f"`digest ingest {shlex.quote(str(file.path))} --day YYYY-MM-DD`"
            remedy = f"Take it with {by_hand}, and move it out of the folder"
            round.done.failures.append(Failure(f"{file.path}: {done.error.fields['detail']}. {remedy}"))
            return
        if done.error:
            round.done.failures.append(Failure(str(done.error)))
            return
        if done.day is None:
            round.done.notes.append(f"{file.path}: no papers found on this page")
            return
        known = round.known.get(done.day)
        items = max(done.papers, (known.items if known else 0) + done.added.listings)
        round.done.fetched += done.papers
        round.done.repeated += done.repeated
        round.done.count(done.added)
        round.answer([], {done.day: items}, got=(str(file.path), file.version))(store)

    return work


def lines(round: Round) -> Iterator[Work]:
    """Files of any size, in pieces: the memory that it takes does not grow with them."""
    places = Places()
    for file in _files(round, (".jsonl", ".jsonl.gz")):
        failures = len(round.done.failures)
        told = _records(round, file.path)
        while batch := list(islice(told, BATCH)):
            yield round.part([places.place(one, day) for one, day in dated(round, batch, file.saved.date())])
            if round.stopping:
                return
        if len(round.done.failures) == failures:
            yield round.answer([], {}, got=(str(file.path), file.version))
    yield round.parts_done(places.per_day, (), None)
    yield _end(round)


def _records(round: Round, path: Path) -> Iterator[Record]:
    """Those that can be taken; what cannot is told in `round.done`."""
    try:
        for one in jsonl.records(_lines(path), str(path)):
            if isinstance(one, Rejected):
                round.done.reject(_named(path, [one]))
            else:
                yield one
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        detail = f"{path}: it ends too early, or is damaged ({error}); what stands before that is taken"
        round.done.failures.append(Failure(detail))
    except OSError as error:
        detail = f"{path}: {error.strerror or error}; check that this user may read it"
        round.done.failures.append(Failure(detail))
    except DigestError as error:
        round.done.failures.append(Failure(str(error)))


def _named(path: Path, rejected: Iterable[Rejected]) -> list[Rejected]:
    """With the file: a folder has many lines of one number."""
    return [Rejected(one.line, f"{path.name}: {one.reason}") for one in rejected]


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while line := file.readline(_PIECE):
            yield line
            while len(line) == _PIECE and line[-1:] != b"\n":
                line = file.readline(_PIECE)


def _files(round: Round, endings: tuple[str, ...]) -> Iterator[_File]:
    """The files of the source that are new or have changed, by name. One that was written to a moment ago may not
    be whole, and waits."""
    start = round.config.path(round.source.path)
    for path in pages_in([start]):
        if round.stopping:
            return
        if endings and path != start and not path.name.endswith(endings):
            continue
        try:
            found = path.stat()
        except OSError as error:
            remedy = "check `path` of this source in config.toml"
            round.done.failures.append(Failure(f"{path}: {error.strerror or error}; {remedy}"))
            continue
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting for ever
            folder = "the folder cannot be looked into; let this user read it"
            detail = folder if stat.S_ISDIR(found.st_mode) else "it is not an ordinary file; name one, or a folder"
            round.done.failures.append(Failure(f"{path}: {detail}"))
            continue
        saved = datetime.fromtimestamp(found.st_mtime, UTC)
        version = Validators(f"{found.st_mtime_ns}-{found.st_size}")
        if round.validators(str(path)) == version:
            round.done.unchanged += 1
        elif not timedelta() <= round.now() - saved < round.settle:
            yield _File(path, min(saved, round.now()), Fetched(b"", False, "", "", version))


def _end(round: Round) -> Work:
    """The health of the source, after all of its files."""

    def work(store: Store) -> None:
        failures = round.done.failures
        if not failures:
            round.answer([], {})(store)
            return
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        with store.write() as connection:
            sources.failed(connection, round.name, (), failures[0].detail + more, round.now())

    return work
