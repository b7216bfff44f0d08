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
    # Each statement counts its own rows; a bulk execution does not say on every driver.
    before = _count(connection, table)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(make(table).on_conflict_do_nothing(), list(rows))
    return _count(connection, table) - before


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`: a statement takes a bounded number of parameters."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
