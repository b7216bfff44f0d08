"""The outbox: each letter once, each transition fenced, and a word on whatever happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

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
    memory,
    of,
    paper,
    record,
    states,
    stored_papers,
    subscribe,
    write,
)

from digest.model import LetterState as S
from digest.model import Outcome, Subscriber, SubscriberState
from digest.store import letters, outbox, subscribers, tables, transitions, weeding
from digest.store.opening import Store

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


# ---- the transitions, from every state


@pytest.fixture
def one_of_each(store: Store) -> dict[S, int]:
    """A letter in every state, with a paper in it; the one under way is held by "courier". state → id"""
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    readers = subscribe(store, *(state.value for state in S))
    write(store, *(letter(reader, bees) for reader in readers))
    ids = {state: of(store, reader).id for state, reader in zip(S, readers, strict=True)}
    for state, one in ids.items():
        waits = state in transitions.WAITING
        lease = "courier" if state is S.SENDING else None
        _set(store, one, state=state.value, next_try_at=NOW if waits else None, lease=lease, note="as it was")
    return ids


def _set(store: Store, one: int, **values: object) -> None:
    with store.write() as connection:
        connection.execute(sa.update(tables.letter).where(tables.letter.c.id == one).values(**values))


def _rows(store: Store) -> dict[int, dict[str, Any]]:
    with store.read() as connection:
        return {r.id: r._asdict() for r in connection.execute(sa.select(tables.letter))}


def _void(store: Store) -> set[int]:
    with store.read() as connection:
        return set(connection.execute(sa.select(tables.pick.c.letter_id).where(tables.pick.c.void)).scalars())


def _recorded(outcome: Outcome) -> Callable[[sa.Connection, str, list[int]], object]:
    return lambda connection, lease, ids: outbox.record(connection, lease, dict.fromkeys(ids, outcome), NOW)


def _suppress(connection: sa.Connection, lease: str, ids: list[int]) -> object:
    for one in subscribers.everyone(connection):
        subscribers.update(connection, replace(one, state=SubscriberState.PAUSED, state_reason="on holiday"))
    return outbox.suppress(connection, NOW)


# How each transition is asked for, of all letters at once.
ACTS: dict[str, Callable[[sa.Connection, str, list[int]], object]] = {
    "claim": lambda connection, lease, ids: outbox.claim(connection, lease, NOW, 100),
    "sent": _recorded(SENT),
    "deferred": _recorded(DEFERRED),
    "failed": _recorded(FAILED),
    "uncertain": _recorded(UNCERTAIN),
    "back": lambda connection, lease, ids: outbox.give_back(connection, lease, ids, "delivery was paused", NOW),
    "expire": lambda connection, lease, ids: outbox.expire(connection, NOW + 25 * HOUR),
    "suppress": _suppress,
    "cancel": lambda connection, lease, ids: outbox.cancel(connection, NOW),
    "spend": lambda connection, lease, ids: weeding.spend(connection, ids, NOW),
    "resend": lambda connection, lease, ids: outbox.decide(connection, "resend", NOW, ids),
    "settle": lambda connection, lease, ids: outbox.decide(connection, "settle", NOW, ids),
    "drop": lambda connection, lease, ids: outbox.decide(connection, "drop", NOW, ids),
}


def test_every_transition_is_tried_here() -> None:
    assert set(ACTS) == set(transitions.TRANSITIONS)


@pytest.mark.parametrize("name", ACTS)
def test_a_transition_moves_letters_from_its_sources_and_no_others(
    store: Store, one_of_each: dict[S, int], name: str
) -> None:
    way, before = transitions.TRANSITIONS[name], _rows(store)
    with store.write() as connection:
        told = ACTS[name](connection, "courier", list(one_of_each.values()))
    after = _rows(store)
    assert (len(told) if isinstance(told, list) else told) == len(way.sources)
    for state, one in one_of_each.items():
        if state not in way.sources:
            assert after[one] == before[one], state
            continue
        assert after[one]["state"] == way.target
        assert after[one]["note"] or way.target is S.SENDING, "every state says why"
        assert after[one]["lease"] == ("courier" if way.target is S.SENDING else None)
        assert (after[one]["next_try_at"] is not None) == (way.target in (*transitions.WAITING, S.SENDING))
    assert _void(store) == ({one_of_each[state] for state in way.sources} if way.forgets else set())


@pytest.mark.parametrize("name", ACTS)
def test_what_ends_a_conversation_needs_the_lease_that_began_it(
    store: Store, one_of_each: dict[S, int], name: str
) -> None:
    way, before = transitions.TRANSITIONS[name], _rows(store)
    with store.write() as connection:
        ACTS[name](connection, "another courier", list(one_of_each.values()))
    assert way.fenced == (S.SENDING in way.sources)
    assert (_rows(store) == before) == way.fenced


@pytest.mark.parametrize("name", [name for name, way in transitions.TRANSITIONS.items() if way.forgets])
def test_what_may_have_arrived_once_is_never_forgotten(store: Store, one_of_each: dict[S, int], name: str) -> None:
    for one in one_of_each.values():
        _set(store, one, in_doubt=True)
    with store.write() as connection:
        assert ACTS[name](connection, "courier", list(one_of_each.values()))
    assert _void(store) == set()


# ---- claims


def test_four_couriers_at_once_take_nothing_twice(store: Store) -> None:
    readers = subscribe(store, *(f"reader{n}" for n in range(60)))
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    write(store, *(letter(reader, bees) for reader in readers))
    taken: list[int] = []
    errors: list[BaseException] = []
    together = threading.Barrier(4)

    def courier(name: str) -> None:
        try:
            together.wait()
            while ids := claim(store, name, limit=3):
                taken.extend(ids)
                assert record(store, dict.fromkeys(ids, SENT), name) == len(ids)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=courier, args=(f"courier{n}",)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not errors
    assert len(taken) == len(set(taken)) == 60
    assert states(store) == {"sent": 60}


def test_a_claim_takes_each_letter_once_in_order_and_to_the_limit(store: Store, ready: list[Subscriber]) -> None:
    first = claim(store, "one", limit=2)
    assert first == [of(store, reader).id for reader in ready[:2]]
    assert claim(store, "two") == [of(store, ready[2]).id]
    assert claim(store, "three") == []
    assert states(store) == {"sending": 3}


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


@ON_POSTGRESQL_ALONE
def test_a_queue_that_filled_a_moment_ago_is_not_read_whole(store: Store) -> None:
    """PostgreSQL takes it for empty until it has looked again."""
    with store.write() as connection:
        connection.exec_driver_sql("ANALYZE letter")
    readers = subscribe(store, *(f"reader{number}" for number in range(200)))
    add(store, paper("Bees"))
    write(store, *(letter(reader, *stored_papers(store)) for reader in readers))
    plans = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, values: object, *_: object) -> None:
        if "UPDATE letter" in statement and "EXPLAIN" not in statement:
            plans.append("\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars()))

    sa.event.listen(store.engine, "before_cursor_execute", explain)
    ids = claim(store, limit=100)
    assert record(store, dict.fromkeys(ids, SENT)) == 100
    claiming, recording = plans
    assert "Sort" not in claiming
    assert claiming.count("ix_letter_waiting") == claiming.count("ix_letter_waiting_due") == 1
    assert "ix_letter_lease" not in recording


def test_what_is_not_due_or_too_late_is_not_claimed(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    record(store, dict.fromkeys(ids, DEFERRED))
    assert claim(store, now=NOW + timedelta(minutes=4)) == []
    assert claim(store, now=NOW + timedelta(hours=24)) == []
    assert claim(store, now=NOW + timedelta(minutes=5)) == ids


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
    assert (found.state, found.attempts, found.note) == (S.READY, 0, "the server is down")
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


def test_what_was_recorded_can_be_read(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    assert record(store, {ids[0]: SENT, ids[1]: DEFERRED, ids[2]: FAILED}) == 3
    sent, deferred, failed = (of(store, reader) for reader in ready)
    assert (sent.state, sent.note, sent.where, sent.sent_at) == (S.SENT, "250 accepted", "mail/x", NOW)
    assert (deferred.note, deferred.attempts) == ("451 later", 1)
    assert (failed.note, failed.sent_at) == ("550 no such user", None)
    with store.read() as connection:
        assert outbox.next_try(connection) == deferred.next_try_at
        assert [one.id for one in letters.in_state(connection, S.FAILED)] == [ids[2]]


@pytest.mark.parametrize("reply", ["550 no\x00pe", "550 \udce9", "550 日本 🐝"])
def test_no_reply_is_too_strange_to_be_recorded(store: Store, ready: list[Subscriber], reply: str) -> None:
    ids = claim(store)
    outcomes = dict.fromkeys(ids, Outcome(S.SENT, reply)) | {ids[1]: Outcome(S.FAILED, reply)}
    assert record(store, outcomes) == 3
    for reader in ready:
        assert of(store, reader).note == reply.replace("\x00", "\ufffd").replace("\udce9", "\ufffd")
    assert states(store) == {"failed": 1, "sent": 2}


@pytest.mark.parametrize("number", [1, 3, 700])
def test_a_courier_is_told_how_many_of_its_letters_it_still_held(store: Store, number: int) -> None:
    """Many are written down in one call, and each database counts such calls in its own way."""
    readers = subscribe(store, *(f"reader{n}" for n in range(3 * number)))
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    write(store, *(letter(reader, bees) for reader in readers))
    ids = claim(store, limit=3 * number)
    settled, lost, held = ids[0::3], ids[1::3], ids[2::3]
    assert record(store, dict.fromkeys(settled, UNCERTAIN)) == number
    with store.write() as connection:
        assert outbox.give_back(connection, "courier", lost, "taken over", NOW) == number
    assert claim(store, "another", limit=3 * number) == lost
    assert record(store, dict.fromkeys(ids, SENT)) == number
    assert record(store, dict.fromkeys(ids, SENT)) == 0
    assert states(store) == {"sending": number, "sent": number, "uncertain": number}
    with store.read() as connection:
        assert sorted(letters.ids_in_state(connection, S.SENT)) == held
        assert list(outbox.held_by(connection, "another")) == lost


# ---- when it is tried again


def _waits(store: Store, times: int, outcome: Outcome, chance: float) -> list[float]:
    """Minutes between the tries of one letter that is always deferred."""
    add(store, paper("Bees"))
    (alice,) = subscribe(store, "alice")
    write(store, letter(alice, *stored_papers(store), expires_at=NOW + 1000 * HOUR))
    now, waits = NOW, []
    for _ in range(times):
        (one,) = claim(store, now=now)
        with store.write() as connection:
            outbox.record(connection, "courier", {one: outcome}, now, dice=lambda: chance)
        then = of(store, alice).next_try_at
        assert then is not None
        assert claim(store, now=then - timedelta(seconds=1)) == []
        waits.append((then - now) / MINUTE)
        now = then
    return waits


@pytest.mark.parametrize(
    ("chance", "waits"),
    [
        (1.0, [5, 10, 20, 40, 80, 160, 240, 240, 240, 240]),
        (0.5, [2.5, 5, 10, 20, 40, 80, 120, 120, 120, 120]),
        (0.0, [1] * 10),
    ],
)
def test_a_refused_letter_waits_a_random_part_of_a_time_that_doubles_up_to_a_limit(
    store: Store, chance: float, waits: list[float]
) -> None:
    assert _waits(store, 10, DEFERRED, chance) == waits


@pytest.mark.parametrize(
    ("asked", "chance", "waits"), [(7, 0.0, [7, 7]), (7, 1.0, [7, 10]), (600, 1.0, [600, 600])]
)
def test_what_the_server_asked_for_is_the_least(
    store: Store, asked: int, chance: float, waits: list[float]
) -> None:
    assert _waits(store, 2, replace(DEFERRED, wait=asked * MINUTE), chance) == waits


def test_letters_refused_together_do_not_come_back_together(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    chances = iter([0.2, 0.9, 0.5])
    with store.write() as connection:
        outbox.record(connection, "courier", dict.fromkeys(ids, DEFERRED), NOW, dice=lambda: next(chances))
    times = [of(store, reader).next_try_at for reader in ready]
    assert times == [NOW + 1 * MINUTE, NOW + 4.5 * MINUTE, NOW + 2.5 * MINUTE]
    with store.read() as connection:
        assert outbox.next_try(connection) == times[0]


# ---- what operators say


def test_what_waits_can_be_taken_back(store: Store, ready: list[Subscriber]) -> None:
    (one, two) = claim(store, limit=2)
    record(store, {two: DEFERRED})
    with store.write() as connection:
        assert outbox.cancel(connection, NOW, [one, two]) == 1
        assert outbox.cancel(connection, NOW, []) == 0
    assert [of(store, reader).state for reader in ready] == [S.SENDING, S.SUPPRESSED, S.READY]
    with store.write() as connection:
        assert outbox.cancel(connection, NOW) == 1
        assert outbox.cancel(connection, NOW) == 0
    assert states(store) == {"sending": 1, "suppressed": 2}
    assert "cancelled" in of(store, ready[2]).note
    assert memory(store, ready[2]) == {}
    assert claim(store, now=NOW + 10 * HOUR) == []


@pytest.mark.parametrize(
    ("what", "state", "note"),
    [("resend", S.READY, "again"), ("settle", S.SENT, "taken as sent"), ("drop", S.FAILED, "may have arrived")],
)
def test_an_operator_decides_on_what_is_uncertain(
    store: Store, ready: list[Subscriber], what: str, state: S, note: str
) -> None:
    ids = claim(store)
    record(store, {ids[0]: UNCERTAIN, ids[1]: SENT, ids[2]: UNCERTAIN})
    later = NOW + 48 * HOUR  # it may have expired meanwhile; it is asked for all the same
    with store.write() as connection:
        assert outbox.decide(connection, what, later, ids[:2]) == 1
        assert outbox.decide(connection, what, later, ids[:2]) == 0
    found = of(store, ready[0])
    assert (found.state, found.sent_at) == (state, later if what == "settle" else None)
    assert note in found.note
    assert found.message_id == letter(ready[0]).message_id
    assert len(memory(store, ready[0])) == 2
    with store.write() as connection:
        assert outbox.expire(connection, later) == 0
    assert claim(store, "again", later) == ([ids[0]] if what == "resend" else [])
    with store.write() as connection:
        assert outbox.decide(connection, what, later) == 1  # all that are left
    assert of(store, ready[2]).state is state


# ---- histories


def _history(store: Store, reader: Subscriber) -> list[outbox.Happened]:
    with store.read() as connection:
        one = letters.of_subscriber(connection, reader.id)[0].id
        return outbox.histories(connection, [one]).get(one, [])


def test_a_letter_sent_at_the_first_try_has_no_history(store: Store, ready: list[Subscriber]) -> None:
    record(store, dict.fromkeys(claim(store), SENT))
    assert _history(store, ready[0]) == []


def test_a_history_tells_each_thing_that_happened_in_order(store: Store, ready: list[Subscriber]) -> None:
    alice, bela, _ = ready
    (one, two, three) = claim(store)
    record(store, {one: replace(DEFERRED, kind="greylisted"), two: DEFERRED, three: SENT})
    again = NOW + 5 * MINUTE
    assert claim(store, "second", again) == [one, two]
    record(store, {one: replace(UNCERTAIN, kind="unknown-fate"), two: FAILED}, "second", again)
    with store.write() as connection:
        outbox.decide(connection, "resend", NOW + 3 * HOUR, [one])
    assert claim(store, "third", NOW + 3 * HOUR) == [one]
    record(store, {one: FAILED}, "third", NOW + 4 * HOUR)
    assert _history(store, alice) == [
        outbox.Happened(NOW, S.DEFERRED, "greylisted", "451 later", again),
        outbox.Happened(again, S.UNCERTAIN, "unknown-fate", "no answer", None),
        outbox.Happened(NOW + 3 * HOUR, S.READY, "", outbox.DECISIONS["resend"], NOW + 3 * HOUR),
        outbox.Happened(NOW + 4 * HOUR, S.FAILED, "", "550 no such user", None),
    ]
    assert [one.state for one in _history(store, bela)] == [S.DEFERRED, S.FAILED]


@pytest.mark.parametrize("name", ["expire", "suppress", "cancel", "settle", "drop"])
def test_what_ends_without_a_courier_is_in_the_history(store: Store, one_of_each: dict[S, int], name: str) -> None:
    way = transitions.TRANSITIONS[name]
    with store.write() as connection:
        ACTS[name](connection, "courier", list(one_of_each.values()))
        told = outbox.histories(connection, one_of_each.values())
        found = {one.id: one for one in letters.by_ids(connection, list(one_of_each.values()))}
    assert set(told) == {one_of_each[state] for state in way.sources}
    for one, ((happened),) in told.items():
        assert (happened.state, happened.note) == (way.target, found[one].note)


def test_what_a_courier_that_lost_its_letters_says_is_in_no_history(store: Store, ready: list[Subscriber]) -> None:
    ids = claim(store)
    with store.write() as connection:
        outbox.give_back(connection, "courier", ids, "", NOW)
    claim(store, "another")
    record(store, dict.fromkeys(ids, FAILED))
    assert [_history(store, reader) for reader in ready] == [[], [], []]
