"""How the database itself is, asked without changing anything: neither its schema nor its journal."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from digest.errors import StoreMissing, StoreUnreachable
from digest.model import SubscriberState
from digest.store import editions, outbox
from digest.store.opening import MIGRATIONS, _first_line, _parse, shown
from digest.store.tables import WAITING, letter, subscriber


@dataclass(frozen=True, slots=True)
class Database:
    """What a database says of itself."""

    kind: str  # "sqlite", "postgresql"
    version: tuple[int, ...]
    schema: str | None  # what is stored; None: it holds no tables of ours
    newest_schema: str
    known_schema: bool
    journal: str = ""  # SQLite: "wal"
    size: int = 0  # SQLite: bytes of the file
    damage: str | None = ""  # SQLite: what quick_check found; "" is nothing, None: it was not finished
    latency: float = 0.0  # PostgreSQL: seconds for a word and its answer
    clock: datetime | None = None  # PostgreSQL: its time, and below ours when it was asked
    asked_at: datetime | None = None

    @property
    def current(self) -> bool:
        return self.schema == self.newest_schema


@dataclass(frozen=True, slots=True)
class Sums:
    by_state: dict[str, int]
    total: int
    oldest_waiting: datetime | None  # when it was written
    longest_due: datetime | None  # since when the active subscriber is due who waits longest
    last_run: editions.Run | None


def is_local(url: str) -> bool:
    """Is the database on this machine?"""
    parsed = _parse(url)
    host = parsed.host or str(parsed.query.get("host", ""))
    return parsed.get_backend_name() == "sqlite" or host in ("", "localhost", "127.0.0.1", "::1") or host[0] == "/"


def examine(url: str, now: Callable[[], datetime], patience: float) -> Database:
    """Look at the database, for at most `patience` seconds. Raises `StoreMissing`, `StoreUnreachable`."""
    with _reading(url, patience) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        script = _script()
        newest = script.get_current_head() or ""
        known = found in {one.revision for one in script.walk_revisions()}
        if connection.dialect.name == "sqlite":
            return Database(
                kind="sqlite",
                version=sqlite3.sqlite_version_info,
                schema=found,
                newest_schema=newest,
                known_schema=known,
                journal=str(connection.exec_driver_sql("PRAGMA journal_mode").scalar()),
                size=Path(_parse(url).database or "").stat().st_size,
                damage=_damage(connection, patience),
            )
        asked_at, start = now(), time.perf_counter()
        its_time = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return Database(
            kind="postgresql",
            version=tuple(int(one) for one in connection.dialect.server_version_info or ()),
            schema=found,
            newest_schema=newest,
            known_schema=known,
            latency=time.perf_counter() - start,
            clock=its_time,
            asked_at=asked_at,
        )


def sums(url: str, patience: float) -> Sums:
    """What the letters come to, all at one moment. Only for a schema that is current."""
    with _reading(url, patience) as connection:
        due = sa.select(sa.func.min(subscriber.c.next_due_at)).where(
            subscriber.c.state == SubscriberState.ACTIVE.value
        )
        waiting = sa.select(letter.c.created_at).where(WAITING).order_by(letter.c.created_at).limit(1)
        return Sums(
            by_state=outbox.count_by_state(connection),
            total=connection.execute(sa.select(sa.func.count()).select_from(letter)).scalar_one(),
            oldest_waiting=connection.execute(waiting).scalar(),
            longest_due=connection.execute(due).scalar(),
            last_run=editions.last_run(connection),
        )


@contextmanager
def _reading(url: str, patience: float) -> Iterator[sa.Connection]:
    parsed = _parse(url)
    try:
        engine = _sqlite(parsed, patience) if parsed.get_backend_name() == "sqlite" else _server(parsed, patience)
    except ImportError as error:
        detail = f"{error}; install the extra: pip install 'digest-letter[postgresql]'"
        raise StoreUnreachable(url=shown(url), detail=detail) from None
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        raise StoreUnreachable(url=shown(url), detail=_first_line(error)) from None
    finally:
        engine.dispose()


def _sqlite(url: sa.URL, patience: float) -> sa.Engine:
    path = Path(url.database or "")
    if not path.exists():
        raise StoreMissing(url=shown(str(url)))
    name = f"file:{quote(str(path.absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        made = sqlite3.connect(name, uri=True, timeout=patience, check_same_thread=False)
        made.isolation_level = None
        return made

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.NullPool)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _server(url: sa.URL, patience: float) -> sa.Engine:
    connecting = {"connect_timeout": max(2, round(patience))}
    engine = sa.create_engine(url, connect_args=connecting, poolclass=sa.pool.NullPool)

    @sa.event.listens_for(engine, "connect")
    def _bound_waiting(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        for what in ("statement_timeout", "lock_timeout"):
            connection.execute(f"SET {what} = {round(patience * 1000)}")
        connection.autocommit = False

    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _damage(connection: sa.Connection, patience: float) -> str | None:
    """What is broken in the file; "" for nothing, None where it is too large to be read in time."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    end = time.monotonic() + patience
    raw.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        with closing(raw.execute("PRAGMA quick_check(3)")) as cursor:
            said = [str(row[0]) for row in cursor]
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return None
        raise
    finally:
        raw.set_progress_handler(None, 0)
    return "" if said == ["ok"] else "; ".join(" ".join(one.split()) for one in said)


def _script() -> ScriptDirectory:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return ScriptDirectory.from_config(config)
