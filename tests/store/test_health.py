"""What the doctor says of the store, on SQLite and PostgreSQL; and that looking changes nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import given
import pytest
import sqlalchemy as sa
from given import NOW

from digest import clock, config
from digest.dns import Resolver
from digest.doctor import store as doctor
from digest.doctor.result import Patient, Result, Verdict
from digest.store import editions, health, outbox
from digest.store.health import Database
from digest.store.opening import Store

SOON = NOW + timedelta(hours=1)


def look(
    url: str, now: Callable[[], datetime] = clock.now, *, home: Path = Path(), offline: bool = False
) -> dict[str, Result]:
    settings = config.parse(f'[store]\nurl = "{url}"\n'.encode(), home)
    patient = Patient(settings, Resolver(), now, lambda: "", offline)
    return {one.check: one for one in asyncio.run(doctor.store(patient))}


def change(store: Store, statement: str) -> None:
    with store.write() as connection:
        connection.execute(sa.text(statement))


def test_a_new_store_is_in_order(store: Store, store_url: str) -> None:
    for offline in (False, True):
        found = look(store_url, offline=offline)
        assert {one.verdict for one in found.values()} == {Verdict.OK}, found
        clocks = ["clock.database"] if "postgresql" in store_url else []
        assert sorted(found) == sorted([*doctor.NAMES, *clocks])
    assert found["letters.sums"].seen == "none; 0 in all"
    assert found["letters.run"].seen == "nothing has run yet"
    assert found["store.database"].seen.startswith(("SQLite 3.", "PostgreSQL 1"))


def test_letters_in_doubt_and_letters_that_wait(store: Store, store_url: str) -> None:
    alice, bela = given.subscribe(store, "alice", "bela")
    given.add(store, given.paper("one"))
    stored = given.stored_papers(store)
    given.write(store, given.letter(alice, *stored), given.letter(bela, *stored))
    found = look(store_url, lambda: SOON)
    assert found["letters.sums"].seen == "2 ready; 2 in all"
    assert found["letters.waiting"].verdict is Verdict.OK
    assert f"{NOW:%Y-%m-%d %H:%M}" in found["letters.waiting"].seen
    assert look(store_url, lambda: NOW + timedelta(hours=25))["letters.waiting"].verdict is Verdict.WARN
    first, second = given.claim(store)
    given.record(store, {first: given.UNCERTAIN, second: given.SENT})
    found = look(store_url, lambda: SOON)
    assert found["letters.sums"].seen == "1 sent, 1 uncertain; 2 in all"
    assert (found["letters.doubt"].verdict, "1 letter may" in found["letters.doubt"].seen) == (Verdict.WARN, True)
    assert "`digest outbox resend`" in found["letters.doubt"].remedy
    assert found["letters.waiting"].seen == "no letter waits"


def test_a_letter_in_no_state_of_ours(store: Store, store_url: str) -> None:
    (alice,) = given.subscribe(store, "alice")
    given.write(store, given.letter(alice))
    change(store, "UPDATE letter SET state = 'lost'")
    found = look(store_url)["letters.sums"]
    assert (found.verdict, "no letter of ours is lost" in found.seen) == (Verdict.FAIL, True)


def test_sums_that_do_not_add_up() -> None:
    found = doctor.judge_letters(health.Sums({"sent": 2}, 3, None, None, None), NOW)[0]
    assert (found.verdict, "do not add up" in found.seen) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("ended", "outcome", "hours", "verdict", "part"),
    [
        (True, "done", 1, "ok", "the last ended"),
        (True, "stopped: the server is away", 1, "warn", "stopped: the server is away"),
        (True, "stopped by an error", 1, "warn", "stopped by an error"),
        (False, "", 1, "ok", "one runs since"),
        (False, "", 30, "warn", "or was killed"),
    ],
)
def test_the_last_run(
    store: Store, store_url: str, ended: bool, outcome: str, hours: int, verdict: str, part: str
) -> None:
    with store.write() as connection:
        run = editions.begin_run(connection, NOW)
        if ended:
            editions.end_run(connection, run, SOON, outcome, {})
    found = look(store_url, lambda: NOW + timedelta(hours=hours))["letters.run"]
    assert (found.verdict, part in found.seen) == (verdict, True), found


@pytest.mark.parametrize(("hours", "verdict"), [(23, "ok"), (25, "warn")])
def test_a_subscriber_who_is_due_while_nothing_runs(store: Store, store_url: str, hours: int, verdict: str) -> None:
    given.subscribe(store, "alice")
    assert look(store_url, lambda: NOW + timedelta(hours=hours))["letters.run"].verdict == verdict


# ---- the database itself


@pytest.mark.parametrize(("revision", "verdict"), [("0003", "warn"), ("9999", "fail")])
def test_a_schema_of_another_digest_stays_as_it_is(
    store: Store, store_url: str, revision: str, verdict: str
) -> None:
    change(store, f"UPDATE alembic_version SET version_num = '{revision}'")
    for _ in range(2):
        found = look(store_url)
        assert found["store.schema"].verdict == verdict
        assert found["store.schema"].seen.startswith(revision)
        assert {found[name].verdict for name in doctor.NAMES if "letters" in name} == {Verdict.UNKNOWN}


def test_a_database_without_tables(store_url: str) -> None:
    if "sqlite" in store_url:
        sqlite3.connect(store_url.partition(":///")[2]).execute("PRAGMA user_version = 1").connection.close()
    for _ in range(2):
        found = look(store_url)
        assert (found["store.schema"].verdict, "no tables" in found["store.schema"].seen) == (Verdict.WARN, True)


def test_looking_waits_for_no_writer(store: Store, store_url: str) -> None:
    with store.write() as connection:
        outbox.count_by_state(connection)
        assert look(store_url)["store.database"].verdict is Verdict.OK


def test_nothing_is_made_where_there_is_no_store(tmp_path: Path) -> None:
    found = look("sqlite:///digest.db", home=tmp_path)
    assert {one.verdict for one in found.values()} == {Verdict.UNKNOWN}
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "digest.db").write_bytes(b"not a database at all" * 100)
    found = look("sqlite:///digest.db", home=tmp_path)
    assert found["store.database"].verdict is Verdict.FAIL
    assert "not a database" in found["store.database"].seen
    assert [*found] == ["store.database"]


def test_damage_inside_a_file(tmp_path: Path) -> None:
    path = tmp_path / "digest.db"
    raw = sqlite3.connect(path)
    raw.executescript("CREATE TABLE t (x UNIQUE); CREATE TABLE alembic_version (version_num TEXT)")
    raw.executemany("INSERT INTO t VALUES (?)", [(f"{i:0500}",) for i in range(2000)])
    raw.commit()
    raw.close()
    whole = bytearray(path.read_bytes())
    whole[40 * 4096 : 44 * 4096] = b"\xff" * (4 * 4096)
    path.write_bytes(whole)
    found = look("sqlite:///digest.db", home=tmp_path)["store.database"]
    assert (found.verdict, "quick_check: " in found.seen) == (Verdict.FAIL, True)


def test_another_journal(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "digest.db")
    raw.execute("CREATE TABLE t (x)")
    raw.close()
    found = look("sqlite:///digest.db", home=tmp_path)["store.database"]
    assert (found.verdict, "journal mode delete" in found.seen) == (Verdict.WARN, True)


def test_a_file_too_large_to_be_read_in_time(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "digest.db")
    raw.execute("PRAGMA journal_mode = wal")
    raw.execute("CREATE TABLE t (x UNIQUE)")
    raw.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(50_000)])
    raw.commit()
    raw.close()
    database = health.examine(f"sqlite:///{tmp_path}/digest.db", clock.now, 0.0)
    assert database.damage is None
    assert doctor.judge(database)[0].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("version", "latency", "ahead", "verdict", "clock_verdict"),
    [
        ((17, 2), 0.001, 0, "ok", "ok"),
        ((13, 9), 0.001, 30, "warn", "warn"),
        ((17, 2), 0.2, -400, "warn", "fail"),
    ],
)
def test_a_slow_or_old_server_and_its_clock(
    version: tuple[int, ...], latency: float, ahead: int, verdict: str, clock_verdict: str
) -> None:
    database = Database(
        "postgresql", version, "1", "1", True, latency=latency, clock=NOW, asked_at=NOW + timedelta(seconds=ahead)
    )
    found = {one.check: one for one in doctor.judge(database)}
    assert (found["store.database"].verdict, found["clock.database"].verdict) == (verdict, clock_verdict)


def test_a_server_that_is_not_there() -> None:
    url = "postgresql://digest:s3cret@127.0.0.1:1/digest"
    found = look(url)["store.database"]
    assert (found.verdict, "s3cret" in found.seen) == (Verdict.FAIL, False)
    offline = look("postgresql://digest@db.example.org/digest", offline=True)
    assert {one.verdict for one in offline.values()} == {Verdict.UNKNOWN}
