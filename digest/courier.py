"""Claim letters → compose → send → record.

The order is the promise. A letter is claimed before anything is sent and recorded after the relay's word; in
between a journal says which letters may have left. So a killed courier leaves at most those in doubt that were
under way (see `recovery`), and what is in doubt is never sent unasked.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count as numbers
from typing import Protocol, cast

from digest.assembly import compose, composer_of, transport_of
from digest.config import Config
from digest.delivery import journal
from digest.delivery.breakers import Breakers
from digest.delivery.pace import Pace
from digest.delivery.providers import Providers
from digest.delivery.transport import Parcel, Transport
from digest.errors import (
    DeliveryCancelled,
    DeliveryPaused,
    DigestError,
    LeaseLost,
    NotMailable,
    NotRecorded,
    RelayUnusable,
    TemplateInvalid,
)
from digest.ledger import Ledger
from digest.letters.compose import Composer
from digest.model import Letter, LetterState, Outcome
from digest.patience import patient_collector
from digest.recovery import settle_abandoned
from digest.store import couriers, outbox, pauses
from digest.store.opening import Store
from digest.store.pauses import EVERYTHING, Pause
from digest.store.sql import batched

BATCH = 512  # letters that a courier holds at once, at most; all but those under way wait again when it dies
FEWEST = 64  # with which it begins
HOLD = 10.0  # seconds for which it has letters; what waits longer for its turn is put off
SLICE = 128  # letters that are read at once, between which conversations go on
GROUP = 256  # outcomes that are recorded together
TICK = 0.1  # seconds in which an outcome is recorded at the latest
LOOKUP = 0.5  # seconds for the DNS before letters leave
LOOK = 1.0  # seconds between two looks at what operators want
PARKED = BATCH // 4  # letters in memory that wait for others to the same provider
PAUSED_FOR = timedelta(minutes=5)  # until a letter to a paused provider is looked at again
PATIENCE = timedelta(minutes=10)  # for which a round waits until the pace allows more
RETURNS = 3  # so often the transport may give a letter back; then it waits for the next run
TOLD = 1000  # troubles that are told one by one
LATER = "its turn comes later"
ANYBODY = ""  # a provider that no address has: what holds for it holds for all

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
    waiting: int = 0  # letters that are left
    next_try_at: datetime | None = None  # of the first of them
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
    patience: timedelta = PATIENCE,
) -> Delivered:
    """Send every letter that may go out now (of subscriber `only`), and say what came of it.

    Ends early, with `stopped` set, where nothing can be sent at all, where delivery is paused, or where the pace
    would have it wait longer than `patience`. Once `stop` is set nothing more is begun, and what is under way has
    `delivery.grace_seconds` to end.
    """
    done = Delivered()
    place = transport or transport_of(config)
    with store.write() as connection:
        done.suppressed += outbox.suppress(connection, now())
        done.expired += outbox.expire(connection, now())
        at_work = [one.journal for one in couriers.everyone(connection)]
    journal.sweep(config.home.resolve(), at_work)
    try:
        for found, outcome in asyncio.run(settle_abandoned(store, place, now)):
            _count(done, found, outcome)
    except RelayUnusable as error:
        done.stopped = error
        return done
    with store.read() as connection:
        waiting = outbox.next_try(connection)
        paused = pauses.in_force(connection, now())
    # Else a relay that is down need not be asked: nothing is to be said.
    if waiting is not None and waiting <= now():
        if EVERYTHING in paused:
            done.stopped = _as_error(paused[EVERYTHING])
        else:
            _round(_Round(store, config, now, place, composer_of(config), only, stop, progress, done, patience))
    with suppress(DigestError), store.read() as connection:
        done.waiting, done.next_try_at = outbox.count_waiting(connection), outbox.next_try(connection)
    return done


def _round(one: _Round) -> None:
    try:
        with patient_collector():
            asyncio.run(one.go())
    except DigestError as error:
        one.result.stopped = error


def _count(done: Delivered, letter: Letter, outcome: Outcome) -> None:
    done.counts[outcome.state] += 1
    if outcome.state is not LetterState.SENT and len(done.troubles) < TOLD:
        done.troubles.append((letter, outcome))


def _as_error(pause: Pause) -> DeliveryPaused:
    return DeliveryPaused(by=pause.by, reason=pause.reason)


def _domain(letter: Letter) -> str:
    return letter.subscriber.address.rpartition("@")[2].lower()


# ---- one round


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
        patience: timedelta,
    ) -> None:
        self.store, self.config, self.now, self.only, self.stop = store, config, now, only, stop
        self.transport, self.composer, self.progress, self.result = transport, composer, progress, done
        self.patience = patience

        self._queue: deque[Letter] = deque()  # claimed, may leave
        self._held: list[tuple[float, int, Letter]] = []  # a heap: may leave from a moment on (monotonic)
        self._parked: dict[str, deque[Letter]] = {}  # provider → may leave when others to it have
        self._taken: dict[str, tuple[Letter, str]] = {}  # Message-ID → with the transport, and to which provider
        self._numbers = numbers()
        self._finding: set[asyncio.Task[None]] = set()  # questions to the DNS
        self._returned: Counter[int] = Counter()
        self._stuck: list[Letter] = []  # was returned too often, and waits for the next run
        self._opens = 0.0  # until then (monotonic) nothing may leave
        self._due: float | None = None  # the first turn (monotonic) of what was put off
        self._later: datetime | None = None  # the turn of everything, where it is too far off to wait for

        self._most = FEWEST  # letters to have at once
        self._answered = 0
        self._exhausted = False  # nothing more is there to be claimed
        self._ended = False  # nothing more is handed out
        self._fault: DigestError | None = None
        self._wake = asyncio.Event()  # for the transport: there may be something to take
        self._kick = asyncio.Event()  # for `_feed`: there is something to do

    async def go(self) -> None:
        """Raises what ended the round early. What is known of a letter is recorded by then, or in the journal."""
        config = self.config.delivery
        await self.transport.open()
        try:
            self._ledger = Ledger(self.store, self.config.home.resolve(), self.transport.name, self.now, self.only)
            try:
                # Without a journal all that we hold is in doubt when we die: no more, then, than is under way.
                self._limit = BATCH if self._ledger.journal else self.transport.in_flight
                self._pace = Pace(
                    config, self._ledger.saved_pace, time.monotonic(), self.now(), self.transport.in_flight
                )
                self._breakers = Breakers(in_flight=self.transport.in_flight)
                self._providers = Providers(config.group_by) if config.kind == "smtp" else None
                await self._carry()
            except DigestError as error:
                self._end(error)
            finally:
                self._end(None)
                if self._pace.changed:
                    self._ledger.save_pace(self._pace.saved(self.now()))
                why = str(self._fault or (LATER if self._later else ""))
                cancelled = isinstance(self._fault, DeliveryCancelled)
                doubt = self._ledger.sign_off(why, self._later, cancelled=cancelled)
                if isinstance(self._fault, NotRecorded):  # by now it is
                    self._fault = cast(DigestError, self._fault.fields["detail"])
                for letter, _ in self._taken.values():  # a transport that broke its word
                    if letter.id in doubt:
                        _count(self.result, letter, doubt[letter.id])
        finally:
            await self.transport.close()
        if self._fault:
            raise self._fault

    async def _carry(self) -> None:
        watching = asyncio.create_task(self._watch())
        feeding = asyncio.create_task(self._feed())
        carrying = asyncio.create_task(self.transport.carry(self))
        try:
            # Whoever watches ends by an error alone; without it nobody keeps the lease.
            await asyncio.wait({carrying, feeding, watching}, return_when=asyncio.FIRST_COMPLETED)
            self._end(None)
            patience = self.config.delivery.grace_seconds  # for what is under way, when asked to stop
            while not carrying.done() and patience > 0:
                await asyncio.wait({carrying}, timeout=min(LOOK, patience))
                if self.stop and self.stop.is_set():
                    patience -= LOOK
        finally:
            self._end(None)
            watching.cancel()
            carrying.cancel()  # of no effect where it is done
            # Feeding is never cancelled: nobody would know whether what it was telling the store had been written.
            await asyncio.wait({watching, carrying, feeding})
            for task in (watching, carrying):
                with suppress(asyncio.CancelledError):
                    task.result()
            feeding.result()

    # ---- what the transport asks (digest.delivery.transport.Supply)

    @property
    def connections(self) -> int:
        return self._pace.connections

    def take(self) -> Parcel | None:
        now = time.monotonic()
        while not self._ended and now >= self._opens and self._ledger.is_leased:
            letter = self._next(now)
            if letter is None:
                return None
            if letter.expires_at and letter.expires_at <= self.now():
                self._ledger.put_off(letter, "", None)
                continue
            provider = self._provider(letter)
            if self._ledger.paused and (pause := self._ledger.paused.get(f"provider:{provider}")):
                until = pause.until or self.now() + PAUSED_FOR
                self._ledger.put_off(letter, f"letters to {provider} are paused: {pause.reason}", until)
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
                self._know(letter, provider, Outcome(LetterState.FAILED, str(error), kind="not-mailable"))
                continue
            except Exception as error:
                # It may be this letter's fault or the machine's. Others go on, and many in a row trip a breaker.
                log.exception("%s: the letter could not be composed", letter.subscriber.handle)
                why = f"it could not be composed: {type(error).__name__}: {error}"
                self._know(letter, provider, Outcome(LetterState.DEFERRED, why, kind="not-composed"))
                continue
            self._pace.left(provider, now)
            self._taken[parcel.message_id] = letter, provider
            return parcel
        return None

    async def more(self) -> bool:
        while not self._ended:
            now = time.monotonic()
            if not self._ledger.is_leased:
                wait: float | None = LOOK
            elif now < self._opens:
                wait = self._opens - now
            elif self._queue or (self._held and self._held[0][0] <= now):
                return True
            else:
                wait = self._held[0][0] - now if self._held else None
            self._wake.clear()
            if self._room():  # else `_feed` would only offer again, and at once, what has to wait for an answer
                self._kick.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)
        return False

    def leaving(self, parcel: Parcel) -> bool:
        # What was taken in time may leave where others only have to wait for their turn.
        if self._fault or (self._ended and not self._later):
            return False
        if self._ledger.leave(self._taken[parcel.message_id][0]):
            return True
        if fault := self._ledger.fault:
            self._end(fault)
        return False

    def done(self, parcel: Parcel, outcome: Outcome) -> None:
        letter, provider = self._taken[parcel.message_id]
        self._know(letter, provider, outcome)  # first of all, whatever may interrupt us
        del self._taken[parcel.message_id]
        self._answered += 1
        self._pace.told(provider, outcome, time.monotonic())
        self._unpark(provider)

    def back(self, parcel: Parcel, why: str) -> None:
        letter, provider = self._taken.pop(parcel.message_id)
        self._ledger.stayed(letter)
        self._pace.back(provider, time.monotonic())
        self._unpark(provider)
        self._returned[letter.id] += 1
        if self._returned[letter.id] < RETURNS:
            self._queue.append(letter)
            self._wake.set()
        else:
            self._stuck.append(letter)

    # ---- the queue

    def _next(self, now: float) -> Letter | None:
        if self._held and self._held[0][0] <= now:
            return heapq.heappop(self._held)[2]
        if not self._queue:
            return None
        if self._room():
            self._kick.set()
        return self._queue.popleft()

    def _hold(self, letter: Letter, provider: str, wait: float, now: float) -> None:
        """The letter has to wait for its turn, for so many seconds or until another one is answered."""
        everybody = self._pace.wait(ANYBODY, now)
        if everybody > 0:
            self._queue.appendleft(letter)
            self._opens = now + min(everybody, HOLD)
            if everybody != math.inf and everybody > self.patience.total_seconds():
                self._later = self.now() + timedelta(seconds=everybody)
                self._end(None)
        elif wait == math.inf and sum(map(len, self._parked.values())) < PARKED:
            self._parked.setdefault(provider, deque()).append(letter)
        elif wait <= HOLD:
            heapq.heappush(self._held, (now + wait, next(self._numbers), letter))
        else:
            wait = HOLD if wait == math.inf else wait
            self._due = min(self._due or math.inf, now + wait)
            self._ledger.put_off(letter, LATER, self.now() + timedelta(seconds=wait))

    def _unpark(self, provider: str) -> None:
        if waiting := self._parked.get(provider):
            self._queue.append(waiting.popleft())
            self._wake.set()

    def _provider(self, letter: Letter) -> str:
        domain = _domain(letter)
        return self._providers.known(domain) or domain if self._providers else domain

    def _know(self, letter: Letter, provider: str, outcome: Outcome) -> None:
        self._ledger.know(letter, outcome)
        _count(self.result, letter, outcome)
        if self._ledger.untold >= GROUP:
            self._kick.set()
        if tripped := self._breakers.told(provider, outcome):
            at = self.now()
            until = None if tripped.until is None else at + tripped.until
            pause = Pause(tripped.scope, tripped.reason, "breaker", at, until)
            self._ledger.pause(pause)
            self.result.alerts.append(pause.reason)
            if pause.scope == EVERYTHING:
                self._end(_as_error(pause))

    def _end(self, error: DigestError | None) -> None:
        """Hand nothing more out."""
        self._fault = self._fault or error
        self._ended = True
        self._wake.set()
        self._kick.set()

    # ---- claiming and recording

    async def _feed(self) -> None:
        """Claim and record, as long as there is anything to do."""
        while not self._ended:
            if self.stop and self.stop.is_set():
                return
            if any(self._parked.values()):  # whatever happens, nobody waits for ever
                for waiting in self._parked.values():
                    self._queue.extendleft(waiting)
                    waiting.clear()
                self._wake.set()
            claim = self._room()
            ids, told = await self._ledger.turn(claim, self._in_hand() if claim else ())
            self._exhausted = self._exhausted or len(ids) < claim
            if told:
                self.progress(told)
            for some in batched(ids, SLICE):
                await self._add(some)
            if self._is_idle() and not self._waits_for_turns():
                return
            if self._room() or self._ledger.untold >= GROUP:
                continue
            self._kick.clear()  # what it was for is done
            with suppress(TimeoutError):
                await asyncio.wait_for(self._kick.wait(), TICK)

    async def _add(self, ids: list[int]) -> None:
        claimed, faults = await self._ledger.load(ids)
        for letter_id, error in faults.items():
            log.error("letter %d cannot be read", letter_id, exc_info=error)
            why = f"it cannot be read: {type(error).__name__}: {error}"
            self._ledger.know_of(letter_id, Outcome(LetterState.DEFERRED, why, kind="not-read"))
            self.result.counts[LetterState.DEFERRED] += 1
        if self._providers:
            finding = asyncio.create_task(self._providers.find({_domain(one) for one in claimed}))
            self._finding.add(finding)
            finding.add_done_callback(self._finding.discard)
            await asyncio.wait({finding}, timeout=LOOKUP)  # until it is there, a domain counts for itself
        self._queue.extend(claimed)
        self._wake.set()
        await asyncio.sleep(0)

    def _room(self) -> int:
        """How many letters to claim; none where that would be few."""
        most = min(self._most, self._limit)
        if self._exhausted or self._ended or len(self._queue) * 2 > most:  # the usual case, and this is often asked
            return 0
        parked = sum(map(len, self._parked.values()))
        room = most - len(self._queue) - len(self._stuck) - len(self._held) - len(self._taken) - parked
        return room if room * 2 >= most else 0

    def _in_hand(self) -> list[int]:
        waiting = [
            *self._queue,
            *self._stuck,
            *(one for _, _, one in self._held),
            *(letter for letter, _ in self._taken.values()),
        ]
        waiting += [one for parked in self._parked.values() for one in parked]
        return [one.id for one in waiting]

    def _is_idle(self) -> bool:
        waits = self._queue or self._held or self._taken or any(self._parked.values()) or self._ledger.untold
        # Without room there are so many that were returned that no more can be claimed in this run.
        return not waits and (self._exhausted or not self._room())

    def _waits_for_turns(self) -> bool:
        """Whether it is worth waiting for what was put off. Once its turn has come it may be claimed again."""
        now = time.monotonic()
        if self._due is None or self._due > now + self.patience.total_seconds():
            return False
        if self._due <= now:
            self._due, self._exhausted = None, False
        return True

    # ---- the world outside

    async def _watch(self) -> None:
        """Hear what operators want, keep the lease and save the pace, to the end of the last conversation."""
        before, since = self._answered, time.monotonic()
        wait = LOOK / 8  # who begins with few letters soon knows whether these are too few
        while True:
            await asyncio.sleep(wait)
            # Not more letters than go in `HOLD` seconds, so that one who unsubscribes is soon heard.
            now = time.monotonic()  # it may have been the store that took its time
            rate, before, since = (self._answered - before) / (now - since), self._answered, now
            wait = min(LOOK, 2 * wait)
            self._most = max(FEWEST, self.transport.in_flight * 2, min(BATCH, int(rate * HOLD)))
            paused = self._ledger.paused
            wanted = await self._ledger.look()
            for scope in paused.keys() - self._ledger.paused.keys():
                self._breakers.resumed(scope)
            if self._pace.changed:
                self._ledger.save_pace(self._pace.saved(self.now()))
            if wanted is None:
                self._end(LeaseLost())
            elif wanted == "cancel":
                self._end(DeliveryCancelled())
            elif EVERYTHING in self._ledger.paused:
                self._end(_as_error(self._ledger.paused[EVERYTHING]))
