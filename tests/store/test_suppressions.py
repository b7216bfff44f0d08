"""When what comes back is enough, and the list of whom to write to no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from given import (
    DAY,
    NOW,
    ON_POSTGRESQL_ALONE,
    add,
    claim,
    letter,
    meanwhile,
    of,
    paper,
    stored_papers,
    subscribe,
    write,
)

from digest.bounces import note_reply
from digest.model import LetterState, Outcome, Subscriber, SubscriberState
from digest.store import bounces, outbox, subscribers, suppressions, tables
from digest.store.bounces import Bounce, Kind, Noted
from digest.store.opening import Store
from digest.store.suppressions import Reason, Suppression, hash_of

ALICE = "alice@example.org"
SUPPRESSED = Suppression(hash_of("alice@example.org"), "alice@example.org", "hard", "550", NOW, "bounce")


def note(
    store: Store, kind: Kind = "hard", days: float = 0, *, letter_id: int | None = None, mail: str = ""
) -> Noted:
    """A bounce of alice's, so many days from now."""
    at = NOW + timedelta(days=days)
    with store.write() as connection:
        return bounces.note(connection, Bounce(ALICE, kind, at, f"550 {kind}", letter_id, mail), at, "bounce")


def told(store: Store, kind: str, reply: str, letter_id: int, hours: float = 0, address: str = ALICE) -> None:
    """What the relay says of a letter while it is sent."""
    at = NOW + timedelta(hours=hours)
    with store.write() as connection:
        note_reply(connection, letter_id, address, Outcome(LetterState.FAILED, reply, kind=kind), at)


def alice(store: Store) -> Subscriber:
    with store.read() as connection:
        found = subscribers.find(connection, "alice")
    assert found is not None
    return found


def listed(store: Store) -> list[Suppression]:
    with store.read() as connection:
        return suppressions.everyone(connection)


def remove(store: Store, now: datetime = NOW) -> None:
    with store.write() as connection:
        assert suppressions.remove(connection, "Alice@Example.org", now)


@pytest.mark.parametrize("kind", ["hard", "no-mailbox", "complaint", "unsubscribe"])
def test_one_is_enough(store: Store, kind: Kind) -> None:
    subscribe(store, "alice", "bela")
    assert note(store, kind) == Noted(True, True)
    assert listed(store) == [Suppression(hash_of(ALICE), ALICE, kind, f"550 {kind}", NOW, "bounce")]
    wish = kind in ("complaint", "unsubscribe")
    assert alice(store).state is (SubscriberState.UNSUBSCRIBED if wish else SubscriberState.BOUNCED)
    assert f"550 {kind}" in alice(store).state_reason
    with store.read() as connection:
        bela = subscribers.find(connection, "bela")
    assert bela
    assert bela.state is SubscriberState.ACTIVE


def test_soft_ones_count_once_a_day_and_five_days_within_thirty_are_enough(store: Store) -> None:
    subscribe(store, "alice")
    for day in (0, 7, 14, 21):
        assert note(store, "soft", day) == Noted(True, False)
        assert note(store, "soft", day + 0.1) == Noted(False, False), "the same day again"
    assert note(store, "soft", 31) == Noted(True, False), "the first one was too long ago"
    assert alice(store).state is SubscriberState.ACTIVE
    assert note(store, "soft", 32) == Noted(True, True)
    assert alice(store).state is SubscriberState.BOUNCED


def test_refusals_count_at_the_second_within_72_hours(store: Store) -> None:
    subscribe(store, "alice")

    def refuse(hours: float, letter_id: int) -> int:
        """How many addresses are on the list after it."""
        told(store, "refused", "550 no", letter_id, hours)
        return len(listed(store))

    assert not refuse(0, 1)
    assert not refuse(0, 1), "the same letter, told twice"
    assert not refuse(73, 2)
    assert refuse(74, 3), "another letter, on the same day"
    assert refuse(75, 4) == 1, "it is on the list already"
    assert listed(store)[0].reason == "refused"
    assert listed(store)[0].at == NOW + timedelta(hours=74)
    assert alice(store).state is SubscriberState.BOUNCED


