"""Couriers at work: who holds claimed letters, until when, and where its journal lies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.store.tables import courier, letter

_SENDING = sa.text("letter.state = 'sending'")  # to the letter what the partial index says


@dataclass(frozen=True, slots=True)
class Courier:
    token: str  # the lease that its letters carry
    place: str  # the transport's name
    started_at: datetime
    lease_until: datetime
    boot: str = ""  # which machine, since when it runs; "" is not known
    journal: str = ""  # path of the file; "" is none


def sign_on(connection: sa.Connection, one: Courier) -> None:
    connection.execute(
        sa.insert(courier).values(
            token=one.token,
            place=one.place,
            started_at=one.started_at,
            lease_until=one.lease_until,
            boot=one.boot,
            journal=one.journal,
        )
    )


def renew(connection: sa.Connection, token: str, until: datetime) -> str | None:
    """Hold on for longer. What an operator wants of it ("", "cancel"); None: its letters were taken away."""
    statement = sa.update(courier).where(courier.c.token == token).values(lease_until=until)
    return connection.execute(statement.returning(courier.c.wanted)).scalar()


def wanted(connection: sa.Connection, token: str) -> str | None:
    """The same without renewing."""
    return connection.execute(sa.select(courier.c.wanted).where(courier.c.token == token)).scalar()


def sign_off(connection: sa.Connection, token: str, lapsed: datetime | None = None) -> str | None:
    """Strike a courier off, with `lapsed` only if its lease had run out by then. Who does this decides what becomes
    of its letters, in the same transaction.

    What an operator wanted of it by now ("", "cancel"); None: somebody else struck it off, or it woke up.
    """
    statement = sa.delete(courier).where(courier.c.token == token)
    if lapsed is not None:
        statement = statement.where(courier.c.lease_until <= lapsed)
    return connection.execute(statement.returning(courier.c.wanted)).scalar()


def everyone(connection: sa.Connection) -> list[Courier]:
    rows = connection.execute(sa.select(courier).order_by(courier.c.started_at, courier.c.token))
    return [Courier(r.token, r.place, r.started_at, r.lease_until, r.boot, r.journal) for r in rows]


def strays(connection: sa.Connection) -> list[str]:
    """Leases of letters under way that no courier has, "" where they have none: a store that was mended by hand may
    hold some."""
    nobodys = sa.or_(letter.c.lease.is_(None), letter.c.lease.not_in(sa.select(courier.c.token)))
    statement = sa.select(sa.func.coalesce(letter.c.lease, "")).where(_SENDING, nobodys)
    return sorted(connection.execute(statement.distinct()).scalars())


def mark_strays(connection: sa.Connection) -> None:
    """Give letters under way that have no lease the empty one, so that nobody else can decide on them."""
    connection.execute(sa.update(letter).where(_SENDING, letter.c.lease.is_(None)).values(lease=""))


def ask(connection: sa.Connection, wanted: str) -> int:
    """Ask all who are at work for something; how many there are."""
    return connection.execute(sa.update(courier).values(wanted=wanted)).rowcount
