"""What the DNS says of the sender beside SPF: DKIM keys, the DMARC policy, where answers go, reverse DNS."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from digest.dns import Dns, Unanswered
from digest.doctor.result import Patient, Result, Verdict, fail, ok, route_of, unknown, warn
from digest.errors import FileInvalid
from digest.signing import signer_of

if TYPE_CHECKING:
    from digest.letters.dkim import Signer

MOST_LABELS = 8  # of a domain, on the way up to the organisation's


def tags(record: str) -> dict[str, str] | None:
    """`k=v; …`, names in lower case, or None where it is not written so."""
    found: dict[str, str] = {}
    for one in filter(str.strip, record.split(";")):
        name, sign, value = one.partition("=")
        name = name.strip().lower()
        if not sign or not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in found:
            return None
        found[name] = value.strip()
    return found


# ---- DKIM


async def dkim(patient: Patient) -> list[Result]:
    config = patient.config
    if not config.dkim.keys:
        remedy = (
            f"the mail server must sign, with d={patient.from_domain}: `digest test-mail` to a large mailbox shows "
            "dkim=pass; where it does not, `digest dkim new`"
        )
        return [unknown("dkim.key", "no key is configured", remedy)]
    found: list[Result] = []
    for place, key in enumerate(config.dkim.keys):
        name = f"dkim.key.{key.selector}"
        try:
            signer = signer_of(config, place)
        except FileInvalid:
            found.append(unknown(name, "the private key cannot be read", "see “Configuration and files”"))
            continue
        try:
            found.append(judge_key(name, signer, await patient.dns.ask(signer.record_name, "TXT")))
        except Unanswered as error:
            found.append(unknown(name, str(error)))
    return found


def judge_key(name: str, signer: Signer, texts: Sequence[str]) -> Result:
    """Would a receiver that looks up the record take the signature?"""
    where = signer.record_name
    show = f"`digest dkim show --selector {signer.selector}` prints the record to put there"
    if not texts:
        return fail(name, f"there is no TXT record at {where}", show)
    if len(texts) > 1:
        return fail(name, f"{where} has {len(texts)} TXT records: {' | '.join(texts)}", f"leave but one: {show}")
    (record,) = texts
    said = tags(record)
    if said is None or said.get("v", "DKIM1") != "DKIM1" or "p" not in said:
        return fail(name, f"{where} holds no DKIM record: {record}", show)
    key = re.sub(r"\s", "", said["p"])
    ours = (tags(signer.record) or {})["p"]
    if not key:
        return fail(
            name, f"{where} says that the key is revoked: {record}", f"make a new key, or publish it: {show}"
        )
    if said.get("k", "rsa") != signer.kind:
        seen = f"{where} is about a key of type {said.get('k', 'rsa')}, ours is {signer.kind}: {record}"
        return fail(name, seen, show)
    if key != ours:
        return fail(name, f"{where} holds another key than {_bits(signer)} ours ({_bytes(key)}): {record}", show)
    if "h" in said and "sha256" not in said["h"].split(":"):
        return fail(name, f"{where} does not allow SHA-256: {record}", f"take h= away: {show}")
    if "s" in said and not {"*", "email"} & set(said["s"].split(":")):
        return fail(name, f"{where} is not for mail: {record}", f"take s= away: {show}")
    if "y" in said.get("t", "").split(":"):
        return warn(name, f"{where} says that it is only a test (t=y): {record}", "take t=y away")
    return ok(name, f"{where}: {_bits(signer)}, the same as ours")


def _bits(signer: Signer) -> str:
    return f"RSA, {signer.bits} bits" if signer.kind == "rsa" else "Ed25519"


def _bytes(key: str) -> str:
    try:
        return f"{len(b64decode(key, validate=True))} bytes there"
    except ValueError:
        return "what is there is not base64"


# ---- DMARC


@dataclass(frozen=True, slots=True)
class Dmarc:
    """The policy that counts for a domain."""

    where: str  # the domain whose record it is
    records: tuple[str, ...]  # of this domain; more than one counts for nothing
    organisation: str  # the highest domain above that has a record: what lies below it belongs together


async def dmarc_of(dns: Dns, domain: str) -> Dmarc | None:
    """Up from the domain itself; None where there is no record all the way."""
    labels = domain.split(".")
    names = [domain, *(".".join(labels[i:]) for i in range(max(1, len(labels) - MOST_LABELS + 1), len(labels) - 1))]
    found: list[tuple[str, tuple[str, ...]]] = []
    for name in names:
        texts = await dns.ask(f"_dmarc.{name}", "TXT")
        records = tuple(one for one in texts if re.match(r"v\s*=\s*DMARC1\s*(;|$)", one))
        # A registry's own record is not that of an organisation (RFC 9091).
        if records and not any((tags(one) or {}).get("psd") == "y" for one in records):
            found.append((name, records))
    if not found:
        return None
    first, highest = found[0], found[-1][0]
    # Between the domain and its organisation nobody looks.
    where, records = first if first[0] == domain else found[-1]
    return Dmarc(where, records, highest)


def aligned(domain: str, other: str, strict: bool, organisation: str) -> bool:
    """Do both belong to one sender, in the sense of DMARC?"""
    if domain == other or strict:
        return domain == other
    return all(f".{one}".endswith(f".{organisation}") for one in (domain, other))


async def dmarc(patient: Patient) -> list[Result]:
    domain = patient.from_domain
    found = await dmarc_of(patient.dns, domain)
    name = "dmarc.record"
    if found is None:
        remedy = (
            f'put a TXT record at _dmarc.{domain}, "v=DMARC1; p=none" to begin with: large mailboxes want one of '
            "who sends many letters"
        )
        return [
            warn(name, f"there is no record at _dmarc.{domain}, nor above it", remedy),
            *_alignment(patient, None),
        ]
    where = f"_dmarc.{found.where}"
    if len(found.records) > 1:
        seen = f"{where} has {len(found.records)}: {' | '.join(found.records)}"
        return [fail(name, seen, "receivers take none where there are several: leave but one")]
    (record,) = found.records
    said = tags(record)
    policy = (said or {}).get("sp" if found.where != domain and "sp" in (said or {}) else "p", "")
    if said is None or policy.lower() not in ("none", "quarantine", "reject"):
        return [fail(name, f"{where}: {record}", "its p= must be none, quarantine or reject: mend it")]
    return [ok(name, f"{where}: {record} (the policy for {domain}: {policy})"), *_alignment(patient, found, said)]


def _alignment(patient: Patient, found: Dmarc | None, said: dict[str, str] | None = None) -> list[Result]:
    """Which of signature and envelope speak for the From address. One is enough, two are safer."""
    domain, signing, sender = patient.from_domain, patient.config.signing_domain.lower(), patient.sender_domain
    said = said or {}
    by_key = aligned(domain, signing, said.get("adkim") == "s", _organisation(domain, signing, found))
    by_sender = aligned(domain, sender, said.get("aspf") == "s", _organisation(domain, sender, found))
    keys = bool(patient.config.dkim.keys)
    how = {True: "strict", False: "relaxed"}
    results = []
    seen = f"d={signing}, From {domain} ({how[said.get('adkim') == 's']})"
    if not keys:
        results.append(unknown("dmarc.dkim", "no key is configured", f"the mail server must sign with d={domain}"))
    elif by_key:
        results.append(ok("dmarc.dkim", seen))
    else:
        judged = warn if by_sender else fail
        remedy = f"set `dkim.domain` to {domain} and publish its records, or take adkim=s out of the DMARC record"
        results.append(judged("dmarc.dkim", seen, remedy))
    seen = f"the envelope sender's {sender}, From {domain} ({how[said.get('aspf') == 's']})"
    if by_sender:
        results.append(ok("dmarc.spf", seen))
    else:
        judged = warn if not keys or by_key else fail
        remedy = f"take an address of {domain} as the envelope sender, or take aspf=s out of the DMARC record"
        results.append(judged("dmarc.spf", seen, remedy))
    return results


def _organisation(domain: str, other: str, found: Dmarc | None) -> str:
    """The domain that both would have to lie in. Without a list of registries, one that lies in the other is of its
    organisation, and else the DMARC records tell."""
    if "." in other and f".{domain}".endswith(f".{other}"):
        return other
    if f".{other}".endswith(f".{domain}"):
        return domain
    return found.organisation if found else domain


# ---- where answers and bounces go


async def replies(patient: Patient) -> list[Result]:
    letter = patient.config.letter
    wanted = {"from": letter.from_address, "contact": letter.contact, "bounces": patient.bounces_address}
    found: list[Result] = []
    seen: set[str] = set()
    for whose, address in wanted.items():
        domain = address.rpartition("@")[2].lower()
        if domain and domain not in seen:
            seen.add(domain)
            name = f"replies.{whose}"
            try:
                found.append(await _takes_mail(patient.dns, name, domain))
            except Unanswered as error:
                found.append(unknown(name, str(error)))
    return found


async def _takes_mail(dns: Dns, name: str, domain: str) -> Result:
    there = await dns.ask(domain, "MX")
    remedy = f"answers and bounces must get back, and many receivers look: give {domain} an MX record"
    if "" in there:
        return fail(name, f"{domain} says that it takes no mail (its MX is “.”)", remedy)
    if not there:
        found = await dns.ask(domain, "A") + await dns.ask(domain, "AAAA")
        if not found:
            return fail(name, f"{domain} has neither MX nor A record", remedy)
        return warn(name, f"{domain} has no MX; mail goes to its address, {', '.join(found)}", remedy)
    lost = [one for one in there if not await dns.ask(one, "A") + await dns.ask(one, "AAAA")]
    seen = f"{domain} MX {', '.join(there)}"
    if lost:
        mend = f"give {', '.join(lost)} an address, or take it out of the MX records"
        said = f"{seen}; there is no {', '.join(lost)}"
        return Result(name, Verdict.FAIL if len(lost) == len(there) else Verdict.WARN, said, mend)
    return ok(name, seen)


# ---- reverse DNS


async def reverse(patient: Patient) -> list[Result]:
    """Forward-confirmed, as receivers want it of whoever connects to them."""
    name = "reverse.name"
    host = patient.config.delivery.smtp.host
    route = await route_of(patient)
    if not route.relay:
        return [unknown(name, f"there is no machine called {host!r}")]
    if not route.here:
        return [unknown(name, f"{host} delivers, and its name is the business of who runs it")]
    if not route.sending:
        why = "the public address of this machine cannot be told from here"
        return [unknown(name, why, "whoever gave it to you sets its name; it must lead back to the address")]
    address = route.sending
    names = await patient.dns.ask(address, "PTR")
    ask = "ask whoever gave you the address"
    if not names:
        return [fail(name, f"{address} has no name (PTR)", f"{ask} to set one; large mailboxes refuse without")]
    back = [one for one in names if address in await patient.dns.ask(one, "AAAA" if ":" in address else "A")]
    if not back:
        seen = f"{address} is called {', '.join(names)}, which does not lead back to it"
        return [fail(name, seen, f"give {names[0]} the address {address}, or {ask} to change the name")]
    if len(back) < len(names):
        others = ", ".join(one for one in names if one not in back)
        seen = f"{address} is called {', '.join(names)}; {others} does not lead back"
        return [warn(name, seen, f"{ask} to leave {back[0]} alone")]
    return [ok(name, f"{address} ↔ {', '.join(back)}")]
