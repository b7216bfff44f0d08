"""The few statements that SQLite and PostgreSQL share without SQLAlchemy having one name for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")
PAPERS_LOCK = 0x70617065  # any number that is nobody else's


def dialect_insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT; the two databases spell it alike, SQLAlchemy has one for each."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *columns: sa.Column[Any]
) -> Sequence[sa.Row[Any]]:
    """Insert the rows that break no unique key, leave the others out; these columns of those that went in.

    What another transaction inserts meanwhile is waited for and then left out too.
    """
    if not rows:
        return []
    # What is returned is what went in; a count of affected rows is not told on every driver.
    return connection.execute(
        dialect_insert(connection, table).on_conflict_do_nothing().returning(*columns), rows
    ).all()


def insert_ignore(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that break no unique key, leave the others out; how many went in."""
    return len(insert_new(connection, table, rows, next(iter(table.primary_key.columns))))


def put(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[tuple[str | int | bytes, ...]],
) -> None:
    """`insert_ignore` for very many rows, of which nobody asks how many went in.

    The values go to the driver as they are, without what the columns' types would do to them.
    """
    if rows:
        sign = "%s" if connection.dialect.name == "postgresql" else "?"
        values = ", ".join([sign] * len(columns))
        # Names of our own tables; every value is a parameter.
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608
        connection.exec_driver_sql(statement, list(rows))


def among(
    connection: sa.Connection, table: sa.Table, columns: Sequence[str], values: Sequence[str | int | bytes]
) -> Iterator[tuple[Any, ...]]:
    """These columns of the rows whose first one is among very many values, in the order of the columns.

    What the driver gives, without what the columns' types would do to it.
    """
    sign = "%s" if connection.dialect.name == "postgresql" else "?"
    names = ", ".join(columns)
    for some in batched(values, 5000):
        signs = ", ".join([sign] * len(some))
        # Names of our own tables; every value is a parameter.
        query = f"SELECT {names} FROM {table.name} WHERE {columns[0]} IN ({signs}) ORDER BY {names}"  # noqa: S608
        yield from connection.exec_driver_sql(query, tuple(some))


def keep_others_out(connection: sa.Connection, table: sa.Table) -> None:
    """Nobody else changes the table before this transaction ends; they may read it, and refer to its rows."""
    if connection.dialect.name == "postgresql":  # SQLite's writer is alone anyway
        # Row locks would not keep others from adding rows.
        connection.execute(sa.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def keep_papers(connection: sa.Connection, *, as_they_are: bool) -> None:
    """Until this transaction ends no two papers become one (`as_they_are`), or nobody counts on what they are."""
    if connection.dialect.name == "postgresql":  # SQLite's writer is alone anyway
        lock = sa.func.pg_advisory_xact_lock_shared if as_they_are else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(lock(PAPERS_LOCK)))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`: a statement takes a bounded number of parameters."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
