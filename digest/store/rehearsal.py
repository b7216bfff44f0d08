"""The store for whoever only wants to see what would become of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from digest.store.opening import Store


class _Undo(Exception):
    """Ends the transaction that nothing is kept of."""


class _Rehearsal(Store):
    """Each transaction is a part of one: it sees those before it, and fails alone."""

    def __init__(self, store: Store, connection: sa.Connection) -> None:
        super().__init__(store.url, store.engine)
        self._connection = connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        yield self._connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with self._connection.begin_nested():
            yield self._connection


@contextmanager
def rehearsal(store: Store) -> Iterator[Store]:
    """A handle on the store of whose writing nothing stays. Others cannot write meanwhile."""
    with suppress(_Undo), store.write() as connection:
        yield _Rehearsal(store, connection)
        raise _Undo
