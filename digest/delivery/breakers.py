"""When to stop by ourselves: complaints, bounces and refusals that mean that going on does harm.

Pure: outcomes in, a pause or nothing out. The rules stand as data in front.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from digest.model import Outcome


@dataclass(frozen=True, slots=True)
class Pause:
    """What must not go on."""

    scope: str  # "*": the whole run; "provider:google.com"
    reason: str  # plain words, with figures and the remedy
    until: timedelta | None  # from now; None: until somebody resumes it


@dataclass(frozen=True, slots=True)
class Figures:
    """A run so far, since it began or was last resumed. Deferred letters count once they are settled."""

    sent: int = 0
    failed: int = 0  # all kinds, the hard ones too
    uncertain: int = 0
    hard: int = 0  # of them "no-mailbox" and "refused"
    bounced: int = 0  # hard bounces read back, of letters that count under `sent`
    complaints: int = 0
    in_a_row: int = 0  # failures since the last letter was sent
    reputation: Mapping[str, int] = field(default_factory=dict)  # provider → replies of this kind
    pauses: Mapping[str, int] = field(default_factory=dict)  # provider → how often it was paused for them


class Breakers:
    """Watches one run."""

    def __init__(self, earlier: Figures | None = None, in_flight: int = 1) -> None:
        """`earlier`: the run's figures where another process began it. `in_flight`: letters under way at once at most,
        which may all be refused for one cause."""
        raise NotImplementedError

    def told(self, provider: str, outcome: Outcome) -> Pause | None:
        """What became of a letter; a pause that must begin now. A pause is told once, until it is `resumed`."""
        raise NotImplementedError

    def bounced(self, number: int = 1) -> Pause | None:
        """So many letters of the run that had been taken came back as hard bounces."""
        raise NotImplementedError

    def complained(self, number: int = 1) -> Pause | None:
        """So many readers reported a letter of the run as unwanted."""
        raise NotImplementedError

    def resumed(self, scope: str = "*") -> None:
        """A pause is over, by time or by somebody: the run counts anew; a provider trips at its next such reply."""
        raise NotImplementedError
