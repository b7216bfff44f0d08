"""The outbox: what couriers and operators do with letters. The states are in `transitions`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from digest.model import Letter, Outcome, SubscriberState
from digest.model import LetterState as S
from digest.store import suppressions
from digest.store.sql import batched, by_driver, for_driver, in_order_of_index, rows_given
from digest.store.tables import history, letter, subscriber
from digest.store.transitions import IS_SENDING, NAMED, REPAIRED, TRANSITIONS, WAITS, changed, move, tell
from digest.store.weeding import weed

KEEP_FOR = timedelta(hours=24)  # a letter leaves within so much time or not at all
FIRST_RETRY = timedelta(minutes=5)  # the longest wait after the first try; doubled with each
LAST_RETRY = timedelta(hours=4)
SOONEST_RETRY = timedelta(minutes=1)
RETRIES = 8  # after so many tries the wait grows no more
_BY_STATE = {S.SENT: "sent", S.DEFERRED: "deferred", S.FAILED: "failed", S.UNCERTAIN: "uncertain"}


# ---- the courier's


def claim(connection: sa.Connection, lease: str, now: datetime, limit: int, only: int | None = None) -> list[int]:
    """Take up to `limit` letters that may go out now (of subscriber `only`), oldest first; their ids, in order.

    None to an address on the suppression list. Its subscriber is not active, unless it was added at the very moment
    when the address came on the list; then it is told here.
    """
    claimed: set[int] = set()
    put_back: set[int] = set()
    told = {"token": lease, "now": now, "only": only}
    in_order_of_index(connection)
    while True:
        this = told | {"most": limit - len(claimed)}
        some = set[int](connection.execute(_claiming(only is not None), this).scalars())
        stay = _suppressed(connection, some) if some and suppressions.are_any(connection) else set()
        give_back(connection, lease, sorted(stay), "", now)
        claimed |= some - stay
        if not stay - put_back:
            return sorted(claimed)
        put_back |= stay


def _suppressed(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    """Those of these letters whose addresses are on the suppression list; their subscribers are told."""
    addresses: dict[int, str] = {}
    for some in batched(ids, 500):
        rows = connection.execute(
            sa.select(letter.c.id, subscriber.c.address_key).join(subscriber).where(letter.c.id.in_(some))
        )
        addresses.update({row[0]: row[1] for row in rows})
    held = suppressions.heed_all(connection, addresses.values())
    return {i for i, address in addresses.items() if address in held}


@cache  # making it takes as long as running it
def _claiming(of_one: bool) -> sa.UpdateBase:
    """Takes `token`, `now`, `most` and, for one subscriber's letters, `only`."""
    state = sa.select(subscriber.c.state).where(subscriber.c.id == letter.c.subscriber_id).scalar_subquery()
    free = (
        sa.select(letter.c.id)
        .where(
            WAITS,
            letter.c.next_try_at <= sa.bindparam("now"),
            letter.c.expires_at > sa.bindparam("now"),
            state == SubscriberState.ACTIVE.value,  # who was paused a moment ago gets nothing more
        )
        .order_by(letter.c.next_try_at, letter.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(of=letter, skip_locked=True)
    )
    if of_one:
        free = free.where(letter.c.subscriber_id == sa.bindparam("only"))
    # A common table, as PostgreSQL may run a plain subquery more than once and lock more than the limit.
    chosen = free.cte("free")
    values = {"lease": sa.bindparam("token"), "attempts": letter.c.attempts + 1}
    return changed("claim", [letter.c.id.in_(sa.select(chosen.c.id))], values).returning(letter.c.id)


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
    recorded = _record_sent(connection, lease, {i: one for i, one in outcomes.items() if one.state is S.SENT}, now)
    again: list[int] = []
    for i, one in sorted(outcomes.items()):
        if one.state is S.SENT:
            continue
        values: dict[str, Any] = {"note": one.reply, "file": one.where, "next_try_at": None}
        if one.state is S.DEFERRED:
            values["next_try_at"] = _retry(now, one.wait, dice())
        if one.state is S.UNCERTAIN:
            values["in_doubt"] = True
        moved = move(connection, _BY_STATE[one.state], [letter.c.id == i, letter.c.lease == lease], values)
        tell(connection, moved, now, one.state, None, one.kind)
        recorded += len(moved)
        again += moved if one.state is S.DEFERRED else []
    weed(connection, again, now)
    return recorded


def _record_sent(connection: sa.Connection, lease: str, sent: Mapping[int, Outcome], now: datetime) -> int:
    words, instant = for_driver(connection, letter.c.note), for_driver(connection, letter.c.sent_at)
    recorded = 0
    for some in batched(sorted(sent), 500):
        rows = [(i, words(sent[i].reply), words(sent[i].where)) for i in some]
        given, values = rows_given(connection, ("integer", "text", "text"), rows)
        statement = (
            f"UPDATE letter SET state = '{S.SENT.value}', note = given.column2, file = given.column3, sent_at = %s,"  # noqa: S608
            f" next_try_at = NULL, lease = NULL FROM {given}"
            f" WHERE letter.id = given.column1 AND letter.lease = %s AND {NAMED} = '{S.SENDING.value}'"
        )
        recorded += by_driver(connection, statement, (instant(now), *values, lease)).rowcount
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
        moved = move(connection, "back", [letter.c.id.in_(some), letter.c.lease == lease], values)
        held += len(moved)
        weed(connection, moved, now)
    return held


def held_by(connection: sa.Connection, lease: str) -> dict[int, tuple[str, int]]:
    """id → (Message-ID, how often it was claimed) of the letters that this lease holds."""
    rows = connection.execute(
        sa.select(letter.c.id, letter.c.message_id, letter.c.attempts)
        .where(IS_SENDING, letter.c.lease == lease)
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


def _expire(connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]], now: datetime) -> int:
    note = sa.case(
        (letter.c.note == "", "could not leave in time"),
        else_="could not leave in time; last: " + letter.c.note,
    )
    # A row that somebody holds is being claimed, or expired, at this very moment; it is theirs.
    stale = sa.select(letter.c.id).where(WAITS, *where).with_for_update(skip_locked=True).cte("stale")
    moved = move(
        connection,
        "expire",
        [letter.c.id.in_(sa.select(stale.c.id))],
        {"note": note, "next_try_at": None},
    )
    tell(connection, moved, now, S.EXPIRED, None)
    return len(moved)


