"""The port through which the courier hands letters over. Maildir and SMTP implement it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from digest.model import Outcome


@dataclass(frozen=True, slots=True)
class Parcel:
    """One letter, ready to go."""

    sender: str  # envelope sender: a bare address
    recipient: str  # a bare address
    message_id: str  # with its angle brackets
    message: bytes  # RFC 5322, CRLF line ends


class Transport(Protocol):
    """Delivers parcels, at most `in_flight` at the same time. One is opened and closed for each run."""

    @property
    def name(self) -> str:
        """Which place this is, e.g. "maildir:/srv/mail": only the same place can say what became of a parcel."""

    @property
    def in_flight(self) -> int:
        """How many parcels may be under way at once; after a crash at most so many letters are uncertain."""

    @property
    def patience(self) -> timedelta:
        """How long a parcel may be under way at most. A courier that has been silent for longer counts as dead."""

    async def open(self) -> None:
        """Get ready. Raises `RelayUnusable` where our side or the server's is not in order."""

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Hand one parcel over and say what became of it. A fault of this recipient is an outcome, never an error.

        Raises `RelayUnusable` where the fault is not the recipient's (server gone, login refused, disk full): the
        parcel has then certainly not been delivered.
        """

    async def settle(self, message_id: str) -> Outcome | None:
        """What became of a parcel that was under way when a courier died; None where that cannot be known."""

    async def close(self) -> None:
        """Let go. Never raises."""
