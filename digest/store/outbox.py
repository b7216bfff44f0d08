"""The outbox: the states of letters, and every way from one to another.

`TRANSITIONS` is the whole of it. Each is one SQL statement that names the state it starts from, so two who decide
on a letter at the same time cannot both be right; one that ends `sending` also names the lease under which the
letter was claimed, so a courier that was asleep while its letters were taken from it records nothing.

A void pick is forgotten by memory: its paper never reached the reader. Nobody knows that of a letter that was once
in doubt, so its picks never become void.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.model import Letter, Outcome, SubscriberState
from digest.model import LetterState as S
from digest.store import papers, suppressions
from digest.store.sql import batched
from digest.store.tables import history, letter, pick, subscriber


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from a state to another."""

    sources: tuple[S, ...]
    target: S
    fenced: bool = False  # only under the lease that the letter was claimed with
    forgets: bool = False  # the picks of a letter that was never in doubt become void: its papers may come again


WAITING = (S.READY, S.DEFERRED)

TRANSITIONS: dict[str, Transition] = {
    # a courier takes it, once `next_try_at` has come and its subscriber is active
    "claim": Transition(WAITING, S.SENDING),
    # the relay accepted it, or it is in the Maildir
    "sent": Transition((S.SENDING,), S.SENT, fenced=True),
    # refused for now; `next_try_at` says when it is tried again
    "deferred": Transition((S.SENDING,), S.DEFERRED, fenced=True),
    # refused for good
    "failed": Transition((S.SENDING,), S.FAILED, fenced=True, forgets=True),
    # all of it went out and no answer came, or its courier died at that moment: it may have arrived
    "uncertain": Transition((S.SENDING,), S.UNCERTAIN, fenced=True),
    # it was claimed and has certainly not left: the relay is down, delivery was paused, its courier died before
    "back": Transition((S.SENDING,), S.READY, fenced=True),
    # it could not leave in time, or a newer letter takes its place: a stale digest is worse than none
    "expire": Transition(WAITING, S.EXPIRED, forgets=True),
    # its subscriber was paused, left or bounced meanwhile
    "suppress": Transition(WAITING, S.SUPPRESSED, forgets=True),
    # an operator takes back what waits
    "cancel": Transition(WAITING, S.SUPPRESSED, forgets=True),
    # its only papers proved to be ones that its reader has been sent under other names
    "spend": Transition(WAITING, S.EMPTY),
    # an operator's word on a letter in doubt: send it again under the same Message-ID …
    "resend": Transition((S.UNCERTAIN,), S.READY),
    # … or take it as sent …
    "settle": Transition((S.UNCERTAIN,), S.SENT),
    # … or give it up; its papers may have arrived and do not come again
    "drop": Transition((S.UNCERTAIN,), S.FAILED),
}
# Two more are not transitions of a stored letter: it is written as ready, empty or failed (`letters.write`), and an
# empty one is taken away to be written anew (`letters.reopen`).

KEEP_FOR = timedelta(hours=24)  # a letter leaves within so much time or not at all
FIRST_RETRY = timedelta(minutes=5)  # the longest wait after the first try; doubled with each
LAST_RETRY = timedelta(hours=4)
SOONEST_RETRY = timedelta(minutes=1)
RETRIES = 8  # after so many tries the wait grows no more
SPENT = "what it held proved to be papers that this reader was sent before"

# To the letter what the partial indexes say (`tables.WAITING`, `tables.SENDING`), or these stay unused.
_WAITING = sa.text("letter.state IN ('ready', 'deferred')")
_SENDING = sa.text("letter.state = 'sending'")
_SOURCES: dict[tuple[S, ...], Any] = {WAITING: _WAITING, (S.SENDING,): _SENDING}
REPAIRED = "repaired"  # the kind of what was no transition
_BY_STATE = {S.SENT: "sent", S.DEFERRED: "deferred", S.FAILED: "failed", S.UNCERTAIN: "uncertain"}


