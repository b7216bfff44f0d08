"""How it goes with each source: its days, its failures, and what makes its next request conditional."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from digest.store.sql import batched, dialect_insert
from digest.store.tables import collected, listing, record, source_health, validator

FILLED, EMPTY, FAILED = "filled", "empty", "failed"


@dataclass(frozen=True, slots=True)
class Day:
    """What is known of one day of a source."""

    source: str
    day: date
    state: str  # "filled", "empty": the source said so; "failed"
    items: int
    tried_at: datetime
    filled_at: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    source: str
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""  # the last one, in plain words
    failures: int = 0  # in a row
    next_try_at: datetime | None = None


def succeeded(connection: sa.Connection, source: str, days: dict[date, int], at: datetime) -> None:
    """The source answered: so many items for each of these days, 0 where it said that there are none."""
    for day, items in days.items():
        values = {
            "state": FILLED if items else EMPTY,
            "items": items,
            "tried_at": at,
            "filled_at": at,
            "detail": "",
        }
        insert = dialect_insert(connection, collected).values(source=source, day=day, **values)
        connection.execute(insert.on_conflict_do_update(index_elements=["source", "day"], set_=values))
    values = {"succeeded_at": at, "failures": 0, "next_try_at": None}
    insert = dialect_insert(connection, source_health).values(source=source, failure="", **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["source"], set_=values))


def failed(
    connection: sa.Connection,
    source: str,
    days: Iterable[date],
    detail: str,
    at: datetime,
    next_try_at: datetime | None = None,
) -> None:
    """The source could not be read for these days. A day that it filled before stays filled."""
    for day in days:
        values = {"state": FAILED, "items": 0, "tried_at": at, "detail": detail}
        insert = dialect_insert(connection, collected).values(source=source, day=day, **values)
        kept = {
            "state": sa.case((collected.c.filled_at.is_(None), FAILED), else_=collected.c.state),
            "tried_at": at,
            "detail": detail,
        }
        connection.execute(insert.on_conflict_do_update(index_elements=["source", "day"], set_=kept))
    values = {"failed_at": at, "failure": detail, "next_try_at": next_try_at}
    insert = dialect_insert(connection, source_health).values(source=source, failures=1, **values)
    again = values | {"failures": source_health.c.failures + 1}
    connection.execute(insert.on_conflict_do_update(index_elements=["source"], set_=again))


def days(connection: sa.Connection, sources: Sequence[str], since: date, until: date) -> list[Day]:
    """What is known of the days of these sources, by source and day."""
    rows = connection.execute(
        sa.select(collected)
        .where(collected.c.source.in_(sources), collected.c.day >= since, collected.c.day <= until)
        .order_by(collected.c.source, collected.c.day)
    )
    return [Day(r.source, r.day, r.state, r.items, r.tried_at, r.filled_at, r.detail) for r in rows]


def recent(
    connection: sa.Connection, sources: Sequence[str], today: date, number: int = 14
) -> dict[str, list[Day]]:
    """What is known of the last days of each of these sources."""
    found: dict[str, list[Day]] = {name: [] for name in sources}
    for one in days(connection, sources, today - timedelta(days=number - 1), today):
        found[one.source].append(one)
    return found


def health(connection: sa.Connection) -> dict[str, Health]:
    """By the name of the source; one that was never asked is not there."""
    columns = list(source_health.c)
    return {row.source: Health(*row) for row in connection.execute(sa.select(*columns))}


def listed_per_day(connection: sa.Connection, source: str, since: date, until: date) -> dict[date, int]:
    """Day → papers that the source lists on it."""
    rows = connection.execute(
        sa.select(listing.c.day, sa.func.count())
        .where(listing.c.source == source, listing.c.day >= since, listing.c.day <= until)
        .group_by(listing.c.day)
    )
    return {row[0]: row[1] for row in rows}


def validators(connection: sa.Connection, url: str) -> tuple[str, str]:
    """(etag, last_modified) of the last answer that was stored; empty where there is none."""
    row = connection.execute(
        sa.select(validator.c.etag, validator.c.last_modified).where(validator.c.url == url)
    ).first()
    return (row[0], row[1]) if row else ("", "")


def remember(connection: sa.Connection, url: str, etag: str, last_modified: str, at: datetime) -> None:
    """In the transaction that stores what the answer held, so that a crash asks for it again."""
    values = {"etag": etag, "last_modified": last_modified, "at": at}
    insert = dialect_insert(connection, validator).values(url=url, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["url"], set_=values))


def first_listed(connection: sa.Connection, source: str, folds: Iterable[bytes]) -> dict[bytes, date]:
    """Fold of a record → the first day on which this source listed its paper; one that it never did is left out."""
    found: dict[bytes, date] = {}
    for some in batched(sorted(set(folds)), 500):
        rows = connection.execute(
            sa.select(record.c.fold, sa.func.min(listing.c.day))
            .join(listing, listing.c.paper_id == record.c.paper_id)
            .where(record.c.fold.in_(some), listing.c.source == source)
            .group_by(record.c.fold)
        )
        found.update({row[0]: row[1] for row in rows})
    return found


def nothing_yet(connection: sa.Connection, source: str, days: Iterable[date]) -> None:
    """The source answers again, and these days, which had failed, are still to come."""
    for day in days:
        mine = (collected.c.source == source, collected.c.day == day, collected.c.state == FAILED)
        connection.execute(sa.delete(collected).where(*mine))
