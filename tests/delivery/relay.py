"""A mail server in memory, behind the port of the transports: it says what a test wants it to say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

from digest.delivery.transport import Parcel, Supply
from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

ACCEPTED = Outcome(LetterState.SENT, "250 accepted", "", "accepted")
DOWN = RelayUnusable(where="relay", detail="it is down", remedy="Wait")


def domain(parcel: Parcel) -> str:
    return parcel.recipient.rpartition("@")[2]


class Relay:
    """`hear` is awaited before a parcel leaves, `say` after it left; what either raises is the relay's fault."""

    name = "relay:here"

    def __init__(self, in_flight: int = 4) -> None:
        self.in_flight = in_flight
        self.arrived: list[str] = []  # recipients, of what was accepted or nobody knows
        self.opened = 0
        self.most = 0  # between leaving and done at the same time
        self.most_to: Counter[str] = Counter()  # the same for each domain
        self._between: list[Parcel] = []
        self.hear: Callable[[Parcel], Awaitable[None]] = _nothing
        self.say: Callable[[Parcel], Awaitable[Outcome]] = _accept

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        pass

    async def settle(self, message_ids: Collection[str]) -> dict[str, Outcome]:
        return {}

    async def carry(self, supply: Supply) -> None:
        working = [asyncio.create_task(self._work(supply)) for _ in range(min(self.in_flight, supply.connections))]
        try:
            done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_EXCEPTION)
            for one in done:
                one.result()
        finally:
            for one in working:
                one.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _work(self, supply: Supply) -> None:
        while (parcel := supply.take()) or await supply.more():
            if parcel is None:
                continue
            left = False
            try:
                await self.hear(parcel)
                if not supply.leaving(parcel):
                    supply.back(parcel, "called back")
                    continue
                left = True
                self._between.append(parcel)
                self.most = max(self.most, len(self._between))
                same = sum(domain(one) == domain(parcel) for one in self._between)
                self.most_to[domain(parcel)] = max(self.most_to[domain(parcel)], same)
                outcome = await self.say(parcel)
                if outcome.state in (LetterState.SENT, LetterState.UNCERTAIN):
                    self.arrived.append(parcel.recipient)
                supply.done(parcel, outcome)
            except (RelayUnusable, asyncio.CancelledError):
                if left:
                    self.arrived.append(parcel.recipient)
                    supply.done(parcel, Outcome(LetterState.UNCERTAIN, "broken off", kind="unknown-fate"))
                else:
                    supply.back(parcel, "the relay is down")
                raise
            finally:
                if left:
                    self._between.remove(parcel)


async def _nothing(_: Parcel) -> None:
    await asyncio.sleep(0)


async def _accept(_: Parcel) -> Outcome:
    await asyncio.sleep(0)
    return ACCEPTED