def _move(
    connection: sa.Connection, name: str, where: Sequence[sa.ColumnElement[bool]], values: Mapping[str, Any]
) -> list[int]:
    """One transition of all letters for which `where` holds, in one statement; the ids of those it moved."""
    to = TRANSITIONS[name]
    moved = sorted(connection.execute(_changed(name, where, values).returning(letter.c.id)).scalars())
    if to.forgets:
        for some in batched(moved, 500):
            sure = sa.select(letter.c.id).where(letter.c.id.in_(some), sa.not_(letter.c.in_doubt))
            connection.execute(sa.update(pick).where(pick.c.letter_id.in_(sure)).values(void=True))
    return moved


def _changed(name: str, where: Sequence[sa.ColumnElement[bool]], values: Mapping[str, Any]) -> sa.Update:
    to = TRANSITIONS[name]
    source = _SOURCES.get(to.sources, letter.c.state.in_([one.value for one in to.sources]))
    free: dict[str, Any] = {} if to.target is S.SENDING else {"lease": None}
    return sa.update(letter).where(source, *where).values(state=to.target.value, **free, **values)


def _tell(
    connection: sa.Connection, ids: Sequence[int], at: datetime, state: S | None, note: str | None, kind: str = ""
) -> None:
    """Add to the letters' histories what has just happened; `state`, `note` None is what the letters say."""
    for some in batched(ids, 500):
        rows = sa.select(
            letter.c.id,
            sa.bindparam("at", at, type_=letter.c.created_at.type),
            letter.c.state if state is None else sa.literal(state.value),
            sa.literal(kind),
            letter.c.note if note is None else sa.literal(note, type_=letter.c.note.type),
            letter.c.next_try_at,
        ).where(letter.c.id.in_(some))
        columns = [history.c[name] for name in ("letter_id", "at", "state", "kind", "note", "next_try_at")]
        connection.execute(sa.insert(history).from_select(columns, rows.order_by(letter.c.id)))


def tell_repaired(connection: sa.Connection, ids: Sequence[int], at: datetime, note: str) -> None:
    """Add to the letters' histories that `digest check --repair` changed them."""
    _tell(connection, ids, at, None, note, REPAIRED)


# ---- the courier's


def claim(connection: sa.Connection, lease: str, now: datetime, limit: int, only: int | None = None) -> list[int]:
    """Take up to `limit` letters that may go out now (of subscriber `only`), oldest first; their ids, in order.

    None to an address on the suppression list. Its subscriber is not active, unless it was added at the very moment
    when the address came on the list; then it is told here.
    """
    claimed: set[int] = set()
    put_back: set[int] = set()
    while some := _claim(connection, lease, now, limit - len(claimed), only):
        held = suppressions.heed_all(connection, some.values())
        stay = {i for i, address in some.items() if address in held}
        give_back(connection, lease, sorted(stay), "", now)
        claimed |= some.keys() - stay
        if not stay - put_back:
            break
        put_back |= stay
    return sorted(claimed)


def _claim(connection: sa.Connection, lease: str, now: datetime, limit: int, only: int | None) -> dict[int, str]:
    """id → case-folded address"""
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
        .with_for_update(of=letter, skip_locked=True)
    )
    if only is not None:
        free = free.where(letter.c.subscriber_id == only)
    # A common table, as PostgreSQL may run a plain subquery more than once and lock more than the limit.
    chosen = free.cte("free")
    values = {"lease": lease, "attempts": letter.c.attempts + 1}
    address = sa.select(subscriber.c.address_key).where(subscriber.c.id == letter.c.subscriber_id).scalar_subquery()
    claimed = _changed("claim", [letter.c.id.in_(sa.select(chosen.c.id))], values).returning(letter.c.id, address)
    return {row[0]: row[1] for row in connection.execute(claimed)}


