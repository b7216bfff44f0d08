"""What one courier holds and knows, and how the store comes to know it: in groups, under one lease.

Between two turns the journal has it, so that nothing is forgotten that the relay said. What a turn has told is
dropped only when the store has it for sure; told twice it changes nothing, as each statement names the lease.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import sqlalchemy as sa

from digest.bounces import SAID, note_reply
from digest.delivery import journal
from digest.delivery.journal import Journal
from digest.errors import DigestError, JournalUnusable, LeaseLost, NotRecorded, StoreError
from digest.model import Letter, LetterState, Outcome, Paper
from digest.store import couriers, letters, outbox, pauses
from digest.store.couriers import Courier
from digest.store.opening import Store
from digest.store.pauses import Pause
from digest.text import count

LEASE = timedelta(
    minutes=5
)  # after which another machine may take a silent courier's letters; renewed all the time
RECORD_TRIES, RECORD_WAIT = 6, 1.0  # what was sent must be written down; the store waits by itself, too
LOAD_TRIES, LOAD_WAIT = 4, 1.0  # claimed letters are read so often, after so many seconds; then they wait again
PAPERS = 20_000  # that are kept from batch to batch

T = TypeVar("T")

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the store is told and asked in one turn."""

    outcomes: Mapping[int, Outcome]
    addresses: Mapping[int, str]  # of letters whose outcomes say something of the address
    backs: Sequence[tuple[int, str, datetime | None]]
    pauses: Sequence[Pause]
    pace: Mapping[str, Any] | None
    claim: int = 0
    in_hand: frozenset[int] = frozenset()  # what is claimed already, and known here


