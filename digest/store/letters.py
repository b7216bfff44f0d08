"""The outbox: letters, their picks and their states.

    (written) → ready | empty
    empty     → ready       a run by hand finds papers for it after all: it is written anew
    ready     → sending     a courier claims it under a lease
    deferred  → sending     the same, once `next_try_at` has come
    sending   → sent        the relay accepted it, or it is in the Maildir
    sending   → deferred    a temporary refusal
    sending   → failed      refused for good; its picks become void
    sending   → uncertain   no answer after the whole letter had gone out, or the courier died meanwhile
    sending   → ready       the courier gives it back untouched: the relay cannot be used now
    ready     → expired     it could not leave in time; its picks become void
    deferred  → expired     the same
    ready     → suppressed  its subscriber was paused or left meanwhile; its picks become void
    deferred  → suppressed  the same
    uncertain → ready       the operator has it sent again; from now on it is `in_doubt`
    uncertain → sent        the operator takes it as sent

Every statement that ends `sending` names the lease, so a courier that slept past its lease records nothing.
A void pick is forgotten by memory: its paper never reached the reader. Nobody knows that of a letter that was once
in doubt, so its picks never become void.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from digest.model import UNDELIVERED, Letter, LetterState, Outcome, Pick, Reason, Subscriber, SubscriberState
from digest.store import papers, subscribers
from digest.store.sql import batched, insert_new
from digest.store.tables import letter, pick, subscriber

FIRST_RETRY = timedelta(minutes=5)  # doubled with each attempt
LAST_RETRY = timedelta(hours=4)

# To the letter what the partial indexes say (`tables.WAITING`, `tables.REMEMBERED`), or these stay unused.
_WAITING = sa.text("letter.state IN ('ready', 'deferred')")
_REMEMBERED = sa.text("NOT pick.void")


def write(connection: sa.Connection, edition_id: int, letters: Sequence[Letter]) -> int:
    """Insert letters with their picks. One whose (subscriber, slot) is there is left out. How many went in.

    A pick that repeats a paper for its subscriber raises `IntegrityError`, and undoes the whole transaction.
    """
    first: dict[tuple[int, date], Letter] = {}
    for one in letters:
        first.setdefault((one.subscriber.id, one.slot), one)
    # In one order everywhere, so that two who write at once wait for each other in turn and never in a circle.
    batch = [first[key] for key in sorted(first)]
    rows = [
        {
            "subscriber_id": one.subscriber.id,
            "edition_id": edition_id,
            "slot": one.slot,
            "state": one.state.value,
            "address": one.subscriber.address,
            "subject": one.subject,
            "message_id": one.message_id,
            "note": one.note,
            "candidates": one.candidates,
            "days": one.days,
            "created_at": one.created_at,
            "expires_at": one.expires_at,
            "next_try_at": one.created_at if one.state is LetterState.READY else None,
            "attempts": 0,
            "file": "",
        }
        for one in batch
    ]
    went_in = insert_new(connection, letter, rows, letter.c.id, letter.c.subscriber_id, letter.c.slot)
    # Of these alone: picks must not be added to a letter that somebody else wrote for the slot at the same time.
    ids = {(r.subscriber_id, r.slot): r.id for r in went_in}
    picks = [
        {
            "letter_id": ids[(one.subscriber.id, one.slot)],
            "place": place,
            "subscriber_id": one.subscriber.id,
            "paper_id": p.paper.id,
            "score": p.score,
            "relevance": p.relevance,
            "trending": p.trending,
            "listed": p.listed,
            "votes": p.votes,
            "reasons": [asdict(reason) for reason in p.reasons],
            "void": False,
            "also": place > len(one.picks),
        }
        for one in batch
        if (one.subscriber.id, one.slot) in ids
        for place, p in enumerate((*one.picks, *one.also), 1)
    ]
    if picks:
        # No "ignore" here: a pick that breaks the memory's unique key must undo the whole transaction.
        connection.execute(sa.insert(pick), picks)
    return len(went_in)


def existing(connection: sa.Connection, wanted: Iterable[tuple[int, date]]) -> dict[tuple[int, date], int]:
    """(subscriber id, slot) → letter id, for those that are written."""
    out: dict[tuple[int, date], int] = {}
    by_slot: dict[date, list[int]] = {}
    for subscriber_id, slot in wanted:
        by_slot.setdefault(slot, []).append(subscriber_id)
    for slot, ids in by_slot.items():
        for some in batched(ids, 500):
            rows = connection.execute(
                sa.select(letter.c.subscriber_id, letter.c.id).where(
                    letter.c.slot == slot, letter.c.subscriber_id.in_(some)
                )
            )
            out.update({(r.subscriber_id, slot): r.id for r in rows})
    return out


def empty(connection: sa.Connection, ids: Iterable[int]) -> dict[int, str]:
    """letter id → why it is empty, for those of these letters that are."""
    out: dict[int, str] = {}
    for some in batched(ids, 500):
        rows = connection.execute(
            sa.select(letter.c.id, letter.c.note).where(
                letter.c.id.in_(some), letter.c.state == LetterState.EMPTY.value
            )
        )
        out.update({r.id: r.note for r in rows})
    return out


def reopen(connection: sa.Connection, ids: Iterable[int]) -> None:
    """Take empty letters away, so that their slots can be written anew. They held no paper and went to nobody."""
    for some in batched(ids, 500):
        connection.execute(
            sa.delete(letter).where(letter.c.id.in_(some), letter.c.state == LetterState.EMPTY.value)
        )


def memory(
    connection: sa.Connection, subscriber_ids: Iterable[int], *, without: int | None = None
) -> dict[int, dict[int, date]]:
    """subscriber id → {paper id → slot of the letter it was in}. `without` leaves one letter out."""
    out: dict[int, dict[int, date]] = {}
    for some in batched(subscriber_ids, 500):
        rows = connection.execute(
            sa.select(pick.c.subscriber_id, pick.c.paper_id, letter.c.slot)
            .join(letter, letter.c.id == pick.c.letter_id)
            .where(pick.c.subscriber_id.in_(some), _REMEMBERED, letter.c.id != (without or 0))
        )
        for subscriber_id, paper_id, slot in rows:
            out.setdefault(subscriber_id, {})[paper_id] = slot
    return out


def claim(
    connection: sa.Connection,
    lease: str,
    now: datetime,
    lease_for: timedelta,
    limit: int,
    only: int | None = None,
) -> list[int]:
    """Take up to `limit` letters that may go out now, oldest first; their ids."""
    state = sa.select(subscriber.c.state).where(subscriber.c.id == letter.c.subscriber_id).scalar_subquery()
    free = (
        sa.select(letter.c.id)
        .where(
            _WAITING,
            letter.c.next_try_at <= now,
            letter.c.expires_at > now,
            state == SubscriberState.ACTIVE.value,  # who was paused a moment ago gets nothing more
        )
        .order_by(letter.c.next_try_at, letter.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if only is not None:
        free = free.where(letter.c.subscriber_id == only)
    ids = list(connection.execute(free).scalars())
    if ids:
        connection.execute(
            sa.update(letter)
            .where(letter.c.id.in_(ids))
            .values(
                state=LetterState.SENDING.value,
                lease=lease,
                lease_until=now + lease_for,
                attempts=letter.c.attempts + 1,
            )
        )
    return ids


def record(connection: sa.Connection, lease: str, outcomes: Mapping[int, Outcome], now: datetime) -> int:
    """Write down what became of claimed letters; how many this lease still held."""
    attempts: dict[int, int] = {}
    for some in batched(sorted(outcomes), 500):
        held = connection.execute(
            sa.select(letter.c.id, letter.c.attempts)
            .where(letter.c.id.in_(some), letter.c.lease == lease, letter.c.state == LetterState.SENDING.value)
            .order_by(letter.c.id)
            .with_for_update()  # nobody takes them over between this look and the update
        )
        attempts.update((row.id, row.attempts) for row in held)
    if not attempts:
        return 0
    fields = ("state", "note", "file", "sent_at", "next_try_at")
    statement = (
        sa.update(letter)
        .where(letter.c.id == sa.bindparam("of"))
        .values(lease=None, lease_until=None, **{field: sa.bindparam(f"new_{field}") for field in fields})
    )
    rows = [
        {
            "of": i,
            "new_state": outcomes[i].state.value,
            "new_note": outcomes[i].reply,
            "new_file": outcomes[i].where,
            "new_sent_at": now if outcomes[i].state is LetterState.SENT else None,
            "new_next_try_at": now + _wait(tried) if outcomes[i].state is LetterState.DEFERRED else None,
        }
        for i, tried in attempts.items()
    ]
    connection.execute(statement, rows)
    _void_picks(connection, [i for i in attempts if outcomes[i].state is LetterState.FAILED])
    return len(attempts)


def give_back(connection: sa.Connection, lease: str, ids: Sequence[int], why: str, now: datetime) -> None:
    """Claimed letters that were not touched wait again."""
    connection.execute(
        sa.update(letter)
        .where(letter.c.id.in_(ids), letter.c.lease == lease, letter.c.state == LetterState.SENDING.value)
        .values(
            state=LetterState.READY.value,
            note=why,
            next_try_at=now,
            lease=None,
            lease_until=None,
            attempts=letter.c.attempts - 1,
        )
    )


def abandoned(connection: sa.Connection, now: datetime) -> list[tuple[int, str, str]]:
    """(id, Message-ID, lease) of letters whose courier has let its lease run out: it died, or hangs."""
    rows = connection.execute(
        sa.select(letter.c.id, letter.c.message_id, letter.c.lease)
        .where(letter.c.state == LetterState.SENDING.value, letter.c.lease_until <= now)
        .order_by(letter.c.id)
    )
    return [(r.id, r.message_id, r.lease) for r in rows]


def settle(connection: sa.Connection, letter_id: int, outcome: Outcome, now: datetime) -> bool:
    """Record what became of an abandoned letter, unless somebody was faster."""
    state = LetterState.READY if outcome.state is LetterState.DEFERRED else outcome.state
    changed = connection.execute(
        sa.update(letter)
        .where(
            letter.c.id == letter_id,
            letter.c.state == LetterState.SENDING.value,
            letter.c.lease_until <= now,
        )
        .values(
            state=state.value,
            note=outcome.reply,
            file=outcome.where,
            sent_at=now if state is LetterState.SENT else None,
            next_try_at=now if state is LetterState.READY else None,
            lease=None,
            lease_until=None,
        )
    )
    if state is LetterState.FAILED:
        _void_picks(connection, [letter_id])
    return changed.rowcount == 1


def expire(connection: sa.Connection, now: datetime, superseded: Iterable[tuple[int, date]] = ()) -> int:
    """Expire what can no longer leave in time, and what a newer letter of (subscriber id, slot) replaces."""
    # A row that somebody holds is being claimed, or expired, at this very moment; it is theirs.
    waiting = sa.select(letter.c.id).where(_WAITING).with_for_update(skip_locked=True)
    stale = set(connection.execute(waiting.where(letter.c.expires_at <= now)).scalars())
    by_slot: dict[date, list[int]] = {}
    for subscriber_id, slot in superseded:
        by_slot.setdefault(slot, []).append(subscriber_id)
    for slot, ids in by_slot.items():
        for some in batched(ids, 500):
            older = waiting.where(letter.c.slot < slot, letter.c.subscriber_id.in_(some))
            stale |= set(connection.execute(older).scalars())
    for some in batched(sorted(stale), 500):
        connection.execute(
            sa.update(letter)
            .where(letter.c.id.in_(some))
            .values(
                state=LetterState.EXPIRED.value,
                note=sa.case(
                    (letter.c.note == "", "could not leave in time"),
                    else_="could not leave in time; last: " + letter.c.note,
                ),
                next_try_at=None,
            )
        )
        _void_picks(connection, some)
    return len(stale)


def suppress(connection: sa.Connection) -> int:
    """Hold back for good what waits for subscribers who get no letters any more."""
    silent = [state.value for state in SubscriberState if state is not SubscriberState.ACTIVE]
    rows = connection.execute(
        sa.select(letter.c.id, subscriber.c.state, subscriber.c.state_reason)
        .join(subscriber, subscriber.c.id == letter.c.subscriber_id)
        .where(_WAITING, subscriber.c.state.in_(silent))
        .with_for_update(of=letter, skip_locked=True)
    )
    ids: dict[str, list[int]] = {}
    for letter_id, state, reason in rows:
        ids.setdefault(f"the subscriber is {state}" + (f": {reason}" if reason else ""), []).append(letter_id)
    for note, noted in ids.items():
        for some in batched(noted, 500):
            connection.execute(
                sa.update(letter)
                .where(letter.c.id.in_(some))
                .values(state=LetterState.SUPPRESSED.value, note=note, next_try_at=None)
            )
            _void_picks(connection, some)
    return sum(map(len, ids.values()))


def release_uncertain(connection: sa.Connection, letter_id: int, now: datetime, *, resend: bool) -> bool:
    """An operator's word on an uncertain letter: send it again, with the same Message-ID, or take it as sent."""
    changed = connection.execute(
        sa.update(letter)
        .where(letter.c.id == letter_id, letter.c.state == LetterState.UNCERTAIN.value)
        .values(
            state=(LetterState.READY if resend else LetterState.SENT).value,
            note="sent again by the operator" if resend else "taken as sent by the operator",
            next_try_at=now if resend else None,
            sent_at=None if resend else now,
            expires_at=now + timedelta(hours=24) if resend else letter.c.expires_at,
            in_doubt=True,
        )
    )
    return changed.rowcount == 1


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    rows = connection.execute(
        sa.select(letter.c.state, sa.func.count()).group_by(letter.c.state).order_by(letter.c.state)
    )
    return {row[0]: row[1] for row in rows}