def record(
    connection: sa.Connection,
    lease: str,
    outcomes: Mapping[int, Outcome],
    now: datetime,
    dice: Callable[[], float] = random.random,
) -> int:
    """Write down what became of claimed letters; how many of them this lease still held.

    What is deferred is tried again after what the server asked for, and else after a random part of a wait that
    doubles with each try, so that letters that were refused together do not come back together. `dice` gives 0–1.
    """
    sent = [
        {"of": i, "new_note": one.reply, "new_file": one.where}
        for i, one in sorted(outcomes.items())
        if one.state is S.SENT
    ]
    recorded = 0
    again: list[int] = []
    if sent:
        statement = (
            sa.update(letter)
            .where(letter.c.id == sa.bindparam("of"), letter.c.lease == lease, _SENDING)
            .values(
                state=sa.literal_column(f"'{S.SENT.value}'"),  # what is no parameter need not be bound for each
                note=sa.bindparam("new_note"),
                file=sa.bindparam("new_file"),
                sent_at=now,
                next_try_at=sa.null(),
                lease=sa.null(),
            )
        )
        recorded += connection.execute(statement, sent).rowcount
    for i, one in sorted(outcomes.items()):
        if one.state is S.SENT:
            continue
        values: dict[str, Any] = {"note": one.reply, "file": one.where, "next_try_at": None}
        if one.state is S.DEFERRED:
            values["next_try_at"] = _retry(now, one.wait, dice())
        if one.state is S.UNCERTAIN:
            values["in_doubt"] = True
        moved = _move(connection, _BY_STATE[one.state], [letter.c.id == i, letter.c.lease == lease], values)
        _tell(connection, moved, now, one.state, None, one.kind)
        recorded += len(moved)
        again += moved if one.state is S.DEFERRED else []
    _weed(connection, again, now)
    return recorded


def _retry(now: datetime, asked: timedelta | None, chance: float) -> sa.ColumnElement[Any]:
    """When to try again, by how often it was tried."""
    instant = letter.c.next_try_at.type

    def at(tries: int) -> datetime:
        longest = min(FIRST_RETRY * (1 << (tries - 1)), LAST_RETRY)
        return now + max(SOONEST_RETRY, longest * chance, asked or timedelta())

    by_tries = {tries: sa.literal(at(tries), instant) for tries in range(1, RETRIES)}
    return sa.case(by_tries, value=letter.c.attempts, else_=sa.literal(at(RETRIES), instant))


def give_back(
    connection: sa.Connection,
    lease: str,
    ids: Sequence[int],
    why: str,
    now: datetime,
    until: datetime | None = None,
) -> int:
    """Claimed letters that have certainly not left wait again, until `until` or from now on; how many were held."""
    held = 0
    for some in batched(sorted(ids), 500):
        values = {"note": why, "next_try_at": until or now, "attempts": letter.c.attempts - 1}
        moved = _move(connection, "back", [letter.c.id.in_(some), letter.c.lease == lease], values)
        held += len(moved)
        _weed(connection, moved, now)
    return held


def held_by(connection: sa.Connection, lease: str) -> dict[int, tuple[str, int]]:
    """id → (Message-ID, how often it was claimed) of the letters that this lease holds."""
    rows = connection.execute(
        sa.select(letter.c.id, letter.c.message_id, letter.c.attempts)
        .where(_SENDING, letter.c.lease == lease)
        .order_by(letter.c.id)
    )
    return {r.id: (r.message_id, r.attempts) for r in rows}


# ---- what ends without a courier


def expire(connection: sa.Connection, now: datetime, superseded: Iterable[tuple[int, date]] = ()) -> int:
    """Expire what can no longer leave in time, and what a newer letter of (subscriber id, slot) replaces."""
    moved = _expire(connection, [letter.c.expires_at <= now], now)
    by_slot: dict[date, list[int]] = {}
    for subscriber_id, slot in superseded:
        by_slot.setdefault(slot, []).append(subscriber_id)
    for slot, ids in by_slot.items():
        for some in batched(ids, 500):
            moved += _expire(connection, [letter.c.slot < slot, letter.c.subscriber_id.in_(some)], now)
    return moved