def suppress(connection: sa.Connection, now: datetime) -> int:
    """Hold back for good what waits for subscribers who get no letters any more."""
    silent = [state.value for state in SubscriberState if state is not SubscriberState.ACTIVE]
    gone = (
        sa.select(letter.c.id)
        .join(subscriber, subscriber.c.id == letter.c.subscriber_id)
        .where(WAITS, subscriber.c.state.in_(silent))
        .with_for_update(of=letter, skip_locked=True)
        .cte("gone")
    )
    theirs = sa.select(
        sa.literal("the subscriber is ")
        + subscriber.c.state
        + sa.case((subscriber.c.state_reason == "", ""), else_=": " + subscriber.c.state_reason)
    ).where(subscriber.c.id == letter.c.subscriber_id)
    moved = move(
        connection,
        "suppress",
        [letter.c.id.in_(sa.select(gone.c.id))],
        {"note": theirs.scalar_subquery(), "next_try_at": None},
    )
    tell(connection, moved, now, S.SUPPRESSED, None)
    return len(moved)


def cancel(connection: sa.Connection, now: datetime, ids: Iterable[int] | None = None) -> int:
    """Take back what waits, or these of it, for good; how many."""
    note = "cancelled by the operator"
    wheres = [[]] if ids is None else [[letter.c.id.in_(some)] for some in batched(sorted(ids), 500)]
    number = 0
    for where in wheres:
        moved = move(connection, "cancel", where, {"note": note, "next_try_at": None})
        tell(connection, moved, now, S.SUPPRESSED, note)
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
    moved = move(connection, what, [] if ids is None else [letter.c.id.in_(ids)], values)
    tell(connection, moved, now, TRANSITIONS[what].target, note)
    return len(moved)


# ---- looking


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    rows = connection.execute(
        sa.select(letter.c.state, sa.func.count()).group_by(letter.c.state).order_by(letter.c.state)
    )
    return {row[0]: row[1] for row in rows}


def count_waiting(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(letter).where(WAITS)).scalar_one()


def next_try(connection: sa.Connection) -> datetime | None:
    """When the next waiting letter may go out."""
    return connection.execute(
        sa.select(letter.c.next_try_at).where(WAITS).order_by(letter.c.next_try_at, letter.c.id).limit(1)
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
