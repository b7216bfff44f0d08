"""Letters, their picks, and what readers were sent."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from given import (
    DAY,
    DEFERRED,
    FAILED,
    NOW,
    SENT,
    UNCERTAIN,
    add,
    claim,
    letter,
    meanwhile,
    memory,
    of,
    paper,
    record,
    states,
    stored_papers,
    subscribe,
    write,
)
from sqlalchemy.exc import IntegrityError

from digest.model import LetterState, Outcome, Pick, Reason, Subscriber, SubscriberState
from digest.store import couriers, editions, letters, outbox, subscribers
from digest.store.opening import Store, open_store
from digest.store.tables import pick

HOUR = timedelta(hours=1)


def test_a_letter_comes_back_as_it_was_written(store: Store, ready: list[Subscriber]) -> None:
    bees, wasps, _ = stored_papers(store)
    wrote = letter(ready[0], bees, wasps)
    found = of(store, ready[0])
    assert found == replace(wrote, id=found.id, next_try_at=NOW, subscriber=found.subscriber)
    assert found.subscriber.address == "alice@example.org"


def test_a_time_with_a_zone_is_that_moment(store: Store, ready: list[Subscriber]) -> None:
    with store.write() as connection:
        connection.execute(sa.text("UPDATE letter SET sent_at = '2026-03-14 09:00:00.5+02:00'"))
    told = of(store, ready[0]).sent_at
    assert told is not None
    assert told.isoformat() == "2026-03-14T07:00:00.500000+00:00"


def test_reasons_come_back_whichever_version_wrote_them(store: Store, ready: list[Subscriber]) -> None:
    told = (Reason("liked", "Bees", ("hive", "dance"), 41.25, 3), Reason("trending", "", (), 2.5))
    before = [asdict(told[0]), {key: value for key, value in asdict(told[1]).items() if key != "beside"}]
    for written in (before, [list(asdict(one).values()) for one in told]):
        with store.write() as connection:
            connection.execute(sa.update(pick).values(reasons=written))
        assert [one.reasons for one in of(store, ready[0]).picks] == [told, told]
        assert all(isinstance(one, Reason) for one in of(store, ready[0]).picks[0].reasons)


@pytest.mark.parametrize("broken", [[["phrase", "bees"]], [{"kind": "phrase"}], [["phrase", "bees", 1, 2.0, 0]]])
def test_reasons_that_make_no_sense_stop_no_other_letter(
    store: Store, ready: list[Subscriber], broken: list[object]
) -> None:
    wrong, right = of(store, ready[0]).id, of(store, ready[1]).id
    with store.write() as connection:
        connection.execute(sa.update(pick).where(pick.c.letter_id == wrong).values(reasons=broken))
    with store.read() as connection:
        found, faults = letters.readable(connection, [wrong, right])
    assert ([one.id for one in found], list(faults)) == ([right], [wrong])


def test_a_slot_has_one_letter(store: Store, ready: list[Subscriber]) -> None:
    _, _, ants = stored_papers(store)
    assert write(store, *(letter(reader, ants) for reader in ready)) == 0
    assert [pick.paper.title for pick in of(store, ready[0]).picks] == ["Bees", "Wasps"]
    assert states(store) == {"ready": 3}


def test_a_slot_that_is_given_twice_keeps_the_first(store: Store) -> None:
    add(store, paper("Bees"), paper("Wasps"))
    bees, wasps = stored_papers(store)
    (alice,) = subscribe(store, "alice")
    assert write(store, letter(alice, bees), letter(alice, wasps, message_id="<other@example.org>")) == 1
    assert [pick.paper.title for pick in of(store, alice).picks] == ["Bees"]


def test_two_who_write_one_slot_at_once_leave_one_letter(store: Store) -> None:
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    (alice,) = subscribe(store, "alice")
    write(store)  # the edition is open
    empty = replace(letter(alice), note="nothing new")
    with meanwhile(store, lambda connection: letters.write(connection, _edition(connection), [empty])):
        assert write(store, letter(alice, bees)) == 0
    assert (of(store, alice).state, of(store, alice).picks) == (LetterState.EMPTY, ())
    assert memory(store, alice) == {}


def test_two_who_pick_one_paper_at_once_cannot_both(store: Store) -> None:
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    (alice,) = subscribe(store, "alice")
    write(store)
    tomorrow = letter(alice, bees, slot=DAY + timedelta(days=1))
    with (
        meanwhile(store, lambda connection: letters.write(connection, _edition(connection), [tomorrow])),
        pytest.raises(IntegrityError),
    ):
        write(store, letter(alice, bees))
    assert memory(store, alice) == {bees.id: tomorrow.slot}
    assert states(store) == {"ready": 1}


def test_the_database_itself_refuses_a_repeated_paper(store: Store, ready: list[Subscriber]) -> None:
    bees, _, ants = stored_papers(store)
    tomorrow = DAY + timedelta(days=1)
    with pytest.raises(IntegrityError):
        write(store, letter(ready[1], ants, slot=tomorrow), letter(ready[0], bees, slot=tomorrow))
    # The other reader's letter is not written either: the shard is tried again.
    assert states(store) == {"ready": 3}
    assert ants.id not in memory(store, ready[1])


def test_memory_says_what_was_in_which_letter(store: Store, ready: list[Subscriber]) -> None:
    bees, wasps, _ = stored_papers(store)
    assert memory(store, ready[0]) == {bees.id: DAY, wasps.id: DAY}
    with store.read() as connection:
        own = of(store, ready[0]).id
        assert letters.memory(connection, [ready[0].id], without=own) == {}


@pytest.mark.parametrize("end", ["failed", "expired", "suppressed"])
def test_what_never_arrived_may_be_picked_again(store: Store, ready: list[Subscriber], end: str) -> None:
    reader = ready[0]
    if end == "failed":
        claim(store)
        record(store, {of(store, reader).id: FAILED})
    elif end == "expired":
        with store.write() as connection:
            outbox.expire(connection, NOW + 25 * HOUR)
    else:
        with store.write() as connection:
            gone = replace(reader, state=SubscriberState.PAUSED, state_reason="on holiday")
            subscribers.update(connection, gone)
            assert outbox.suppress(connection, NOW) == 1
        assert "on holiday" in of(store, reader).note
    assert of(store, reader).state.value == end
    assert memory(store, reader) == {}
    bees, *_ = stored_papers(store)
    assert write(store, letter(reader, bees, slot=DAY + timedelta(days=1))) == 1


def test_what_is_also_trending_is_remembered_as_the_picks_are(store: Store) -> None:
    add(store, paper("Bees"), paper("Wasps"), paper("Ants"))
    bees, wasps, ants = stored_papers(store)
    (reader,) = subscribe(store, "alice")
    also = (Pick(wasps, 0.0, 0.0, 0.75, (), DAY, 212), Pick(ants, 0.0, 0.0, 0.5, (), DAY, None))
    assert write(store, letter(reader, bees, also=also)) == 1
    assert [pick.paper for pick in of(store, reader).picks] == [bees]
    assert of(store, reader).also == also
    assert len(memory(store, reader)) == 3
    tomorrow = letter(reader, ants, slot=DAY + timedelta(days=1))
    with pytest.raises(IntegrityError):
        write(store, tomorrow)
    with store.write() as connection:
        outbox.expire(connection, NOW + 25 * HOUR)
    assert memory(store, reader) == {}
    assert write(store, tomorrow) == 1


@pytest.mark.parametrize("outcome", [SENT, DEFERRED, UNCERTAIN])
def test_what_may_have_arrived_is_remembered(store: Store, ready: list[Subscriber], outcome: Outcome) -> None:
    claim(store)
    record(store, {of(store, ready[0]).id: outcome})
    assert len(memory(store, ready[0])) == 2


@pytest.mark.parametrize("end", ["failed", "expired", "suppressed"])
def test_what_was_once_in_doubt_is_remembered_whatever_becomes_of_it(
    store: Store, ready: list[Subscriber], end: str
) -> None:
    reader = ready[0]
    (one, *_) = claim(store)
    record(store, {one: UNCERTAIN})
    with store.write() as connection:
        assert outbox.decide(connection, "resend", NOW, [one])
    if end == "failed":
        claim(store, "again")
        record(store, {one: FAILED}, "again")
    with store.write() as connection:
        if end == "expired":
            outbox.expire(connection, NOW + 30 * HOUR)
        if end == "suppressed":
            subscribers.update(connection, replace(reader, state=SubscriberState.UNSUBSCRIBED))
            outbox.suppress(connection, NOW)
    assert of(store, reader).state.value == end
    assert len(memory(store, reader)) == 2


def test_the_daily_statements_read_no_table_whole(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/digest.db")
    said: list[tuple[str, tuple[object, ...]]] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *call: said.append(call[2:4]))
    plans = []
    with store.write() as connection:
        letters.existing(connection, [(1, DAY), (2, DAY)])
        letters.memory(connection, [1, 2])
        letters.memory(connection, [1, 2], without=3)
        outbox.suppress(connection, NOW)
        outbox.expire(connection, NOW, [(1, DAY), (2, DAY)])
        outbox.next_try(connection)
        outbox.held_by(connection, "x")
        couriers.strays(connection)
        outbox.claim(connection, "x", NOW, 64)
        outbox.record(connection, "x", {1: SENT}, NOW)
        letters.by_ids(connection, [1, 2])
        asked = [one for one in said if one[0].startswith(("SELECT", "UPDATE", "WITH"))]
        for statement, values in asked:
            plans += connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).scalars("detail").all()
    store.close()
    assert len(asked) >= 10
    tables = tuple(f"SCAN {name}" for name in ("letter", "pick", "subscriber", "paper"))
    few = ("ix_letter_waiting", "ix_letter_lease")  # partial indexes, of what is still to be sent
    assert [plan for plan in plans if plan.startswith(tables) and not any(one in plan for one in few)] == []


def test_only_an_empty_letter_can_be_reopened(store: Store) -> None:
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    alice, bela = subscribe(store, "alice", "bela")
    write(store, letter(alice, note="no papers were listed"), letter(bela, bees))
    with store.write() as connection:
        ids = [found.id for reader in (alice, bela) for found in letters.of_subscriber(connection, reader.id)]
        assert letters.empty(connection, ids) == {ids[0]: "no papers were listed"}
        letters.reopen(connection, ids)
    assert states(store) == {"ready": 1}
    assert write(store, letter(alice, bees), letter(bela, bees)) == 1
    assert memory(store, alice) == memory(store, bela) == {bees.id: DAY}


def test_two_that_reopen_a_slot_at_once_write_one_letter(store: Store) -> None:
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    (alice,) = subscribe(store, "alice")
    write(store, letter(alice))
    empty = of(store, alice).id
    with store.write() as connection:
        edition = editions.open_edition(connection, DAY, 7, 10, "fuller pool", NOW)

    def again(connection: sa.Connection) -> int:
        letters.reopen(connection, [empty])
        return letters.write(connection, edition, [letter(alice, bees)])

    with meanwhile(store, again), store.write() as connection:
        assert again(connection) == 0
    assert states(store) == {"ready": 1}
    assert memory(store, alice) == {bees.id: DAY}


def _edition(connection: sa.Connection) -> int:
    return editions.open_edition(connection, DAY, 7, 9, "pool", NOW)
