"""A supply from a list, for the tests of transports. It keeps account, and objects to what the port forbids."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable

from digest.delivery.transport import Parcel, Transport
from digest.errors import RelayUnusable
from digest.model import Outcome


class Listed:
    """Gives out parcels in order; those that come back are given out again, unless `keeps_back`."""

    def __init__(self, parcels: Iterable[Parcel], connections: int = 256, keeps_back: bool = False) -> None:
        self.waiting = deque(parcels)
        self.connections = connections
        self.keeps_back = keeps_back
        self.hand: Counter[Parcel] = Counter()
        self.left: list[Parcel] = []
        self.outcomes: dict[Parcel, Outcome] = {}
        self.backs: list[tuple[Parcel, str]] = []
        self.may_leave: Callable[[Parcel], bool] = lambda _: True
        self.on_done: Callable[[Parcel], None] = lambda _: None
        self.most_between = 0
        self._between: Counter[Parcel] = Counter()
        self._news = asyncio.Event()

    def take(self) -> Parcel | None:
        if not self.waiting:
            return None
        parcel = self.waiting.popleft()
        self.hand[parcel] += 1
        return parcel

    async def more(self) -> bool:
        while not self.waiting:
            if not self.hand.total():
                return False
            self._news.clear()
            await self._news.wait()
        return True

    def leaving(self, parcel: Parcel) -> bool:
        assert self.hand[parcel], "it was not taken"
        if not self.may_leave(parcel):
            return False
        self.left.append(parcel)
        self._between[parcel] += 1
        self.most_between = max(self.most_between, self._between.total())
        return True

    def done(self, parcel: Parcel, outcome: Outcome) -> None:
        self._answered(parcel)
        assert parcel not in self.outcomes, "it was done already"
        self.outcomes[parcel] = outcome
        self.on_done(parcel)

    def back(self, parcel: Parcel, why: str) -> None:
        self._answered(parcel)
        self.backs.append((parcel, why))
        if not self.keeps_back:
            self.waiting.append(parcel)

    def _answered(self, parcel: Parcel) -> None:
        assert self.hand[parcel], "it is not in hand"
        self.hand[parcel] -= 1
        self._between.pop(parcel, None)
        self._news.set()


async def carried(
    transport: Transport, parcels: Iterable[Parcel], connections: int = 256
) -> list[Outcome | BaseException]:
    """Carry them all; what became of each, in order. The first that a fault of the relay left has the fault."""
    every = list(parcels)
    supply = Listed(every, connections)
    faults: dict[Parcel, BaseException] = {}
    while supply.waiting:
        try:
            await transport.carry(supply)
        except RelayUnusable as error:
            faults[first := next(one for one in every if one in supply.waiting)] = error
            supply.waiting.remove(first)
        assert not supply.hand.total(), "carry returned with parcels in hand"
    return [supply.outcomes.get(one) or faults[one] for one in every]
