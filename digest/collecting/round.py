"""One source being asked once: what is known of it, and what comes of it. Shared by all kinds of sources.

A kind's `works` asks, and yields what is to be stored, each piece in a transaction of its own: an answer, the days
that it was for and what makes the next request conditional stand or fall together, so that a crash asks again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from digest.config import Config
from digest.errors import DigestError, FetchFailed
from digest.fetch import Client, Fetched, Validators
from digest.frozen import changer
from digest.model import Batch, Record, Rejected
from digest.source_config import SourceConfig
from digest.store import listings, merging, sources
from digest.store.merging import Added
from digest.store.opening import Store
from digest.store.sources import FAILED, Day

Work = Callable[[Store], None]

ANNOUNCED_WITHIN = timedelta(days=5)  # of its submission, by which arXiv's API tells of a paper only then
REMEMBERED = timedelta(days=30)  # a day that failed, or was left out, is asked for again for so long
_NEXT_TIME = " Nothing was taken from it; it is asked again next time."
MOST_REJECTED = 1000  # kept to be told; all are counted


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be read, in plain words."""

    detail: str
    days: tuple[date, ...] = ()  # that it was asked for
    next_try_at: datetime | None = None  # not before; None: with the next collect


@dataclass(slots=True)
class Collected:
    """What came of asking one source."""

    source: str
    kind: str
    days: set[date] = field(default_factory=set)  # that it answered for, also with nothing or with what was known
    fetched: int = 0  # records
    unchanged: int = 0  # answers, or files, that were what they had been
    repeated: int = 0  # records that stand twice in one answer, taken once
    added: Added = field(default_factory=Added)
    refused: int = 0  # records that cannot be taken
    rejected: list[Rejected] = field(default_factory=list)  # the first of them
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    waits_until: datetime | None = None  # not asked: it wants to be left alone until then
    stopped: bool = False  # we were told to end before it had said all

    def count(self, added: Added) -> None:
        mine = self.added
        self.added = Added(
            mine.new + added.new,
            mine.known + added.known,
            mine.merged + added.merged,
            mine.listings + added.listings,
        )

    def reject(self, rejected: Sequence[Rejected]) -> None:
        self.refused += len(rejected)
        self.rejected += rejected[: MOST_REJECTED - len(self.rejected)]


