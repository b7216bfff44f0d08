from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from given import DAY, NOW, subscribe
from sqlalchemy.exc import IntegrityError

from digest.model import Interest, Profile, Subscriber, SubscriberState
from digest.store import editions, subscribers
from digest.store.opening import Store

BÉLA = Subscriber(
    handle="béla",
    address="Bela@Example.org",
    name="Béla “B” Fekete 🐝",
    time_zone="Asia/Kathmandu",
    cadence="weekly:fri",
    hour=23,
    profile=Profile(
        interests=(Interest("bees & <wasps>", 2.5), Interest("β", 1.0)),
        muted=("crypto",),
        authors=("Žofie Ångström",),
        liked=("2502.12345",),
        disliked=("Wasps",),
        papers=3,
        floor=12.5,
        trending=0.0,
        variety=1.0,
    ),
    state=SubscriberState.PAUSED,
    state_reason="profile file removed",
    next_due_at=NOW,
    language="de-AT",
    secret="0123abcd",
)


def test_everything_comes_back(store: Store) -> None:
    with store.write() as connection:
        subscribers.add(connection, [BÉLA])
    with store.read() as connection:
        for name in ("béla", "bela@example.org", "BELA@EXAMPLE.ORG"):
            found = subscribers.find(connection, name)
            assert found == replace(BÉLA, id=found.id if found else 0)
        assert subscribers.find(connection, "nobody") is None
        assert subscribers.count_by_state(connection) == {"paused": 1}


def test_each_gets_a_secret_of_its_own_that_lasts(store: Store) -> None:
    alice, bela = subscribe(store, "alice", "bela")
    assert len({alice.secret, bela.secret}) == 2
    assert all(len(one.secret) == 16 for one in (alice, bela))
    with store.write() as connection:
        subscribers.update(connection, replace(alice, name="Alice"))
    with store.read() as connection:
        assert subscribers.find(connection, "alice") == replace(alice, name="Alice")


def test_one_inbox_is_one_subscriber_whatever_the_case(store: Store) -> None:
    subscribe(store, "alice")
    with pytest.raises(IntegrityError), store.write() as connection:
        subscribers.add(connection, [Subscriber(handle="other", address="ALICE@example.org", next_due_at=NOW)])


def test_two_can_swap_their_names(store: Store) -> None:
    alice, bela = subscribe(store, "alice", "bela")
    with store.write() as connection:
        subscribers.free_names(connection, [alice.id, bela.id])
        subscribers.update(connection, replace(alice, handle="bela", address=bela.address))
        subscribers.update(connection, replace(bela, handle="alice", address=alice.address))
    with store.read() as connection:
        found = subscribers.find(connection, "alice")
        assert found is not None
        assert found.id == bela.id


def test_who_is_due(store: Store) -> None:
    subscribe(store, "now", "later", "paused")
    with store.write() as connection:
        for one in subscribers.everyone(connection):
            if one.handle == "later":
                subscribers.update(connection, replace(one, next_due_at=NOW + timedelta(seconds=1)))
            if one.handle == "paused":
                subscribers.update(connection, replace(one, state=SubscriberState.PAUSED))
        assert [one.handle for one in subscribers.due(connection, NOW)] == ["now"]


def test_a_due_time_only_moves_forward(store: Store) -> None:
    (alice,) = subscribe(store, "alice")
    for at, expected in ((NOW + timedelta(days=1),) * 2, (NOW, NOW + timedelta(days=1))):
        with store.write() as connection:
            subscribers.set_next_due(connection, [(alice.id, at)])
            assert subscribers.everyone(connection)[0].next_due_at == expected


def test_the_same_pool_is_the_same_edition(store: Store) -> None:
    with store.write() as connection:
        one = editions.open_edition(connection, DAY, 7, 65, "abc", NOW)
        assert editions.open_edition(connection, DAY, 7, 65, "abc", NOW + timedelta(hours=1)) == one
        assert editions.open_edition(connection, DAY, 7, 66, "abd", NOW) != one
        assert editions.open_edition(connection, DAY + timedelta(days=1), 7, 65, "abc", NOW) != one


def test_the_last_run(store: Store) -> None:
    with store.write() as connection:
        assert editions.last_run(connection) is None
        first = editions.begin_run(connection, NOW)
        editions.end_run(connection, first, NOW + timedelta(seconds=9), "done", {"sent": 3})
        last = editions.last_run(connection)
        assert last == editions.Run(NOW, NOW + timedelta(seconds=9), "done", {"sent": 3})
        editions.begin_run(connection, NOW + timedelta(days=1))
        last = editions.last_run(connection)
        assert last is not None
        assert (last.outcome, last.ended_at) == ("running", None)
