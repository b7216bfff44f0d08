"""What may befall a courier besides a kill. The same promise: nothing is lost, nothing arrives twice unasked."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from . import world
from .courier import DONE, ERROR, STOPPED, Life, begin, command
from .processes import Process, last_word, start
from .relay import ARRIVED, Plan, Running

RECIPIENTS = 60
CONNECTIONS = 3
LATER = timedelta(hours=5)  # no lease lasts so long
DAY = timedelta(hours=25)
WAITING = {"ready", "deferred", "sending"}


class Scene:
    """A store full of letters, a relay, and couriers between them."""

    def __init__(self, url: str, home: Path, plan: Plan) -> None:
        self.url, self.home = url, home
        home.mkdir()
        self.relay = Running(plan, home)
        world.settle_in(home, url, self.relay.port, connections=CONNECTIONS)

    def life(self, name: str, ahead: timedelta = timedelta(), lock_wait: float = 10.0) -> Life:
        return Life(self.home, name, ahead, lock_wait=lock_wait)

    def start(self, name: str, ahead: timedelta = timedelta(), lock_wait: float = 10.0) -> Process:
        return begin(self.life(name, ahead, lock_wait))

    def run(self, name: str, ahead: timedelta = timedelta()) -> None:
        self.end(self.start(name, ahead), DONE)

    def end(self, process: Process, *codes: int, idle: bool = True) -> None:
        """Wait for it, and until the relay has written down everything."""
        process.join()
        assert process.exitcode in codes, last_word(self.home / "lives.log")
        if idle:
            self.relay.wait_until_idle()

    def until_arrived(self, number: int, process: Process) -> None:
        while len(self.arrived()) < number:
            assert process.exitcode is None, f"it ended too soon: {last_word(self.home / 'lives.log')}"
            time.sleep(0.002)

    def jump(self, by: timedelta) -> None:
        """The clock of all couriers jumps, also of those at work."""
        new = self.home / "ahead.new"
        new.write_text(str(by.total_seconds()))
        new.replace(self.home / "ahead")

    def until_quiet(self, ahead: timedelta = LATER) -> dict[int, world.Row]:
        """Runs, later and later, until nothing waits."""
        for number in range(10):
            self.run(f"quiet{number}", ahead)
            if not WAITING & world.by_state(rows := self.look()).keys():
                return rows
            ahead += LATER
        raise AssertionError(f"these never left: {world.by_state(rows)}")

    def look(self) -> dict[int, world.Row]:
        return world.look(self.url)

    def arrived(self, who: str = "") -> list[str]:
        return [line.recipient for line in self.relay.of(ARRIVED) if line.who.startswith(who)]

    def check(self) -> dict[int, world.Row]:
        """Nothing is lost, nothing is doubled, every `sent` is true."""
        rows, arrived = self.look(), Counter(self.arrived())
        assert len(rows) == RECIPIENTS
        assert [who for who, times in arrived.items() if times > 1] == []
        for i, row in rows.items():
            assert row.state != "sent" or row.address in arrived, f"letter {i} is sent and has not arrived"
            known = row.state in ("sent", "sending", "uncertain")
            assert known or row.address not in arrived, f"letter {i} has arrived and is {row.state}"
        return rows


@pytest.fixture
def database(tmp_path: Path) -> world.Database:
    return world.Database(tmp_path)


@pytest.fixture
def scene(tmp_path: Path, database: world.Database) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(plan: Plan = Plan(pause=0.02), url: str = "") -> Scene:  # noqa: B008
        made.append(Scene(url or database.copy(RECIPIENTS), tmp_path / f"home{len(made)}", plan))
        return made[-1]

    yield make
    for one in made:
        one.relay.stop()
        assert not one.relay.fault()


def test_a_courier_that_slept_past_its_lease_records_nothing_and_sends_no_more(scene: Callable[..., Scene]) -> None:
    here = scene()
    sleeper = here.start("sleeper")
    here.until_arrived(10, sleeper)
    _put_to_sleep(sleeper, here.url)
    here.jump(LATER)
    here.end(here.start("other"), DONE, idle=False)
    before, arrived = here.look(), len(here.arrived("sleeper"))
    os.kill(sleeper.pid, signal.SIGCONT)
    here.end(sleeper, DONE, STOPPED, ERROR)
    decided = {i: row.state for i, row in before.items() if row.state not in WAITING}
    after = here.look()
    assert {i: after[i].state for i in decided} == decided
    assert len(here.arrived("sleeper")) - arrived <= CONNECTIONS
    assert world.by_state(after)["uncertain"] <= CONNECTIONS
    here.until_quiet(2 * LATER)
    assert world.by_state(here.check())["uncertain"] <= CONNECTIONS


def _put_to_sleep(process: Process, url: str) -> None:
    """Stop it where it does not hold SQLite's only lock, which would keep all others out."""
    assert process.pid
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.2, isolation_level=None) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
                return
            except sqlite3.OperationalError:
                os.kill(process.pid, signal.SIGCONT)
                time.sleep(0.002)