def test_no_mailbox_while_sending(store: Store) -> None:
    subscribe(store, "alice")
    told(store, "no-mailbox", "550 5.1.1 unknown", 1, address=ALICE.upper())
    assert alice(store).state_reason == "there is no such mailbox: 550 5.1.1 unknown"


def test_a_mail_that_is_read_again_changes_nothing_even_after_the_address_came_off_the_list(store: Store) -> None:
    subscribe(store, "alice")
    assert note(store, mail="m1").suppressed
    assert note(store, mail="m1") == Noted(False, False)
    assert note(store, days=3, mail="m1") == Noted(False, False)
    remove(store)
    assert note(store, mail="m1") == Noted(False, False)
    assert alice(store).state is SubscriberState.ACTIVE
    assert note(store, mail="m2") == Noted(True, True), "the next letter came back on the same day"


def test_off_the_list_means_a_clean_slate(store: Store) -> None:
    subscribe(store, "alice")
    for day in range(5):
        note(store, "soft", day)
    later = NOW + timedelta(days=5)
    remove(store, later)
    assert listed(store) == []
    assert alice(store).state is SubscriberState.ACTIVE
    assert alice(store).state_reason == ""
    assert alice(store).next_due_at > later, "what was due meanwhile is not made up for"  # type: ignore[operator]
    assert note(store, "soft", 5) == Noted(True, False)
    with store.write() as connection:
        assert suppressions.remove(connection, ALICE, NOW) is None


@pytest.mark.parametrize("before", [SubscriberState.PAUSED, SubscriberState.PENDING])
def test_who_got_no_letters_before_gets_none_after(store: Store, before: SubscriberState) -> None:
    subscribe(store, "alice", state=before, state_reason="on holiday: till May")
    note(store)
    assert alice(store).state is SubscriberState.BOUNCED
    remove(store)
    assert (alice(store).state, alice(store).state_reason) == (before, "on holiday: till May")


def test_the_readers_own_word_stands_above_a_servers(store: Store) -> None:
    subscribe(store, "alice")
    note(store, "hard")
    assert note(store, "complaint").suppressed
    assert alice(store).state is SubscriberState.UNSUBSCRIBED
    assert not note(store, "hard", 1).suppressed
    assert listed(store)[0].reason == "complaint"
    assert alice(store).state is SubscriberState.UNSUBSCRIBED
    remove(store)
    assert alice(store).state is SubscriberState.ACTIVE


def test_who_unsubscribed_elsewhere_stays_so_when_the_list_forgets_them(store: Store) -> None:
    subscribe(store, "alice", state=SubscriberState.UNSUBSCRIBED, state_reason="on the page")
    note(store)
    remove(store)
    assert (alice(store).state, alice(store).state_reason) == (SubscriberState.UNSUBSCRIBED, "on the page")


def test_an_address_is_held_whatever_its_case_and_who_has_it(store: Store) -> None:
    note(store)
    with store.read() as connection:
        held = suppressions.held(connection, ["ALICE@example.org", "bela@example.org", *map(str, range(600))])
    assert list(held) == [ALICE]
    assert held[ALICE].in_words == "mail to this address came back: 550 hard"


def test_the_list_keeps_but_a_hash_of_who_is_deleted_and_still_knows_them(store: Store) -> None:
    note(store)
    with store.write() as connection:
        suppressions.forget_address(connection, ALICE)
        assert suppressions.everyone(connection)[0].address == ""
        assert ALICE in suppressions.held(connection, [ALICE])


def test_a_hash_alone_finds_its_subscriber(store: Store) -> None:
    subscribe(store, "alice", "bela")
    with store.write() as connection:
        assert suppressions.add(connection, Suppression(hash_of(ALICE), "", "manual", "", NOW, "import:x"))
    assert alice(store).state is SubscriberState.BOUNCED