def next_try(connection: sa.Connection) -> datetime | None:
    """When the next waiting letter may go out."""
    return connection.execute(
        sa.select(letter.c.next_try_at).where(_WAITING).order_by(letter.c.next_try_at, letter.c.id).limit(1)
    ).scalar()


def of_subscriber(connection: sa.Connection, subscriber_id: int, limit: int = 30) -> list[Letter]:
    """A subscriber's letters, newest slot first."""
    return _load(connection, letter.c.subscriber_id == subscriber_id, order=letter.c.slot.desc(), limit=limit)


def in_state(connection: sa.Connection, state: LetterState, limit: int = 1000) -> list[Letter]:
    return _load(connection, letter.c.state == state.value, order=letter.c.id.asc(), limit=limit)


def ids_in_state(connection: sa.Connection, state: LetterState) -> list[int]:
    return list(connection.execute(sa.select(letter.c.id).where(letter.c.state == state.value)).scalars())


def by_ids(connection: sa.Connection, ids: Sequence[int]) -> list[Letter]:
    out: list[Letter] = []
    for some in batched(sorted(ids), 500):
        out += _load(connection, letter.c.id.in_(some), order=letter.c.id.asc(), limit=len(some))
    return out


def _wait(attempts: int) -> timedelta:
    return min(FIRST_RETRY * (1 << min(attempts - 1, 10)), LAST_RETRY)


