"""The port between the courier, who has letters, and the transports, which move them: Maildir and SMTP.

The transport sets the pace: it takes a parcel when it can move it, says right before the moment after which the
parcel may have arrived, and answers for every parcel that it took.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from digest.model import LetterState, Outcome


@dataclass(frozen=True, slots=True)
class Parcel:
    """One letter, ready to go."""

    sender: str  # envelope sender: a bare address
    recipient: str  # a bare address
    message_id: str  # with its angle brackets
    message: bytes  # RFC 5322, CRLF line ends
    # Its maker vouches for what `wire` else looks for in the message: that it is ASCII without a NUL, that each CR
    # stands before an LF and each LF behind a CR, and that no line begins with a dot.
    plain: bool = False


class Supply(Protocol):
    """Where a transport gets parcels from. All but `more` is synchronous and quick; nothing here raises."""

    @property
    def connections(self) -> int:
        """How many connections may be open at the moment: at least 1, at most what is configured."""

    def take(self) -> Parcel | None:
        """A parcel that may leave now; None: none at the moment. Never waits."""

    async def more(self) -> bool:
        """Wait until `take` may give another; False: there will be none any more."""

    def leaving(self, parcel: Parcel) -> bool:
        """Called right before the bytes that can make it delivered (the final dot, the rename) go to the system.

        False: it must not leave any more; give it `back`.
        """

    def done(self, parcel: Parcel, outcome: Outcome) -> None:
        """What became of it."""

    def back(self, parcel: Parcel, why: str) -> None:
        """It has certainly not been delivered and nobody has judged it: it waits again."""


class Transport(Protocol):
    """Moves parcels. One is opened and closed for each run."""

    @property
    def name(self) -> str:
        """Which place this is, e.g. "maildir:/srv/mail": only the same place can say what became of a parcel."""

    @property
    def in_flight(self) -> int:
        """How many parcels may be between `leaving` and `done`: after a crash at most so many are uncertain."""

    async def open(self) -> None:
        """Get ready. Raises `RelayUnusable` where our side or the server's is not in order."""

    async def carry(self, supply: Supply) -> None:
        """Move parcels until the supply ends. A fault of one recipient is an outcome, never an error.

        Every parcel taken is answered by exactly one `done` or `back` before this returns or raises, also where it
        is cancelled. Several tasks may wait in `more` at once. Raises `RelayUnusable` where the fault is not the
        recipients' (server gone, login refused, disk full), once the conversations under way have ended.
        """

    async def settle(self, message_ids: Collection[str]) -> dict[str, Outcome]:
        """What became of parcels that were under way when a courier died: Message-ID → outcome, for those of which
        it can be known. Asked once for all of them, as it may take seconds. Raises `RelayUnusable`."""

    async def close(self) -> None:
        """Let go. Never raises."""


async def deliver_one(transport: Transport, parcel: Parcel) -> Outcome:
    """Carry a single parcel and say what became of it. Raises `RelayUnusable`."""
    supply = _One(parcel)
    await transport.carry(supply)
    assert supply.outcome is not None
    return supply.outcome


class _One:
    """A supply of one parcel."""

    connections = 1

    def __init__(self, parcel: Parcel) -> None:
        self._parcel: Parcel | None = parcel
        self.outcome: Outcome | None = None

    def take(self) -> Parcel | None:
        parcel, self._parcel = self._parcel, None
        return parcel

    async def more(self) -> bool:
        return self._parcel is not None

    def leaving(self, parcel: Parcel) -> bool:
        return True

    def done(self, parcel: Parcel, outcome: Outcome) -> None:
        self.outcome = outcome

    def back(self, parcel: Parcel, why: str) -> None:
        self.outcome = Outcome(LetterState.DEFERRED, why, kind="back")