def test_what_another_one_notes_at_the_same_time_counts_once(store: Store) -> None:
    subscribe(store, "alice")

    def other(connection) -> None:  # type: ignore[no-untyped-def]
        assert bounces.note(connection, Bounce(ALICE, "hard", NOW, "x", mail="m1"), NOW, "bounce").suppressed

    with meanwhile(store, other):
        assert note(store, mail="m1") == Noted(False, False)
    assert len(listed(store)) == 1


def test_letters_are_found_by_number_and_by_message_id(store: Store) -> None:
    (reader,) = subscribe(store, "alice")
    one = letter(reader)
    write(store, one)
    with store.read() as connection:
        (found,) = bounces.letters_by_message_id(connection, [one.message_id, "<other@x>"])
        assert bounces.letters_by_id(connection, [found.id, 2**40, -1, 0]) == {found.id: found}
        assert bounces.letters_by_message_id(connection, []) == []
    assert (found.subscriber_id, found.address, found.created_at) == (reader.id, ALICE, NOW)
    assert one.slot == DAY


def test_strange_words_are_stored(store: Store) -> None:
    with store.write() as connection:
        bounce = Bounce("a\udc80@example.org", "hard", NOW.astimezone(UTC), "\0\udc80 550", mail="\0")
        assert bounces.note(connection, replace(bounce, mail="m"), NOW, "bounce").suppressed


def test_who_was_added_while_the_address_came_on_the_list_gets_no_letter(store: Store) -> None:
    """Neither saw the other: the subscriber is active. More letters than are asked for wait behind."""
    add(store, paper("Bees"))
    readers = subscribe(store, "alice", "bela", "chen")
    write(store, *(letter(one, *stored_papers(store)) for one in readers))
    with store.write() as connection:
        entry = {"address_hash": hash_of(ALICE), "address": None, "reason": "hard", "detail": "550"}
        more = {"at": NOW, "source": "bounce", "was": ""}
        connection.execute(sa.insert(tables.suppression), [entry | more])
    assert claim(store, limit=2) == [of(store, one).id for one in readers[1:]]
    assert (alice(store).state, alice(store).state_reason) == (
        SubscriberState.BOUNCED,
        "mail to this address came back: 550",
    )
    assert (of(store, readers[0]).state, of(store, readers[0]).attempts) == (LetterState.READY, 0)
    with store.write() as connection:
        assert outbox.suppress(connection, NOW) == 1
    assert of(store, readers[0]).note == "the subscriber is bounced: mail to this address came back: 550"
    remove(store)
    assert alice(store).state is SubscriberState.ACTIVE, "as before"


@pytest.mark.parametrize("reason", ["hard", "unsubscribe", "manual"])
def test_whose_address_is_suppressed_after_the_letter_was_written_gets_none(store: Store, reason: Reason) -> None:
    add(store, paper("Bees"))
    readers = subscribe(store, "alice", "bela")
    write(store, *(letter(one, *stored_papers(store)) for one in readers))
    with store.write() as connection:
        assert suppressions.add(connection, Suppression(hash_of(ALICE), ALICE, reason, "", NOW, "cli"))
    assert claim(store) == [of(store, readers[1]).id]


@ON_POSTGRESQL_ALONE
def test_a_reader_who_is_added_while_the_address_is_suppressed_gets_no_letter(store: Store) -> None:
    add(store, paper("Bees"))
    with meanwhile(store, lambda connection: suppressions.add(connection, SUPPRESSED)):
        (reader,) = subscribe(store, "alice")
        write(store, letter(reader, *stored_papers(store)))
    assert alice(store).state is SubscriberState.ACTIVE, "else this tests nothing"
    assert claim(store) == []
    assert alice(store).state is SubscriberState.BOUNCED
