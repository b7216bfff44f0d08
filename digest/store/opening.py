"""Opening the store: one URL, SQLite or PostgreSQL, brought up to date on first use."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import exc

from digest.errors import DigestError, StoreLocked, StoreMissing, StoreNewer, StoreUnreachable

MIGRATIONS = Path(__file__).parents[1] / "migrations"
LOCK_WAIT_SECONDS = 10.0
MIGRATION_LOCK = 0x44494745  # PostgreSQL advisory lock: two first uses at once migrate one after the other


class Store:
    """A handle on the database. `read` and `write` give a connection inside one transaction."""

    def __init__(self, url: str, engine: sa.Engine) -> None:
        self.url = shown(url)
        self.engine = engine

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self._translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that may write; it is committed at the end and rolled back on any exception."""
        with self._translated(), self.engine.connect() as connection:
            # SQLite takes the writer's lock when the transaction starts, so that it never has to be upgraded
            # half-way, which two processes could only resolve by failing.
            connection = connection.execution_options(digest_write=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.OperationalError as error:
            raise _explain(self.url, error) from error


def open_store(url: str, *, create: bool = True, lock_wait: float = LOCK_WAIT_SECONDS) -> Store:
    """Open the store at `url` and bring its schema up to date.

    With `create=False` a store that is not there is `StoreMissing` instead of an empty new one. Raises `StoreNewer`
    where a newer Digest wrote it, `StoreLocked`, `StoreUnreachable`.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite" and not create:
        name = parsed.database
        if name and name != ":memory:" and not Path(name).exists():
            raise StoreMissing(url=shown(url))
    engine = _engine(parsed, lock_wait)
    store = Store(url, engine)
    try:
        with store._translated():
            _bring_up_to_date(store, create)
    except DigestError:
        engine.dispose()
        raise
    except (exc.DBAPIError, ImportError) as error:
        engine.dispose()
        raise StoreUnreachable(url=shown(url), detail=_first_line(error)) from error
    return store


def shown(url: str) -> str:
    """The URL as it may be printed: without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return "the store"


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError:
        raise StoreUnreachable(url=shown(url), detail="not a database URL") from None
    if parsed.drivername in ("postgresql", "postgres"):
        # The bare name would ask for psycopg2; say the driver so that nobody has to.
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreUnreachable(url=shown(url), detail="only sqlite:/// and postgresql:// are supported")
    return parsed


def _engine(url: sa.URL, lock_wait: float) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(url, pool_pre_ping=True)
        except ImportError as error:
            detail = f"{error}; install the extra: pip install 'digest-letter[postgresql]'"
            raise StoreUnreachable(url=shown(str(url)), detail=detail) from None
    engine = sa.create_engine(url, connect_args={"timeout": lock_wait})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # Python's driver would open transactions by itself, and late; ours begin where `begin` stands.
        connection.isolation_level = None
        cursor = connection.cursor()
        # Switching to WAL needs the database to itself for a moment and does not wait by itself, so two first
        # uses at the same time meet here.
        deadline = time.monotonic() + lock_wait
        while True:
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        cursor.execute("PRAGMA foreign_keys=ON")
        # A letter recorded as sent must still be recorded after a power cut, or it would be sent again.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("digest_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _bring_up_to_date(store: Store, create: bool) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    with store.engine.connect() as connection, connection.begin():
        found = MigrationContext.configure(connection).get_current_revision()
    if found == head:
        return
    if found is None and not create:
        raise StoreMissing(url=store.url)
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        found = MigrationContext.configure(connection).get_current_revision()
        if found == head:  # another process was first
            return
        if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
            raise StoreNewer(url=store.url, found=found)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _explain(url: str, error: exc.OperationalError) -> DigestError:
    message = _first_line(error)
    if "database is locked" in message or "lock timeout" in message:
        return StoreLocked(url=url)
    if "disk is full" in message:
        message = "the disk is full; make room and run the command again, nothing was changed"
    return StoreUnreachable(url=url, detail=message)


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
