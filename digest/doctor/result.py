"""What a check says, and what it looks at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address

from digest.config import Config
from digest.dns import Dns, addresses

# How checks are grouped when they are shown, by what their names begin with.
AREAS = {
    "files": "Configuration and files",
    "spf": "SPF: who may send for the domain",
    "dkim": "DKIM: signatures",
    "dmarc": "DMARC: what receivers hold against the From address",
    "reverse": "Reverse DNS: the name of the sending address",
    "replies": "Answers and bounces",
    "relay": "The mail server",
    "pages": "One-click unsubscribing",
    "clock": "The clock",
    "store": "The store",
    "disk": "The disk",
    "letters": "Letters",
    "software": "Software",
}


NOT_CHECKED = "not checked: "


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"  # could not be checked


@dataclass(frozen=True, slots=True)
class Result:
    check: str  # "spf.record": the same from one version to the next
    verdict: Verdict
    seen: str  # the evidence, in the words of whoever gave it
    remedy: str = ""

    @property
    def is_told_elsewhere(self) -> bool:
        return self.seen.startswith(f"{NOT_CHECKED}see ")

    @property
    def area(self) -> str:
        return AREAS[self.check.partition(".")[0]]


def ok(check: str, seen: str) -> Result:
    return Result(check, Verdict.OK, seen)


def warn(check: str, seen: str, remedy: str) -> Result:
    return Result(check, Verdict.WARN, seen, remedy)


def fail(check: str, seen: str, remedy: str) -> Result:
    return Result(check, Verdict.FAIL, seen, remedy)


def unknown(check: str, why: str, remedy: str = "") -> Result:
    return Result(check, Verdict.UNKNOWN, f"{NOT_CHECKED}{why}", remedy)


def see(check: str, other: str) -> Result:
    """One that cannot be told, for a reason that is told with another."""
    return unknown(check, f"see {other}")


@dataclass(frozen=True, slots=True)
class Patient:
    """An installation. `own_address` gives the address that this machine sends from, "" where it has none."""

    config: Config
    dns: Dns
    now: Callable[[], datetime]
    own_address: Callable[[], str]
    offline: bool = False

    @property
    def sends(self) -> bool:
        """Do letters leave over SMTP?"""
        return self.config.delivery.kind == "smtp"

    @property
    def bounces_address(self) -> str:
        """Where bounces are asked to go, as far as it is another address than that of the letters."""
        return str(getattr(getattr(self.config, "bounces", None), "address", "") or "")

    @property
    def sender_domain(self) -> str:
        """The domain of the envelope sender, whose SPF record counts."""
        return (self.bounces_address or self.config.letter.from_address).rpartition("@")[2].lower()

    @property
    def from_domain(self) -> str:
        return self.config.letter.domain.lower()


@dataclass(frozen=True, slots=True)
class Check:
    names: tuple[str, ...]  # of its results, which are told whatever happens; the first says why the others are not
    look: Callable[[Patient], Awaitable[Sequence[Result]]]
    network: bool = False  # useless with --offline
    mail: bool = False  # useless where letters go into a Maildir


@dataclass(frozen=True, slots=True)
class Route:
    """Where letters go from here."""

    relay: tuple[str, ...]  # addresses
    here: bool  # the mail server runs on this machine
    sending: str  # the public address that receivers see; "" where it cannot be told from here

    @property
    def certain(self) -> bool:
        """A relay elsewhere may send from another address than the one that it takes letters at."""
        return self.here


async def route_of(patient: Patient) -> Route:
    """Raises `Unanswered`."""
    relay = await addresses(patient.config.delivery.smtp.host)
    own = patient.own_address()
    here = bool(relay) and all(ip_address(one.partition("%")[0]).is_loopback or one == own for one in relay)
    sending = own if here else next(iter(relay), "")
    return Route(relay, here, sending if sending and ip_address(sending.partition("%")[0]).is_global else "")
