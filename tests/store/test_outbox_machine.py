"""Anything may happen in any order: couriers claim, die, sleep and wake up, and operators say this and that. What
arrived arrives once, and every account adds up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from given import DAY, NOW, add, letter, paper, stored_papers, subscribe
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from relay import Relay

from digest.delivery import journal
from digest.delivery.journal import Journal
from digest.model import Letter, Outcome, Paper, Subscriber, SubscriberState
from digest.model import LetterState as S
from digest.recovery import settle_abandoned
from digest.store import couriers, editions, letters, outbox, pauses, subscribers, tables, transitions
from digest.store.couriers import Courier
from digest.store.opening import Store
from digest.store.pauses import Pause

LEASE = timedelta(minutes=5)
ANSWERS = {
    "accepts": Outcome(S.SENT, "250 accepted", "", "accepted"),
    "puts off": Outcome(S.DEFERRED, "451 later", "", "greylisted"),
    "refuses": Outcome(S.FAILED, "550 no such user", "", "no-mailbox"),
    "is silent": Outcome(S.UNCERTAIN, "no answer", "", "unknown-fate"),
}
DEAD_ENDS = (S.FAILED, S.EXPIRED, S.SUPPRESSED)
which = some.integers(0, 99)  # one of those there are
THEN = ["works on", "records", "gives back", "goes", "sleeps", "sleeps"]
THEN += ["dies", "dies", "dies with its journal", "dies with its flag"]
answers = some.lists(some.sampled_from([*ANSWERS, None]), min_size=1, max_size=4)
ACTS = ["pause", "resume", "resume", "expire", "suppress", "take on", "cancel"]


@dataclass
class At:
    """A courier as it knows itself: it may sleep, and not know what the store says of it."""

    token: str
    lease_until: datetime
    journal: Journal | None
    hand: list[int] = field(default_factory=list)  # claimed, not let go
    left: set[int] = field(default_factory=set)  # let go, and nothing heard yet
    heard: dict[int, Outcome] = field(default_factory=dict)  # not yet recorded


class Machine(RuleBasedStateMachine):
    store: Store
    folder: Path
    readers: list[Subscriber]
    papers: list[Paper]

    def __init__(self) -> None:
        super().__init__()
        self.now, self.slot, self.number = NOW, DAY, 0
        self.written = 0
        self.at_work: list[At] = []
        self.paused: dict[str, datetime | None] = {}
        # The truth, which no store knows: letters that are in the reader's hands, or may be.
        self.arrived: set[int] = set()
        self.may_have: set[int] = set()
        self.spent: set[int] = set()  # arrived, and no operator has said since then: once more
        self.judged: set[int] = set()  # an operator gave a word on it
        with self.store.write() as connection:
            for table in ("history", "pick", "letter", "courier", "pause", "edition"):
                connection.execute(sa.delete(tables.metadata.tables[table]))
            for one in self.readers:
                subscribers.update(connection, replace(one, state=SubscriberState.ACTIVE))
            self.edition = editions.open_edition(connection, DAY, 7, 9, "pool", NOW)

    def teardown(self) -> None:
        for one in self.at_work:
            if one.journal:
                one.journal.close(remove=True)
        for path in self.folder.glob(f"{journal.NAME}*"):
            path.unlink()

    def rows(self) -> dict[int, Any]:
        with self.store.read() as connection:
            return {r.id: r for r in connection.execute(sa.select(tables.letter).order_by(tables.letter.c.id))}

    def one_at_work(self, number: int) -> At:
        return self.at_work[number % len(self.at_work)]

    # ---- letters

    @initialize()
    def begin(self) -> None:
        self.write(set(range(5)))

    @rule(chosen=some.sets(some.integers(0, 4), min_size=1))
    def write(self, chosen: set[int]) -> None:
        self.slot += timedelta(days=1)
        with self.store.write() as connection:
            known = letters.memory(connection, [one.id for one in self.readers])
            batch: list[Letter] = []
            for reader in (self.readers[n] for n in sorted(chosen)):
                free = [one for one in self.papers if one.id not in known.get(reader.id, {})][:2]
                until = self.now + timedelta(hours=24)
                made = letter(reader, *free, slot=self.slot, created_at=self.now, expires_at=until)
                batch += [replace(made, note="nothing new")] if not free else [made]
            outbox.expire(connection, self.now, [(one.subscriber.id, self.slot) for one in batch])
            wrote = letters.write(connection, self.edition, batch)
        assert wrote == len(batch)
        self.written += wrote

    @rule(minutes=some.sampled_from([1, 4, 6, 6, 90, 400]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    # ---- couriers

    @rule(new=some.booleans(), number=which, writes=some.booleans(), answers=answers, then=some.sampled_from(THEN))
    def work(self, new: bool, number: int, writes: bool, answers: list[str | None], then: str) -> None:
        """A courier, new or not, claims letters, lets some of them go, and then this or that becomes of it."""
        limit = 0 if "*" in self.in_force() else 1 + number % 6
        if new or not self.at_work:
            one = self.sign_on(limit, writes)
        else:
            one = self.one_at_work(number)
            self.claim(one, limit)
        for answer in answers[: len(one.hand)]:
            self.let_go(one, one.hand.pop(0), answer, bool(number % 4))
        if then == "sleeps":  # and another one comes, takes what it can get, and then the first wakes up
            self.now += LEASE + timedelta(minutes=1)
            self.recover()
            self.sign_on(2 * limit, True)
            self.go_on(one, ["records", "gives back", "goes", "lets go"][number // 6 % 4])
        elif then.startswith("dies"):
            self.die(one, then)
        elif then != "works on":
            self.go_on(one, then)

    @precondition(lambda self: self.at_work)
    @rule(number=which, then=some.sampled_from(["records", "records", "gives back", "goes", "lets go"]))
    def wake_up(self, number: int, then: str) -> None:
        """Somebody who may have been asleep goes on, whoever took the letters meanwhile."""
        self.go_on(self.one_at_work(number), then)

    def sign_on(self, limit: int, writes: bool) -> At:
        self.number += 1
        token = f"courier{self.number}"
        kept = Journal(self.folder, token) if writes else None
        one = At(token, self.now + LEASE, kept)
        path = str(kept.path) if kept else ""
        with self.store.write() as connection:
            here = Courier(token, Relay.name, self.now, one.lease_until, journal.boot(), path)
            couriers.sign_on(connection, here)
            one.hand += outbox.claim(connection, token, self.now, limit)
        self.at_work.append(one)
        return one

    def claim(self, one: At, limit: int) -> None:
        with self.store.write() as connection:
            # As the courier does: who was struck off claims nothing more.
            if couriers.renew(connection, one.token, self.now + LEASE) is not None:
                one.lease_until = self.now + LEASE
                one.hand += outbox.claim(connection, one.token, self.now, limit)

    def attempt(self, each: int) -> int:
        with self.store.read() as connection:
            return letters.by_ids(connection, [each])[0].attempts

    def let_go(self, one: At, each: int, answer: str | None, arrives: bool) -> None:
        """A letter leaves, if it may, and the relay answers; None: not yet."""
        # The journal must do alone, as the clock of a courier that was asleep may be late.
        attempt = self.attempt(each)
        if not (one.journal.leaving(each, attempt) if one.journal else self.now < one.lease_until):
            return
        assert each not in self.spent, "it had arrived, and nobody asked for it once more"
        if answer in (None, "is silent"):
            self.may_have.add(each)
        if answer == "accepts" or (arrives and answer in (None, "is silent")):
            self.arrived.add(each)
            self.spent.add(each)
        if answer is None:
            one.left.add(each)
        else:
            one.heard[each] = ANSWERS[answer]
            if one.journal:
                one.journal.heard(each, ANSWERS[answer], attempt)

    def go_on(self, one: At, then: str) -> None:
        if then == "records":
            self.record(one)
        elif then == "lets go":
            while one.hand:
                self.let_go(one, one.hand.pop(0), "accepts", True)
        else:
            self.give_back(one)
            if then == "goes":
                self.sign_off(one)

    def record(self, one: At) -> None:
        before = self.rows()
        held = {each for each in one.heard if before[each].lease == one.token}
        with self.store.write() as connection:
            assert outbox.record(connection, one.token, one.heard, self.now, lambda: 0.5) == len(held)
        after = self.rows()
        assert {each for each in after if after[each] != before[each]} == held
        for each in held:
            assert after[each].state == one.heard[each].state
        one.heard = {}
        if one.journal:
            one.journal.forget({each: self.attempt(each) for each in one.left}, one.heard)

    def give_back(self, one: At) -> None:
        before = self.rows()
        held = [each for each in one.hand if before[each].lease == one.token]
        with self.store.write() as connection:
            assert outbox.give_back(connection, one.token, one.hand, "the relay is down", self.now) == len(held)
        one.hand = []

    def sign_off(self, one: At) -> None:
        heard = one.heard | dict.fromkeys(one.left, ANSWERS["is silent"])
        with self.store.write() as connection:
            outbox.record(connection, one.token, heard, self.now)
            outbox.give_back(connection, one.token, list(outbox.held_by(connection, one.token)), "", self.now)
            couriers.sign_off(connection, one.token)
        if one.journal:
            one.journal.close(remove=True)
        self.at_work.remove(one)

    def die(self, one: At, how: str) -> None:
        self.at_work.remove(one)
        if one.journal:
            one.journal.close(remove=False)
            if how == "dies with its journal":
                journal.remove(one.journal.path)
            elif how == "dies with its flag":
                Path(f"{one.journal.path}.flag").unlink()

    @rule()
    def recover(self) -> None:
        asyncio.run(settle_abandoned(self.store, Relay(), lambda: self.now))

    # ---- operators

    def in_force(self) -> set[str]:
        return {scope for scope, until in self.paused.items() if until is None or until > self.now}

    @rule(
        act=some.sampled_from(["pause", "resume", "resume", "expire", "suppress", "take on", "cancel"]),
        number=which,
    )
    def operate(self, act: str, number: int) -> None:
        """All that ends letters or holds them, so that it does not happen more often than letters leave."""
        scope, minutes = ["*", "provider:example.org"][number % 2], [None, 15][number // 2 % 2]
        reader = self.readers[number % len(self.readers)]
        waiting = [one.id for one in self.rows().values() if one.state in transitions.WAITING]
        with self.store.write() as connection:
            if act == "pause":
                until = None if minutes is None else self.now + timedelta(minutes=minutes)
                pauses.pause(connection, Pause(scope, "the relay moves", "operator", self.now, until))
                self.paused[scope] = until
            elif act == "resume":
                assert pauses.resume(connection, self.now) == len(self.in_force())
                self.paused = {}
            elif act == "expire":
                outbox.expire(connection, self.now)
            elif act == "suppress":
                subscribers.update(connection, replace(reader, state=SubscriberState.PAUSED))
                outbox.suppress(connection, self.now)
            elif act == "take on":
                subscribers.update(connection, replace(reader, state=SubscriberState.ACTIVE))
            elif number % 3 == 0:
                assert outbox.cancel(connection, self.now) == len(waiting)

    @rule(what=some.sampled_from(list(outbox.DECISIONS)), number=which, every=some.booleans())
    def decide(self, what: str, number: int, every: bool) -> None:
        doubtful = [one.id for one in self.rows().values() if one.state == S.UNCERTAIN]
        if not doubtful:
            return
        chosen = doubtful if every else [doubtful[number % len(doubtful)]]
        with self.store.write() as connection:
            assert outbox.decide(connection, what, self.now, None if every else chosen) == len(chosen)
        self.judged.update(chosen)
        if what == "resend":
            self.spent.difference_update(chosen)

    # ---- what always holds

    @invariant()
    def the_accounts_add_up(self) -> None:
        with self.store.read() as connection:
            assert sum(outbox.count_by_state(connection).values()) == self.written
            assert set(pauses.in_force(connection, self.now)) == self.in_force()

    @invariant()
    def what_arrived_is_known_or_in_doubt(self) -> None:
        rows = self.rows()
        for each in self.arrived - self.judged:
            assert rows[each].state in (S.SENT, S.UNCERTAIN, S.SENDING)
        for each in self.may_have - self.judged:
            assert rows[each].state in (S.UNCERTAIN, S.SENDING)
        for each in self.arrived & self.spent:
            assert rows[each].state not in transitions.WAITING

    @invariant()
    def memory_holds_what_may_have_arrived_and_no_more(self) -> None:
        rows = self.rows()
        with self.store.read() as connection:
            picks = connection.execute(sa.select(tables.pick)).all()
            known = letters.memory(connection, [one.id for one in self.readers])
        for one in picks:
            row = rows[one.letter_id]
            if one.letter_id in self.arrived | self.may_have:
                assert one.paper_id in known[one.subscriber_id]
            assert one.void == (row.state in DEAD_ENDS and not row.in_doubt)

    @invariant()
    def each_state_is_explained(self) -> None:
        rows = self.rows()
        with self.store.read() as connection:
            told = outbox.histories(connection, list(rows))
        for each, row in rows.items():
            assert (row.state == S.SENDING) == (row.lease is not None)
            assert (row.state in (*transitions.WAITING, S.SENDING)) == (row.next_try_at is not None)
            assert (row.state == S.SENT) == (row.sent_at is not None)
            assert row.attempts >= 0
            if row.state not in (S.READY, S.SENDING):
                assert row.note
            if row.state in (*DEAD_ENDS, S.DEFERRED, S.UNCERTAIN):
                assert (told[each][-1].state, told[each][-1].note) == (row.state, row.note)
            if any(one.state is S.UNCERTAIN for one in told.get(each, [])):
                assert row.in_doubt
            times = [one.at for one in told.get(each, [])]
            assert times == sorted(times)


@pytest.mark.filterwarnings("ignore:The recursion limit")
def test_whatever_happens_what_arrived_arrives_once_and_the_accounts_add_up(store: Store, tmp_path: Path) -> None:
    if store.engine.dialect.name == "sqlite":

        @sa.event.listens_for(store.engine, "connect")
        def _hurry(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous=OFF")  # no power cut is tried here

        store.engine.dispose()
    add(store, *(paper(f"Paper {n}") for n in range(24)))

    class Here(Machine):
        pass

    Here.store, Here.folder = store, tmp_path
    Here.readers = subscribe(store, *(f"reader{n}" for n in range(5)))
    Here.papers = stored_papers(store)
    many = store.engine.dialect.name == "sqlite"
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=40 if many else 6,
            stateful_step_count=40,
            phases=[Phase.reuse, Phase.generate, Phase.shrink],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