def once(connection: sa.Connection, one: int, now: datetime) -> None:
    """Paper `one` is also known as others. Each reader keeps it in one letter; what is left without any is empty.

    Nothing is taken out of a letter that may have left; of those that wait the first one keeps the paper, if no
    other letter has it.
    """
    names = [one, *papers.names_of(connection, one)]
    has_it = sa.and_(pick.c.paper_id.in_(names), sa.not_(pick.c.void))
    several = sa.select(pick.c.subscriber_id).where(has_it).group_by(pick.c.subscriber_id)
    twice = connection.execute(several.having(sa.func.count() > 1)).scalars().all()
    # Locked, so that no courier takes a letter while a paper is taken out of it.
    rows = [
        row
        for some in batched(twice, 500)
        for row in connection.execute(
            sa.select(pick.c.subscriber_id, pick.c.letter_id, pick.c.place, letter.c.state, letter.c.in_doubt)
            .join(letter, letter.c.id == pick.c.letter_id)
            .where(has_it, pick.c.subscriber_id.in_(some))
            .order_by(pick.c.letter_id, pick.c.place)
            .with_for_update(of=letter)
        )
    ]
    by_reader: dict[int, list[Any]] = {}
    for row in rows:
        by_reader.setdefault(row.subscriber_id, []).append(row)
    waiting = {state.value for state in WAITING}
    touched = set()
    for found in by_reader.values():
        free = [row for row in found if row.state in waiting and not row.in_doubt]
        for row in free if len(free) < len(found) else free[1:]:
            this = sa.and_(pick.c.letter_id == row.letter_id, pick.c.place == row.place)
            connection.execute(sa.delete(pick).where(this))
            touched.add(row.letter_id)
    for some in batched(sorted(touched), 500):
        chosen = sa.select(pick.c.letter_id).where(pick.c.letter_id.in_(some), sa.not_(pick.c.also))
        left = set(connection.execute(chosen).scalars())
        spent = [i for i in some if i not in left]
        # What was only popular beside them makes no letter.
        connection.execute(sa.delete(pick).where(pick.c.letter_id.in_(spent)))
        spend(connection, spent, now)


def spend(connection: sa.Connection, ids: Iterable[int], now: datetime) -> int:
    """These waiting letters hold no paper any more; how many were."""
    number = 0
    for some in batched(ids, 500):
        moved = _move(connection, "spend", [letter.c.id.in_(some)], {"note": SPENT, "next_try_at": None})
        _tell(connection, moved, now, S.EMPTY, SPENT)
        number += len(moved)
    return number


def _weed(connection: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """These letters wait again. Meanwhile a paper of theirs may have proved to be one of another letter's."""
    if ids and (same := papers.united(connection)):
        found: set[int] = set()
        for some in batched(ids, 500):
            picked = sa.select(pick.c.paper_id).where(pick.c.letter_id.in_(some)).distinct()
            found.update(same.get(i, i) for i in connection.execute(picked).scalars())
        for one in sorted(found.intersection(same.values())):
            once(connection, one, now)


def _expire(connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]], now: datetime) -> int:
    note = sa.case(
        (letter.c.note == "", "could not leave in time"),
        else_="could not leave in time; last: " + letter.c.note,
    )
    # A row that somebody holds is being claimed, or expired, at this very moment; it is theirs.
    stale = sa.select(letter.c.id).where(_WAITING, *where).with_for_update(skip_locked=True).cte("stale")
    moved = _move(
        connection,
        "expire",
        [letter.c.id.in_(sa.select(stale.c.id))],
        {"note": note, "next_try_at": None},
    )
    _tell(connection, moved, now, S.EXPIRED, None)
    return len(moved)