class Round:
    """One source, asked once."""

    def __init__(
        self,
        store: Store,
        config: Config,
        source: SourceConfig,
        client: Client | None,
        now: Callable[[], datetime],
        *,
        since: date | None = None,
        stop: threading.Event | None = None,
        settle: timedelta = timedelta(),
    ) -> None:
        self.store, self.config, self.source, self.now = store, config, source, now
        self.since, self.settle = since, settle
        self._client, self._stop = client, stop
        self.name = source.name
        self.today = now().date()  # in UTC, as sources count their days
        self.done = Collected(source.name, source.kind)
        with store.read() as connection:
            oldest = self.today - max(REMEMBERED, timedelta(days=source.look_back_days))
            found = sources.days(connection, [self.name], oldest, self.today + timedelta(days=1))
        self.known: dict[date, Day] = {one.day: one for one in found}

    @property
    def stopping(self) -> bool:
        if self._stop is not None and self._stop.is_set():
            self.done.stopped = True
        return self.done.stopped

    # ---- days

    def days_to_ask(self) -> list[date]:
        """Newest first: the days that are looked back at, and of the last thirty those that failed, that were asked
        for while they still lasted, or that were left out since the source was first asked."""
        first = self.since or self.today - timedelta(days=self.source.look_back_days)
        wanted = set(days_from(first, self.today))
        late = ANNOUNCED_WITHIN if self.source.kind == "arxiv" else timedelta()
        wanted.update(one.day for one in self.known.values() if not settled(one, late))
        answered = [one.day for one in self.known.values() if one.filled_at]
        if answered and not self.since:
            wanted.update(days_from(min(answered), self.today) - self.known.keys())
        return sorted((day for day in wanted if day <= self.today), reverse=True)

    # ---- asking

    def get(self, url: str, accept: str, *, conditional: bool = True) -> Fetched:
        """Raises `FetchFailed`."""
        assert self._client is not None, "a source that is asked over the network has somebody to ask it"
        before = self.validators(url) if conditional else Validators()
        return self._client.get(url, validators=before, accept=accept)

    def validators(self, url: str) -> Validators:
        with self.store.read() as connection:
            return Validators(*sources.validators(connection, self._address(url)))

    def _address(self, url: str) -> str:
        """Two sources may have one address, and each has its own idea of what it knows of it."""
        return f"{self.name} {','.join(self.source.announced)} {url}"

    # ---- what is to be stored

    def answer(
        self,
        records: Sequence[Record],
        days: Mapping[date, int],
        *,
        day: date | None = None,
        got: tuple[str, Fetched] | None = None,
    ) -> Work:
        """A whole answer: its records, how many items it has for each day, and what was asked for it."""

        def work(store: Store) -> None:
            at = self.now()
            with store.write() as connection:
                added = merging.take(connection, records, self.name, at, day=day)
                sources.succeeded(connection, self.name, dict(days), at)
                if got:
                    told = got[1].validators
                    sources.remember(connection, self._address(got[0]), told.etag, told.last_modified, at)
            self.done.days.update(days)
            self.done.fetched += len(records)
            self.done.count(added)

        return work

    def part(self, records: Sequence[Record]) -> Work:
        """Some of what a source lists on the days that the records name."""

        def work(store: Store) -> None:
            with store.write() as connection:
                added = merging.take(connection, records, self.name, self.now(), whole=False)
            self.done.fetched += len(records)
            self.done.count(added)

        return work

    def parts_done(self, listed: Iterable[date], answered: Iterable[date], got: tuple[str, Fetched] | None) -> Work:
        """After the parts: `listed` are the days of their records, `answered` those that the source has spoken of.

        Its days count what it lists on them; one of the last thirty that it lists nothing on is an empty one.
        """
        listed, answered = set(listed), set(answered)

        def work(store: Store) -> None:
            at = self.now()
            with store.write() as connection:
                listings.resize(connection, self.name, sorted(listed))
                spoken = listed | answered
                counted = {}
                if spoken:
                    counted = sources.listed_per_day(connection, self.name, min(spoken), max(spoken))
                days = {day: counted.get(day, 0) for day in sorted(spoken)}
                sources.succeeded(connection, self.name, days, at)
                if got:
                    told = got[1].validators
                    sources.remember(connection, self._address(got[0]), told.etag, told.last_modified, at)
            self.done.days |= spoken

        return work

    def failed(self, error: DigestError | str, days: Iterable[date]) -> Work:
        """The source could not be read for these days."""
        next_try = error.next_try if isinstance(error, FetchFailed) else None
        words = str(error).removesuffix(_NEXT_TIME).rstrip(".")  # when it is asked again is told more exactly
        found = Failure(words, tuple(sorted(days)), next_try)
        self.done.failures.append(found)

        def work(store: Store) -> None:
            with store.write() as connection:
                sources.failed(
                    connection, self.name, found.days, found.detail, self.now(), next_try_at=found.next_try_at
                )

        return work


_placed = changer(Record, "day", "position")


class Places:
    """Gives each record its place among those of its day, in the order in which they come."""

    def __init__(self) -> None:
        self.per_day: Counter[date] = Counter()

    def place(self, record: Record, day: date) -> Record:
        self.per_day[day] += 1
        return _placed(record, day, self.per_day[day])


def worthless(batch: Batch) -> str:
    """Why nothing of an answer can be taken, though it holds something; else ""."""
    wrong = [one.reason for one in batch.rejected if not batch.records and "withdrawn" not in one.reason]
    return f"none of what it holds can be taken, as for one: {wrong[0]}" if wrong else ""


def days_from(first: date, last: date) -> set[date]:
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}


def settled(one: Day, late: timedelta = timedelta()) -> bool:
    """Did the source speak of this day when it was over, and `late`? Before, there may have been more to come."""
    return one.state != FAILED and one.filled_at is not None and one.filled_at.date() > one.day + late
