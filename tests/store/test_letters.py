"""The outbox: each letter once, each transition fenced, nothing lost from the accounts."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from given import (
    DAY,
    DEFERRED,
    FAILED,
    LEASE,
    NOW,
    SENT,
    UNCERTAIN,
    add,
    claim,
    letter,
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

from digest.model import Letter, LetterState, Outcome, Subscriber, SubscriberState
from digest.store import letters, subscribers
from digest.store.opening import Store

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


def test_the_database_itself_refuses_a_repeated_paper(store: Store, ready: list[Subscriber]) -> None:
    bees, _, ants = stored_papers(store)
    tomorrow = DAY + timedelta(days=1)
    with pytest.raises(IntegrityError):
        write(store, letter(ready[1], ants, slot=tomorrow), letter(ready[0], bees, slot=tomorrow))
    assert states(store) == {
        "ready": 3
    }  # the other reader's letter is not written either: the shard is tried again
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
            letters.expire(connection, NOW + 25 * HOUR)
    else:
        with store.write() as connection:
            gone = replace(reader, state=SubscriberState.PAUSED, state_reason="on holiday")
            subscribers.update(connection, gone)
            assert letters.suppress(connection) == 1
        assert "on holiday" in of(store, reader).note
    assert of(store, reader).state.value == end
    assert memory(store, reader) == {}
    bees, *_ = stored_papers(store)
    assert write(store, letter(reader, bees, slot=DAY + timedelta(days=1))) == 1


@pytest.mark.parametrize("outcome", [SENT, DEFERRED, UNCERTAIN])
def test_what_may_have_arrived_is_remembered(store: Store, ready: list[Subscriber], outcome: Outcome) -> None:
    claim(store)
    record(store, {of(store, ready[0]).id: outcome})
    assert len(memory(store, ready[0])) == 2


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
        ids = letters.claim(connection, "x", NOW, LEASE, 10, only=ready[1].id)
    assert ids == [of(store, ready[1]).id]


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
            letters.record(connection, "courier", {one: DEFERRED}, now)
            (found,) = letters.by_ids(connection, [one])
            others = letters.claim(connection, "other", now, timedelta(days=9), 10)
        assert len(others) in (0, 2)
        assert found.next_try_at is not None
        waits.append((found.next_try_at - now).total_seconds() / 60)
        now = found.next_try_at
    assert waits == [5, 10, 20, 40, 80, 160, 240, 240]


def test_a_courier_past_its_lease_records_nothing(store: Store, ready: list[Subscriber]) -> None:
    (one, *_) = claim(store, "slow")
    later = NOW + LEASE
    with store.write() as connection:
        assert (one, of(store, ready[0]).message_id) in letters.abandoned(connection, later)
        assert letters.settle(connection, one, UNCERTAIN, later)
        assert not letters.settle(connection, one, SENT, later)  # somebody was faster
    assert record(store, {one: SENT}, "slow", later) == 0
    assert of(store, ready[0]).state is LetterState.UNCERTAIN
    with store.write() as connection:
        letters.give_back(connection, "slow", [one], "too late", later)
    assert of(store, ready[0]).state is LetterState.UNCERTAIN


def test_a_lease_that_runs_is_not_abandoned(store: Store, ready: list[Subscriber]) -> None:
    (one, *_) = claim(store)
    with store.write() as connection:
        assert letters.abandoned(connection, NOW + LEASE - timedelta(seconds=1)) == []
        assert not letters.settle(connection, one, SENT, NOW)


def test_settled_as_not_delivered_it_waits_again(store: Store, ready: list[Subscriber]) -> None:
    (one, *_) = claim(store, "dead")
    with store.write() as connection:
        letters.settle(connection, one, DEFERRED, NOW + LEASE)
    assert of(store, ready[0]).state is LetterState.READY
    assert one in claim(store, now=NOW + LEASE)


def test_given_back_it_has_not_been_tried(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    with store.write() as connection:
        letters.give_back(connection, "courier", ids, "the server is down", NOW)
    found = of(store, ready[0])
    assert (found.state, found.attempts, found.note) == (LetterState.READY, 0, "the server is down")
    assert claim(store) == ids


def test_a_newer_letter_replaces_what_waits(store: Store, ready: list[Subscriber]) -> None:
    claim(store, limit=1)  # alice's is under way and stays
    with store.write() as connection:
        slots = [(reader.id, DAY + timedelta(days=1)) for reader in ready[:2]]
        assert letters.expire(connection, NOW, superseded=slots) == 1
    assert [of(store, reader).state.value for reader in ready] == ["sending", "expired", "ready"]
    assert "in time" in of(store, ready[1]).note


def test_the_last_word_is_kept_when_a_letter_expires(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    record(store, dict.fromkeys(ids, DEFERRED))
    with store.write() as connection:
        assert letters.expire(connection, NOW + 25 * HOUR) == 3
    assert "451 later" in of(store, ready[0]).note


@pytest.mark.parametrize("resend", [True, False])
def test_an_operator_decides_on_what_is_uncertain(store: Store, ready: list[Subscriber], resend: bool) -> None:
    ids = claim(store)
    record(store, {ids[0]: UNCERTAIN, ids[1]: SENT})
    later = NOW + 48 * HOUR
    with store.write() as connection:
        assert letters.release_uncertain(connection, ids[0], later, resend=resend)
        assert not letters.release_uncertain(connection, ids[0], later, resend=resend)
        assert not letters.release_uncertain(connection, ids[1], later, resend=resend)
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
        assert letters.next_try(connection) == deferred.next_try_at
        assert [one.id for one in letters.in_state(connection, LetterState.FAILED)] == [ids[2]]


def test_the_accounts_add_up_whatever_happens(store: Store) -> None:
    """A hundred random steps; after each the states add up to the letters that were written."""
    dice = random.Random(7)
    readers = subscribe(store, *(f"reader{n}" for n in range(6)))
    add(store, *(paper(f"Paper {n}", f"words {n} " * 9) for n in range(60)))
    every = stored_papers(store)
    now, slot, written, leases = NOW, DAY, 0, ["a"]
    for step in range(100):
        act = dice.choice(["write", "claim", "record", "give back", "expire", "settle", "release", "wait"])
        with store.write() as connection:
            if act == "write":
                slot += timedelta(days=1)
                batch: list[Letter] = []
                for reader in dice.sample(readers, 3):
                    seen = letters.memory(connection, [reader.id]).get(reader.id, {})
                    free = [one for one in every if one.id not in seen][:2]
                    batch.append(
                        letter(reader, *free, slot=slot, created_at=now, expires_at=now + timedelta(hours=24))
                    )
                letters.expire(connection, now, superseded=[(one.subscriber.id, slot) for one in batch])
                written += letters.write(connection, 1 if written else _edition(connection), batch)
            elif act == "claim":
                leases.append(f"lease {step}")
                letters.claim(connection, leases[-1], now, LEASE, dice.randint(1, 4))
            elif act in ("record", "give back"):
                held = [one.id for one in letters.in_state(connection, LetterState.SENDING)]
                if act == "give back":
                    letters.give_back(connection, dice.choice(leases), held, "back", now)
                else:
                    result = {one: dice.choice([SENT, DEFERRED, FAILED, UNCERTAIN]) for one in held}
                    letters.record(connection, dice.choice(leases), result, now)
            elif act == "expire":
                letters.expire(connection, now)
            elif act == "settle":
                for one, _ in letters.abandoned(connection, now):
                    letters.settle(connection, one, dice.choice([SENT, DEFERRED, UNCERTAIN]), now)
            elif act == "release":
                for found in letters.in_state(connection, LetterState.UNCERTAIN):
                    letters.release_uncertain(connection, found.id, now, resend=dice.random() < 0.5)
            else:
                now += timedelta(hours=dice.randint(1, 8))
        assert sum(states(store).values()) == written
    assert written > 20
    assert len(states(store)) > 3


def _edition(connection: object) -> int:
    from digest.store import editions

    return editions.open_edition(connection, DAY, 7, 60, "pool", NOW)  # type: ignore[arg-type]