def suppress(connection: sa.Connection, now: datetime) -> int:
    """Hold back for good what waits for subscribers who get no letters any more."""
    silent = [state.value for state in SubscriberState if state is not SubscriberState.ACTIVE]
    gone = (
        sa.select(letter.c.id)
        .join(subscriber, subscriber.c.id == letter.c.subscriber_id)
        .where(_WAITING, subscriber.c.state.in_(silent))
        .with_for_update(of=letter, skip_locked=True)
        .cte("gone")
    )
    theirs = sa.select(
        sa.literal("the subscriber is ")
        + subscriber.c.state
        + sa.case((subscriber.c.state_reason == "", ""), else_=": " + subscriber.c.state_reason)
    ).where(subscriber.c.id == letter.c.subscriber_id)
    moved = _move(
        connection,
        "suppress",
        [letter.c.id.in_(sa.select(gone.c.id))],
        {"note": theirs.scalar_subquery(), "next_try_at": None},
    )
    _tell(connection, moved, now, S.SUPPRESSED, None)
    return len(moved)


def cancel(connection: sa.Connection, now: datetime, ids: Iterable[int] | None = None) -> int:
    """Take back what waits, or these of it, for good; how many."""
    note = "cancelled by the operator"
    wheres = [[]] if ids is None else [[letter.c.id.in_(some)] for some in batched(sorted(ids), 500)]
    number = 0
    for where in wheres:
        moved = _move(connection, "cancel", where, {"note": note, "next_try_at": None})
        _tell(connection, moved, now, S.SUPPRESSED, note)
        number += len(moved)
    return number


# ---- an operator's word on what is in doubt

DECISIONS = {
    "resend": "sent again by the operator",
    "settle": "taken as sent by the operator",
    "drop": "given up by the operator; it may have arrived",
}


def decide(connection: sa.Connection, what: str, now: datetime, ids: Sequence[int] | None = None) -> int:
    """`resend`, `settle` or `drop` letters in doubt: these, or all; how many were."""
    note = DECISIONS[what]
    values: dict[str, Any] = {"note": note, "next_try_at": None}
    if what == "resend":
        # It is asked for, so it may leave however old it is.
        values |= {"next_try_at": now, "expires_at": now + KEEP_FOR}
    if what == "settle":
        values["sent_at"] = now
    moved = _move(connection, what, [] if ids is None else [letter.c.id.in_(ids)], values)
    _tell(connection, moved, now, TRANSITIONS[what].target, note)
    return len(moved)


# ---- looking


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    rows = connection.execute(
        sa.select(letter.c.state, sa.func.count()).group_by(letter.c.state).order_by(letter.c.state)
    )
    return {row[0]: row[1] for row in rows}


def count_waiting(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(letter).where(_WAITING)).scalar_one()


def next_try(connection: sa.Connection) -> datetime | None:
    """When the next waiting letter may go out."""
    return connection.execute(
        sa.select(letter.c.next_try_at).where(_WAITING).order_by(letter.c.next_try_at, letter.c.id).limit(1)
    ).scalar()


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of a letter's history."""

    at: datetime
    state: S
    kind: str
    note: str
    next_try_at: datetime | None


def timeline(one: Letter, happened: Sequence[Happened]) -> list[Happened]:
    """What became of a letter after it was chosen, oldest first."""
    steps = list(happened)
    if one.state is S.SENT and one.sent_at:
        place = len(steps)
        while place and steps[place - 1].kind == REPAIRED and steps[place - 1].at >= one.sent_at:
            place -= 1
        if not place or steps[place - 1].state is not S.SENT:
            steps.insert(place, Happened(one.sent_at, S.SENT, "accepted", one.note, None))
    return steps


def histories(connection: sa.Connection, ids: Iterable[int]) -> dict[int, list[Happened]]:
    """letter id → what happened to it, oldest first; one that was sent at the first try has nothing to tell."""
    out: dict[int, list[Happened]] = {}
    for some in batched(ids, 500):
        rows = connection.execute(sa.select(history).where(history.c.letter_id.in_(some)).order_by(history.c.id))
        for r in rows:
            out.setdefault(r.letter_id, []).append(Happened(r.at, S(r.state), r.kind, r.note, r.next_try_at))
    return out
