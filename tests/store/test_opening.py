"""Opening a store: on first use, by two at once, a newer one, a locked one, a broken one."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from given import (
    DAY,
    NOW,
    ON_POSTGRESQL_ALONE,
    abstract,
    add,
    claim,
    letter,
    memory,
    of,
    paper,
    stored_papers,
    subscribe,
    write,
)

from digest.errors import StoreLocked, StoreMissing, StoreNewer, StoreUnreachable
from digest.model import Subscriber
from digest.store import merging, papers, sketches, subscribers
from digest.store.opening import MIGRATIONS, Store, open_store, shown
from digest.store.tables import metadata, new_sketch


def test_the_migrations_make_exactly_the_tables(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": False}
        )
        assert compare_metadata(context, metadata) == []
        index = {one["name"]: one for one in sa.inspect(connection).get_indexes("pick")}["uq_pick_memory"]
    assert index["unique"]


def test_what_was_stored_is_there_again(store_url: str) -> None:
    first = open_store(store_url)
    add(first, paper("Bees"))
    first.close()
    again = open_store(store_url, create=False)
    assert [one.title for one in stored_papers(again)] == ["Bees"]
    again.close()


def test_a_store_that_is_not_there_is_not_made_by_a_question(store_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="there is no store yet"):
        open_store(store_url, create=False)
    assert list(tmp_path.iterdir()) == []


def test_two_first_uses_at_once_both_succeed(store_url: str) -> None:
    program = f"from digest.store.opening import open_store; open_store({store_url!r}).close()"
    both = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(2)]
    for one in both:
        _, error = one.communicate()
        assert one.returncode == 0, error.decode()


def test_a_newer_store_is_refused_and_left_alone(store_url: str) -> None:
    first = open_store(store_url)
    add(first, paper("Bees"))
    with first.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999_from_the_future'"))
    with pytest.raises(StoreNewer, match="9999_from_the_future"):
        open_store(store_url)
    assert len(stored_papers(first)) == 1
    first.close()


def test_a_store_of_an_earlier_digest_is_brought_up_to_date(store_url: str) -> None:
    """What `store` opens is new; this one has lived."""
    first = open_store(store_url)
    add(first, paper("Bees"))
    alice, _ = subscribe(first, "alice", "bela")
    write(first, letter(alice, *stored_papers(first)))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with first.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    first.close()
    again = open_store(store_url)
    assert of(again, alice).picks[0].paper.title == "Bees"
    assert of(again, alice).picks[0].votes is None
    with again.read() as connection:
        secrets = [one.secret for one in subscribers.everyone(connection)]
    assert all(len(secret) == 16 for secret in secrets), "links are signed with it"
    assert len({*secrets}) == 2
    assert len(memory(again, alice)) == 1
    assert len(claim(again)) == 1
    again.close()


def test_papers_of_an_earlier_digest_are_known_under_another_title(store_url: str) -> None:
    first = open_store(store_url)
    add(first, paper("How Bees Count the Flowers"), *(paper(f"Oak {n}", "Too short.") for n in range(3)))
    with first.read() as connection:
        sketched = connection.execute(sa.select(new_sketch).order_by(*new_sketch.c)).all()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with first.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")
    first.close()
    again = open_store(store_url)
    with again.read() as connection:
        assert connection.execute(sa.select(new_sketch).order_by(*new_sketch.c)).all() == sketched != []
    added = add(again, paper("How Bees Count the Flowers"), source="page:b")
    assert (added.known, added.new) == (1, 0)
    added = add(again, paper("Flowers, and How Bees Count", stored_papers(again)[0].abstract), source="page:c")
    assert (added.merged, added.new) == (1, 0)
    again.close()


def test_of_a_crowd_the_oldest_are_sketched(store: Store) -> None:
    """A sentence that all have tells nothing, and must not be read for each new paper."""
    add(store, *(paper(f"Report {n}", abstract("everybody"), authors=(f"A{n} B{n}",)) for n in range(30)))
    with store.write() as connection:
        connection.execute(sa.delete(new_sketch))
        sketches.fill(connection)
        crowds = sa.select(sa.func.count()).select_from(new_sketch).group_by(new_sketch.c.band)
        assert set(connection.execute(crowds).scalars()) == {sketches.CROWD}


def test_a_store_that_another_command_holds(store_url: str) -> None:
    first = open_store(store_url)
    second = open_store(store_url, lock_wait=0.1)
    with first.write() as connection:
        subscribers.everyone(connection, lock=True)
        with pytest.raises(StoreLocked, match="another digest command"):
            subscribe(second, "alice")
        assert stored_papers(second) == []  # reading goes on
    add(second, paper("Bees"))
    assert len(stored_papers(first)) == 1
    first.close()
    second.close()


@ON_POSTGRESQL_ALONE  # in SQLite the writer is alone
def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(store: Store) -> None:
    one, two = subscribe(store, "one", "two")
    both_hold = threading.Barrier(2)
    said: list[BaseException | None] = []

    def change(first: Subscriber, second: Subscriber) -> None:
        try:
            with store.write() as connection:
                subscribers.update(connection, first)
                both_hold.wait()
                subscribers.update(connection, second)
            said.append(None)
        except BaseException as error:
            said.append(error)

    threads = [threading.Thread(target=change, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(error).__name__ for error in said) == ["NoneType", "StoreLocked"]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as connection:
            merging.take(connection, [], "x", datetime.now().astimezone(), day=DAY)
            subscribers.add(connection, [])
            connection.execute(
                sa.insert(metadata.tables["paper_key"]), [{"key": "title:x", "paper_id": _one(connection)}]
            )
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    with store.read() as connection:
        assert papers.count(connection) == (0, 0)


def _one(connection: sa.Connection) -> int:
    table = metadata.tables["paper"]
    values = {"title": "t", "abstract": "", "authors": [], "links": [], "raw_title": "", "raw_abstract": ""}
    values["added_at"] = datetime.now().astimezone()  # type: ignore[assignment]
    return int(connection.execute(sa.insert(table).values(values).returning(table.c.id)).scalar_one())


def test_a_reader_sees_one_moment(store: Store) -> None:
    add(store, paper("Bees"))
    with store.read() as connection:
        assert len(papers.corpus(connection)) == 1
        other = threading.Thread(target=add, args=(store, paper("Wasps")))
        other.start()
        other.join()
        assert len(papers.corpus(connection)) == 1
    assert len(stored_papers(store)) == 2


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    (alice,) = subscribe(store, "alice")
    with pytest.raises(sa.exc.StatementError, match="without a zone"), store.write() as connection:
        subscribers.set_next_due(connection, [(alice.id, NOW.replace(tzinfo=None))])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://localhost/x", "only sqlite"),
        ("nonsense", "not a database URL"),
        ("postgresql://digest:secret@127.0.0.1:1/digest", "cannot be opened"),
        ("postgresql://digest@127.0.0.1:1/digest?password=secret", "cannot be opened"),
        ("postgresql://digest:secret@127.0.0.1:port/digest", "cannot be opened"),
        ("postgresql+asyncpg://digest:secret@127.0.0.1:1/digest", "only sqlite"),
        ("sqlite+nonsense:///digest.db", "only sqlite"),
        ("sqlite://digest.db", "three slashes"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, said: str) -> None:
    with pytest.raises(StoreUnreachable, match=said) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "digest.db"
    file.write_bytes(b"dear diary " * 1000)
    with pytest.raises(StoreUnreachable, match="not a database"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes().startswith(b"dear diary")


def test_a_file_that_is_damaged_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "digest.db"
    store = open_store(f"sqlite:///{file}")
    add(store, paper("Bees"))
    with store.read() as connection:
        page = connection.execute(sa.text("SELECT rootpage FROM sqlite_master WHERE name = 'paper'")).scalar_one()
        size = connection.execute(sa.text("PRAGMA page_size")).scalar_one()
    store.close()
    content = bytearray(file.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    file.write_bytes(content)
    store = open_store(f"sqlite:///{file}")
    with pytest.raises(StoreUnreachable, match="malformed"):
        stored_papers(store)
    store.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="unable to open"):
        open_store(f"sqlite:///{tmp_path}/nowhere/digest.db")


def test_a_password_is_never_shown() -> None:
    assert "secret" not in shown("postgresql://digest:secret@localhost/digest")
    assert "secret" not in shown("postgresql://localhost/digest?sslpassword=secret&password=secret&user=digest")
    assert "secret" not in shown("postgresql://digest:secret@localhost:port/digest")
