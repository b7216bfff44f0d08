"""The few statements that SQLite and PostgreSQL share without SQLAlchemy having one name for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")


def insert_ignore(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that break no unique key, leave the others out; how many went in."""
    if not rows:
        return 0
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # What is returned is what went in; a count of affected rows is not told on every driver.
    column = next(iter(table.primary_key.columns))
    inserted = 0
    for some in batched(rows, 500):
        statement = make(table).values(some).on_conflict_do_nothing().returning(column)
        inserted += len(connection.execute(statement).all())
    return inserted


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`: a statement takes a bounded number of parameters."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
