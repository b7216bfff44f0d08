"""Look-ups in the DNS: the only place that asks name servers, and the machine's own resolver for addresses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Literal, Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

from digest.threads import in_thread

PATIENCE = 4.0  # seconds for one answer, over all name servers
Kind = Literal["A", "AAAA", "MX", "PTR", "TXT"]


class Unanswered(Exception):
    """Nobody said whether there is such a record: no name server, none in time, or none that could tell."""


class Dns(Protocol):
    async def ask(self, name: str, kind: Kind) -> tuple[str, ...]:
        """The records as text, empty where there are none: an address; an exchanger, the preferred first, "" for
        "none takes mail"; a name; a text in one piece. Raises `Unanswered`."""


class Resolver:
    """Asks `servers`, or else the name servers of this machine."""

    def __init__(self, servers: Sequence[str] = (), port: int = 53, patience: float = PATIENCE) -> None:
        self._servers, self._port, self._patience = servers, port, patience
        self._made: dns.asyncresolver.Resolver | None = None

    async def ask(self, name: str, kind: Kind) -> tuple[str, ...]:
        try:
            if self._made is None:
                self._made = self._make()
            wanted = dns.reversename.from_address(name) if kind == "PTR" else dns.name.from_text(name)
            answer = await self._made.resolve(
                wanted,
                kind,
                lifetime=self._patience,
                search=False,
                raise_on_no_answer=False,
            )
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.resolver.NoResolverConfiguration:
            raise Unanswered("this machine names no name server in /etc/resolv.conf") from None
        except dns.exception.Timeout:
            raise Unanswered(f"no name server answered for {name} {kind} in {self._patience:g} s") from None
        except dns.resolver.NoNameservers as error:
            said = {str(one[3]) for one in error.kwargs.get("errors", [])}
            raise Unanswered(f"the name servers could not tell {name} {kind}: {', '.join(sorted(said))}") from None
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise Unanswered(f"{name} {kind}: {str(error) or type(error).__name__}") from None
        if answer.rrset is None:
            return ()
        return _texts(list(answer.rrset))

    def _make(self) -> dns.asyncresolver.Resolver:
        if not self._servers:
            return dns.asyncresolver.get_default_resolver()
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers, made.port = list(self._servers), self._port
        return made


def _texts(records: Sequence[object]) -> tuple[str, ...]:
    if all(isinstance(one, MX) for one in records):
        exchangers = sorted((one.preference, str(one.exchange)) for one in records if isinstance(one, MX))
        return tuple(name.rstrip(".") for _, name in exchangers)
    found = []
    for one in records:
        if isinstance(one, TXT):
            found.append(b"".join(one.strings).decode("utf-8", "replace"))
        else:
            found.append(str(one.target).rstrip(".") if isinstance(one, PTR) else str(one))
    return tuple(sorted(found))


async def addresses(host: str, patience: float = PATIENCE) -> tuple[str, ...]:
    """What this machine connects to under a name, as every program sees it, /etc/hosts included; empty for a name
    that is not there. Raises `Unanswered`."""
    try:
        found = await asyncio.wait_for(
            in_thread(lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)), patience
        )
    except TimeoutError:
        raise Unanswered(f"no answer where {host} is in {patience:.2g} s") from None
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            return ()
        raise Unanswered(f"cannot find out where {host} is: {error.strerror}") from None
    except UnicodeError:
        return ()
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


async def own_name() -> str:
    """This machine's full name, or its short one where the DNS hangs."""
    try:
        return await asyncio.wait_for(in_thread(socket.getfqdn), PATIENCE)
    except TimeoutError:
        return socket.gethostname()


def own_address() -> str:
    """The address that packets to the world leave this machine from; "" without a way there. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documentation (RFC 5737); it only chooses the route
        except OSError:
            return ""
        return str(probe.getsockname()[0])
