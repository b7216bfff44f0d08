"""What befalls a courier from within and from its store: nothing is sent twice, and nothing is lost or held up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from given import NOW, states
from relay import ACCEPTED, Relay
from test_courier import delivered, every, home, left_behind, quick, relay, settings, signed_on, waiting

from digest import courier, ledger
from digest.courier import Delivered, deliver
from digest.delivery.breakers import Breakers
from digest.delivery.journal import Journal
from digest.delivery.pace import Pace
from digest.delivery.transport import Parcel
from digest.errors import DeliveryPaused, StoreError, StoreUnreachable
from digest.ledger import Ledger
from digest.model import LetterState, Outcome
from digest.store import couriers, letters, outbox, pauses
from digest.store.opening import Store

__all__ = ["home", "quick", "relay"]  # fixtures


def once(number: int, act: Callable[..., Any], error: BaseException, *, after: bool = False) -> Callable[..., Any]:
    """`act`, of which the call of this number fails, or its answer is lost."""
    calls = 0

    def acts(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            raise error
        answer = act(*arguments, **named)
        if calls == number:
            raise error
        return answer

    return acts


# ---- what a relay has said is not forgotten


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a defect")], ids=["interrupt", "defect"])
@pytest.mark.parametrize(
    ("where", "name"),
    [(Pace, "told"), (Breakers, "told"), (Journal, "heard"), (Ledger, "_write"), (courier._Round, "_unpark")],
)
def test_whatever_breaks_a_run_what_was_accepted_is_never_sent_again(
    store: Store,
    home: Path,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    where: type,
    name: str,
) -> None:
    monkeypatch.setattr(courier, "GROUP", 4)
    waiting(store, 40)
    number = 3 if where is Ledger else 10
    with monkeypatch.context() as patch:
        patch.setattr(where, name, once(number, getattr(where, name), error))
        with pytest.raises(type(error)):
            delivered(store, settings(home), relay)
    first = list(relay.arrived)
    # Those whose answers came while everything stopped may be in doubt.
    doubt = states(store).get("uncertain", 0)
    assert doubt <= relay.in_flight
    assert states(store).get("sent", 0) + doubt >= len(first) > 0
    assert delivered(store, settings(home), relay).stopped is None
    assert len(relay.arrived) == len(set(relay.arrived))
    assert states(store).get("sent", 0) + states(store).get("uncertain", 0) == 40
    assert (signed_on(store), left_behind(home)) == (0, [])


# ---- letters that cannot be made


def test_a_machine_that_cannot_compose_pauses_and_fails_no_letter(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(store, 60)

    def full(*_: object) -> Parcel:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(courier, "compose", full)
    done = delivered(store, settings(home), relay)
    assert isinstance(done.stopped, DeliveryPaused)
    assert "Too many open files" in str(done.stopped)
    assert (states(store), relay.arrived) == ({"deferred": 20, "ready": 40}, [])
    assert all(one.next_try_at and one.next_try_at > NOW for one in every(store, LetterState.DEFERRED))


@pytest.mark.parametrize("reasons", ['[{"kind": "phrase", "newkey": 1}]', '"words"', "[7]", "7", "null"])
def test_a_letter_that_cannot_be_read_stops_no_other(store: Store, home: Path, relay: Relay, reasons: str) -> None:
    waiting(store, 6)
    spoilt = every(store, LetterState.READY)[2]
    with store.write() as connection:
        kind = "CAST(:reasons AS json)" if connection.dialect.name == "postgresql" else ":reasons"
        connection.execute(
            sa.text(f"UPDATE pick SET reasons = {kind} WHERE letter_id = :of"),
            {"reasons": reasons, "of": spoilt.id},
        )
    done = delivered(store, settings(home), relay)
    assert done.stopped is None
    assert done.counts == {LetterState.SENT: 5, LetterState.DEFERRED: 1}
    assert states(store) == {"sent": 5, "deferred": 1}
    assert spoilt.subscriber.address not in relay.arrived
    with store.read() as connection:
        ((note, at),) = connection.execute(sa.text("SELECT note, next_try_at FROM letter WHERE state = 'deferred'"))
    assert note.startswith("it cannot be read: ")
    assert at is not None


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # PostgreSQL keeps in a column what it is for
@pytest.mark.parametrize(("column", "value"), [("created_at", 20260314), ("created_at", b"noon"), ("slot", 7)])
def test_a_letter_of_no_time_stops_no_other(
    store: Store, home: Path, relay: Relay, column: str, value: object
) -> None:
    waiting(store, 6)
    spoilt = every(store, LetterState.READY)[2]
    with store.write() as connection:
        connection.execute(
            sa.text(f"UPDATE letter SET {column} = :value WHERE id = :of"), {"value": value, "of": spoilt.id}
        )
    done = delivered(store, settings(home), relay)
    assert (done.stopped, done.counts) == (None, {LetterState.SENT: 5, LetterState.DEFERRED: 1})
    assert states(store) == {"sent": 5, "deferred": 1}
    assert spoilt.subscriber.address not in relay.arrived


# ---- a store that does not answer


def unreachable() -> StoreError:
    return StoreUnreachable(url="postgresql://x", detail="server closed the connection unexpectedly")


@pytest.mark.parametrize(
    ("where", "name"),
    [(couriers, "wanted"), (pauses, "in_force"), (letters, "readable")],
    ids=["look", "look", "load"],
)
def test_a_store_that_cannot_be_read_for_a_moment_ends_no_round(
    store: Store,
    home: Path,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
    quick: None,
    where: Any,
    name: str,
) -> None:
    monkeypatch.setattr(ledger, "LOAD_WAIT", 0.0)
    monkeypatch.setattr(courier, "FEWEST", 8)
    waiting(store, 60)
    failed = 0
    real = getattr(where, name)
    usual = 2 if where is pauses else 0  # these calls have nothing to do with it

    def fails(*arguments: Any) -> Any:
        nonlocal failed
        failed += 1
        if usual < failed <= usual + 2:
            raise unreachable()
        return real(*arguments)

    async def slow(_: Parcel) -> Outcome:
        for _turn in range(400):
            if failed > usual + 2:
                break
            await asyncio.sleep(0.005)
        return ACCEPTED

    relay.say = slow
    monkeypatch.setattr(where, name, fails)
    done = delivered(store, settings(home), relay)
    assert (done.stopped, done.counts) == (None, {LetterState.SENT: 60})
    assert failed > usual + 2
    assert states(store) == {"sent": 60}


def test_letters_that_cannot_be_read_for_long_wait_for_the_next_run(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "LOAD_WAIT", 0.0)
    waiting(store, 6)

    def fails(*_: object) -> None:
        raise unreachable()

    monkeypatch.setattr(letters, "readable", fails)
    assert isinstance(delivered(store, settings(home), relay).stopped, StoreUnreachable)
    assert (states(store), relay.arrived) == ({"ready": 6}, [])
    assert (signed_on(store), left_behind(home)) == (0, [])


def test_letters_whose_claim_got_no_answer_are_sent_in_the_same_round(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store had them all down as claimed; only its word for it was lost."""
    waiting(store, 12)
    claim, write = outbox.claim, Store.write
    claims = 0

    def counted(*arguments: Any) -> list[int]:
        nonlocal claims
        claims += 1
        return claim(*arguments)

    @contextmanager
    def loses_the_answer(self: Store) -> Iterator[sa.Connection]:
        before = claims
        with write(self) as connection:
            yield connection
        if claims == 1 and before == 0:
            raise unreachable()

    monkeypatch.setattr(outbox, "claim", counted)
    monkeypatch.setattr(Store, "write", loses_the_answer)
    monkeypatch.setattr("time.sleep", lambda _: None)
    done = delivered(store, settings(home), relay)
    assert (done.stopped, done.counts) == (None, {LetterState.SENT: 12})
    assert states(store) == {"sent": 12}
    assert len(relay.arrived) == len(set(relay.arrived)) == 12


