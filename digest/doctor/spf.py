"""The sender policy of a domain (RFC 7208): read whole, with all that it includes.

A receiver stops at the first term that matches; what is counted here is the worst case, every term.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from digest.dns import Dns, Unanswered
from digest.doctor.result import Patient, Result, Route, fail, ok, route_of, unknown, warn

MOST_LOOKUPS, MOST_VOID = 10, 2
ENOUGH = 30  # look-ups after which a policy need not be read to its end

Answer = Literal["pass", "fail", "softfail", "neutral", "unknown", "error"]
ANSWERS: dict[str, Answer] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(.*))?", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)
_MASKS = re.compile(r"(?:/(\d{1,2}))?(?://(\d{1,3}))?")


def policies(texts: Sequence[str]) -> list[str]:
    """Those of a domain's TXT records that are sender policies."""
    return [one for one in texts if re.match(r"v=spf1( |$)", one, re.IGNORECASE)]


class Policy:
    """What there is to say of a domain's policy, and, with an address, whether it may send. Ask `read` first."""

    def __init__(self, dns: Dns, address: str = "") -> None:
        self._dns = dns
        self._address = ip_address(address.partition("%")[0]) if address else None
        self.records: list[str] = []  # of the domain itself
        self.lookups = 0
        self.void: list[str] = []  # names that were asked for and are not there
        self.faults: list[str] = []
        self.unsure: list[str] = []  # terms that hang on the letter
        self.end = ""  # the `all` that ends it, "" where none does

    async def read(self, domain: str) -> Answer:
        """Raises `Unanswered` where a record cannot be looked up."""
        self.records = policies(await self._dns.ask(domain, "TXT"))
        if len(self.records) != 1:
            return "error"
        return await self._record(self.records[0], domain, (), top=True)

    async def _record(self, record: str, domain: str, above: tuple[str, ...], *, top: bool) -> Answer:
        answer: Answer | None = None
        unsure: set[Answer] = set()
        redirect = ""
        ended = False
        for term in record.split()[1:]:
            if self.lookups > ENOUGH:
                return "error"
            found = _TERM.fullmatch(term)
            if found is None:
                modifier = _MODIFIER.fullmatch(term)
                if modifier is None:
                    self.faults.append(f"{term!r} in the policy of {domain} is no term of SPF")
                elif modifier[1].lower() == "redirect":
                    redirect = modifier[2]
                continue
            means = ANSWERS[found[1] or "+"]
            if ended:
                self.faults.append(f"{term!r} stands after “all” in the policy of {domain}, and counts for nothing")
                continue
            if found[2].lower() == "all":
                ended = True
                self.end = f"{found[1] or '+'}all" if top else self.end
                matched: bool | None = True
            else:
                matched = await self._matches(found[2].lower(), found[3] or "", found[4] or "", term, domain, above)
            if answer is None and matched is None and self._address:
                unsure.add(means)
            elif answer is None and matched:
                answer = means if unsure <= {means} else "unknown"
        if redirect and not ended:
            further = await self._other(redirect, f"redirect={redirect}", domain, above, top=top)
            answer = answer or (further if not unsure or further in unsure else "unknown")
        if answer is None:
            answer = "unknown" if unsure else "neutral"
        return answer

    async def _matches(
        self, kind: str, sign: str, value: str, term: str, domain: str, above: tuple[str, ...]
    ) -> bool | None:
        """None: it cannot be told."""
        if kind in ("ip4", "ip6"):
            return self._within(kind, value, term, domain)
        if kind == "include":
            answer = await self._other(value, term, domain, above, top=False)
            return None if answer in ("unknown", "error") else answer == "pass"
        self.lookups += 1
        target, slash, masks = value.partition("/") if sign == ":" else ("", sign, value)
        sizes = _MASKS.fullmatch(slash + masks)
        if sizes is None:
            self.faults.append(f"{term!r} in the policy of {domain} is not written as SPF wants it")
            return None
        if kind == "ptr" or "%" in target:
            self.unsure.append(term)
            return None
        name = target or domain
        if kind == "exists":
            return await self._there(await self._dns.ask(name, "A"), f"{name} A")
        hosts: tuple[str, ...] = (name,)
        if kind == "mx":
            hosts = tuple(filter(None, await self._dns.ask(name, "MX")))
            if not await self._there(hosts, f"{name} MX"):
                return False
            if len(hosts) > MOST_LOOKUPS:
                self.faults.append(f"{name} has {len(hosts)} mail servers, and SPF looks at {MOST_LOOKUPS} at most")
        found: list[str] = []
        for host in hosts[:MOST_LOOKUPS]:
            four, six = await self._dns.ask(host, "A"), await self._dns.ask(host, "AAAA")
            if kind == "a":
                await self._there(four + six, f"{name} A")
            found += [f"{one}/{sizes[1] or 32}" for one in four] + [f"{one}/{sizes[2] or 128}" for one in six]
        return self._among(found, term, domain)

    async def _other(self, name: str, term: str, domain: str, above: tuple[str, ...], *, top: bool) -> Answer:
        """The policy that another one includes, or goes on with."""
        self.lookups += 1
        if "%" in name:
            self.unsure.append(term)
            return "unknown"
        if name.lower() in (*above, domain.lower()):
            self.faults.append(f"{term!r} in the policy of {domain} leads back to itself")
            return "error"
        records = policies(await self._dns.ask(name, "TXT"))
        if len(records) != 1:
            what = "has no SPF record" if not records else f"has {len(records)} SPF records"
            self.faults.append(f"{term!r} in the policy of {domain}: {name or 'nothing'} {what}")
            return "error"
        return await self._record(records[0], name, (*above, domain.lower()), top=top)

    async def _there(self, found: Sequence[str], what: str) -> bool:
        if not found:
            self.void.append(what)
        return bool(found)

    def _within(self, kind: str, value: str, term: str, domain: str) -> bool | None:
        version = 4 if kind == "ip4" else 6
        try:
            if ip_network(value, strict=False).version == version:
                return self._among([value], term, domain)
        except ValueError:
            pass
        self.faults.append(f"{term!r} in the policy of {domain} holds no IPv{version} address")
        return None

    def _among(self, networks: Sequence[str], term: str, domain: str) -> bool | None:
        try:
            known: list[IPv4Network | IPv6Network] = [ip_network(one, strict=False) for one in networks]
        except ValueError:
            self.faults.append(f"{term!r} in the policy of {domain} holds no such range of addresses")
            return None
        return self._address is not None and any(self._address in one for one in known)


