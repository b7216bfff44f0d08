"""The courier between a store and a transport: SQLite and PostgreSQL, Maildirs and a relay in memory."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from given import DAY, NOW, ON_POSTGRESQL_ALONE, add, letter, paper, states, stored_papers, subscribe, write
from relay import ACCEPTED, DOWN, Relay, domain

from digest import config as configuration
from digest import courier, ledger
from digest.config import Config
from digest.courier import Delivered, deliver
from digest.delivery import journal
from digest.delivery.maildir import Maildir
from digest.delivery.transport import Parcel, Supply
from digest.errors import DeliveryCancelled, DeliveryPaused, JournalUnusable, LeaseLost, NotRecorded, RelayUnusable
from digest.ledger import Ledger
from digest.model import Letter, LetterState, Outcome
from digest.recovery import settle_abandoned
from digest.store import couriers, letters, outbox, pauses
from digest.store.opening import Store, open_store
from digest.store.pauses import Pause

SENDER = '[letter]\nfrom_address = "letters@example.org"\n'
FAILED = Outcome(LetterState.FAILED, "554 no", kind="policy")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks what operators want more often, so that the tests need not wait."""
    monkeypatch.setattr(courier, "LOOK", 0.02)
    monkeypatch.setattr(courier, "TICK", 0.01)


def settings(home: Path, more: str = "") -> Config:
    return configuration.parse((SENDER + more).encode(), home)


def waiting(store: Store, number: int, domain: str = "example.org") -> None:
    """So many readers, each with a letter that waits."""
    if not stored_papers(store):
        add(store, paper("Bees"))
    (bees,) = stored_papers(store)
    stem = domain.partition(".")[0]
    readers = subscribe(store, *(f"{stem}{n}" for n in range(number)))
    write(store, *(letter(replace(one, address=f"{one.handle}@{domain}"), bees) for one in readers))
    if domain != "example.org":
        with store.write() as connection:
            connection.execute(
                sa.text("UPDATE subscriber SET address = handle || '@' || :domain WHERE handle LIKE :stem"),
                {"domain": domain, "stem": f"{stem}%"},
            )


def delivered(
    store: Store,
    config: Config,
    relay: Relay | Maildir,
    *,
    now: datetime = NOW,
    stop: threading.Event | None = None,
    only: int | None = None,
) -> Delivered:
    return deliver(store, config, lambda: now, transport=relay, stop=stop, only=only)


def every(store: Store, state: LetterState) -> list[Letter]:
    with store.read() as connection:
        return letters.in_state(connection, state)


def signed_on(store: Store) -> int:
    with store.read() as connection:
        return len(couriers.everyone(connection))


def left_behind(home: Path) -> list[str]:
    return [path.name for path in home.glob(f"{journal.NAME}*")]


def after(number: int, act: Callable[[], object]) -> Callable[[Parcel], asyncio.Future[None]]:
    """Something that happens once, before the letter of this number leaves."""
    seen = 0

    async def hear(_: Parcel) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            act()
        await asyncio.sleep(0.002)

    return hear  # type: ignore[return-value]


# ---- when all goes well


def test_each_letter_arrives_once_and_nothing_is_left_behind(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 30)
    done = delivered(store, settings(home), relay)
    assert (done.counts, done.troubles, done.stopped, done.alerts) == ({LetterState.SENT: 30}, [], None, [])
    assert sorted(relay.arrived) == sorted(f"example{n}@example.org" for n in range(30))
    assert states(store) == {"sent": 30}
    assert every(store, LetterState.SENT)[0].note == "250 accepted"
    assert (signed_on(store), left_behind(home)) == (0, [])
    assert delivered(store, settings(home), relay).counts == {}
    assert (len(relay.arrived), relay.opened) == (30, 1), "where nothing waits the relay is not asked"


def test_letters_are_filed_in_maildirs(store: Store, home: Path) -> None:
    waiting(store, 30)
    assert delivered(store, settings(home), Maildir(home / "mail")).counts == {LetterState.SENT: 30}
    assert len(list((home / "mail").glob("*/new/*"))) == 30
    assert all(Path(one.where).is_file() for one in every(store, LetterState.SENT))
    assert states(store) == {"sent": 30}
    assert left_behind(home) == []


