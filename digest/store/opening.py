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
CACHE_KB = 65_536  # of each connection to SQLite, at most
LOCK_WAIT_SECONDS = 10.0
MIGRATION_LOCK = 0x44494745  # PostgreSQL advisory lock: two first uses at once migrate one after the other


class Store:
    """A handle on the database. `read` and `write` give a connection inside one transaction."""

    def __init__(self, url: str, engine: sa.Engine) -> None:
        self.url = shown(url)
        self.engine = engine

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that sees one moment of the store, and may not write."""
        with self._translated(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # in SQLite's WAL every transaction sees one moment
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
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
        except exc.DatabaseError as error:
            # The bare class is SQLite's word for a damaged file. Its other subclasses are about a statement.
            if isinstance(error, exc.OperationalError) or type(error) is exc.DatabaseError:
                raise _explain(self.url, error) from error
            raise


def open_store(url: str, *, create: bool = True, lock_wait: float = LOCK_WAIT_SECONDS) -> Store:
    """Open the store at `url` and bring its schema up to date.

    With `create=False` a store that is not there is `StoreMissing` instead of an empty new one. Raises `StoreNewer`
    where a newer Digest wrote it, `StoreLocked`, `StoreUnreachable`.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite" and not create:
        name = parsed.database
        try:
            missing = name and not Path(name).exists()
        except OSError as error:
            raise StoreUnreachable(url=shown(url), detail=error.strerror or str(error)) from None
        if missing:
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
    """The URL as it may be printed: without its password, wherever it stands."""
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        return "the store"
    hidden = dict.fromkeys((key for key in parsed.query if "password" in key.lower()), "hidden")
    return parsed.update_query_dict(hidden).render_as_string(hide_password=True)


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        raise StoreUnreachable(url=shown(url), detail="not a database URL") from None
    if parsed.drivername in ("postgresql", "postgres"):
        # The bare name would ask for psycopg2; say the driver so that nobody has to.
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise StoreUnreachable(url=shown(url), detail="only sqlite:/// and postgresql:// are supported")
    if parsed.get_backend_name() == "sqlite" and parsed.host:
        detail = "a SQLite URL has three slashes before a relative path, and four before an absolute one"
        raise StoreUnreachable(url=shown(url), detail=detail)
    return parsed


def _engine(url: sa.URL, lock_wait: float) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        try:
            engine = sa.create_engine(url, pool_pre_ping=True)
        except ImportError as error:
            detail = f"{error}; install the extra: pip install 'digest-letter[postgresql]'"
            raise StoreUnreachable(url=shown(str(url)), detail=detail) from None

        @sa.event.listens_for(engine, "connect")
        def _bound_waiting(connection: Any, _record: Any) -> None:
            connection.autocommit = True  # a setting made in a transaction would go with its rollback
            connection.execute(f"SET lock_timeout = {max(1, round(lock_wait * 1000))}")
            connection.autocommit = False

        return engine
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
        # The usual 2 MB hold a small part of the indices of a large store, and new papers touch all of them.
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KB}")
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


# PostgreSQL's codes for: waited too long for a lock, chosen to end a deadlock, overtaken by another transaction.
BUSY = {"55P03", "40P01", "40001"}


def _explain(url: str, error: exc.DatabaseError) -> DigestError:
    message = _first_line(error)
    if "database is locked" in message or getattr(error.orig, "sqlstate", None) in BUSY:
        return StoreLocked(url=url)
    if "disk is full" in message:
        message = "the disk is full; make room and run the command again, nothing was changed"
    if "not a database" in message or "malformed" in message:
        message += ", or a damaged one; put a copy of it back, or move it away to start a new one"
    return StoreUnreachable(url=url, detail=message)


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