class Ledger:
    """One courier's letters. All but `tell`'s transaction runs on the event loop's thread."""

    def __init__(self, store: Store, home: Path, place: str, now: Callable[[], datetime], only: int | None) -> None:
        """`place` is the transport's name. Raises `StoreError`."""
        self._store, self._place, self._now, self._only = store, place, now, only
        self._token = uuid4().hex
        self._left: dict[int, int] = {}  # let go, and the store does not know what became of it: id → attempt
        self._outcomes: dict[int, Outcome] = {}
        self._addresses: dict[int, str] = {}
        self._backs: list[tuple[int, str, datetime | None]] = []
        self._pauses: list[Pause] = []
        self._pace: Mapping[str, Any] | None = None
        self._again: set[int] = set()  # put off or refused for now: they wait again
        self._papers: dict[int, Paper] = {}
        self.journal: Journal | None = None
        with suppress(OSError):
            self.journal = Journal(home, self._token)
        try:
            self._sign_on()
        except BaseException:
            if self.journal:
                self.journal.close(remove=True)
            raise
        self._thread = ThreadPoolExecutor(1)  # the store may have to wait; the conversations must not

    def _sign_on(self) -> None:
        at = self._now()
        path = str(self.journal.path) if self.journal else ""
        with self._store.write() as connection:
            lease = Courier(self._token, self._place, at, at + LEASE, journal.boot(), path)
            couriers.sign_on(connection, lease)
            self.saved_pace = pauses.load_pace(connection)
            self.paused = pauses.in_force(connection, at)
        self._lease_ends = time.clock_gettime(_BOOTTIME) + LEASE.total_seconds()

    # ---- what happens to letters

    @property
    def is_leased(self) -> bool:
        """Whether nobody can have taken our letters yet."""
        return time.clock_gettime(_BOOTTIME) < self._lease_ends

    def leave(self, letter: Letter) -> bool:
        """The letter is about to leave; False: it must not (see `fault`)."""
        if not self.is_leased:
            return False
        if self.journal and not self.journal.leaving(letter.id, letter.attempts):
            return False
        self._left[letter.id] = letter.attempts
        return True

    @property
    def fault(self) -> DigestError | None:
        """Why no letter can leave any more; None: the lease has only to be renewed."""
        if self.journal and self.journal.fault:
            return JournalUnusable(path=self.journal.path, detail=self.journal.fault.strerror or self.journal.fault)
        return LeaseLost() if self.journal and self.journal.is_struck else None

    def know(self, letter: Letter, outcome: Outcome) -> None:
        """What became of a letter."""
        self.know_of(letter.id, outcome)
        if outcome.kind in SAID:
            self._addresses[letter.id] = letter.subscriber.address
        if self.journal and letter.id in self._left:
            self.journal.heard(letter.id, outcome, letter.attempts)

    def know_of(self, letter_id: int, outcome: Outcome) -> None:
        """The same of one that could not even be read."""
        self._outcomes[letter_id] = outcome
        if outcome.state is LetterState.DEFERRED:
            self._again.add(letter_id)

    def stayed(self, letter: Letter) -> None:
        """It was about to leave and certainly has not."""
        self._left.pop(letter.id, None)

    def put_off(self, letter: Letter, why: str, until: datetime | None) -> None:
        """It waits again, until `until` or from now on."""
        self._backs.append((letter.id, why, until))
        self._again.add(letter.id)

    def pause(self, one: Pause) -> None:
        self._pauses.append(one)
        self.paused[one.scope] = one

    def save_pace(self, state: Mapping[str, Any]) -> None:
        self._pace = state

    @property
    def untold(self) -> int:
        """How many letters the store has still to hear of."""
        return len(self._outcomes) + len(self._backs)

    # ---- the store

    async def turn(self, claim: int, in_hand: Iterable[int]) -> tuple[list[int], int]:
        """Tell the store what is known, and claim so many more letters: the ids claimed, and how many outcomes were
        told. Raises `NotRecorded`."""
        work = self._work(claim, frozenset(in_hand) if claim else frozenset())
        if not (work.outcomes or work.backs or work.pauses or work.pace is not None or claim):
            return [], 0
        ids = await self._in_thread(self._tell, work)
        for letter_id in work.outcomes:
            del self._outcomes[letter_id]
            self._addresses.pop(letter_id, None)
            self._left.pop(letter_id, None)
        del self._backs[: len(work.backs)], self._pauses[: len(work.pauses)]
        if self._pace is work.pace:
            self._pace = None
        if self.journal:
            self.journal.forget(self._left, self._outcomes)
        return ids, len(work.outcomes)

    async def load(self, ids: Sequence[int]) -> tuple[list[Letter], dict[int, Exception]]:
        """Claimed letters, in this order, and of those that cannot be read why. Raises `StoreError`."""
        for _ in range(LOAD_TRIES - 1):
            try:
                return self._load(ids)
            except StoreError as error:
                log.warning("%s", error)
                await asyncio.sleep(LOAD_WAIT)
        return self._load(ids)

    def _load(self, ids: Sequence[int]) -> tuple[list[Letter], dict[int, Exception]]:
        # Not in the thread: it is all work and no waiting, and would only fight the conversations for the core.
        if len(self._papers) > PAPERS:
            self._papers.clear()
        with self._store.read() as connection:
            found, faults = letters.readable(connection, ids, self._papers)
        by_id = {one.id: one for one in found}
        return [by_id[i] for i in ids if i in by_id], faults

    async def look(self) -> str | None:
        """What an operator wants of us; None: our letters were taken away.

        Renews the lease in time, and learns what is paused. Where the store cannot be asked it is "", for a while.
        """
        try:
            wanted, self.paused = await self._in_thread(self._look)
        except StoreError as error:
            log.warning("%s", error)
            return ""
        self.paused |= {one.scope: one for one in self._pauses}
        return wanted

    def sign_off(self, why: str, until: datetime | None, *, cancelled: bool) -> dict[int, Outcome]:
        """Tell the last of it, and give back what never left, until `until` and because of `why`; of what left and
        was never answered the outcomes. Raises `NotRecorded`: then whoever comes next reads the journal."""
        self._thread.shutdown()
        recorded, doubt = False, dict[int, Outcome]()
        try:
            self._tell(self._work(), last=lambda there: doubt.update(self._close(there, why, until, cancelled)))
            recorded = True
        finally:
            if self.journal:
                self.journal.close(remove=recorded)
        return doubt

    def _work(self, claim: int = 0, in_hand: frozenset[int] = frozenset()) -> _Work:
        return _Work(
            *(dict(self._outcomes), dict(self._addresses), list(self._backs), list(self._pauses), self._pace),
            *(claim, in_hand),
        )

    async def _in_thread(self, act: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)

    def _look(self) -> tuple[str | None, dict[str, Pause]]:
        now, ends = self._now(), time.clock_gettime(_BOOTTIME) + LEASE.total_seconds()
        renews = ends - self._lease_ends > LEASE.total_seconds() / 5
        with self._store.write() if renews else self._store.read() as connection:
            if renews:
                wanted = couriers.renew(connection, self._token, now + LEASE)
            else:
                wanted = couriers.wanted(connection, self._token)
            paused = pauses.in_force(connection, now)
        if renews and wanted is not None:
            self._lease_ends = ends
        return wanted, paused

    def _tell(self, work: _Work, last: Callable[[sa.Connection], None] | None = None) -> list[int]:
        """One transaction; the ids of letters claimed."""
        for attempt in range(RECORD_TRIES):
            try:
                with self._store.write() as connection:
                    self._write(connection, work)
                    claimed = []
                    if work.claim and attempt:
                        # The answer to a commit may have been lost: then we hold letters that we do not know of.
                        claimed = [i for i in outbox.held_by(connection, self._token) if i not in work.in_hand]
                    if work.claim and not claimed:
                        claimed = outbox.claim(connection, self._token, self._now(), work.claim, self._only)
                    if last:
                        last(connection)
                return claimed
            except StoreError as error:
                if attempt == RECORD_TRIES - 1:
                    raise NotRecorded(letters=count(len(work.outcomes), "letter"), detail=error) from error
                time.sleep(RECORD_WAIT)
        raise AssertionError("unreachable")

    def _write(self, connection: sa.Connection, work: _Work) -> None:
        now = self._now()
        recorded = outbox.record(connection, self._token, work.outcomes, now)
        if recorded < len(work.outcomes):
            lost = count(len(work.outcomes) - recorded, "letter")
            log.warning("%s had been taken over by another courier, or recorded before", lost)
        for letter_id, address in work.addresses.items():
            note_reply(connection, letter_id, address, work.outcomes[letter_id], now)
        backs: dict[tuple[str, datetime | None], list[int]] = {}
        for letter_id, why, until in work.backs:
            backs.setdefault((why, until), []).append(letter_id)
        for (why, until), ids in backs.items():
            outbox.give_back(connection, self._token, ids, why, now, until)
        for one in work.pauses:
            pauses.pause(connection, one)
        if work.pace is not None:
            pauses.save_pace(connection, work.pace)

    def _close(
        self, connection: sa.Connection, why: str, until: datetime | None, cancelled: bool
    ) -> dict[int, Outcome]:
        """Nothing is under way any more: of what we still hold only what was let go may have left."""
        now = self._now()
        wanted = couriers.sign_off(connection, self._token)
        held = outbox.held_by(connection, self._token)
        unknown = Outcome(LetterState.UNCERTAIN, "the run ended before the answer came", kind="unknown-fate")
        doubt = {i: unknown for i in held if i in self._left}
        outbox.record(connection, self._token, doubt, now)
        rest = [i for i in held if i not in self._left]
        outbox.give_back(connection, self._token, rest, why, now, until)
        if cancelled or wanted == "cancel":
            # What we put off or gave back had not waited when the operator took back what waits.
            outbox.cancel(connection, now, {*rest, *self._again})
        return doubt