def test_letters_are_claimed_in_batches_and_recorded_in_groups(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "BATCH", 8)
    monkeypatch.setattr(courier, "GROUP", 3)
    waiting(store, 50)
    held: list[int] = []

    async def look(_: Parcel) -> None:
        held.append(states(store).get("sending", 0))

    relay.hear = look
    assert delivered(store, settings(home), relay).counts == {LetterState.SENT: 50}
    assert len(relay.arrived) == len(set(relay.arrived)) == 50
    assert 1 < max(held) <= 8
    assert relay.most <= relay.in_flight


@pytest.mark.parametrize("place", ["missing", "file"])
def test_without_a_journal_no_more_is_claimed_than_is_under_way(
    store: Store, home: Path, relay: Relay, place: str
) -> None:
    """Then all that is claimed is in doubt if the courier dies."""
    (home / "file").write_text("")
    waiting(store, 20)
    held: list[int] = []

    async def look(_: Parcel) -> None:
        held.append(states(store).get("sending", 0))

    relay.hear = look
    config = settings(home / place)
    assert delivered(store, config, relay).counts == {LetterState.SENT: 20}
    assert max(held) <= relay.in_flight
    assert len(set(relay.arrived)) == 20


def test_one_subscriber_alone(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 3)
    (one,) = (found for found in every(store, LetterState.READY) if found.subscriber.handle == "example1")
    delivered(store, settings(home), relay, only=one.subscriber.id)
    assert relay.arrived == ["example1@example.org"]


def test_a_refusal_is_one_letters_own_matter(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 6)
    said = {
        "example1@example.org": Outcome(LetterState.FAILED, "550 who?", kind="no-mailbox"),
        "example2@example.org": Outcome(LetterState.DEFERRED, "451 later", "", "greylisted", timedelta(hours=1)),
        "example3@example.org": Outcome(LetterState.UNCERTAIN, "no answer", kind="unknown-fate"),
    }

    async def say(parcel: Parcel) -> Outcome:
        return said.get(parcel.recipient, ACCEPTED)

    relay.say = say
    done = delivered(store, settings(home), relay)
    assert done.counts == {one.state: 1 for one in said.values()} | {LetterState.SENT: 3}
    assert {one.subscriber.address: outcome for one, outcome in done.troubles} == said
    assert states(store) == {"deferred": 1, "failed": 1, "sent": 3, "uncertain": 1}
    (later,) = every(store, LetterState.DEFERRED)
    assert later.next_try_at == NOW + timedelta(hours=1)


