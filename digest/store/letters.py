"""Letters and their picks, and what readers were sent. What moves them from state to state is in `outbox`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from digest.frozen import maker
from digest.model import UNDELIVERED, Letter, LetterState, Paper, Pick, Reason
from digest.store import papers, subscribers
from digest.store.sql import among, batched, day, insert_new, instant, keep_papers
from digest.store.tables import history, letter, pick, subscriber

# To the letter what the partial indexes say (`tables.REMEMBERED`, `tables.SETTLED`), or these stay unused.
_REMEMBERED = sa.text("NOT pick.void")
_SETTLED = sa.text("letter.state NOT IN ('ready', 'deferred', 'sending')")


class PapersUnited(Exception):
    """A paper that was chosen proved to be another one meanwhile; it has to be chosen from what is stored now."""


def write(connection: sa.Connection, edition_id: int, letters: Sequence[Letter]) -> int:
    """Insert letters with their picks. One whose (subscriber, slot) is there is left out. How many went in.

    A pick that repeats a paper for its subscriber raises `IntegrityError`, and one that proved to be another paper
    `PapersUnited`; either undoes the whole transaction.
    """
    keep_papers(connection, as_they_are=True)
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
            "reasons": [_fields(reason) for reason in p.reasons],
            "void": False,
            "also": place > len(one.picks),
        }
        for one in batch
        if (one.subscriber.id, one.slot) in ids
        for place, p in enumerate((*one.picks, *one.also), 1)
    ]
    if picks:
        if papers.united(connection).keys() & {row["paper_id"] for row in picks}:
            raise PapersUnited
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
        mine = sa.and_(letter.c.id.in_(some), letter.c.state == LetterState.EMPTY.value)
        # One that was put off before its papers proved to be others has something to tell.
        connection.execute(sa.delete(history).where(history.c.letter_id.in_(sa.select(letter.c.id).where(mine))))
        connection.execute(sa.delete(letter).where(mine))


def memory(
    connection: sa.Connection, subscriber_ids: Iterable[int], *, without: int | None = None
) -> dict[int, dict[int, date]]:
    """subscriber id → {paper id → slot of the last letter it was in, under whatever name}. `without` leaves one
    letter out."""
    out: dict[int, dict[int, date]] = {}
    same = papers.united(connection)
    for some in batched(subscriber_ids, 500):
        rows = connection.execute(
            sa.select(pick.c.subscriber_id, pick.c.paper_id, letter.c.slot)
            .join(letter, letter.c.id == pick.c.letter_id)
            .where(pick.c.subscriber_id.in_(some), _REMEMBERED, letter.c.id != (without or 0))
        )
        for subscriber_id, paper_id, slot in rows:
            mine, one = out.setdefault(subscriber_id, {}), same.get(paper_id, paper_id)
            mine[one] = max(slot, mine.get(one, slot))
    return out


def told_since(
    connection: sa.Connection, subscriber_ids: Iterable[int], day: date, *, since: date, after: datetime
) -> set[int]:
    """Those of these subscribers of whom a letter before `day` knew all: of a slot from `since` on, written `after`
    then and after its reader last asked for something else. It was empty, or may have reached them."""
    out: set[int] = set()
    undelivered = [state.value for state in UNDELIVERED]
    for some in batched(subscriber_ids, 500):
        rows = connection.execute(
            sa.select(letter.c.subscriber_id)
            .distinct()
            .join(subscriber, subscriber.c.id == letter.c.subscriber_id)
            .where(
                letter.c.subscriber_id.in_(some),
                letter.c.slot >= since,
                letter.c.slot < day,
                letter.c.created_at >= after,
                letter.c.created_at >= sa.func.coalesce(subscriber.c.changed_at, letter.c.created_at),
                letter.c.state.not_in(undelivered),
            )
        )
        out.update(rows.scalars())
    return out


def of_subscriber(connection: sa.Connection, subscriber_id: int, limit: int = 30) -> list[Letter]:
    """A subscriber's letters, newest slot first."""
    mine = letter.c.subscriber_id == subscriber_id
    return _chosen(connection, sa.select(letter.c.id).where(mine).order_by(letter.c.slot.desc()).limit(limit))


