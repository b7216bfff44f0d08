"""Open an edition, choose and write letters. Idempotent: a (subscriber, slot) gets one letter, asked however often.

A preview is the same choice, made in memory and written nowhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from digest import clock
from digest.config import Config
from digest.errors import StoreLocked
from digest.gaps import Gap, in_words
from digest.language import language_of
from digest.letters.mime import message_id
from digest.letters.subject import subject
from digest.letters.wording import placed
from digest.model import Feedback, Letter, LetterState, Pick, Subscriber, SubscriberState, Verdict
from digest.store import editions, letters, outbox, subscribers
from digest.store.opening import Store
from digest.store.sql import batched, keep_papers
from digest.text import count

if TYPE_CHECKING:  # what letters are chosen with takes a second to load, and `--help` need not wait for it
    from digest.pool import Edition
    from digest.ranking.ranker import Reader

SHARD = 500  # subscribers chosen for and written in one transaction
Due = tuple[Subscriber, date]
_MAY_LEAVE = (LetterState.READY, LetterState.DEFERRED)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Written:
    """What writing the letters of a run came to."""

    ready: int = 0
    empty: int = 0
    failed: int = 0
    already: int = 0  # slots that had their letter before
    gaps: list[Gap] = field(default_factory=list)  # what sources could not tell of the letters' days

    def add(self, other: Written) -> None:
        self.ready += other.ready
        self.empty += other.empty
        self.failed += other.failed
        self.already += other.already


class Press:
    """Chooses and writes the letters of editions."""

    def __init__(self, store: Store, config: Config) -> None:
        from digest.pool import Pool

        self.store = store
        self.config = config
        self._pool = Pool(store, config)

    def open(self, day: date) -> Edition:
        """The edition of `day`: what was listed in the window that ends with it."""
        return self._pool.open(day)

    def write(
        self,
        due: Sequence[Due],
        now: datetime,
        progress: Callable[[int], None] = lambda _: None,
        *,
        reopen: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Written:
        """Choose and store the letters of these subscribers' slots; a slot that has its letter keeps it.

        With `reopen` an empty letter is chosen again, and written anew where that comes to something else. Once
        `stopped` says so no further shard is begun; whoever has no letter yet is still owed it.
        """
        written = Written()
        for slot, readers in by_slot(due).items():
            edition = self.open(slot)
            written.gaps += [gap for gap in edition.gaps if gap not in written.gaps]
            for shard in batched(readers, SHARD):
                if stopped():
                    return written
                written.add(self._write_shard(edition, shard, now, reopen))
                progress(len(shard))
        return written

    def compose(
        self, connection: sa.Connection, edition: Edition, readers: Sequence[Subscriber], now: datetime
    ) -> list[Letter]:
        """The letters of the edition's day for these subscribers, as they would be written now."""
        ids = [reader.id for reader in readers]
        memory, said = letters.memory(connection, ids), self._pool.heard(connection, edition, ids)
        wanted = _asking(readers, memory, said)
        served = _served(connection, edition, readers)
        return [
            self._letter(edition, reader, want, picks, now, reader.id in served)
            for reader, want, picks in zip(readers, wanted, _choose(edition, wanted), strict=True)
        ]

    def anew(
        self, connection: sa.Connection, edition: Edition, readers: Sequence[Subscriber], now: datetime
    ) -> dict[int, Letter]:
        """Id of an empty letter of the edition's day → what would be written for it now, where that differs."""
        there = letters.existing(connection, [(reader.id, edition.day) for reader in readers])
        notes = letters.empty(connection, there.values())
        again = [reader for reader in readers if there.get((reader.id, edition.day)) in notes]
        found = {there[(one.subscriber.id, one.slot)]: one for one in self.compose(connection, edition, again, now)}
        return {i: one for i, one in found.items() if one.state is not LetterState.FAILED and one.note != notes[i]}

    def preview(self, reader: Subscriber, slot: date, now: datetime) -> Letter:
        """The letter of this slot as a run by hand leaves it: the stored one, else what would be written now."""
        with self.store.read() as connection:
            ids = list(letters.existing(connection, [(reader.id, slot)]).values())
            stored = letters.by_ids(connection, ids)
            if stored and stored[0].state is not LetterState.EMPTY:
                return stored[0]
            edition = self.open(slot)
            if stored:
                return self.anew(connection, edition, [reader], now).get(stored[0].id, stored[0])
            return self.compose(connection, edition, [reader], now)[0]

    def next_slot(self, reader: Subscriber, now: datetime) -> date:
        """The slot of the letter to be sent next: today's while it may still leave, else the one after."""
        slot = _coming_slot(reader, now)
        with self.store.read() as connection:
            written = letters.existing(connection, [(reader.id, slot)])
        if written and self.preview(reader, slot, now).state not in _MAY_LEAVE:
            return clock.next_slot(reader.cadence, slot)
        return slot

    def previews(self, readers: Iterable[Subscriber], now: datetime, day: date | None = None) -> Iterator[Letter]:
        """`preview` of the next letter of each reader, or of `day`'s, a shard at a time in the order of slots.

        One whose letter cannot be chosen has a failed letter that says why; one whose time zone this machine does
        not know is left out.
        """
        due = _each(readers, lambda reader: day or _coming_slot(reader, now))
        past: list[Due] = []
        for again in (False, True):
            for slot, some in by_slot(past if again else due).items():
                edition = self.open(slot)
                for shard in batched(some, SHARD):
                    for reader, letter in zip(shard, self._standing(edition, shard, now), strict=True):
                        if day or again or not letter.id or letter.state in _MAY_LEAVE:
                            yield letter
                        else:
                            past.append((reader, clock.next_slot(reader.cadence, slot)))

    def _standing(self, edition: Edition, readers: Sequence[Subscriber], now: datetime) -> list[Letter]:
        """The letters of the edition's day as a run by hand leaves them."""
        with self.store.read() as connection:
            ids = letters.existing(connection, [(one.id, edition.day) for one in readers]).values()
            stored = {one.subscriber.id: one for one in letters.by_ids(connection, list(ids))}
            anew = self.anew(connection, edition, [one for one in readers if one.id in stored], now)
            new = iter(self.compose(connection, edition, [one for one in readers if one.id not in stored], now))
        there = {number: anew.get(one.id, one) for number, one in stored.items()}
        return [there[one.id] if one.id in there else next(new) for one in readers]

    def explain(self, reader: Subscriber, slot: date) -> list[Verdict]:
        """What becomes of every candidate of this slot; the slot's own letter does not count as memory."""
        edition = self.open(slot)
        with self.store.read() as connection:
            own = letters.existing(connection, [(reader.id, slot)]).get((reader.id, slot))
            memory = letters.memory(connection, [reader.id], without=own)
            said = self._pool.heard(connection, edition, [reader.id])
            stands = own and letters.by_ids(connection, [own])[0].state is not LetterState.EMPTY
            served = not stands and bool(_served(connection, edition, [reader]))
        [asked] = _asking([reader], memory, said)
        verdicts = edition.ranker.explain(asked)
        picks = tuple(one.pick for one in verdicts if one.included)
        order = placed(reader, picks, language_of(reader.language, self.config.letter.language))
        if served:
            passed = f"no room for it in earlier letters, and nothing new since {edition.fresh}"
            return [replace(one, included=False, why=passed) if one.included else one for one in verdicts]
        places = [replace(verdicts[place], why=f"in, place {number}") for number, place in enumerate(order, 1)]
        return places + verdicts[len(picks) :]

    def _write_shard(self, edition: Edition, shard: Sequence[Subscriber], now: datetime, reopen: bool) -> Written:
        # Scored before the write begins: interests may be many, and whoever else writes has to wait for us.
        with self.store.read() as connection:
            said = self._pool.heard(connection, edition, [reader.id for reader in shard])
        with suppress(Exception):  # a bad profile is told of, and its letter marked, where letters are chosen
            edition.ranker.learn(_asking(shard, {}, said))
        for attempt in range(3):
            try:
                return self._try_shard(edition, shard, now, reopen)
            except (IntegrityError, StoreLocked, letters.PapersUnited):
                # Another run wrote some of these letters at the same time, or two papers proved to be one. The
                # second look sees it.
                if attempt == 2:
                    raise
                edition = self.open(edition.day)
        raise AssertionError("unreachable")

    def _try_shard(self, edition: Edition, shard: Sequence[Subscriber], now: datetime, reopen: bool) -> Written:
        with self.store.write() as connection:
            # Before any letter is locked: whoever brings papers together takes letters after it, too.
            keep_papers(connection, as_they_are=True)
            if reopen:
                letters.reopen(connection, self.anew(connection, edition, shard, now))
            there = letters.existing(connection, [(reader.id, edition.day) for reader in shard])
            todo = [reader for reader in shard if (reader.id, edition.day) not in there]
            # First, so that a paper in a letter that will never leave may be picked again.
            outbox.expire(connection, now, superseded=[(reader.id, edition.day) for reader in todo])
            batch = self.compose(connection, edition, todo, now)
            edition_id = editions.open_edition(
                *(connection, edition.day, edition.window_days, edition.candidates, edition.digest, now),
                [str(gap) for gap in edition.gaps],
            )
            inserted = letters.write(connection, edition_id, batch)
            settled = [(r.id, _next_due(r, edition.day, now)) for r in shard if _settles(r, edition.day, now)]
            subscribers.set_next_due(connection, settled)
        states = [letter.state for letter in batch]
        lost = len(batch) - inserted  # another run was faster with these
        return Written(
            ready=max(states.count(LetterState.READY) - lost, 0),
            empty=states.count(LetterState.EMPTY),
            failed=states.count(LetterState.FAILED),
            already=len(shard) - len(todo) + lost,
        )

    def _letter(
        self,
        edition: Edition,
        reader: Subscriber,
        want: Reader,
        picks: tuple[Pick, ...] | Exception,
        now: datetime,
        served: bool,
    ) -> Letter:
        letter = Letter(
            subscriber=reader,
            slot=edition.day,
            picks=(),
            state=LetterState.EMPTY,
            message_id=message_id(reader, edition.day, self.config.letter.from_address),
            candidates=edition.candidates,
            days=edition.days,
            created_at=now,
            expires_at=_expiry(reader, edition.day, now),
        )
        try:
            if isinstance(picks, Exception):
                raise picks
            if not picks or served:
                return replace(letter, note=_why_empty(edition, want, bool(picks)))
            words = language_of(reader.language, self.config.letter.language)
            line = subject(picks, edition.day, reader.profile, words)
            ordered = tuple(picks[place] for place in placed(reader, picks, words))
            also = edition.ranker.also(want, picks)
            return replace(letter, picks=ordered, also=also, state=LetterState.READY, subject=line)
        except Exception as error:  # one letter that cannot be chosen never stops the others
            log.error("%s: no letter could be chosen", reader.handle, exc_info=error)
            note = f"no letter could be chosen: {type(error).__name__}: {error}"
            return replace(letter, state=LetterState.FAILED, note=note)