def _void_picks(connection: sa.Connection, letter_ids: Sequence[int]) -> None:
    if letter_ids:
        still = sa.select(letter.c.id).where(
            letter.c.id.in_(letter_ids),
            letter.c.state.in_([state.value for state in UNDELIVERED]),
            sa.not_(letter.c.in_doubt),
        )
        connection.execute(sa.update(pick).where(pick.c.letter_id.in_(still)).values(void=True))


def _load(
    connection: sa.Connection, where: sa.ColumnElement[bool], order: sa.ColumnElement[object], limit: int
) -> list[Letter]:
    rows = connection.execute(sa.select(letter).where(where).order_by(order, letter.c.id).limit(limit)).all()
    chosen = connection.execute(
        sa.select(pick).where(pick.c.letter_id.in_([r.id for r in rows])).order_by(pick.c.letter_id, pick.c.place)
    ).all()
    known = {p.id: p for p in papers.by_ids(connection, {r.paper_id for r in chosen})}
    readers: Mapping[int, Subscriber] = subscribers.by_ids(connection, list({r.subscriber_id for r in rows}))
    picks: dict[tuple[int, bool], list[Pick]] = {}
    for r in chosen:
        reasons = tuple(Reason(**{**one, "terms": tuple(one["terms"])}) for one in r.reasons)
        picks.setdefault((r.letter_id, r.also), []).append(
            Pick(known[r.paper_id], r.score, r.relevance, r.trending, reasons, r.listed, r.votes)
        )
    return [
        Letter(
            id=r.id,
            subscriber=readers[r.subscriber_id],
            slot=r.slot,
            picks=tuple(picks.get((r.id, False), ())),
            also=tuple(picks.get((r.id, True), ())),
            state=LetterState(r.state),
            subject=r.subject,
            message_id=r.message_id,
            note=r.note,
            candidates=r.candidates,
            days=r.days,
            created_at=r.created_at,
            expires_at=r.expires_at,
            next_try_at=r.next_try_at,
            sent_at=r.sent_at,
            attempts=r.attempts,
            where=r.file,
        )
        for r in rows
    ]