# ---- the checks


async def look(patient: Patient) -> list[Result]:
    domain = patient.sender_domain
    try:
        route = await route_of(patient)
    except Unanswered:
        route = Route((), False, "")
    policy = Policy(patient.dns, route.sending)
    answer = await policy.read(domain)
    host = patient.config.delivery.smtp.host
    return [*judge(policy, domain), authorised(policy, answer, route, domain, host)]


def judge(policy: Policy, domain: str) -> list[Result]:
    """The policy itself, whoever sends."""
    name = "spf.record"
    if not policy.records:
        remedy = (
            f'put a TXT record at {domain}, such as "v=spf1 mx -all"; who runs the mail server knows what to name'
        )
        return [fail(name, f"{domain} has no SPF record", remedy)]
    if len(policy.records) > 1:
        seen = f"{domain} has {len(policy.records)}: {' | '.join(policy.records)}"
        return [fail(name, seen, "receivers take none where there are several: join them into one")]
    record = policy.records[0]
    if policy.faults:
        found = [fail(name, f"{record}: {'; '.join(policy.faults)}", "receivers ignore such a policy: mend it")]
    else:
        found = [ok(name, f"{domain}: {record}")]
    found.append(_end(policy, domain))
    lookups = f"{policy.lookups} look-ups of {MOST_LOOKUPS} allowed"
    fewer = "name addresses (ip4:, ip6:) in place of include:, a and mx"
    if policy.lookups > MOST_LOOKUPS:
        what = "more than " * (policy.lookups > ENOUGH)
        found.append(fail("spf.lookups", what + lookups, f"receivers give up at the {MOST_LOOKUPS + 1}th: {fewer}"))
    elif len(policy.void) > MOST_VOID:
        seen = f"{lookups}; {len(policy.void)} find nothing: {', '.join(policy.void)}"
        found.append(fail("spf.lookups", seen, f"more than {MOST_VOID} make a receiver give up: take them out"))
    elif policy.void:
        seen = f"{lookups}; nothing is found at {', '.join(policy.void)}"
        found.append(warn("spf.lookups", seen, "take it out of the policy"))
    else:
        found.append(ok("spf.lookups", lookups))
    return found


def _end(policy: Policy, domain: str) -> Result:
    name = "spf.end"
    if policy.end in ("-all", "~all"):
        return ok(name, f"ends in {policy.end}")
    remedy = 'end it in "-all", or in "~all" while you are not sure that it names every sender'
    if policy.end == "+all":
        return fail(name, "ends in +all: everybody may send as this domain", remedy)
    seen = "ends in ?all" if policy.end else "ends without “all”"
    return warn(name, f"{seen}: nothing is said of other senders", remedy)


def authorised(policy: Policy, answer: Answer, route: Route, domain: str, host: str) -> Result:
    """May the address that letters leave from send for the domain?"""
    name = "spf.relay"
    where = route.sending
    if not where:
        why = f"the address that {host} sends from cannot be told from here"
        return unknown(name, why, "`digest test-mail` to a large mailbox shows it: spf=pass")
    if len(policy.records) != 1:
        return unknown(name, "there is no policy to ask")
    seen = f"{where} ({host}) → {answer}"
    if answer == "pass":
        return ok(name, seen)
    if answer in ("unknown", "error"):
        hangs = f" ({', '.join(policy.unsure)})" if policy.unsure else ""
        return unknown(name, f"cannot tell whether {where} ({host}) may send for {domain}{hangs}")
    if route.certain:
        return fail(name, seen, f'add "ip{ip_address(where).version}:{where}" to the SPF record of {domain}')
    remedy = f"it may send from others; ask who runs it what to include in the SPF record of {domain}"
    return warn(name, seen, remedy)