def due_by_hand(everyone: Iterable[Subscriber], now: datetime, day: date | None = None) -> list[Due]:
    """Whom `digest run` writes to: each active subscriber whose cadence falls on the day (by default their own
    today; the hour is not waited for), and, without a day, whoever is owed an earlier slot."""
    return _each(everyone, lambda reader: _slot_by_hand(reader, now, day))


def due_now(everyone: Iterable[Subscriber], now: datetime) -> list[Due]:
    """The slots that subscribers whose hour has come are owed: each the latest, never a backlog."""
    return _each(everyone, lambda one: clock.due_slot(one.cadence, one.hour, one.time_zone, now))


def _coming_slot(reader: Subscriber, now: datetime) -> date:
    today = clock.local_day(now, reader.time_zone)
    return today if clock.is_slot(reader.cadence, today) else clock.next_slot(reader.cadence, today)


def _slot_by_hand(reader: Subscriber, now: datetime, day: date | None) -> date | None:
    if reader.state is not SubscriberState.ACTIVE:
        return None
    on = day or clock.local_day(now, reader.time_zone)
    if clock.is_slot(reader.cadence, on):
        return on
    if day is None and reader.next_due_at is not None and reader.next_due_at <= now:
        return clock.due_slot(reader.cadence, reader.hour, reader.time_zone, now)
    return None


