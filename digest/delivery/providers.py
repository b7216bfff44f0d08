"""Whose servers take the letters to a domain: recipients are grouped by mail provider, since providers set limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import dns.asyncresolver


class Providers:
    """Recipient domain → provider name, as in "google.com". Answers are kept in memory, for one run."""

    def __init__(
        self, group_by: Literal["mx", "domain"] = "mx", resolver: dns.asyncresolver.Resolver | None = None
    ) -> None:
        """`resolver`: None asks the servers that the system is configured with."""
        raise NotImplementedError

    def known(self, domain: str) -> str | None:
        """The provider of a lower-case domain, without waiting; None: not looked up yet, see `find`."""
        raise NotImplementedError

    async def find(self, domains: Iterable[str]) -> None:
        """Look the domains up, so that all of them are `known`. Never raises.

        At most 16 questions at once, each of at most 2 seconds. A domain whose question fails is its own provider;
        after 5 failures in a row DNS counts as not there, and no more is asked.
        """
        raise NotImplementedError
