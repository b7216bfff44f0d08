"""Accounts that somebody has spoiled by hand: what is found, what is mended, and what the letters tell of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from given import NOW, SENT, claim, memory, record, stored_papers

from digest.model import LetterState, Subscriber
from digest.store import accounts, letters, outbox
from digest.store.accounts import Finding
from digest.store.opening import Store

LATER = NOW + timedelta(hours=1)


def spoil(store: Store, statement: str) -> None:
    with store.write() as connection:
        assert connection.execute(sa.text(statement)).rowcount > 0


def broken(store: Store, *, repair: bool = False) -> list[Finding]:
    with store.write() as connection:
        return [one for one in accounts.check(connection, mend_at=LATER if repair else None) if one.number]


@pytest.mark.parametrize(
    ("spoiled", "state", "mended"),
    [
        ("UPDATE letter SET state = 'sending', lease = NULL WHERE id = 1", "uncertain", "held as uncertain"),
        ("UPDATE letter SET state = 'sending', lease = 'gone' WHERE id = 1", "uncertain", "held as uncertain"),
        ("UPDATE letter SET lease = 'gone' WHERE id = 1", "ready", "the courier's mark is taken off"),
        ("UPDATE letter SET next_try_at = NULL WHERE id = 1", "ready", "tried with the next run"),
        ("UPDATE letter SET state = 'failed', next_try_at = NULL WHERE id = 1", "failed", "may be picked again"),
    ],
)
def test_what_is_mended_is_in_the_letters_history(
    store: Store, ready: list[Subscriber], spoiled: str, state: str, mended: str
) -> None:
    assert broken(store) == []
    spoil(store, spoiled)
    (found,) = broken(store)
    assert (found.examples, found.mended) == ((1,), 0), "only asked"
    (found,) = broken(store, repair=True)
    assert (found.number, found.mended) == (1, 1)
    assert broken(store, repair=True) == []
    with store.read() as connection:
        told = outbox.histories(connection, [1, 2, 3])
        (one,) = letters.by_ids(connection, [1])
    assert one.state.value == state
    ((happened),) = told.pop(1)
    assert told == {}
    assert (happened.at, happened.state, happened.kind) == (LATER, one.state, "repaired")
    assert mended in happened.note
    assert found.rule.says in happened.note


def test_papers_of_a_letter_that_never_came_may_be_picked_again(store: Store, ready: list[Subscriber]) -> None:
    (alice, *_) = ready
    assert set(memory(store, alice)) == {one.id for one in stored_papers(store)[:2]}
    spoil(store, f"UPDATE letter SET state = 'failed', next_try_at = NULL WHERE subscriber_id = {alice.id}")
    broken(store, repair=True)
    assert memory(store, alice) == {}


def test_a_letter_that_was_sent_still_says_so_when_it_was_mended(store: Store, ready: list[Subscriber]) -> None:
    """One was mended after it was sent, and one before."""
    spoil(store, "UPDATE letter SET next_try_at = NULL WHERE id = 2")
    with store.write() as connection:
        accounts.check(connection, mend_at=NOW - timedelta(hours=1))
    record(store, dict.fromkeys(claim(store), SENT))
    spoil(store, "UPDATE letter SET lease = 'gone' WHERE id = 1")
    broken(store, repair=True)
    with store.read() as connection:
        told = outbox.histories(connection, [1, 2])
        found = letters.by_ids(connection, [1, 2])
    steps = [[(step.state, step.kind) for step in outbox.timeline(one, told[one.id])] for one in found]
    sent = (LetterState.SENT, "accepted")
    assert steps == [[sent, (LetterState.SENT, "repaired")], [(LetterState.READY, "repaired"), sent]]


def test_what_nobody_can_know_is_left_alone(store: Store, ready: list[Subscriber]) -> None:
    record(store, dict.fromkeys(claim(store), SENT))
    spoil(store, "UPDATE letter SET sent_at = NULL WHERE id = 1")
    spoil(store, "UPDATE letter SET state = 'gone' WHERE id = 2")
    found = broken(store, repair=True)
    assert [(one.examples, one.mended) for one in found] == [((2,), 0), ((1,), 0)]
    with store.read() as connection:
        assert outbox.histories(connection, [1, 2, 3]) == {}