def _each(everyone: Iterable[Subscriber], slot_of: Callable[[Subscriber], date | None]) -> list[Due]:
    """One whose time zone this machine does not know is left out and named; it never stops the others."""
    due = []
    for reader in everyone:
        try:
            slot = slot_of(reader)
        except (KeyError, ValueError, OSError):
            log.error("%s: this machine does not know the time zone %s", reader.handle, reader.time_zone)
            continue
        if slot is not None:
            due.append((reader, slot))
    return due


def by_slot(due: Iterable[Due]) -> dict[date, list[Subscriber]]:
    slots: dict[date, list[Subscriber]] = {}
    for reader, slot in due:
        slots.setdefault(slot, []).append(reader)
    return dict(sorted(slots.items()))


def _next_due(reader: Subscriber, slot: date, now: datetime) -> datetime:
    following = clock.next_due_at(reader.cadence, reader.hour, reader.time_zone, now)
    if clock.local_day(following, reader.time_zone) == slot:  # written by hand before its hour
        following = clock.next_due_at(reader.cadence, reader.hour, reader.time_zone, following)
    return following


def _expiry(reader: Subscriber, slot: date, now: datetime) -> datetime:
    """A letter is too old after a day, or when the next one comes."""
    with suppress(KeyError, ValueError, OSError):  # a time zone that this machine does not know
        return min(now + outbox.KEEP_FOR, _next_due(reader, slot, now))
    return now + outbox.KEEP_FOR


