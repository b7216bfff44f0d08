"""When a letter may leave: limits of the configuration, and what servers make us learn (AIMD).

Pure: no I/O, and the clock is passed in. `now` is monotonic seconds; the wall clock only dates the saved state.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from digest.config import DeliveryConfig
from digest.model import Outcome


class Pace:
    """Says when a letter to a provider may leave. `provider` is a name from `Providers`.

    `take` a parcel only if `wait` is 0.0, and then say `left` at once; every `left` is followed by one `told` or one
    `back`. All four are cheap: without limits and never throttled, `wait`, `left` and `told` cost below 1.5 µs together.
    """

    changed: bool  # there is something to save since `saved` was last called

    def __init__(
        self,
        config: DeliveryConfig,
        saved: Mapping[str, object],
        now: float,
        wall: datetime,
        connections: int | None = None,
    ) -> None:
        """`saved` is what `saved()` gave, scope → state; what is broken in it is ignored, and so is an unknown scope.

        `connections` is the most of them that the transport can use; None: `delivery.smtp.connections`.
        """
        raise NotImplementedError

    def wait(self, provider: str, now: float) -> float:
        """Seconds until one more letter may leave to the provider; 0.0: now. Consumes nothing.

        `math.inf`: as many letters are under way to it as may be; ask again after a `told` or `back`.
        """
        raise NotImplementedError

    def left(self, provider: str, now: float) -> None:
        """A letter is taken to leave now: it counts."""
        raise NotImplementedError

    def back(self, provider: str, now: float) -> None:
        """A letter that was `left` did not leave after all: it does not count."""
        raise NotImplementedError

    def told(self, provider: str, outcome: Outcome, now: float) -> None:
        """What became of a letter that was `left`."""
        raise NotImplementedError

    @property
    def connections(self) -> int:
        """How many connections to the relay may be open now: from 1 to the configured number."""
        raise NotImplementedError

    def saved(self, wall: datetime) -> dict[str, dict[str, object]]:
        """What must outlive a restart, as JSON: scope ("*", "provider:google.com") → state.

        It replaces all that was saved before: a scope that is missing has nothing to remember. Clears `changed`.
        """
        raise NotImplementedError
