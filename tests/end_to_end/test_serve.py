"""`digest serve` as its own process: ticks, the inbox folder, SIGTERM, a restart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from command import PAPERS, Digest

from digest import clock, config
from digest.service import Service
from digest.store.opening import open_store
from digest.store.tables import run, subscriber

PATIENCE = 60.0  # seconds; a machine under load is slow, not wrong


@pytest.fixture
def home(digest: Digest) -> Digest:
    digest.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\n[serve]\ntick_seconds = 1\n')
    digest.profile("alice", "floor = 0\npapers = 2\nhour = 0")  # due all day, wherever this runs
    digest("profiles", "apply")
    return digest


class Serving:
    def __init__(self, home: Path) -> None:
        self.log = (home / "serve.log").open("ab")
        self.path = home / "serve.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from digest.cli import main; main()", "--home", str(home), "serve"],
            stderr=self.log,
            stdout=self.log,
        )

    def wait(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert self.process.poll() is None, f"it ended: {self.path.read_text()}"
            assert time.monotonic() < deadline, self.path.read_text()
            time.sleep(0.05)

    def said(self, text: str) -> bool:
        return text in self.path.read_text()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture
def serve(home: Digest) -> Iterator[Callable[[], Serving]]:
    started: list[Serving] = []

    def start() -> Serving:
        started.append(Serving(home.home))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.log.close()


def due(home: Digest, at: datetime) -> None:
    store = open_store(f"sqlite:///{home.home}/digest.db")
    with store.write() as connection:
        connection.execute(sa.update(subscriber).values(next_due_at=at))
    store.close()


def drop(home: Digest, name: str, papers: list[tuple[str, str]], day: str = "") -> None:
    """A page in the inbox folder, saved a minute ago with today's date."""
    today = datetime.now().astimezone()
    page = home.page(name, papers, day or f"{today:%b} {today.day}")
    (home.home / "inbox").mkdir(exist_ok=True)
    target = home.home / "inbox" / page.name
    page.rename(target)
    then = time.time() - 60
    os.utime(target, (then, then))


def test_it_takes_pages_sends_when_due_drains_and_forgets_nothing(
    home: Digest, serve: Callable[[], Serving]
) -> None:
    drop(home, "today", PAPERS)
    (home.home / "inbox/broken.txt").write_bytes(b"\xff\xfe\x00")
    os.utime(home.home / "inbox/broken.txt", (time.time() - 60,) * 2)
    drop(home, "undated", PAPERS, day="no day")
    first = serve()
    first.wait(lambda: first.said("5 new"))
    first.wait(lambda: first.said("broken.txt"))
    by_hand = f"digest --home {home.home} ingest {home.home}/inbox/undated.txt --day YYYY-MM-DD"
    first.wait(lambda: first.said(by_hand))
    assert home.mails() == []  # nobody is due yet

    due(home, datetime.now(UTC) - timedelta(minutes=1))
    first.wait(lambda: len(home.mails()) == 1)
    first.wait(lambda: first.said("1 sent"))
    assert first.terminate() == 0
    assert first.said("ended")

    second = serve()
    second.wait(lambda: second.path.read_text().count("broken.txt") == 2)
    due(home, datetime.now(UTC) - timedelta(minutes=1))  # as if the due time had not been moved on
    second.wait(lambda: second.path.read_text().count("1 due") == 2)
    assert second.terminate() == 0
    assert second.path.read_text().count("today.txt") == 1  # what was taken before is not told again
    assert len(home.mails()) == 1
    (letter,) = home("why", "alice", "--json").json
    assert letter["state"] == "sent"
    status = home("status", "--json").json
    assert status["papers"] == 5
    assert datetime.fromisoformat(status["next_due_at"]) > datetime.now(UTC)


def test_a_kill_forgets_nothing_either(home: Digest, serve: Callable[[], Serving]) -> None:
    drop(home, "today", PAPERS)
    first = serve()
    first.wait(lambda: first.said("5 new"))
    first.process.kill()
    first.process.wait()
    due(home, datetime.now(UTC) - timedelta(minutes=1))
    second = serve()
    second.wait(lambda: len(home.mails()) == 1)
    second.wait(lambda: second.said("1 sent"))
    assert second.terminate() == 0
    assert len(home.mails()) == 1


def mailbox(home: Digest, silent: socket.socket) -> None:
    """A mailbox whose server takes connections and says nothing."""
    silent.settimeout(PATIENCE)
    text = (home.home / "config.toml").read_text("utf-8")
    login = 'tls = "none"\nuser = "back"\npassword_file = "password"\n'
    home("secret", "new")
    home.write("password", "sesame")
    port = silent.getsockname()[1]
    home.write("config.toml", f'{text}[bounces.imap]\nhost = "127.0.0.1"\nport = {port}\n{login}')


def test_a_mailbox_that_is_silent_does_not_delay_the_end(home: Digest, serve: Callable[[], Serving]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mailbox(home, silent)
        running = serve()
        connection, _ = silent.accept()
        with connection:
            assert running.terminate() == 0
        assert running.said("ended")
        assert not running.said("imap 127.0.0.1"), "it waited for the server until that was given up"


def test_a_mailbox_that_is_silent_delays_no_letter(home: Digest, serve: Callable[[], Serving]) -> None:
    drop(home, "today", PAPERS)
    due(home, datetime.now(UTC) - timedelta(minutes=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mailbox(home, silent)
        running = serve()
        connection, _ = silent.accept()
        running.wait(lambda: len(home.mails()) == 1)
        assert not running.said("imap 127.0.0.1"), "it is still waiting for a greeting"
        connection.close()
    running.wait(lambda: running.said("imap 127.0.0.1"))
    assert running.terminate() == 0


def test_a_relay_that_is_down_is_not_asked_every_tick(home: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write(
        "config.toml",
        '[letter]\nfrom_address = "letters@example.org"\n'
        '[delivery]\nkind = "smtp"\n[delivery.smtp]\nhost = "127.0.0.1"\nport = 1\ntls = "none"\n',
    )
    drop(home, "today", PAPERS)
    store = open_store(f"sqlite:///{home.home}/digest.db")
    service = Service(store, config.load(home.home), threading.Event())
    start = datetime.now(UTC).replace(microsecond=0)
    service.take_pages()
    due(home, start - timedelta(minutes=1))

    def runs_after(minutes: float) -> int:
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(minutes=minutes))
        service.send_letters()
        with store.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(run)).scalar_one())

    assert [runs_after(minutes) for minutes in (0, 0.5, 1, 2, 2.5, 3, 6, 7)] == [1, 1, 2, 2, 2, 3, 3, 4]
    store.close()