def _settles(reader: Subscriber, slot: date, now: datetime) -> bool:
    """Does a letter of this slot settle what the reader is owed? One for an older day, by hand, does not."""
    if reader.next_due_at is None or reader.next_due_at > now:
        return True
    owed = clock.due_slot(reader.cadence, reader.hour, reader.time_zone, now)
    return owed <= slot <= clock.local_day(now, reader.time_zone)


def _asking(
    readers: Sequence[Subscriber],
    memory: Mapping[int, Mapping[int, date]],
    said: Mapping[int, tuple[Feedback, ...]],
) -> list[Reader]:
    from digest.ranking.ranker import Reader

    return [Reader(one.profile, memory.get(one.id, {}), said.get(one.id, ())) for one in readers]


def _choose(edition: Edition, wanted: Sequence[Reader]) -> Sequence[tuple[Pick, ...] | Exception]:
    """The picks of each, or what went wrong for this one: one bad profile never stops the others."""
    try:
        return edition.ranker.choose(wanted)
    except Exception:
        out: list[tuple[Pick, ...] | Exception] = []
        for one in wanted:
            try:
                out.append(edition.ranker.choose([one])[0])
            except Exception as error:
                out.append(error)
        return out


def _served(connection: sa.Connection, edition: Edition, readers: Sequence[Subscriber]) -> set[int]:
    """Those who had a letter that was chosen from all that is new, by what they want: sources have said since that
    there is no more.

    What that letter had no room for was not good enough for a day with news, and makes no letter without.
    """
    if not edition.quiet or edition.fresh is None or edition.arrived is None:
        return set()
    ids = [one.id for one in readers]
    told = letters.told_since(connection, ids, edition.day, since=edition.fresh, after=edition.arrived)
    stored = subscribers.by_ids(connection, sorted(told))
    # Who is shown a draft of a profile asks for something else as well.
    return {one.id for one in readers if one.id in told and one.profile == stored[one.id].profile}


def _why_empty(edition: Edition, want: Reader, passed: bool) -> str:
    """What a reader gets no letter for. `passed`: there are papers that an earlier letter had no room for."""
    return "; ".join([_why_nothing(edition, want, passed), *in_words(edition.gaps)[-2:]])


def _why_nothing(edition: Edition, want: Reader, passed: bool) -> str:
    if not edition.stored:
        return "the store holds no papers yet; `digest ingest` takes saved pages, `digest collect` asks sources"
    if passed:
        begin, end = edition.quiet[0], edition.quiet[-1]
        since = f"on {end}" if begin == end else f"from {begin} to {end}"
        return f"nothing new since {edition.fresh}: no paper was listed {since} that had not been listed before"
    if not edition.candidates:
        days = "on" if edition.window_days == 1 else f"in the {edition.window_days} days up to"
        last = f"; the newest listing before that is of {edition.newest}" if edition.newest else ""
        return f"no papers were listed {days} {edition.day}{last}"
    tally = edition.ranker.tally(want)
    floor = f"below the floor of {want.profile.floor:g} (the best has {tally.best:.1f})"
    parts = [
        (tally.below, floor),
        (tally.unrelated, "with nothing that the profile asks for"),
        (tally.sent, "sent before"),
        (tally.kept_out, "muted or rated"),
    ]
    told = ", ".join(f"{count(number, 'paper')} {what}" for number, what in parts if number)
    return f"nothing new among {count(edition.candidates, 'candidate')}: {told}"
