"""The outbox: each letter once, each transition fenced, nothing lost from the accounts."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from given import (
    DAY,
    DEFERRED,
    FAILED,
    NOW,
    ON_POSTGRESQL_ALONE,
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

from digest.model import LetterState, Outcome, Pick, Subscriber, SubscriberState
from digest.store import couriers, editions, letters, outbox, subscribers
from digest.store.opening import Store, open_store

HOUR = timedelta(hours=1)


@pytest.fixture
def ready(store: Store) -> list[Subscriber]:
    """Three readers, each with a letter that waits."""
    add(store, paper("Bees"), paper("Wasps"), paper("Ants"))
    readers = subscribe(store, "alice", "bela", "chen")
    bees, wasps, _ = stored_papers(store)
    assert write(store, *(letter(reader, bees, wasps) for reader in readers)) == 3
    return readers


def test_a_letter_comes_back_as_it_was_written(store: Store, ready: list[Subscriber]) -> None:
    bees, wasps, _ = stored_papers(store)
    wrote = letter(ready[0], bees, wasps)
    found = of(store, ready[0])
    assert found == replace(wrote, id=found.id, next_try_at=NOW, subscriber=found.subscriber)
    assert found.subscriber.address == "alice@example.org"


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


def test_a_claim_takes_each_letter_once_in_order_and_to_the_limit(store: Store, ready: list[Subscriber]) -> None:
    first = claim(store, "one", limit=2)
    assert first == [of(store, reader).id for reader in ready[:2]]
    assert claim(store, "two") == [of(store, ready[2]).id]
    assert claim(store, "three") == []
    assert states(store) == {"sending": 3}


def test_two_couriers_at_once_take_nothing_twice(store: Store) -> None:
    readers = subscribe(store, *(f"reader{n}" for n in range(40)))
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    write(store, *(letter(reader, bees) for reader in readers))
    taken: list[int] = []
    errors: list[BaseException] = []

    def courier(name: str) -> None:
        try:
            while ids := claim(store, name, limit=3):
                taken.extend(ids)
                record(store, dict.fromkeys(ids, SENT), name)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=courier, args=(f"courier{n}",)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not errors
    assert len(taken) == len(set(taken)) == 40
    assert states(store) == {"sent": 40}


def test_one_subscriber_alone(store: Store, ready: list[Subscriber]) -> None:
    with store.write() as connection:
        ids = outbox.claim(connection, "x", NOW, 10, only=ready[1].id)
    assert ids == [of(store, ready[1]).id]


def test_who_was_paused_a_moment_ago_gets_nothing(store: Store, ready: list[Subscriber]) -> None:
    with store.write() as connection:
        subscribers.update(connection, replace(ready[1], state=SubscriberState.PAUSED))
    assert claim(store) == [of(store, reader).id for reader in (ready[0], ready[2])]


@ON_POSTGRESQL_ALONE  # in SQLite the writer is alone
def test_what_is_being_claimed_holds_nobody_up(store: Store, ready: list[Subscriber]) -> None:
    with store.write() as connection:
        assert len(outbox.claim(connection, "slow", NOW, 2)) == 2
        with store.write() as other:
            assert outbox.claim(other, "fast", NOW, 9) == [of(store, ready[2]).id]
        with store.write() as other:
            assert outbox.expire(other, NOW + 25 * HOUR) == 0
            assert outbox.suppress(other, NOW) == 0
    assert states(store) == {"sending": 3}


def test_what_is_not_due_or_too_late_is_not_claimed(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    record(store, dict.fromkeys(ids, DEFERRED))
    assert claim(store, now=NOW + timedelta(minutes=4)) == []
    assert claim(store, now=NOW + timedelta(hours=24)) == []
    assert claim(store, now=NOW + timedelta(minutes=5)) == ids


def test_waiting_doubles_and_is_capped(store: Store, ready: list[Subscriber]) -> None:
    now, waits = NOW, []
    for _ in range(8):
        (one,) = claim(store, now=now, limit=1)
        with store.write() as connection:  # the others stay out of the way
            outbox.record(connection, "courier", {one: DEFERRED}, now, dice=lambda: 1.0)
            (found,) = letters.by_ids(connection, [one])
            others = outbox.claim(connection, "other", now, 10)
        assert len(others) in (0, 2)
        assert found.next_try_at is not None
        waits.append((found.next_try_at - now).total_seconds() / 60)
        now = found.next_try_at
    assert waits == [5, 10, 20, 40, 80, 160, 240, 240]


def test_a_courier_whose_letters_were_taken_records_nothing(store: Store, ready: list[Subscriber]) -> None:
    (one, two, three) = claim(store, "asleep")
    with store.write() as connection:  # as `recovery` does it
        outbox.record(connection, "asleep", {one: UNCERTAIN}, NOW)
        outbox.give_back(connection, "asleep", [two], "", NOW)
    assert claim(store, "other") == [two]
    # Of those it still holds it may speak.
    assert record(store, dict.fromkeys([one, two, three], SENT), "asleep") == 1
    assert [of(store, reader).state.value for reader in ready] == ["uncertain", "sending", "sent"]
    with store.write() as connection:
        assert outbox.give_back(connection, "asleep", [one, two], "too late", NOW) == 0
    assert [of(store, reader).state.value for reader in ready] == ["uncertain", "sending", "sent"]


def test_given_back_it_has_not_been_tried(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    with store.write() as connection:
        outbox.give_back(connection, "courier", ids, "the server is down", NOW)
    found = of(store, ready[0])
    assert (found.state, found.attempts, found.note) == (LetterState.READY, 0, "the server is down")
    assert claim(store) == ids


def test_a_newer_letter_replaces_what_waits(store: Store, ready: list[Subscriber]) -> None:
    claim(store, limit=1)  # alice's is under way and stays
    with store.write() as connection:
        slots = [(reader.id, DAY + timedelta(days=1)) for reader in ready[:2]]
        assert outbox.expire(connection, NOW, superseded=slots) == 1
    assert [of(store, reader).state.value for reader in ready] == ["sending", "expired", "ready"]
    assert "in time" in of(store, ready[1]).note


def test_the_last_word_is_kept_when_a_letter_expires(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    record(store, dict.fromkeys(ids, DEFERRED))
    with store.write() as connection:
        assert outbox.expire(connection, NOW + 25 * HOUR) == 3
    assert "451 later" in of(store, ready[0]).note


@pytest.mark.parametrize("resend", [True, False])
def test_an_operator_decides_on_what_is_uncertain(store: Store, ready: list[Subscriber], resend: bool) -> None:
    ids = claim(store)
    record(store, {ids[0]: UNCERTAIN, ids[1]: SENT})
    later = NOW + 48 * HOUR
    with store.write() as connection:
        what = "resend" if resend else "settle"
        assert outbox.decide(connection, what, later, [ids[0]]) == 1
        assert outbox.decide(connection, what, later, ids) == 0
    assert (ids[0] in claim(store, "again", later)) is resend
    assert of(store, ready[0]).message_id == letter(ready[0]).message_id


def test_what_was_recorded_can_be_read(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    assert record(store, {ids[0]: SENT, ids[1]: DEFERRED, ids[2]: FAILED}) == 3
    sent, deferred, failed = (of(store, reader) for reader in ready)
    assert (sent.state, sent.note, sent.where, sent.sent_at) == (LetterState.SENT, "250 accepted", "mail/x", NOW)
    assert (deferred.note, deferred.attempts) == ("451 later", 1)
    assert (failed.note, failed.sent_at) == ("550 no such user", None)
    with store.read() as connection:
        assert outbox.next_try(connection) == deferred.next_try_at
        assert [one.id for one in letters.in_state(connection, LetterState.FAILED)] == [ids[2]]


@pytest.mark.parametrize("reply", ["550 no\x00pe", "550 \udce9", "550 日本 🐝"])
def test_no_reply_is_too_strange_to_be_recorded(store: Store, ready: list[Subscriber], reply: str) -> None:
    ids = claim(store)
    outcomes = dict.fromkeys(ids, SENT) | {ids[1]: Outcome(LetterState.FAILED, reply)}
    assert record(store, outcomes) == 3
    assert of(store, ready[1]).note == reply.replace("\x00", "\ufffd").replace("\udce9", "\ufffd")
    assert states(store) == {"failed": 1, "sent": 2}


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
    assert [plan for plan in plans if plan.startswith(tables)] == []


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