# ---- time


def counting(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> Callable[[], int]:
    """How often it was called."""
    real, calls = getattr(where, name), 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return real(*arguments, **named)

    monkeypatch.setattr(where, name, counted)
    return lambda: calls


def turns(number: int) -> Callable[[Parcel], Any]:
    """An answer that comes when the event loop has gone round so often: whoever spins does so as often."""

    async def say(_: Parcel) -> Outcome:
        for _turn in range(number):
            await asyncio.sleep(0)
        return ACCEPTED

    return say


@pytest.mark.parametrize("number", [1, 6])
def test_who_waits_for_an_answer_waits_without_work(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    waiting(store, number)
    monkeypatch.setattr(courier, "TICK", 60.0)
    monkeypatch.setattr(courier, "LOOK", 60.0)
    rounds = counting(monkeypatch, asyncio, "wait_for")  # in `more` and in `_feed` once each time
    relay.say = turns(3000)
    end_soon(monkeypatch)
    assert delivered(store, settings(home), relay).counts == {LetterState.SENT: number}
    assert rounds() < 100


def end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was heard is recorded at once, however long the tick."""
    know = courier._Round._know

    def then_kick(self: courier._Round, *arguments: Any) -> None:
        know(self, *arguments)
        self._kick.set()

    monkeypatch.setattr(courier._Round, "_know", then_kick)


def test_while_the_lease_has_lapsed_nothing_leaves_and_nobody_spins(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    waiting(store, 40)
    renew, looks, left_then, before, lapsed = couriers.renew, 0, 0, 0, 0
    rounds = counting(monkeypatch, asyncio, "wait_for")  # in `more` and in `_feed` once each time
    held: list[Ledger] = []
    sign_on = Ledger._sign_on

    def remembered(self: Ledger) -> None:
        sign_on(self)
        held.append(self)

    def late(*arguments: Any) -> str | None:
        """The store cannot be reached three times; each time nothing may have left."""
        nonlocal looks, left_then, lapsed
        looks += 1
        left_then, lapsed = len(relay.arrived), rounds()
        if looks <= 3:
            raise unreachable()
        return renew(*arguments)

    async def lapse(_: Parcel) -> None:
        nonlocal before
        if len(relay.arrived) >= 10 and not before:
            held[0]._lease_ends, before = 0.0, rounds()
        await asyncio.sleep(0)

    monkeypatch.setattr(Ledger, "_sign_on", remembered)
    monkeypatch.setattr(couriers, "renew", late)
    relay.hear = lapse
    done = delivered(store, settings(home), relay)
    assert (done.stopped, states(store)) == (None, {"sent": 40})
    assert looks == 4
    assert 10 <= left_then <= 10 + relay.in_flight

    assert lapsed - before < 200
    assert len(relay.arrived) == len(set(relay.arrived)) == 40


def test_a_letter_that_grows_too_old_while_it_waits_for_its_turn_does_not_leave(
    store: Store, home: Path, relay: Relay
) -> None:
    """It was claimed in time, and held because of the pace."""
    waiting(store, 6)
    old = every(store, LetterState.READY)[3:]
    with store.write() as connection:
        connection.execute(
            sa.update(sa.table("letter", sa.column("id"), sa.column("expires_at", sa.DateTime(timezone=True))))
            .where(sa.column("id").in_([one.id for one in old]))
            .values(expires_at=NOW + timedelta(minutes=1))
        )
    relay.in_flight = 1

    def now() -> datetime:
        return NOW + timedelta(minutes=1 if relay.arrived else 0)

    config = settings(home, "[delivery.pace]\nper_second = 20.0\n")
    done = deliver(store, config, now, transport=relay)
    assert (done.stopped, done.counts) == (None, {LetterState.SENT: 3})
    assert not {one.subscriber.address for one in old} & set(relay.arrived)
    assert delivered(store, settings(home), relay, now=NOW + timedelta(minutes=1)).expired == 3


# ---- the relay's pace

THROTTLED = Outcome(LetterState.DEFERRED, "454 4.7.0 slow down", "", "throttled", timedelta(seconds=0.2))


def run_of(store: Store, config: Any, relay: Relay, patience: timedelta = courier.PATIENCE) -> Delivered:
    return deliver(store, config, lambda: NOW, transport=relay, patience=patience)


def first_throttled(wait: timedelta) -> Callable[[Parcel], Any]:
    said = iter([replace(THROTTLED, wait=wait)])

    async def say(_: Parcel) -> Outcome:
        return next(said, ACCEPTED)

    return say


def test_a_round_waits_for_a_relay_that_asks_for_a_moment(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 2)
    relay.in_flight = 1
    relay.say = first_throttled(timedelta(seconds=0.2))
    done = run_of(store, settings(home), relay)
    assert (done.stopped, done.counts) == (None, {LetterState.DEFERRED: 1, LetterState.SENT: 1})
    assert (done.waiting, done.next_try_at) == (1, every(store, LetterState.DEFERRED)[0].next_try_at)


def test_a_round_ends_where_the_relay_asks_for_more_patience_than_it_has(
    store: Store, home: Path, relay: Relay
) -> None:
    waiting(store, 8)
    relay.in_flight = 1
    relay.say = first_throttled(timedelta(minutes=8))
    done = run_of(store, settings(home), relay, timedelta(minutes=5))
    assert (done.stopped, done.counts) == (None, {LetterState.DEFERRED: 1})
    held = every(store, LetterState.READY)
    assert {(one.attempts, one.note) for one in held} == {(0, "its turn comes later")}
    (at,) = {one.next_try_at for one in held}
    assert at is not None
    assert timedelta(minutes=7) < at - NOW <= timedelta(minutes=8)
    assert (done.waiting, done.next_try_at) == (8, at)
    assert run_of(store, settings(home), relay).counts == {}, "nobody asks before"
    assert run_of(store, settings(home), Relay(), timedelta(0)).waiting == 8


def test_a_run_of_a_moment_saves_its_pace(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 25)
    config = settings(home, "[delivery.pace]\nper_window = 10\n")
    assert run_of(store, config, relay).counts == {LetterState.SENT: 10}
    with store.write() as connection:  # as if nobody had been told to wait
        connection.execute(sa.text("UPDATE letter SET next_try_at = created_at WHERE state = 'ready'"))
    done = run_of(store, config, relay)
    assert (done.counts, done.waiting, len(relay.arrived)) == ({}, 15, 10)
    assert done.next_try_at is not None
    assert done.next_try_at > NOW + timedelta(minutes=50)


def test_a_round_whose_watch_breaks_down_ends(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    """Nobody would keep its lease, nor hear what operators want."""
    waiting(store, 600)

    async def defect(_: Ledger) -> str:
        raise RuntimeError("a defect")

    async def slow(_: Parcel) -> Outcome:
        await asyncio.sleep(0.005)
        return ACCEPTED

    relay.say = slow
    monkeypatch.setattr(Ledger, "look", defect)
    with pytest.raises(RuntimeError, match="a defect"):
        delivered(store, settings(home), relay)
    assert len(relay.arrived) < 300
    assert states(store) == +Counter(sent=len(relay.arrived), ready=600 - len(relay.arrived))
    assert (signed_on(store), left_behind(home)) == (0, [])