def in_state(connection: sa.Connection, state: LetterState, limit: int = 1000) -> list[Letter]:
    where = letter.c.state == state.value
    if state not in (LetterState.READY, LetterState.DEFERRED, LetterState.SENDING):
        where = sa.and_(where, _SETTLED)
    return _chosen(connection, sa.select(letter.c.id).where(where).order_by(letter.c.id).limit(limit))


def _chosen(connection: sa.Connection, query: sa.Select[Any]) -> list[Letter]:
    """The letters whose ids the query gives, in its order."""
    ids = list(connection.execute(query).scalars())
    found = {one.id: one for one in by_ids(connection, ids)}
    return [found[i] for i in ids if i in found]


def ids_in_state(connection: sa.Connection, state: LetterState) -> list[int]:
    return list(connection.execute(sa.select(letter.c.id).where(letter.c.state == state.value)).scalars())


def by_ids(connection: sa.Connection, ids: Sequence[int], known: dict[int, Paper] | None = None) -> list[Letter]:
    """These letters, in the order of their ids. `known` keeps papers from one call to the next."""
    out: list[Letter] = []
    known = {} if known is None else known
    for some in batched(sorted(ids), 500):
        out += _load(connection, some, known)
    return out


def readable(
    connection: sa.Connection, ids: Sequence[int], known: dict[int, Paper] | None = None
) -> tuple[list[Letter], dict[int, Exception]]:
    """`by_ids`, and of letters that cannot be read why; they stop no other."""
    try:
        return by_ids(connection, ids, known), {}
    except (KeyError, ValueError, TypeError):
        found: list[Letter] = []
        faults: dict[int, Exception] = {}
        for one in ids:
            try:
                found += by_ids(connection, [one], known)
            except (KeyError, ValueError, TypeError) as error:
                faults[one] = error
        return found, faults


def _load(connection: sa.Connection, ids: Sequence[int], known: dict[int, Paper]) -> list[Letter]:
    chosen = list(among(connection, "pick", _PICK, ids))
    missing = {row[2] for row in chosen} - known.keys()
    known.update((one.id, one) for one in papers.by_ids(connection, missing))
    picks: dict[int, list[Pick]] = {i: [] for i in ids}
    also: dict[int, list[Pick]] = {i: [] for i in ids}
    for i, _, paper_id, score, relevance, trending, reasons, listed, votes, is_also in chosen:
        one = _pick(known[paper_id], score, relevance, trending, _reasons(reasons), day(listed), votes)
        (also if is_also else picks)[i].append(one)
    rows = among(connection, "letter JOIN subscriber ON subscriber.id = letter.subscriber_id", _LETTER, ids)
    return [
        _letter(
            subscribers.of_row(reader), day(slot), tuple(picks[i]), tuple(also[i]), _STATES[state],
            subject, message_id, note, candidates, days,
            instant(created), instant(expires), instant(next_try), instant(sent), attempts, file, i,
        )
        for i, _, slot, state, subject, message_id, note, candidates, days,
            created, expires, next_try, sent, attempts, file, *reader in rows
    ]  # fmt: skip


_fields = attrgetter(*(one.name for one in fields(Reason)))
_letter, _pick, _reason = maker(Letter), maker(Pick), maker(Reason)
_STATES = {one.value: one for one in LetterState}
_LETTER = (
    *("letter.id", "letter.subscriber_id", "slot", "letter.state", "subject", "message_id", "note", "candidates"),
    *("days", "created_at", "expires_at", "next_try_at", "sent_at", "attempts", "file", *subscribers.COLUMNS),
)
_PICK = (
    *("letter_id", "place", "paper_id", "score", "relevance", "trending"),
    *("CAST(reasons AS TEXT)", "listed", "votes", "also"),
)


def _reasons(text: str) -> tuple[Reason, ...]:
    told = from_json(text)
    if told and type(told[0]) is dict:  # as earlier versions wrote them
        told = [(one["kind"], one["text"], one["terms"], one["share"], one.get("beside", 0)) for one in told]
    return tuple([_reason(kind, words, tuple(terms), share, beside) for kind, words, terms, share, beside in told])
