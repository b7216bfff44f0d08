"""Couriers that died: what each kind of knowledge about them makes of their letters."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from given import (
    NOW,
    ON_POSTGRESQL_ALONE,
    add,
    claim,
    letter,
    paper,
    record,
    states,
    stored_papers,
    subscribe,
    write,
)
from relay import Relay

from digest import config as configuration
from digest import recovery
from digest.courier import deliver
from digest.delivery import journal
from digest.delivery.journal import Journal
from digest.delivery.maildir import Maildir, file_name, folder_name
from digest.delivery.transport import Transport
from digest.model import Letter, LetterState, Outcome
from digest.recovery import settle_abandoned
from digest.store import couriers, letters, outbox
from digest.store.couriers import Courier
from digest.store.opening import Store

SENT = Outcome(LetterState.SENT, "250 accepted", "", "accepted")
LEASE = timedelta(minutes=5)


@pytest.fixture
def ids(store: Store) -> list[int]:
    """Four letters that "gone" holds. The first was sent, the second had left, the others had not."""
    add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    write(store, *(letter(one, bees) for one in subscribe(store, "alice", "bela", "chen", "dora")))
    return claim(store, "gone")


def kept(folder: Path, ids: list[int]) -> Journal:
    one = Journal(folder, "gone")
    for each in ids[:2]:
        assert one.leaving(each)
    one.heard(ids[0], SENT)
    return one


def sign_on(store: Store, path: Path | str, boot: str = "", place: str = Relay.name) -> None:
    with store.write() as connection:
        couriers.sign_on(connection, Courier("gone", place, NOW, NOW + LEASE, boot or journal.boot(), str(path)))


def settled(store: Store, now: datetime = NOW, place: Transport | None = None) -> dict[str, Outcome]:
    """handle → what became of the letter"""
    found = asyncio.run(settle_abandoned(store, place or Relay(), lambda: now))
    return {one.subscriber.handle: outcome for one, outcome in found}


def by_handle(store: Store) -> dict[str, Letter]:
    with store.read() as connection:
        every = [one for state in LetterState for one in letters.in_state(connection, state)]
    return {one.subscriber.handle: one for one in every}


def left(store: Store) -> int:
    with store.read() as connection:
        return len(couriers.everyone(connection))


def test_of_one_that_died_here_the_journal_knows_everything(store: Store, ids: list[int], tmp_path: Path) -> None:
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    assert settled(store) == {}, "it is still alive"
    one.close(remove=False)
    outcomes = settled(store)  # at once, though its lease still runs
    assert outcomes["alice"] == SENT
    assert (outcomes["bela"].state, outcomes["bela"].kind) == (LetterState.UNCERTAIN, "unknown-fate")
    assert set(outcomes) == {"alice", "bela"}
    assert states(store) == {"ready": 2, "sent": 1, "uncertain": 1}
    assert {one.attempts for one in by_handle(store).values() if one.state is LetterState.READY} == {0}
    assert (left(store), list(tmp_path.glob(f"{journal.NAME}*"))) == (0, [])
    assert settled(store) == {}
    assert claim(store, "next") == ids[2:]


@pytest.mark.parametrize("where", ["before the last boot", "on another machine", "without a journal"])
def test_what_the_journal_cannot_know_is_in_doubt(store: Store, ids: list[int], tmp_path: Path, where: str) -> None:
    if where == "before the last boot":
        one = kept(tmp_path, ids)
        one.close(remove=False)
        sign_on(store, one.path, "another boot")
    else:
        sign_on(store, tmp_path / "nowhere" if where == "on another machine" else "", "another machine")
    assert settled(store) == {}, "its lease still runs"
    assert states(store) == {"sending": 4}
    outcomes = settled(store, NOW + LEASE)
    known = {"alice"} if where == "before the last boot" else set()
    assert {name for name, one in outcomes.items() if one == SENT} == known
    assert {name for name, one in outcomes.items() if one.state is LetterState.UNCERTAIN} == set(outcomes) - known
    assert len(outcomes) == 4
    assert left(store) == 0
    assert list(tmp_path.glob(f"{journal.NAME}*")) == []


def test_where_no_machine_tells_when_it_was_switched_on_nothing_is_taken_for_dead(
    store: Store, ids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "boot", lambda: "")
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    one.close(remove=False)
    assert settled(store) == {}
    assert settled(store, NOW + LEASE)["alice"] == SENT
    assert states(store) == {"sent": 1, "uncertain": 3}


def test_one_that_is_asleep_loses_its_letters_and_lets_none_of_them_go(
    store: Store, ids: list[int], tmp_path: Path
) -> None:
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    assert set(settled(store, NOW + LEASE)) == {"alice", "bela"}
    assert states(store) == {"ready": 2, "sent": 1, "uncertain": 1}
    assert not one.leaving(ids[2])
    one.heard(ids[1], SENT)
    with store.write() as connection:
        assert outbox.record(connection, "gone", dict.fromkeys(ids, SENT), NOW) == 0
    assert states(store) == {"ready": 2, "sent": 1, "uncertain": 1}
    one.close(remove=True)


def test_one_that_woke_up_in_time_keeps_its_letters(
    store: Store, ids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    gone = recovery.gone

    def then_wakes_up(connection: sa.Connection, now: datetime) -> list[Courier]:
        found = gone(connection, now)
        with store.write() as other:
            couriers.renew(other, "gone", now + LEASE)
        return found

    monkeypatch.setattr(recovery, "gone", then_wakes_up)
    assert settled(store, NOW + LEASE) == {}
    assert states(store) == {"sending": 4}
    assert one.leaving(ids[2])
    one.close(remove=True)


def test_letters_that_nobody_answers_for_are_in_doubt(store: Store, ids: list[int]) -> None:
    assert {one.state for one in settled(store).values()} == {LetterState.UNCERTAIN}
    assert states(store) == {"uncertain": 4}


def test_letters_under_way_without_any_lease_are_in_doubt(store: Store, ids: list[int]) -> None:
    with store.write() as connection:
        connection.execute(sa.text(f"UPDATE letter SET lease = NULL WHERE id <> {ids[0]}"))
    outcomes = settled(store)
    assert {name: one.state for name, one in outcomes.items()} == dict.fromkeys(
        ("alice", "bela", "chen", "dora"), LetterState.UNCERTAIN
    )
    assert states(store) == {"uncertain": 4}
    assert settled(store) == {}


def test_a_place_is_asked_once_for_all_letters_while_others_may_write(store: Store, ids: list[int]) -> None:
    """Of what was claimed in between it has not been asked."""
    asked: list[list[str]] = []

    class Archive(Relay):
        async def settle(self, message_ids: Collection[str]) -> dict[str, Outcome]:
            asked.append(sorted(message_ids))
            write(store, letter(*subscribe(store, "eve"), *stored_papers(store)))
            assert len(claim(store, "gone")) == 1
            return dict.fromkeys(message_ids, SENT)

    messages = sorted(one.message_id for one in by_handle(store).values())
    sign_on(store, "", "another machine")
    outcomes = settled(store, NOW + LEASE, Archive())
    assert asked == [messages]
    assert {name for name, one in outcomes.items() if one.state is LetterState.UNCERTAIN} == {"eve"}
    assert states(store) == {"sent": 4, "uncertain": 1}


def test_a_maildir_says_what_is_in_it(store: Store, ids: list[int], tmp_path: Path) -> None:
    place = Maildir(tmp_path / "mail")
    sign_on(store, "", "another machine", place.name)
    bela = by_handle(store)["bela"]
    new = tmp_path / "mail" / folder_name(bela.subscriber.address) / "new"
    new.mkdir(parents=True)
    (new / file_name(bela.message_id)).write_text("a letter")
    assert {name: one.state for name, one in settled(store, NOW + LEASE, place).items()} == {
        "bela": LetterState.SENT
    }
    assert by_handle(store)["bela"].where == str(new / file_name(bela.message_id))
    assert states(store) == {"ready": 3, "sent": 1}


def test_another_place_is_not_asked(store: Store, ids: list[int], tmp_path: Path) -> None:
    """After a change of configuration nobody can say what became of them."""
    sign_on(store, "", "another machine", "smtp:elsewhere")
    assert len(settled(store, NOW + LEASE, Maildir(tmp_path / "mail"))) == 4
    assert states(store) == {"uncertain": 4}


def test_each_of_many_is_settled_by_what_is_known_of_it(store: Store, ids: list[int], tmp_path: Path) -> None:
    readers = subscribe(store, *(f"more{n}" for n in range(6)))
    write(store, *(letter(one, *stored_papers(store)) for one in readers))
    assert len(claim(store, "another")) == 6
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    one.close(remove=False)
    other = Journal(tmp_path, "another")
    with store.write() as connection:
        here = Courier("another", Relay.name, NOW, NOW + LEASE, journal.boot(), str(other.path))
        couriers.sign_on(connection, here)
    assert set(settled(store)) == {"alice", "bela"}
    assert states(store) == {"ready": 2, "sending": 6, "sent": 1, "uncertain": 1}
    other.close(remove=False)
    assert settled(store) == {}
    assert states(store) == {"ready": 8, "sent": 1, "uncertain": 1}


def test_of_several_who_come_at_once_one_settles(store: Store, ids: list[int], tmp_path: Path) -> None:
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    one.close(remove=False)
    together = threading.Barrier(4)
    found: list[str] = []
    errors: list[BaseException] = []

    def come() -> None:
        try:
            together.wait()
            found.extend(settled(store))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=come) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not errors
    assert sorted(found) in ([], ["alice", "bela"])
    settled(store)  # each of them may have taken another one's look at the lock for the courier's
    assert states(store) == {"ready": 2, "sent": 1, "uncertain": 1}


REFUSED = Outcome(LetterState.DEFERRED, "451 later", "", "greylisted")


@pytest.mark.parametrize(
    ("boot", "again", "becomes"),
    [
        ("", False, "ready"),  # it was claimed once more and had not left
        ("", True, "uncertain"),
        ("another boot", False, "uncertain"),  # the line of the second try may have been lost with the machine
        ("another boot", True, "uncertain"),
    ],
)
def test_what_a_journal_says_of_an_earlier_try_is_old(
    store: Store, ids: list[int], tmp_path: Path, boot: str, again: bool, becomes: str
) -> None:
    one = Journal(tmp_path, "gone")
    sign_on(store, one.path, boot)
    assert one.leaving(ids[0], 1)
    one.heard(ids[0], REFUSED, 1)
    record(store, dict.fromkeys(ids, REFUSED), "gone")
    later = NOW + timedelta(hours=1)
    assert claim(store, "gone", later, 1) == ids[:1]
    if again:
        assert one.leaving(ids[0], 2)
    one.close(remove=False)
    settled(store, later)
    assert states(store) == Counter({"deferred": 3, becomes: 1})


def asked_to_cancel(store: Store) -> None:
    """As `digest cancel` does it."""
    with store.write() as connection:
        couriers.ask(connection, "cancel")
        outbox.cancel(connection, NOW)


def test_what_a_dead_courier_held_is_taken_back_where_that_was_asked_for(
    store: Store, ids: list[int], tmp_path: Path
) -> None:
    """Also what the relay had refused for now: it waits as little as the others."""
    one = kept(tmp_path, ids)
    assert one.leaving(ids[2])
    one.heard(ids[2], REFUSED)
    sign_on(store, one.path)
    asked_to_cancel(store)
    one.close(remove=False)
    settled(store)
    assert states(store) == {"sent": 1, "suppressed": 2, "uncertain": 1}
    assert "cancelled" in by_handle(store)["dora"].note


def test_it_is_taken_back_however_late_that_was_asked_for(
    store: Store, ids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    one.close(remove=False)
    gone = recovery.gone

    def then_cancelled(connection: sa.Connection, now: datetime) -> list[Courier]:
        found = gone(connection, now)
        asked_to_cancel(store)
        return found

    monkeypatch.setattr(recovery, "gone", then_cancelled)
    settled(store)
    assert states(store) == {"sent": 1, "suppressed": 2, "uncertain": 1}


@ON_POSTGRESQL_ALONE  # where two may write at once
def test_it_is_taken_back_where_that_is_asked_for_at_the_very_moment_of_settling(
    store: Store, ids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = kept(tmp_path, ids)
    sign_on(store, one.path)
    one.close(remove=False)
    sign_off = couriers.sign_off

    def just_cancelled(connection: sa.Connection, token: str, lapsed: datetime | None = None) -> str | None:
        asked_to_cancel(store)
        return sign_off(connection, token, lapsed)

    monkeypatch.setattr(couriers, "sign_off", just_cancelled)
    settled(store)
    assert states(store) == {"sent": 1, "suppressed": 2, "uncertain": 1}


def test_journals_that_nobody_needs_any_more_are_taken_away(store: Store, ids: list[int], tmp_path: Path) -> None:
    """Those of couriers at work stay, and those of dead ones whose letters are not settled yet."""
    Journal(tmp_path, "forgotten").close(remove=False)
    at_work = Journal(tmp_path, "not yet signed on")
    unsettled = kept(tmp_path, ids)
    unsettled.close(remove=False)
    sign_on(store, unsettled.path, "another boot")  # its lease still runs
    config = configuration.parse(b'[letter]\nfrom_address = "letters@example.org"\n', tmp_path)
    deliver(store, config, lambda: NOW, transport=Relay())
    kept_now = {path.name.split(".")[1] for path in tmp_path.glob(f"{journal.NAME}*.flag")}
    assert kept_now == {Path(one.path).name.removeprefix(".") for one in (at_work, unsettled)}
    at_work.close(remove=True)
