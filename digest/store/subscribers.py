"""Subscribers and their profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from operator import itemgetter
from secrets import token_hex
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from digest.frozen import maker
from digest.model import Interest, Profile, Subscriber, SubscriberState
from digest.store.sql import batched, instant, keep_others_out
from digest.store.tables import subscriber


def everyone(connection: sa.Connection, *, lock: bool = False) -> list[Subscriber]:
    """All, by handle. With `lock` nobody else changes them before this transaction ends."""
    if lock:
        keep_others_out(connection, subscriber)
    return _load(connection, sa.true())


def due(connection: sa.Connection, now: datetime) -> list[Subscriber]:
    """Active subscribers whose local hour has come."""
    return _load(
        connection,
        sa.and_(subscriber.c.state == SubscriberState.ACTIVE.value, subscriber.c.next_due_at <= now),
    )


def find(connection: sa.Connection, name: str) -> Subscriber | None:
    """By handle, else by address."""
    found = _load(connection, subscriber.c.handle == name) or _load(
        connection, subscriber.c.address_key == name.casefold()
    )
    return found[0] if found else None


def by_ids(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Subscriber]:
    return {s.id: s for some in batched(ids, 500) for s in _load(connection, subscriber.c.id.in_(some))}


def add(connection: sa.Connection, new: Sequence[Subscriber]) -> None:
    if new:
        connection.execute(sa.insert(subscriber), [_values(s) for s in new])


def update(connection: sa.Connection, changed: Subscriber) -> None:
    """Write every field of the subscriber with this id."""
    connection.execute(sa.update(subscriber).where(subscriber.c.id == changed.id).values(**_values(changed)))


def asked(connection: sa.Connection, subscriber_id: int, at: datetime) -> None:
    """This subscriber asked for something else: papers that were passed over may be wanted now."""
    connection.execute(sa.update(subscriber).where(subscriber.c.id == subscriber_id).values(changed_at=at))


def free_names(connection: sa.Connection, ids: Sequence[int]) -> None:
    """Park the handles and addresses of these subscribers, so that two of them can swap without colliding."""
    parked = "~" + sa.cast(subscriber.c.id, sa.Text)  # no handle holds a "~", and every address an "@"
    for some in batched(ids, 500):
        connection.execute(
            sa.update(subscriber).where(subscriber.c.id.in_(some)).values(handle=parked, address_key=parked)
        )


def set_next_due(connection: sa.Connection, dues: Sequence[tuple[int, datetime]]) -> None:
    """Move next due instants forward; one that already lies later stays."""
    if not dues:
        return
    statement = (
        sa.update(subscriber)
        .where(subscriber.c.id == sa.bindparam("of"), subscriber.c.next_due_at < sa.bindparam("at"))
        .values(next_due_at=sa.bindparam("at"))
    )
    connection.execute(statement, [{"of": one, "at": at} for one, at in dues])


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    rows = connection.execute(
        sa.select(subscriber.c.state, sa.func.count()).group_by(subscriber.c.state).order_by(subscriber.c.state)
    )
    return {row[0]: row[1] for row in rows}


def profile_to_json(profile: Profile) -> dict[str, Any]:
    return asdict(profile)


_USUAL = {one.name: one.default for one in fields(Profile)}
_told = itemgetter(*_USUAL)
_subscriber, _profile, _interest = maker(Subscriber), maker(Profile), maker(Interest)


def profile_from_json(value: dict[str, Any]) -> Profile:
    """What it does not name is as usual, and what is unknown is left out."""
    (
        interests, muted, authors, categories, liked, disliked, papers, floor, trending, variety, also
    ) = _told(_USUAL | value)  # fmt: skip
    return _profile(
        tuple([_interest(one["text"], one["weight"], one["kind"]) for one in interests]),
        tuple(muted), tuple(authors), tuple(categories), tuple(liked), tuple(disliked),
        papers, floor, trending, variety, also,
    )  # fmt: skip


def _values(one: Subscriber) -> dict[str, Any]:
    return {
        "handle": one.handle,
        "address": one.address,
        "address_key": one.address.casefold(),
        "name": one.name,
        "time_zone": one.time_zone,
        "cadence": one.cadence,
        "hour": one.hour,
        "state": one.state.value,
        "state_reason": one.state_reason,
        "next_due_at": one.next_due_at,
        "profile": profile_to_json(one.profile),
        "language": one.language,
        "secret": one.secret or token_hex(8),
    }


def _load(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Subscriber]:
    columns: list[Any] = [sa.literal_column(name) for name in COLUMNS]  # of no type, so as the driver gives them
    query = sa.select(*columns).select_from(subscriber).where(where).order_by(subscriber.c.handle)
    return [of_row(row) for row in connection.execute(query)]


# As they are read: the order is that of the arguments of `Subscriber`.
COLUMNS = (
    *("handle", "subscriber.address", "name", "time_zone", "cadence", "hour", "CAST(profile AS TEXT)"),
    *("subscriber.state", "state_reason", "next_due_at", "language", "secret", "subscriber.id"),
)
_STATES = {one.value: one for one in SubscriberState}


def of_row(row: Sequence[Any]) -> Subscriber:
    """A subscriber from `COLUMNS` as the driver gives them."""
    handle, address, name, time_zone, cadence, hour, profile, state, reason, due, language, secret, number = row
    return _subscriber(
        handle, address, name, time_zone, cadence, hour, profile_from_json(from_json(profile)),
        _STATES[state], reason, instant(due), language, secret, number,
    )  # fmt: skip
