"""Letters over SMTP: a pool of connections to one server, each with a worker that carries letters over it.

How a connection is made is in connecting.py, what is said on it in conversation.py and pipeline.py, which bytes may
be said at all in wire.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from digest.config import SmtpConfig
from digest.delivery.connecting import Connector, TooManyConnections
from digest.delivery.session import Hand, Talk
from digest.delivery.transport import Supply
from digest.errors import RelayUnusable
from digest.model import Outcome


class Smtp:
    """Carries parcels over at most `config.connections` connections, which are made when needed and kept."""

    def __init__(
        self, config: SmtpConfig, password: str | None, hostname: str | None, home: Path | None = None
    ) -> None:
        """`hostname` is how we introduce ourselves, by default this machine's name; `home` is where a relative
        `ca_file` starts."""
        self._config = config
        self._connector = Connector(config, password, hostname, home or Path())
        self._pipelining = True
        self._idle: list[Talk] = []

    @property
    def name(self) -> str:
        return f"smtp:{self._config.host}:{self._config.port}"

    @property
    def in_flight(self) -> int:
        return self._config.connections

    async def open(self) -> None:
        """Connect and log in once, so that whatever is wrong shows before the first letter is touched."""
        await self._connector.prepare()
        try:
            self._idle.append(await self._connector.connect())
        except TooManyConnections as busy:
            raise busy.fault from None

    async def carry(self, supply: Supply) -> None:
        await _Round(self, supply).go()

    async def settle(self, message_ids: Collection[str]) -> dict[str, Outcome]:
        """SMTP has no way to ask what became of a message."""
        return {}

    async def close(self) -> None:
        talks, self._idle = self._idle, []
        await asyncio.gather(*(talk.leave() for talk in talks), return_exceptions=True)

    async def talk(self, fresh: bool) -> Talk:
        """A connection: a kept one, or a new one where none is or where it must not be one that is old."""
        while self._idle:
            talk = self._idle.pop()
            if talk.is_usable and not fresh:
                return talk
            await talk.leave()
            if fresh:
                break  # one goes for the one to be made
        return await self._connector.connect(self._pipelining)

    async def release(self, talk: Talk) -> None:
        """Keep it for the next letter, where it can be."""
        if talk.is_confused:
            self._pipelining = False  # a server that loses count is spoken to plainly from now on
        if talk.is_usable and not talk.is_spent:
            self._idle.append(talk)
        else:
            await talk.leave()


class _Round:
    """One call of `carry`: workers, as many as may be connected, until the supply ends or the relay is unusable."""

    def __init__(self, smtp: Smtp, supply: Supply) -> None:
        self._smtp = smtp
        self._supply = supply
        self._most = smtp.in_flight  # fewer where the server takes no more
        self._fault: RelayUnusable | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._workers = 0  # tasks that have not decided to end
        self._resting: set[asyncio.Task[None]] = set()
        self._connected = 0

    async def go(self) -> None:
        self._grow()
        try:
            while self._tasks:
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                self._tasks -= done
                for task in done:
                    task.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._fault:
            raise self._fault

    @property
    def _allowed(self) -> int:
        return max(1, min(self._most, self._supply.connections))

    def _grow(self) -> None:
        """One worker more where one may be: it looks for a parcel before it connects."""
        if self._workers < self._allowed and not self._fault:
            self._workers += 1
            self._tasks.add(asyncio.create_task(self._work()))

    def _may_take(self) -> bool:
        return self._fault is None and self._workers <= self._allowed

    async def _work(self) -> None:
        hand = Hand(self._supply, self._may_take, self._grow)
        talk: Talk | None = None
        try:
            while (load := hand.take()) or await self._more():
                if load is None:
                    continue
                hand.first(load)
                if talk is None:
                    talk = await self._connect(hand)
                    if talk is None:
                        return
                await talk.run(hand)
                if not talk.is_usable or talk.is_spent:
                    self._connected -= 1
                    old, talk = talk, None
                    await self._smtp.release(old)
        except RelayUnusable as error:
            self._fault = self._fault or error
            for task in self._resting:
                task.cancel()
        finally:
            self._workers -= 1
            hand.let_go(str(self._fault or "the run was interrupted"))
            if talk:
                self._connected -= 1
                if self._workers >= self._allowed:  # one too many: the server is to see fewer, not idle ones
                    await talk.leave()
                else:
                    await self._smtp.release(talk)

    async def _connect(self, hand: Hand) -> Talk | None:
        """None where the server takes no further connection and others live: they go on with fewer."""
        self._connected += 1
        try:
            return await self._smtp.talk(fresh=hand.is_retry)
        except TooManyConnections as busy:
            if self._connected == 1:
                raise busy.fault from None
            self._connected -= 1
            self._most = max(1, self._connected)
            hand.let_go(str(busy.fault))
            return None
        except BaseException:
            self._connected -= 1
            raise

    async def _more(self) -> bool:
        """Whether there may be another parcel for this worker; waits for it without a promise to anybody."""
        if not self._may_take():
            return False
        task = asyncio.current_task()
        assert task is not None
        self._resting.add(task)
        try:
            return await self._supply.more()
        except asyncio.CancelledError:
            if self._fault is None:
                raise
            return False
        finally:
            self._resting.discard(task)
