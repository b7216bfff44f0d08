"""The few statements that SQLite and PostgreSQL share without SQLAlchemy having one name for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
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
        values = ", ".join(["%s"] * len(columns))
        # Names of our own tables; every value is a parameter.
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608
        by_driver(connection, statement, list(rows))


def among(
    connection: sa.Connection, tables: str, columns: Sequence[str], values: Sequence[str | int | bytes]
) -> Iterator[Any]:
    """These columns of the rows whose first one is among very many values, in the order of the first two.

    What the driver gives, without what the columns' types would do to it: see `instant` and `day`.
    """
    for some in batched(values, 5000):
        parameters: list[Any]
        # As one parameter, PostgreSQL has to read and plan the statement but once.
        if connection.dialect.name == "postgresql":
            wanted, parameters = "= ANY(%s)", [some]
        else:
            wanted, parameters = f"IN ({', '.join(['?'] * len(some))})", some
        # Names of our own tables; every value is a parameter.
        query = f"SELECT {', '.join(columns)} FROM {tables} WHERE {columns[0]} {wanted} ORDER BY 1, 2"  # noqa: S608
        yield from connection.exec_driver_sql(query, tuple(parameters)).all()


def by_driver(connection: sa.Connection, statement: str, parameters: Any) -> sa.CursorResult[Any]:
    """Run a statement past SQLAlchemy, with `%s` for each parameter; many rows of parameters are a list."""
    if connection.dialect.name != "postgresql":
        statement = statement.replace("%s", "?")
    return connection.exec_driver_sql(statement, parameters)


def for_driver(connection: sa.Connection, column: sa.Column[Any]) -> Callable[[Any], Any]:
    """What makes of a value of this column what the driver takes: the work of the column's type."""
    made = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return made or (lambda value: value)


def rows_given(
    connection: sa.Connection, kinds: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> tuple[str, list[Any]]:
    """A table for FROM that holds these rows, and its parameters for `by_driver`; its columns are `column1` and so
    on, and `kinds` names their types for PostgreSQL."""
    if connection.dialect.name == "postgresql":  # as many parameters as columns, however many rows there are
        arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
        names = ", ".join(f"column{place}" for place in range(1, len(kinds) + 1))
        return f"unnest({arrays}) AS given({names})", [list(column) for column in zip(*rows, strict=True)]
    row = f"({', '.join(['%s'] * len(kinds))})"
    return f"(VALUES {', '.join([row] * len(rows))}) AS given", [value for one in rows for value in one]


@lru_cache(maxsize=4096)  # those of one run are few
def instant(value: str | datetime | None) -> datetime | None:
    """An `Instant` as a driver gives it. Raises `ValueError`, `TypeError` where it is none."""
    if value is None:
        return None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


@lru_cache(maxsize=4096)
def day(value: str | date | None) -> date | None:
    """A date as a driver gives it. Raises `ValueError`, `TypeError` where it is none."""
    return value if value is None or isinstance(value, date) else date.fromisoformat(value)


def in_order_of_index(connection: sa.Connection) -> None:
    """Until this transaction ends PostgreSQL sorts no rows that an index has in order.

    What its planner knows of a queue is minutes old: it takes it for short, and would read and sort all of it for
    the first few rows.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_sort = off")


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
