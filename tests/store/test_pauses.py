"""Pauses, and the pace that outlives a run."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from given import NOW, ON_POSTGRESQL_ALONE, meanwhile

from digest.store import pauses
from digest.store.opening import Store
from digest.store.pauses import Pause

LATER = NOW + timedelta(hours=1)
OPERATOR = Pause("*", "the relay moves", "operator", NOW)
BREAKER = Pause("*", "20 in a row", "breaker", NOW, NOW + timedelta(minutes=15))


def paused(store: Store, *many: Pause) -> list[Pause]:
    """What is paused after these, one after the other."""
    for one in many:
        with store.write() as connection:
            pauses.pause(connection, one)
    with store.read() as connection:
        return list(pauses.in_force(connection, many[-1].at).values())


@pytest.mark.parametrize("by", ["breaker", "restore"])
@pytest.mark.parametrize("until", [None, LATER])
def test_an_operators_pause_is_replaced_by_an_operator_alone(store: Store, by: str, until: object) -> None:
    first = Pause("*", "the relay moves", "operator", NOW, until)  # type: ignore[arg-type]
    assert paused(store, first, Pause("*", "20 in a row", by, NOW, NOW + timedelta(minutes=15))) == [first]
    assert paused(store, OPERATOR) == [OPERATOR]


def test_a_pause_that_is_over_is_replaced_by_anybody(store: Store) -> None:
    over = Pause("*", "the relay moves", "operator", NOW, LATER)
    late = Pause("*", "20 in a row", "breaker", LATER, LATER + timedelta(minutes=15))
    assert paused(store, over, late) == [late]


def test_an_operator_replaces_a_breakers_pause(store: Store) -> None:
    assert paused(store, BREAKER, OPERATOR) == [OPERATOR]
    other = Pause("provider:google.com", "it lists us", "breaker", NOW, LATER)
    assert paused(store, other) == [OPERATOR, other], "one of another scope stands beside it"


@ON_POSTGRESQL_ALONE
def test_an_operators_pause_that_is_just_being_made_stays(store: Store) -> None:
    with meanwhile(store, lambda connection: pauses.pause(connection, OPERATOR)), store.write() as connection:
        pauses.pause(connection, BREAKER)
    with store.read() as connection:
        assert list(pauses.in_force(connection, NOW).values()) == [OPERATOR]


# ---- pace


def test_what_is_saved_of_the_pace_replaces_all_before(store: Store) -> None:
    for state in ({"*": {"a": 1}, "provider:x": {"b": 2}}, {"*": {"a": 3}}, {}):
        with store.write() as connection:
            pauses.save_pace(connection, state)
        with store.read() as connection:
            assert pauses.load_pace(connection) == state


@ON_POSTGRESQL_ALONE
def test_two_who_save_a_pace_of_the_same_scopes_at_once_wait_in_turn(store: Store) -> None:
    """The first has not committed yet, and the second does not see its rows."""
    first, second = ({"*": {"by": n}, "provider:x": {"by": n}} for n in (1, 2))
    with meanwhile(store, lambda connection: pauses.save_pace(connection, first)), store.write() as connection:
        pauses.save_pace(connection, second)
    with store.read() as connection:
        assert pauses.load_pace(connection) == second


def test_many_who_save_the_pace_at_once_all_end_well(store: Store) -> None:
    together = threading.Barrier(4)
    errors: list[BaseException] = []
    scopes = ["*", *(f"provider:{name}" for name in "abcdefgh")]

    def save(which: int) -> None:
        try:
            together.wait()
            for turn in range(10):
                order = scopes[which:] + scopes[:which] if turn % 2 else scopes[which::-1]
                with store.write() as connection:
                    pauses.save_pace(connection, {scope: {"by": which} for scope in order})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not errors
    with store.read() as connection:
        assert "*" in pauses.load_pace(connection)
