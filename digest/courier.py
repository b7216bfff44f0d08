"""Claim letters → compose → send → record.

The order is the promise. A letter is claimed before anything is sent and recorded after the relay's word; in
between a journal says which letters may have left. So a killed courier leaves at most those in doubt that were
under way (see `recovery`), and what is in doubt is never sent unasked.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import uuid4

import sqlalchemy as sa

from digest.assembly import compose, composer_of, transport_of
from digest.bounces import SAID, note_reply
from digest.config import Config
from digest.delivery import journal
from digest.delivery.breakers import Breakers
from digest.delivery.journal import Journal
from digest.delivery.pace import Pace
from digest.delivery.providers import Providers
from digest.delivery.transport import Parcel, Transport
from digest.errors import (
    DeliveryCancelled,
    DeliveryPaused,
    DigestError,
    JournalUnusable,
    LeaseLost,
    NotMailable,
    NotRecorded,
    RelayUnusable,
    StoreError,
    TemplateInvalid,
)
from digest.letters.compose import Composer
from digest.letters.subject import count
from digest.model import Letter, LetterState, Outcome, Paper
from digest.recovery import settle_abandoned
from digest.store import couriers, letters, outbox, pauses
from digest.store.couriers import Courier
from digest.store.opening import Store
from digest.store.pauses import EVERYTHING, Pause
from digest.store.sql import batched

BATCH = 512  # letters that a courier holds at once; all but those under way wait again when it dies
SLICE = 128  # letters that are read at once, between which conversations go on
GROUP = 256  # outcomes that are recorded together
TICK = 0.1  # seconds in which an outcome is recorded, and a word from outside is heard, at the latest
LOOK = 1.0  # seconds between two looks at what operators want
LEASE = timedelta(
    minutes=5
)  # after which another machine may take a silent courier's letters; renewed all the time
HOLD = 10.0  # seconds that a letter waits in memory for its turn; what waits longer is given back
PARKED = BATCH // 4  # letters in memory that wait for others to the same provider
PAUSED_FOR = timedelta(minutes=5)  # until a letter to a paused provider is looked at again
RETURNS = 3  # so often the transport may give a letter back; then it waits for the next run
RECORD_TRIES = 6  # the store waits by itself each time; what was sent must be written down
PAPERS = 20_000  # that are kept from batch to batch
TOLD = 1000  # troubles that are told one by one

log = logging.getLogger(__name__)


class Stop(Protocol):
    """Anything that can be asked whether to stop: a threading.Event."""

    def is_set(self) -> bool: ...


@dataclass(slots=True)
class Delivered:
    """What a round of deliveries came to."""

    counts: Counter[LetterState] = field(default_factory=Counter)
    troubles: list[tuple[Letter, Outcome]] = field(default_factory=list)  # what is not `sent`; the first `TOLD`
    expired: int = 0
    suppressed: int = 0
    stopped: DigestError | None = None  # why the round ended early; what had not been sent waits
    alerts: list[str] = field(default_factory=list)  # what an operator has to know, a sentence each


def deliver(
    store: Store,
    config: Config,
    now: Callable[[], datetime],
    *,
    only: int | None = None,
    stop: Stop | None = None,
    progress: Callable[[int], None] = lambda _: None,
    transport: Transport | None = None,
) -> Delivered:
    """Send every letter that may go out now (of subscriber `only`), and say what came of it.

    Ends early, with `stopped` set, where nothing can be sent at all, or where delivery is paused. Once `stop` is
    set nothing more is begun, and what is under way has `delivery.grace_seconds` to end.
    """
    done = Delivered()
    place = transport or transport_of(config)
    with store.write() as connection:
        done.suppressed += outbox.suppress(connection, now())
        done.expired += outbox.expire(connection, now())
    for found, outcome in asyncio.run(settle_abandoned(store, place, now)):
        _count(done, found, outcome)
    with store.read() as connection:
        waiting = outbox.next_try(connection)
        paused = pauses.in_force(connection, now())
    if waiting is None or waiting > now():
        return done  # a relay that is down need not be asked when there is nothing to say
    if EVERYTHING in paused:
        done.stopped = _as_error(paused[EVERYTHING])
        return done
    round_ = _Round(store, config, now, place, composer_of(config), only, stop, progress, done)
    # What is there by now stays; the collector need not look through all of it again and again.
    gc.freeze()
    try:
        asyncio.run(round_.go())
    except (RelayUnusable, TemplateInvalid, DeliveryPaused, DeliveryCancelled, JournalUnusable, LeaseLost) as error:
        done.stopped = error
    finally:
        gc.unfreeze()
    return done


def _count(done: Delivered, letter: Letter, outcome: Outcome) -> None:
    done.counts[outcome.state] += 1
    if outcome.state is not LetterState.SENT and len(done.troubles) < TOLD:
        done.troubles.append((letter, outcome))


def _as_error(pause: Pause) -> DeliveryPaused:
    return DeliveryPaused(by=pause.by, reason=pause.reason)


def _domain(letter: Letter) -> str:
    return letter.subscriber.address.rpartition("@")[2].lower()


# ---- one round

T = TypeVar("T")

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


@dataclass(slots=True)
class _Work:
    """What the store is told and asked in one turn."""

    outcomes: Mapping[int, Outcome]
    backs: Sequence[tuple[int, str, datetime | None]]
    pauses: Sequence[Pause]
    pace: Mapping[str, object] | None
    claim: int
    addresses: Mapping[int, str]  # of letters whose outcomes say something of the address


class _Round:
    """The supply of a transport: claimed letters go out through it, and what became of them comes back."""

    def __init__(
        self,
        store: Store,
        config: Config,
        now: Callable[[], datetime],
        transport: Transport,
        composer: Composer,
        only: int | None,
        stop: Stop | None,
        progress: Callable[[int], None],
        done: Delivered,
    ) -> None:
        self.store, self.config, self.now, self.only, self.stop = store, config, now, only, stop
        self.transport, self.composer, self.progress, self.result = transport, composer, progress, done
        self.token = uuid4().hex
        self._journal: Journal | None = None
        self._lease_ends = 0.0  # on `_BOOTTIME`

        self._queue: deque[Letter] = deque()  # claimed, may leave
        self._held: list[tuple[float, Letter]] = []  # may leave from a moment on (monotonic)
        self._parked: dict[str, deque[Letter]] = {}  # may leave when others to the provider have
        self._taken: dict[str, Letter] = {}  # Message-ID → with the transport
        self._left: set[int] = set()  # of them those that may have been delivered
        self._returned: Counter[int] = Counter()
        self._outcomes: dict[int, Outcome] = {}  # not yet recorded
        self._addresses: dict[int, str] = {}  # of them, where the outcome says something of the address
        self._backs: list[tuple[int, str, datetime | None]] = []
        self._again: set[int] = set()  # put off or given back, so that they wait again
        self._tripped: list[Pause] = []

        self._papers: dict[int, Paper] = {}  # of earlier batches
        self._cap = BATCH
        self._exhausted = False  # nothing more is there to be claimed
        self._ended = False  # nothing more is handed out
        self._fault: DigestError | None = None
        self._signed_on = False
        self._pace_saved = time.monotonic()
        self._wake = asyncio.Event()  # for the transport: there may be something to take
        self._kick = asyncio.Event()  # for `_feed`: there is something to do

    async def go(self) -> None:
        """Raises what ended the round early. What is known of a letter is recorded by then, or in the journal."""
        await self.transport.open()
        self._thread = ThreadPoolExecutor(1)  # the store may have to wait; the conversations must not
        try:
            self._sign_on()
            feeding = asyncio.create_task(self._feed())
            try:
                await self._carry(feeding)
            finally:
                # Never cancelled: nobody would know whether what it was telling the store had been written.
                await feeding
        except DigestError as error:
            self._end(error)
        finally:
            self._end(None)
            await self.transport.close()
            self._thread.shutdown()
            self._sign_off()
        if self._fault:
            raise self._fault

    async def _carry(self, feeding: asyncio.Task[None]) -> None:
        carrying = asyncio.create_task(self.transport.carry(self))
        try:
            await asyncio.wait({carrying, feeding}, return_when=asyncio.FIRST_COMPLETED)
            if not carrying.done():
                self._end(None)
                # Asked to stop, we wait only so long for what is under way.
                stopping = self.stop and self.stop.is_set()
                await asyncio.wait({carrying}, timeout=self.config.delivery.grace_seconds if stopping else None)
        finally:
            self._end(None)
            carrying.cancel()  # of no effect where it is done
            with suppress(asyncio.CancelledError):
                await carrying

    # ---- what the transport asks (digest.delivery.transport.Supply)

    @property
    def connections(self) -> int:
        return self._pace.connections

    def take(self) -> Parcel | None:
        now = time.monotonic()
        while not self._ended:
            letter = self._next(now)
            if letter is None:
                return None
            provider = self._provider(letter)
            if pause := self._paused.get(f"provider:{provider}"):
                until = pause.until or self.now() + PAUSED_FOR
                self._backs.append((letter.id, f"letters to {provider} are paused: {pause.reason}", until))
                continue
            wait = self._pace.wait(provider, now)
            if wait > 0:
                self._hold(letter, provider, wait, now)
                continue
            try:
                parcel = compose(letter, self.config, self.composer)
            except TemplateInvalid as error:
                self._queue.appendleft(letter)
                self._end(error)
                return None
            except NotMailable as error:
                self._know(letter, Outcome(LetterState.FAILED, str(error), kind="not-mailable"))
                continue
            except Exception as error:  # one letter that cannot be written never stops the others
                log.exception("%s: the letter could not be composed", letter.subscriber.handle)
                why = f"it could not be composed: {type(error).__name__}: {error}"
                self._know(letter, Outcome(LetterState.FAILED, why, kind="not-composed"))
                continue
            self._pace.left(provider, now)
            self._taken[parcel.message_id] = letter
            return parcel
        return None

    async def more(self) -> bool:
        while not self._ended:
            now = time.monotonic()
            if self._queue or (self._held and self._held[0][0] <= now):
                return True
            self._wake.clear()
            self._kick.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._held[0][0] - now if self._held else None)
        return False

    def leaving(self, parcel: Parcel) -> bool:
        if self._ended or time.clock_gettime(_BOOTTIME) > self._lease_ends:
            return False
        letter_id = self._taken[parcel.message_id].id
        if self._journal and not self._journal.leaving(letter_id):
            fault = self._journal.fault
            self._end(
                JournalUnusable(path=self._journal.path, detail=fault.strerror or fault) if fault else LeaseLost()
            )
            return False
        self._left.add(letter_id)
        return True

    def done(self, parcel: Parcel, outcome: Outcome) -> None:
        letter = self._taken.pop(parcel.message_id)
        provider = self._provider(letter)
        self._pace.told(provider, outcome, time.monotonic())
        self._unpark(provider)
        if self._journal:
            self._journal.heard(letter.id, outcome)
        self._left.discard(letter.id)
        self._know(letter, outcome)
        if tripped := self._breakers.told(provider, outcome):
            at = self.now()
            until = None if tripped.until is None else at + tripped.until
            pause = Pause(tripped.scope, tripped.reason, "breaker", at, until)
            self._tripped.append(pause)
            self._paused[pause.scope] = pause
            self.result.alerts.append(pause.reason)
            if pause.scope == EVERYTHING:
                self._end(_as_error(pause))

    def back(self, parcel: Parcel, why: str) -> None:
        letter = self._taken.pop(parcel.message_id)
        provider = self._provider(letter)
        self._pace.back(provider, time.monotonic())
        self._unpark(provider)
        self._left.discard(letter.id)
        self._returned[letter.id] += 1
        if self._returned[letter.id] < RETURNS:
            self._queue.append(letter)
            self._wake.set()

    # ---- the queue

    def _next(self, now: float) -> Letter | None:
        if self._held and self._held[0][0] <= now:
            return self._held.pop(0)[1]
        if not self._queue:
            return None
        if len(self._queue) < self._cap // 2 and not self._exhausted:
            self._kick.set()
        return self._queue.popleft()

    def _hold(self, letter: Letter, provider: str, wait: float, now: float) -> None:
        if wait == math.inf:
            if sum(map(len, self._parked.values())) < PARKED:
                self._parked.setdefault(provider, deque()).append(letter)
                return
            wait = PAUSED_FOR.total_seconds()
        if wait <= HOLD:
            self._held.append((now + wait, letter))
            self._held.sort(key=lambda one: one[0])
        else:
            self._backs.append((letter.id, "its turn comes later", self.now() + timedelta(seconds=wait)))

    def _unpark(self, provider: str) -> None:
        if waiting := self._parked.get(provider):
            self._queue.append(waiting.popleft())
            self._wake.set()

    def _provider(self, letter: Letter) -> str:
        domain = _domain(letter)
        return self._providers.known(domain) or domain if self._providers else domain

    def _know(self, letter: Letter, outcome: Outcome) -> None:
        self._outcomes[letter.id] = outcome
        if outcome.kind in SAID:
            self._addresses[letter.id] = letter.subscriber.address
        _count(self.result, letter, outcome)
        if len(self._outcomes) >= GROUP:
            self._kick.set()

    def _end(self, error: DigestError | None) -> None:
        """Hand nothing more out."""
        self._fault = self._fault or error
        self._ended = True
        self._wake.set()
        self._kick.set()

    # ---- the store

    async def _feed(self) -> None:
        """Claim, record, and hear what operators want, as long as there is anything to do."""
        looking: asyncio.Task[None] | None = None
        last_look = time.monotonic()
        while not self._ended:
            if self.stop and self.stop.is_set():
                return
            for waiting in self._parked.values():  # whatever happens, nobody waits for ever
                self._queue.extendleft(waiting)
                waiting.clear()
            if time.monotonic() - last_look > LOOK:
                if fault := self._asked(*await self._in_thread(self._look)):
                    self._end(fault)
                last_look = time.monotonic()
            for ids in batched(await self._turn(), SLICE):
                claimed = self._load(ids)
                self._queue.extend(claimed)
                self._wake.set()
                if self._providers and (not looking or looking.done()):
                    looking = asyncio.create_task(self._providers.find({_domain(one) for one in claimed}))
                await asyncio.sleep(0)
            idle = not (self._queue or self._held or self._taken or self._outcomes or self._backs)
            if idle and self._exhausted:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._kick.wait(), TICK)
            self._kick.clear()

    def _work(self) -> _Work:
        waiting = len(self._queue) + len(self._held) + sum(map(len, self._parked.values()))
        room = self._cap - waiting - len(self._taken)
        claim = room if room * 2 >= self._cap and not self._exhausted and not self._ended else 0
        pace = None
        if self._pace.changed and time.monotonic() - self._pace_saved > LOOK:
            pace, self._pace_saved = self._pace.saved(self.now()), time.monotonic()
        work = _Work(self._outcomes, self._backs, self._tripped, pace, claim, self._addresses)
        self._again.update(i for i, one in work.outcomes.items() if one.state is LetterState.DEFERRED)
        self._again.update(i for i, _, _ in work.backs)
        self._outcomes, self._backs, self._tripped, self._addresses = {}, [], [], {}
        return work

    async def _in_thread(self, act: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)

    async def _turn(self) -> list[int]:
        """Tell the store what is known, and claim more: the ids of the letters claimed."""
        work = self._work()
        if not (work.outcomes or work.backs or work.pauses or work.claim):
            return []
        try:
            ids = await self._in_thread(self._tell, work)
        except BaseException:
            # It may be recorded or not. Doing it again changes nothing that was.
            self._outcomes = {**work.outcomes, **self._outcomes}
            self._addresses = {**work.addresses, **self._addresses}
            self._backs, self._tripped = [*work.backs, *self._backs], [*work.pauses, *self._tripped]
            raise
        if work.outcomes:
            self.progress(len(work.outcomes))
            if self._journal:
                self._journal.forget(self._left, self._outcomes)
        self._exhausted = self._exhausted or len(ids) < work.claim
        return ids

    def _load(self, ids: Sequence[int]) -> list[Letter]:
        # Not in the thread: it is all work and no waiting, and would only fight the conversations for the core.
        if len(self._papers) > PAPERS:
            self._papers.clear()
        with self.store.read() as connection:
            found = {one.id: one for one in letters.by_ids(connection, ids, self._papers)}
        return [found[i] for i in ids if i in found]

    def _tell(self, work: _Work, last: bool = False) -> list[int]:
        """One transaction; the ids of letters claimed. Raises `NotRecorded` where the store cannot be written."""
        for attempt in range(RECORD_TRIES):
            try:
                with self.store.write() as connection:
                    return self._write(connection, work, last)
            except StoreError as error:
                if attempt == RECORD_TRIES - 1:
                    raise NotRecorded(letters=count(len(work.outcomes), "letter"), detail=error) from error
                time.sleep(1)
        raise AssertionError("unreachable")

    def _write(self, connection: sa.Connection, work: _Work, last: bool) -> list[int]:
        now = self.now()
        recorded = outbox.record(connection, self.token, work.outcomes, now)
        if recorded < len(work.outcomes):
            lost = len(work.outcomes) - recorded
            log.warning("%s had been taken over by another courier, or recorded before", count(lost, "letter"))
        for letter_id, address in work.addresses.items():
            note_reply(connection, letter_id, address, work.outcomes[letter_id], now)
        backs: dict[tuple[str, datetime | None], list[int]] = {}
        for letter_id, why, until in work.backs:
            backs.setdefault((why, until), []).append(letter_id)
        for (why, until), ids in backs.items():
            outbox.give_back(connection, self.token, ids, why, now, until)
        for one in work.pauses:
            pauses.pause(connection, one)
        if work.pace is not None:
            pauses.save_pace(connection, work.pace)
        if work.claim:
            return outbox.claim(connection, self.token, now, work.claim, self.only)
        if last:
            # Nothing is under way any more, so what we still hold has not left.
            rest = list(outbox.held_by(connection, self.token))
            outbox.give_back(connection, self.token, rest, str(self._fault or ""), now)
            if isinstance(self._fault, DeliveryCancelled):
                # What we put off or gave back had not waited when the operator took back what waits.
                outbox.cancel(connection, now, {*rest, *self._again})
            couriers.sign_off(connection, self.token)
        return []

    # ---- signing on and off

    def _sign_on(self) -> None:
        config, smtp, at = self.config.delivery, self.config.delivery.kind == "smtp", self.now()
        with suppress(OSError):
            self._journal = Journal(self.config.home.resolve(), self.token)
        if not self._journal:
            # Then all that we hold is in doubt when we die, so it must not be more than what is under way.
            self._cap = self.transport.in_flight
        path = str(self._journal.path) if self._journal else ""
        with self.store.write() as connection:
            lease = Courier(self.token, self.transport.name, at, at + LEASE, journal.boot(), path)
            couriers.sign_on(connection, lease)
            saved = pauses.load_pace(connection)
            self._paused = pauses.in_force(connection, at)
        self._signed_on = True
        self._lease_ends = time.clock_gettime(_BOOTTIME) + LEASE.total_seconds()
        self._pace = Pace(config, saved, time.monotonic(), at, self.transport.in_flight)
        self._breakers = Breakers(in_flight=self.transport.in_flight)
        self._providers = Providers(config.group_by) if smtp else None

    def _look(self) -> tuple[str | None, dict[str, Pause]]:
        """What operators want of us, and what is paused. Also renews the lease in time."""
        now, ends = self.now(), time.clock_gettime(_BOOTTIME) + LEASE.total_seconds()
        if ends - self._lease_ends > LEASE.total_seconds() / 5:
            with self.store.write() as connection:
                wanted = couriers.renew(connection, self.token, now + LEASE)
                paused = pauses.in_force(connection, now)
            self._lease_ends = ends
        else:
            with self.store.read() as connection:
                wanted = couriers.wanted(connection, self.token)
                paused = pauses.in_force(connection, now)
        return wanted, paused

    def _asked(self, wanted: str | None, paused: dict[str, Pause]) -> DigestError | None:
        for scope in self._paused.keys() - paused.keys():
            self._breakers.resumed(scope)
        self._paused = paused | {one.scope: one for one in self._tripped}
        if wanted is None:
            return LeaseLost()
        if wanted == "cancel":
            return DeliveryCancelled()
        return _as_error(paused[EVERYTHING]) if EVERYTHING in paused else None

    def _sign_off(self) -> None:
        """Record the last of it. Where the store cannot be written to, the journal tells whoever comes next."""
        if not self._signed_on:
            return
        for letter in self._taken.values():  # a transport that broke its word
            if letter.id in self._left:
                self._know(letter, Outcome(LetterState.UNCERTAIN, "it ended without a word", kind="unknown-fate"))
        recorded = False
        try:
            self._tell(self._work(), last=True)
            recorded = True
        finally:
            if self._journal:
                self._journal.close(remove=recorded)
