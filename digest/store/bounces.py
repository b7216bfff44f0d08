"""What came back for whom, and when that is enough to stop writing there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import sqlalchemy as sa

from digest.store import suppressions
from digest.store.sql import insert_ignore
from digest.store.suppressions import Suppression
from digest.store.tables import bounce, letter

Kind = Literal["hard", "no-mailbox", "soft", "refused", "complaint", "unsubscribe"]


class Rule(NamedTuple):
    """An address is suppressed at so many bounces of a kind within a time: soft ones of different days, the others
    of different letters."""

    needed: int = 1
    within: timedelta = timedelta()


RULES: Mapping[Kind, Rule] = {
    "hard": Rule(),  # the receiving side says that there is no such mailbox
    "no-mailbox": Rule(),  # the same, while the letter was being sent
    "soft": Rule(5, timedelta(days=30)),  # full, or out of reach for days
    "refused": Rule(2, timedelta(hours=72)),  # for good, in words that nobody knows
    "complaint": Rule(),
    "unsubscribe": Rule(),
}


@dataclass(frozen=True, slots=True)
class Bounce:
    """One thing that happened to a letter, or to an address."""

    address: str
    kind: Kind
    at: datetime  # its day is the day it counts for
    detail: str = ""
    letter_id: int | None = None
    mail: str = ""  # the identity of the mail that says so; "" for a reply while sending


@dataclass(frozen=True, slots=True)
class Noted:
    new: bool  # False: it was known, or its day has one of its kind already
    suppressed: bool  # the address was put on the list for it, now


def note(connection: sa.Connection, one: Bounce, now: datetime, source: str) -> Noted:
    """Write a bounce down, and suppress its address where `RULES` says so. The same one again changes nothing."""
    mine = bounce.c.address_hash == suppressions.hash_of(one.address)
    if one.mail:
        known = sa.select(bounce.c.day).where(mine, bounce.c.mail == one.mail)
        if connection.execute(known.limit(1)).first():
            return Noted(False, False)
    row = {
        "address_hash": suppressions.hash_of(one.address),
        "day": one.at.date(),
        "kind": one.kind,
        "at": one.at,
        "letter_id": one.letter_id,
        "detail": one.detail,
        "mail": one.mail,
        "forgiven": False,
    }
    new = insert_ignore(connection, bounce, [row]) == 1
    if not new:
        # Its day has one. Where that was forgiven when the address came off the list, this is the first after it.
        again = (
            sa.update(bounce)
            .where(mine, bounce.c.day == row["day"], bounce.c.kind == one.kind, bounce.c.forgiven)
            .where(sa.or_(bounce.c.mail == "", bounce.c.mail != one.mail))
            .values({key: row[key] for key in ("at", "letter_id", "detail", "mail", "forgiven")})
        )
        new = bool(connection.execute(again.returning(bounce.c.day)).all())
    if not (new or one.kind == "refused") or not _enough(connection, one, new):
        return Noted(new, False)
    entry = Suppression(suppressions.hash_of(one.address), one.address.strip(), one.kind, one.detail, now, source)
    return Noted(new, suppressions.add(connection, entry))


def _enough(connection: sa.Connection, one: Bounce, new: bool) -> bool:
    rule = RULES[one.kind]
    if rule.needed == 1:
        return True
    counting = sa.select(bounce.c.day, bounce.c.at, bounce.c.letter_id).where(
        bounce.c.address_hash == suppressions.hash_of(one.address),
        bounce.c.kind == one.kind,
        sa.not_(bounce.c.forgiven),
    )
    near = [r for r in connection.execute(counting) if abs(r.at - one.at) < rule.within]
    if new:
        return len(near) >= rule.needed
    # A second one on a day that had one: it counts if it is about another letter.
    others = [r for r in near if one.letter_id is None or r.letter_id != one.letter_id]
    return len(others) + 1 >= rule.needed and all(r.at != one.at for r in others)


@dataclass(frozen=True, slots=True)
class Sent:
    """What is to be known of a letter when it comes back."""

    id: int
    subscriber_id: int
    message_id: str
    address: str
    created_at: datetime


def letters_by_id(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Sent]:
    return {one.id: one for one in _letters(connection, letter.c.id.in_([i for i in ids if 0 < i < 2**31]))}


def letters_by_message_id(connection: sa.Connection, ids: Sequence[str]) -> list[Sent]:
    return _letters(connection, letter.c.message_id.in_(ids)) if ids else []


def _letters(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Sent]:
    columns = (letter.c.id, letter.c.subscriber_id, letter.c.message_id, letter.c.address, letter.c.created_at)
    return [Sent(*row) for row in connection.execute(sa.select(*columns).where(where).order_by(letter.c.id))]


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of the letters since a moment."""

    sent: int
    hard: int  # of those sent: they came back for good
    complaints: int


def figures(connection: sa.Connection, since: datetime) -> Figures:
    sent = sa.select(letter.c.id).where(letter.c.sent_at > since)
    number = connection.execute(sa.select(sa.func.count()).select_from(sent.subquery())).scalar_one()
    rows = connection.execute(
        sa.select(bounce.c.kind, sa.func.count(sa.distinct(bounce.c.letter_id)))
        .where(bounce.c.letter_id.in_(sent), sa.not_(bounce.c.forgiven))
        .group_by(bounce.c.kind)
    )
    by_kind = {r[0]: r[1] for r in rows}
    return Figures(number, by_kind.get("hard", 0) + by_kind.get("refused", 0), by_kind.get("complaint", 0))
