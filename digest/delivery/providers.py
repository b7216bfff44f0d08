"""Whose servers take the letters to a domain: limits and reputation go by provider, however many domains it has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # it is not loaded before there is something to ask
    from dns.asyncresolver import Resolver

DEADLINE_SECONDS = 2.0
AT_ONCE = 16
FAILURES = 5  # in a row: DNS is not there

# Domains of mailboxes that many readers have: no need to ask.
MAILBOXES = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), "google.com"),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com"), "outlook.com"),
    **dict.fromkeys(("yahoo.com", "ymail.com", "rocketmail.com", "aol.com"), "yahoo.com"),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), "icloud.com"),
    **dict.fromkeys(("proton.me", "protonmail.com", "pm.me"), "proton.me"),
}
# The end of an MX host → provider, where a provider has several names for its hosts.
HOSTS = {
    "google.com": "google.com",
    "googlemail.com": "google.com",
    "psmtp.com": "google.com",
    "outlook.com": "outlook.com",
    "mx.microsoft": "outlook.com",
    "hotmail.com": "outlook.com",
    "yahoodns.net": "yahoo.com",
    "icloud.com": "icloud.com",
    "protonmail.ch": "proton.me",
    "gmx.net": "gmx.net",
    "gmx.com": "gmx.net",
    "pphosted.com": "proofpoint.com",
    "ppe-hosted.com": "proofpoint.com",
    "messagelabs.com": "broadcom.com",
}
# Under a country's domain these are no organisation of their own: mail.inf.ed.ac.uk is ed.ac.uk's.
# fmt: off
SECOND_LEVEL = frozenset((
    "ac", "ad", "co", "com", "ed", "edu", "go", "gob", "gouv", "gov", "govt", "gv", "mil", "ne", "net", "nhs", "or",
    "org", "plc", "res", "sch",
))
# fmt: on


class Providers:
    """Recipient domain → provider name, as in "google.com". Answers are kept in memory, for one run."""

    def __init__(self, group_by: Literal["mx", "domain"] = "mx", resolver: Resolver | None = None) -> None:
        """`resolver`: None asks the servers that the system is configured with."""
        self._known: dict[str, str] = {}
        self._asks = group_by == "mx"
        self._table = MAILBOXES if self._asks else {}
        self._resolver = resolver
        self._failures = 0  # in a row
        self._turns = asyncio.Semaphore(AT_ONCE)

    def known(self, domain: str) -> str | None:
        """The provider of a lower-case domain, without waiting; None: not looked up yet, see `find`."""
        provider = self._known.get(domain) or self._table.get(domain)
        if provider is None and (not self._asks or not _can_have_mx(domain)):
            return domain
        return provider

    async def find(self, domains: Iterable[str]) -> None:
        """Look the domains up, so that all of them are `known`. Raises nothing.

        At most 16 questions at once, each of at most 2 seconds. A domain whose question fails is its own provider;
        after 5 failures in a row DNS counts as not there, and no more is asked.
        """
        unknown = [domain for domain in dict.fromkeys(domains) if self.known(domain) is None]
        if not unknown:
            return
        import dns.asyncresolver
        import dns.exception

        if self._resolver is None:
            try:
                self._resolver = dns.asyncresolver.Resolver()
            except (dns.exception.DNSException, OSError):  # no /etc/resolv.conf, or an empty one
                self._asks = False
                return
        queue = iter(unknown)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(unknown))):
                group.create_task(self._work(queue, self._resolver))

    async def _work(self, queue: Iterator[str], resolver: Resolver) -> None:
        for domain in queue:
            async with self._turns:
                if self.known(domain) is None:
                    self._known[domain] = await self._look_up(domain, resolver)

    async def _look_up(self, domain: str, resolver: Resolver) -> str:
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            name = dns.name.from_text(domain)
        except (dns.exception.DNSException, UnicodeError):
            return domain
        try:
            answer = await resolver.resolve(name, "MX", lifetime=DEADLINE_SECONDS, search=False)
            hosts = sorted((mx.preference, mx.exchange.to_text(omit_final_dot=True).lower()) for mx in answer)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            hosts = []
        except (dns.exception.DNSException, OSError):
            self._failures += 1
            self._asks = self._asks and self._failures < FAILURES
            return domain
        self._failures = 0
        return provider_of(hosts[0][1] if hosts else "") or domain


def provider_of(host: str) -> str:
    """The provider that an MX host belongs to; "" for what is no host's name ("." says: no mail here)."""
    labels = host.lower().rstrip(".").split(".")
    if not re.fullmatch(r"(?=.{1,253}$)([a-z0-9_-]{1,63}\.)+[a-z][a-z0-9-]+", ".".join(labels)):
        return ""
    for start in range(len(labels)):
        if found := HOSTS.get(".".join(labels[start:])):
            return found
    deep = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL
    return ".".join(labels[-3 if deep else -2 :])


def _can_have_mx(domain: str) -> bool:
    """Neither a literal ([192.0.2.1]) nor a name of the local network."""
    return "." in domain and not domain.startswith("[")