def test_a_full_disk_costs_no_letter(scene: Callable[..., Scene]) -> None:
    here = scene()
    courier = here.start("cramped")
    here.until_arrived(10, courier)
    assert courier.pid
    # From here on no file of this process may grow beyond what the store's log of changes has by now.
    size = max(file.stat().st_size for file in Path(here.url.removeprefix("sqlite:///")).parent.glob("copy*-wal"))
    resource.prlimit(courier.pid, resource.RLIMIT_FSIZE, (size, size))
    here.end(courier, ERROR, STOPPED)
    assert "Traceback" not in (here.home / "lives.log").read_text()
    assert WAITING & world.by_state(here.check()).keys(), "the disk was not full enough to stop it"
    here.until_quiet()
    rows = world.by_state(here.check())
    assert rows["sent"] > RECIPIENTS // 2 > CONNECTIONS >= rows["uncertain"]


def test_a_store_that_another_program_locks_for_too_long(scene: Callable[..., Scene]) -> None:
    here = scene()
    courier = here.start("locked-out", lock_wait=0.2)
    here.until_arrived(10, courier)
    with sqlite3.connect(here.url.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        courier.join(60)
        other.execute("ROLLBACK")
    here.end(courier, ERROR, STOPPED)
    assert "Traceback" not in (here.home / "lives.log").read_text()
    here.until_quiet()
    rows = here.check()
    # What the relay had said and could not be written down is in doubt; nothing else is.
    assert world.by_state(rows)["uncertain"] <= CONNECTIONS


@pytest.mark.parametrize("jump", [timedelta(hours=2), -timedelta(hours=2), timedelta(days=3)], ids=str)
def test_the_clock_jumps_during_a_run(jump: timedelta, scene: Callable[..., Scene]) -> None:
    here = scene()
    courier = here.start("surprised", LATER)
    here.until_arrived(10, courier)
    here.jump(jump)
    here.end(courier, DONE)
    here.check()
    here.until_quiet(3 * LATER)
    assert world.by_state(here.check())["uncertain"] == 0


def test_the_clock_jumps_between_two_couriers(scene: Callable[..., Scene]) -> None:
    """The second takes the first for dead. It holds what the first has under way, and both go on."""
    here = scene()
    first = here.start("first")
    here.until_arrived(10, first)
    here.jump(timedelta(days=3))
    second = here.start("second")
    here.end(first, DONE, STOPPED, ERROR)
    here.end(second, DONE)
    here.check()
    here.until_quiet(timedelta(days=1))
    assert world.by_state(here.check())["uncertain"] <= CONNECTIONS


def test_yesterdays_copy_of_the_store_sends_nothing(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    url = f"sqlite:///{tmp_path}/day.db"
    world.fill(url, RECIPIENTS, timedelta(hours=24))
    shutil.copy(tmp_path / "day.db", tmp_path / "backup.db")
    here = scene(Plan(), url)
    here.run("today")
    arrived = sorted(here.arrived())
    assert len(arrived) > RECIPIENTS // 2
    _put_back(tmp_path / "backup.db", tmp_path / "day.db")
    here.run("tomorrow", DAY)
    assert sorted(here.arrived()) == arrived
    assert set(world.by_state(here.look())) == {"expired", "suppressed", "empty"}


def test_todays_copy_of_the_store_sends_each_letter_once_more_and_the_very_same(
    tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    """A store that is put back within the day knows nothing of what left since, and over SMTP nobody can tell it.
    The promise: a repeated letter has the same Message-ID and the same bytes, so that mailboxes can drop it."""
    url = f"sqlite:///{tmp_path}/day.db"
    world.fill(url, RECIPIENTS, timedelta(hours=24))
    shutil.copy(tmp_path / "day.db", tmp_path / "backup.db")
    here = scene(Plan(), url)
    here.run("today")
    _put_back(tmp_path / "backup.db", tmp_path / "day.db")
    _run_again(here)
    times = Counter((line.recipient, line.message_id, line.hashed) for line in here.relay.of(ARRIVED))
    assert set(times.values()) == {2}
    assert len(times) == world.by_state(here.look())["sent"]


def test_todays_copy_of_the_store_files_nothing_twice(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    """A Maildir can be looked into, so there a letter that is filed already is recognised."""
    url = f"sqlite:///{tmp_path}/day.db"
    world.fill(url, RECIPIENTS, timedelta(hours=24))
    shutil.copy(tmp_path / "day.db", tmp_path / "backup.db")
    here = scene(Plan(), url)
    settings = (here.home / "config.toml").read_text()
    (here.home / "config.toml").write_text(settings.replace('kind = "smtp"', 'kind = "maildir"'))
    here.run("today")
    filed = sorted(here.home.glob("mail/*/new/*"))
    _put_back(tmp_path / "backup.db", tmp_path / "day.db")
    _run_again(here)
    assert sorted(here.home.glob("mail/*/new/*")) == filed
    assert world.by_state(here.look())["sent"] == len(filed) > RECIPIENTS // 2


def _run_again(here: Scene) -> None:
    """Where the store is known for an old copy, nothing moves until the operator has been asked."""
    before = here.arrived()
    here.end(here.start("asking"), STOPPED)
    assert here.arrived() == before
    command(here.life("cli"), "resume")
    here.run("again")


def _put_back(backup: Path, place: Path) -> None:
    for rest in place.parent.glob(f"{place.name}-*"):
        rest.unlink()
    shutil.copy(backup, place)


# ---- PostgreSQL behind a line that breaks


async def _relay_but_cut(listening: socket.socket, behind: str, every: int, times: int) -> None:
    """Pass on what is said to the server behind; cut the line at each so manieth COMMIT: in turn before it gets
    there, and after it was done and before the answer."""
    commits = cuts = 0

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal commits, cuts
        from_server, to_server = await asyncio.open_unix_connection(behind)
        muted = asyncio.Event()

        async def back() -> None:
            while data := await from_server.read(1 << 16):
                if muted.is_set():
                    break  # it is done, and nobody is told
                writer.write(data)
            writer.transport.abort()

        answering = asyncio.create_task(back())
        try:
            while data := await reader.read(1 << 16):
                if b"COMMIT\0" in data:
                    commits += 1
                    if commits % every == 0 and cuts < times:
                        cuts += 1
                        if cuts % 2:
                            break
                        muted.set()
                to_server.write(data)
        finally:
            if not muted.is_set():
                answering.cancel()
                writer.transport.abort()
                to_server.close()

    await (await asyncio.start_server(meet, sock=listening)).serve_forever()


def _break_lines(listening: socket.socket, behind: str, every: int, times: int) -> int:
    asyncio.run(_relay_but_cut(listening, behind, every, times))
    return 1


@pytest.mark.postgresql
@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize("every", [2, 3, 5])
def test_postgresql_hangs_up_in_the_middle_of_a_commit(
    every: int, tmp_path: Path, postgresql_server: str, scene: Callable[..., Scene]
) -> None:
    database = world.Database(tmp_path, postgresql_server)
    url = sa.make_url(database.copy(RECIPIENTS))
    folder = url.query["host"]
    assert isinstance(folder, str)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        behind = f"{folder}/.s.PGSQL.{url.port or 5432}"
        line = start(tmp_path / "line.log", _break_lines, listening, behind, every, 8)
    broken = url.difference_update_query(["host"]).set(host="127.0.0.1", port=port)
    here = scene(Plan(), url.render_as_string(hide_password=False))
    world.settle_in(
        here.home, broken.render_as_string(hide_password=False), here.relay.port, connections=CONNECTIONS
    )
    try:
        for number in range(12):
            here.end(here.start(f"cut{number}"), DONE, STOPPED, ERROR)
            here.check()
        assert "Traceback" not in (here.home / "lives.log").read_text()
        here.until_quiet()
        rows = here.check()
        assert world.by_state(rows).keys() <= {"sent", "uncertain", "expired", "suppressed", "empty"}
        command(here.life("cli", 20 * LATER), "outbox", "resend", "all")
        here.until_quiet(20 * LATER)
        assert set(here.arrived()) == {row.address for row in here.look().values() if row.state == "sent"}
    finally:
        line.kill()
        database.remove(url.render_as_string(hide_password=False))