def test_a_letter_that_cannot_be_composed_stops_no_other(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(store, 5)
    compose = courier.compose

    def broken(one: Letter, *rest: object) -> Parcel:
        if one.subscriber.handle == "example2":
            raise ZeroDivisionError("words of a paper")
        return compose(one, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(courier, "compose", broken)
    assert delivered(store, settings(home), relay).counts == {LetterState.SENT: 4, LetterState.DEFERRED: 1}
    (one,) = every(store, LetterState.DEFERRED)  # it may be the machine's fault, and pass
    assert "ZeroDivisionError: words of a paper" in one.note


# ---- asked to stop


def test_once_asked_to_stop_nothing_is_begun_and_what_is_under_way_ends(
    store: Store, home: Path, relay: Relay, quick: None
) -> None:
    waiting(store, 300)
    stop = threading.Event()
    relay.hear = after(10, stop.set)

    async def slow(_: Parcel) -> Outcome:
        await asyncio.sleep(0.05)
        return ACCEPTED

    relay.say = slow
    done = delivered(store, settings(home), relay, stop=stop)
    assert 0 < len(relay.arrived) < 100
    assert done.counts == {LetterState.SENT: len(relay.arrived)}
    assert states(store) == {"sent": len(relay.arrived), "ready": 300 - len(relay.arrived)}
    assert {one.attempts for one in every(store, LetterState.READY)} == {0}
    assert delivered(store, settings(home), relay).counts[LetterState.SENT] == 300 - done.counts[LetterState.SENT]
    assert len(relay.arrived) == len(set(relay.arrived)) == 300


def test_what_does_not_end_in_time_is_in_doubt(store: Store, home: Path, relay: Relay, quick: None) -> None:
    waiting(store, 30)
    stop = threading.Event()

    async def never(_: Parcel) -> Outcome:
        stop.set()
        await asyncio.Event().wait()
        raise AssertionError

    relay.say = never
    done = delivered(store, settings(home, "[delivery]\ngrace_seconds = 0.05\n"), relay, stop=stop)
    assert done.counts == {LetterState.UNCERTAIN: 4}
    assert states(store) == {"uncertain": 4, "ready": 26}
    assert (signed_on(store), left_behind(home)) == (0, [])


# ---- what operators want, from another process


def put(store: Store, one: Pause) -> None:
    with store.write() as connection:
        pauses.pause(connection, one)


def test_a_pause_stops_a_run_that_is_sending(store: Store, home: Path, relay: Relay) -> None:
    """With the clocks that it has in earnest: not all of the letters have left by then."""
    waiting(store, 600)
    relay.in_flight = 1
    relay.hear = after(5, lambda: put(store, Pause("*", "the relay moves", "operator", NOW)))

    async def slow(_: Parcel) -> Outcome:
        await asyncio.sleep(0.02)
        return ACCEPTED

    relay.say = slow
    done = delivered(store, settings(home), relay)
    assert isinstance(done.stopped, DeliveryPaused)
    assert "operator: the relay moves" in str(done.stopped)
    assert 5 <= len(relay.arrived) < 500
    assert states(store) == {"sent": len(relay.arrived), "ready": 600 - len(relay.arrived)}
    assert {one.attempts for one in every(store, LetterState.READY)} == {0}
    again = delivered(store, settings(home), relay)
    assert isinstance(again.stopped, DeliveryPaused)
    assert (again.counts, relay.opened) == ({}, 1)


def test_a_pause_that_has_run_out_holds_nobody(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 3)
    put(store, Pause("*", "a break", "breaker", NOW, NOW + timedelta(minutes=15)))
    assert isinstance(delivered(store, settings(home), relay).stopped, DeliveryPaused)
    assert delivered(store, settings(home), relay, now=NOW + timedelta(minutes=15)).counts[LetterState.SENT] == 3


def test_a_paused_provider_gets_nothing_and_the_others_do(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 4)
    waiting(store, 4, "elsewhere.net")
    until = NOW + timedelta(hours=2)
    put(store, Pause("provider:elsewhere.net", "it lists us", "breaker", NOW, until))
    done = delivered(store, settings(home), relay)
    assert (done.stopped, set(map(str.lower, relay.arrived))) == (
        None,
        {f"example{n}@example.org" for n in range(4)},
    )
    held = every(store, LetterState.READY)
    assert [(one.next_try_at, one.attempts) for one in held] == [(until, 0)] * 4
    assert "elsewhere.net are paused: it lists us" in held[0].note


def cancelled(store: Store) -> None:
    """As `digest cancel` does it."""
    with store.write() as connection:
        couriers.ask(connection, "cancel")
        outbox.cancel(connection, NOW)


@pytest.mark.parametrize("answer", [ACCEPTED, Outcome(LetterState.DEFERRED, "451 later", kind="greylisted")])
def test_a_cancelled_run_takes_back_what_it_had_claimed(
    store: Store, home: Path, relay: Relay, quick: None, monkeypatch: pytest.MonkeyPatch, answer: Outcome
) -> None:
    """Also what waits again since then, because the relay or the courier put it off."""
    monkeypatch.setattr(courier, "BATCH", 100)
    waiting(store, 300)
    put(store, Pause("provider:elsewhere.net", "it lists us", "breaker", NOW))
    waiting(store, 20, "elsewhere.net")
    relay.hear = after(10, lambda: cancelled(store))

    async def say(_: Parcel) -> Outcome:
        await asyncio.sleep(0.01)
        return answer

    relay.say = say
    done = delivered(store, settings(home), relay)
    assert isinstance(done.stopped, DeliveryCancelled)
    assert len(relay.arrived) < 150
    assert states(store) == Counter(suppressed=320 - len(relay.arrived), sent=len(relay.arrived)) + Counter()
    assert "cancelled" in every(store, LetterState.SUPPRESSED)[0].note


@ON_POSTGRESQL_ALONE  # where two may write at once
def test_a_run_that_is_cancelled_while_it_signs_off_takes_back_what_it_had(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(store, 20)
    sign_off = couriers.sign_off

    def just_cancelled(connection: sa.Connection, token: str, lapsed: datetime | None = None) -> str | None:
        cancelled(store)
        return sign_off(connection, token, lapsed)

    async def is_down(_: Parcel) -> None:
        raise DOWN

    monkeypatch.setattr(couriers, "sign_off", just_cancelled)
    relay.hear = is_down
    assert isinstance(delivered(store, settings(home), relay).stopped, RelayUnusable)
    assert states(store) == {"suppressed": 20}


# ---- breakers


def test_a_run_of_failures_pauses_delivery(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 100)

    async def refuse(_: Parcel) -> Outcome:
        return FAILED

    relay.say = refuse
    done = delivered(store, settings(home), relay)
    assert isinstance(done.stopped, DeliveryPaused)
    assert "“554 no”" in str(done.stopped)
    failed = done.counts[LetterState.FAILED]
    assert 20 <= failed <= 20 + relay.in_flight
    assert states(store) == {"failed": failed, "ready": 100 - failed}
    with store.read() as connection:
        (pause,) = pauses.in_force(connection, NOW).values()
    assert (pause.scope, pause.by, done.alerts) == ("*", "breaker", [pause.reason])
    assert isinstance(delivered(store, settings(home), relay).stopped, DeliveryPaused)
    with store.write() as connection:
        pauses.resume(connection, NOW)
    relay = Relay()
    assert delivered(store, settings(home), relay).counts == {LetterState.SENT: 100 - failed}


def test_a_provider_that_holds_our_standing_against_us_is_left_alone(
    store: Store, home: Path, relay: Relay
) -> None:
    waiting(store, 12)
    waiting(store, 40, "elsewhere.net")

    async def say(parcel: Parcel) -> Outcome:
        await asyncio.sleep(0.001)
        listed = Outcome(LetterState.DEFERRED, "451 you are listed", kind="reputation")
        return listed if domain(parcel) == "elsewhere.net" else ACCEPTED

    relay.say = say
    done = delivered(store, settings(home), relay)
    assert done.stopped is None
    assert sorted(relay.arrived) == sorted(f"example{n}@example.org" for n in range(12))
    assert 2 <= done.counts[LetterState.DEFERRED] <= 2 + relay.in_flight
    with store.read() as connection:
        (pause,) = pauses.in_force(connection, NOW).values()
    assert (pause.scope, pause.until, len(done.alerts)) == ("provider:elsewhere.net", NOW + timedelta(hours=1), 1)
    assert all(one.next_try_at == pause.until for one in every(store, LetterState.READY))


# ---- pace


def test_no_more_letters_are_under_way_to_a_provider_than_it_takes(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 15)
    waiting(store, 15, "elsewhere.net")

    async def slow(_: Parcel) -> Outcome:
        await asyncio.sleep(0.003)
        return ACCEPTED

    relay.say = slow
    config = settings(home, '[delivery.providers."elsewhere.net"]\nconnections = 1\n')
    assert delivered(store, config, relay).counts == {LetterState.SENT: 30}
    assert relay.most_to["elsewhere.net"] == 1
    assert relay.most_to["example.org"] > 1
    assert len(relay.arrived) == len(set(relay.arrived)) == 30


def test_more_than_memory_holds_may_wait_for_one_provider(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "PARKED", 5)
    monkeypatch.setattr(courier, "HOLD", 0.2)
    waiting(store, 60)
    config = settings(home, "[delivery.providers.default]\nconnections = 1\n")
    done = delivered(store, config, relay)
    assert relay.most_to == {"example.org": 1}
    again = delivered(store, config, relay, now=NOW + courier.PAUSED_FOR)
    assert done.counts[LetterState.SENT] + again.counts[LetterState.SENT] >= 10
    assert len(relay.arrived) == len(set(relay.arrived))
    counts = states(store)
    assert counts == Counter(sent=len(relay.arrived), ready=60 - len(relay.arrived)) + Counter()


def test_letters_that_wait_for_an_answer_are_not_offered_all_the_time(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(store, courier.FEWEST + 20)
    turns: list[int] = []
    turn = Ledger.turn

    def counted(self: Ledger, claim: int, in_hand: Iterable[int]) -> Coroutine[Any, Any, tuple[list[int], int]]:
        turns.append(claim)
        return turn(self, claim, in_hand)

    async def slow(_: Parcel) -> Outcome:
        if relay.arrived:
            return ACCEPTED
        for _ in range(20_000):  # of the event loop's rounds
            await asyncio.sleep(0)
        slow_took.append(len(turns))
        return ACCEPTED

    slow_took: list[int] = []
    monkeypatch.setattr(courier, "TICK", 0.01)
    monkeypatch.setattr(Ledger, "turn", counted)
    relay.say = slow
    config = settings(home, "[delivery.providers.default]\nconnections = 1\n")
    assert delivered(store, config, relay).counts == {LetterState.SENT: courier.FEWEST + 20}
    assert slow_took[0] < 200, "what waits to be answered gives no reason to ask again"


def test_no_more_letters_are_claimed_than_soon_go_however_slow_the_store_is(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(store, 3 * courier.FEWEST)
    claims: list[int] = []
    turn, look = Ledger.turn, Ledger.look

    def counted(self: Ledger, claim: int, in_hand: Iterable[int]) -> Coroutine[Any, Any, tuple[list[int], int]]:
        claims.append(claim)
        return turn(self, claim, in_hand)

    async def slow(self: Ledger) -> str | None:
        await asyncio.sleep(0.1)
        return await look(self)

    async def say(_: Parcel) -> Outcome:
        await asyncio.sleep(0.004)  # at most 250 a second, so 50 in `HOLD` seconds
        return ACCEPTED

    monkeypatch.setattr(courier, "LOOK", 0.02)
    monkeypatch.setattr(courier, "HOLD", 0.2)
    monkeypatch.setattr(Ledger, "turn", counted)
    monkeypatch.setattr(Ledger, "look", slow)
    relay = Relay(in_flight=1)
    relay.say = say
    assert delivered(store, settings(home), relay).counts == {LetterState.SENT: 3 * courier.FEWEST}
    assert max(claims) == courier.FEWEST


def test_what_comes_later_than_a_moment_is_given_back(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 10)
    config = settings(home, "[delivery.pace]\nper_window = 3\n")
    done = delivered(store, config, relay)
    assert (done.counts, done.stopped) == ({LetterState.SENT: 3}, None)
    held = every(store, LetterState.READY)
    assert [(one.attempts, one.note) for one in held] == [(0, "its turn comes later")] * 7
    assert all(one.next_try_at and one.next_try_at > NOW + timedelta(minutes=50) for one in held)
    # Another run knows of the three; an hour and a minute later they are over.
    assert delivered(store, config, relay).counts == {}
    assert delivered(store, config, relay, now=NOW + timedelta(minutes=62)).counts == {LetterState.SENT: 3}


def test_a_rate_slows_a_run_and_loses_nothing(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 12)
    assert delivered(store, settings(home, "[delivery.pace]\nper_second = 50.0\n"), relay).counts == {
        LetterState.SENT: 12
    }
    assert states(store) == {"sent": 12}


# ---- what goes wrong


def test_a_run_ends_though_more_letters_come_back_than_it_holds(store: Store, home: Path, relay: Relay) -> None:
    class Returning(Relay):
        async def _work(self, supply: Supply) -> None:
            while (parcel := supply.take()) or await supply.more():
                if parcel:
                    supply.back(parcel, "the connection broke")
                    await asyncio.sleep(0)

    waiting(store, 2 * courier.FEWEST)
    done = delivered(store, settings(home), Returning())
    assert (done.counts, done.waiting) == ({}, 2 * courier.FEWEST)
    assert {one.attempts for one in every(store, LetterState.READY)} == {0}
    assert delivered(store, settings(home), relay).counts == {LetterState.SENT: 2 * courier.FEWEST}


def test_a_relay_that_goes_down_marks_nobody(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 30)

    def down() -> None:
        raise DOWN

    relay.hear = after(10, down)
    done = delivered(store, settings(home), relay)
    assert isinstance(done.stopped, RelayUnusable)
    counts = states(store)
    assert counts["sent"] + counts["ready"] + counts.get("uncertain", 0) == 30
    assert counts["sent"] + counts.get("uncertain", 0) == len(set(relay.arrived)) == len(relay.arrived)
    assert {one.attempts for one in every(store, LetterState.READY)} == {0}


class Faithless(Relay):
    """Breaks its word: takes letters, lets one go, and is gone without answering for any."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    async def carry(self, supply: Supply) -> None:
        assert await supply.more()
        parcels = [supply.take() for _ in range(3)]
        assert parcels[0]
        assert supply.leaving(parcels[0])
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("a defect"), asyncio.CancelledError(), DOWN])
def test_a_transport_that_breaks_its_word_leaves_in_doubt_what_it_let_go(
    store: Store, home: Path, error: BaseException
) -> None:
    waiting(store, 10)
    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError, match="a defect"):
            delivered(store, settings(home), Faithless(error))
    else:
        done = delivered(store, settings(home), Faithless(error))
        assert done.stopped is (error if error is DOWN else None)
        assert done.counts == {LetterState.UNCERTAIN: 1}
    assert states(store) == {"ready": 9, "uncertain": 1}
    assert (signed_on(store), left_behind(home)) == (0, [])


def test_a_journal_that_cannot_be_written_stops_the_run(
    store: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(store, 30)
    write_down = journal.Journal._say
    lines = 0

    def say(self: journal.Journal, line: str) -> bool:
        nonlocal lines
        lines += 1
        if lines == 20:
            self.fault = OSError(28, "No space left on device")
        return write_down(self, line)

    monkeypatch.setattr(journal.Journal, "_say", say)
    done = delivered(store, settings(home), relay)
    assert isinstance(done.stopped, JournalUnusable)
    assert "No space left" in str(done.stopped)
    assert 0 < len(relay.arrived) < 30
    assert states(store) == {"sent": len(relay.arrived), "ready": 30 - len(relay.arrived)}


@pytest.fixture
def impatient(store_url: str) -> Iterator[Store]:
    """A store that waits for a lock no longer than a moment."""
    opened = open_store(store_url, lock_wait=0.1)
    yield opened
    opened.close()


def test_what_could_not_be_recorded_is_known_from_the_journal(
    impatient: Store, home: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setattr(ledger, "RECORD_TRIES", 1)
    monkeypatch.setattr(courier, "BATCH", 40)
    waiting(impatient, 100)
    other = impatient.engine.connect()

    def lock() -> None:
        if impatient.engine.dialect.name == "postgresql":
            other.begin()
            other.execute(sa.text("LOCK TABLE letter IN EXCLUSIVE MODE"))
        else:
            other.execution_options(digest_write=True).begin()

    relay.hear = after(50, lock)
    assert isinstance(delivered(impatient, settings(home), relay).stopped, NotRecorded)
    other.close()
    first = list(relay.arrived)
    assert 40 < len(first) < 100
    assert states(impatient)["sending"] > 0
    assert signed_on(impatient) == 1
    assert left_behind(home)
    done = delivered(impatient, settings(home), relay)
    assert states(impatient) == {"sent": 100}
    assert done.troubles == []
    assert len(relay.arrived) == len(set(relay.arrived)) == 100
    assert (signed_on(impatient), left_behind(home)) == (0, [])


def test_a_courier_whose_letters_were_taken_away_lets_none_of_them_go(
    store: Store, home: Path, relay: Relay
) -> None:
    """It had been asleep for longer than its lease; another one settled its letters meanwhile."""
    waiting(store, 60)
    relay.in_flight = 1
    number = 0
    settled: list[tuple[Letter, Outcome]] = []

    async def hear(_: Parcel) -> None:
        nonlocal number
        number += 1
        if number == 10:
            later = NOW + ledger.LEASE
            settled.extend(await settle_abandoned(store, Relay(), lambda: later))

    relay.hear = hear
    done = delivered(store, settings(home), relay)
    assert isinstance(done.stopped, LeaseLost)
    assert len(relay.arrived) == 9
    assert states(store) == {"sent": 9, "ready": 51}
    assert {outcome.state for _, outcome in settled} <= {LetterState.SENT}
    assert left_behind(home) == []
    again = delivered(store, settings(home), relay, now=NOW + ledger.LEASE)
    assert again.counts == {LetterState.SENT: 51}
    assert len(relay.arrived) == len(set(relay.arrived)) == 60


def test_two_couriers_at_once_share_the_letters(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "BATCH", 8)
    waiting(store, 120)
    relays, errors = [Relay(), Relay()], list[BaseException]()

    def work(one: Relay) -> None:
        try:
            delivered(store, settings(home), one)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in relays]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not errors
    both = relays[0].arrived + relays[1].arrived
    assert len(both) == len(set(both)) == 120
    assert states(store) == {"sent": 120}


def test_what_became_too_old_or_unwanted_does_not_leave(store: Store, home: Path, relay: Relay) -> None:
    waiting(store, 3)
    done = delivered(store, settings(home), relay, now=NOW + timedelta(hours=24))
    assert (done.expired, done.counts, relay.opened) == (3, {}, 0)
    assert every(store, LetterState.EXPIRED)[0].slot == DAY
