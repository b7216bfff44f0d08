"""What befalls a courier from within and from its store: nothing is sent twice, and nothing is lost or held up."""

from __future__ import annotations

import asyncio
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
from digest.delivery import journal
from digest.delivery.breakers import Breakers
from digest.delivery.journal import Journal
from digest.delivery.pace import Pace
from digest.delivery.transport import Parcel
from digest.errors import DeliveryPaused, StoreError, StoreUnreachable
from digest.ledger import Ledger
from digest.letters.compose import Composer
from digest.model import Letter, LetterState, Outcome
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
def test_a_letter_that_cannot_be_read_stops_no_other(
    store: Store, home: Path, relay: Relay, reasons: str
) -> None:
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
