"""Sender policies, asked of a real name server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from local_dns import BROKEN, SILENT, NameServer

from digest.dns import Unanswered
from digest.doctor import spf
from digest.doctor.result import Result, Route, Verdict
from digest.doctor.spf import Policy

DOMAIN = "news.example.org"
OURS = "93.184.215.14"


def read(server: NameServer, address: str = OURS, patience: float = 4.0) -> tuple[Policy, str]:
    policy = Policy(server.resolver(patience), address)
    return policy, asyncio.run(policy.read(DOMAIN))


def judged(server: NameServer) -> dict[str, Result]:
    return {one.check: one for one in spf.judge(read(server)[0], DOMAIN)}


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (f"v=spf1 ip4:{OURS} -all", "pass"),
        ("v=spf1 ip4:93.184.215.0/24 -all", "pass"),
        ("v=spf1 ip4:93.184.216.0/24 -all", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "softfail"),
        (f"v=spf1 -ip4:{OURS} +all", "fail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1", "neutral"),
        ("V=SPF1 A -ALL", "pass"),
        ("v=spf1 a/24 -all", "pass"),
        ("v=spf1 a:other.example.org -all", "fail"),
        ("v=spf1 a:other.example.org/16 -all", "pass"),
        ("v=spf1 mx -all", "pass"),
        ("v=spf1 mx:other.example.org -all", "fail"),
        ("v=spf1 exists:there.example.org -all", "pass"),
        ("v=spf1 include:good.example.org -all", "pass"),
        ("v=spf1 include:bad.example.org -all", "fail"),
        ("v=spf1 redirect=good.example.org", "pass"),
        ("v=spf1 redirect=good.example.org -all", "fail"),
        ("v=spf1 exists:%{i}._spf.example.org -all", "unknown"),
        ("v=spf1 exists:%{i}._spf.example.org +all", "pass"),
        ("v=spf1 include:%{d}.example.org -all", "unknown"),
        ("v=spf1 ptr -all", "unknown"),
        (f"v=spf1 ip4:{OURS} exists:%{{i}}.example.org -all", "pass"),
    ],
)
def test_whether_an_address_may_send(server: NameServer, record: str, answer: str) -> None:
    server.zone |= {
        (DOMAIN, "TXT"): ["something-verification=1", record],
        (DOMAIN, "A"): ["93.184.215.14"],
        (DOMAIN, "MX"): ["10 mx.example.org."],
        ("mx.example.org", "A"): [OURS],
        ("other.example.org", "A"): ["93.184.1.1"],
        ("other.example.org", "MX"): ["10 other.example.org."],
        ("there.example.org", "A"): ["127.0.0.2"],
        ("good.example.org", "TXT"): [f"v=spf1 ip4:{OURS} -all"],
        ("bad.example.org", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
    }
    policy, said = read(server)
    assert (said, policy.faults) == (answer, [])


def chain(links: int, end: str) -> dict[tuple[str, str], Any]:
    """Policies that include one another, one look-up each."""
    zone = {(f"n{i}.example.org", "TXT"): [f"v=spf1 include:n{i + 1}.example.org ~all"] for i in range(1, links)}
    return zone | {
        (DOMAIN, "TXT"): ["v=spf1 include:n1.example.org -all"],
        (f"n{links}.example.org", "TXT"): [end],
    }


@pytest.mark.parametrize(("links", "number", "verdict"), [(10, 10, "ok"), (11, 11, "fail")])
def test_look_ups_are_counted_through_all_that_is_included(
    server: NameServer, links: int, number: int, verdict: str
) -> None:
    server.zone |= chain(links, f"v=spf1 ip4:{OURS} -all")
    found = judged(server)["spf.lookups"]
    assert (found.verdict, found.seen) == (verdict, f"{number} look-ups of 10 allowed")


def test_every_term_counts_also_after_one_that_matches(server: NameServer) -> None:
    server.zone |= chain(7, "v=spf1 +a +mx exists:x.example.org ptr -all")
    server.zone |= {("n7.example.org", "A"): [OURS], ("n7.example.org", "MX"): ["1 n7.example.org."]}
    server.zone |= {("x.example.org", "A"): [OURS]}
    policy, answer = read(server)
    assert (policy.lookups, answer) == (11, "pass")


def test_an_endless_policy_is_read_to_some_end(server: NameServer) -> None:
    server.zone |= chain(60, "v=spf1 -all")
    found = judged(server)["spf.lookups"]
    assert found.verdict is Verdict.FAIL
    assert found.seen.startswith("more than ")


@pytest.mark.parametrize(("void", "verdict"), [(0, "ok"), (1, "warn"), (2, "warn"), (3, "fail")])
def test_names_that_are_not_there(server: NameServer, void: int, verdict: str) -> None:
    terms = " ".join(f"a:gone{i}.example.org" for i in range(void))
    server.zone[(DOMAIN, "TXT")] = [f"v=spf1 {terms} -all"]
    found = judged(server)["spf.lookups"]
    assert found.verdict == verdict
    assert all(f"gone{i}.example.org" in found.seen for i in range(void))


@pytest.mark.parametrize(
    ("records", "verdict", "part"),
    [
        ([], "fail", f"{DOMAIN} has no SPF record"),
        (["v=spf10 -all", "spf"], "fail", "no SPF record"),
        (["v=spf1 -all", "v=spf1 mx ~all"], "fail", "has 2: v=spf1 -all | v=spf1 mx ~all"),
        (["v=spf1 ip4:1.2.3 -all"], "fail", "'ip4:1.2.3'"),
        (["v=spf1 ip4:2001:db8::1 -all"], "fail", "holds no IPv4 address"),
        (["v=spf1 a/99 -all"], "fail", "no such range"),
        (["v=spf1 a/x -all"], "fail", "'a/x'"),
        (["v=spf1 ipv4:1.2.3.4 -all"], "fail", "'ipv4:1.2.3.4'"),
        (["v=spf1 -all mx"], "fail", "'mx' stands after"),
        (["v=spf1 include:none.example.org -all"], "fail", "none.example.org has no SPF record"),
        (["v=spf1 include:twice.example.org -all"], "fail", "twice.example.org has 2 SPF records"),
        ([f"v=spf1 include:{DOMAIN} -all"], "fail", "leads back to itself"),
        (["v=spf1 exp=why.example.org -all"], "ok", "v=spf1 exp=why.example.org -all"),
        ([f"v=spf1 {' '.join(f'ip4:192.0.2.{i}' for i in range(60))} -all"], "ok", "ip4:192.0.2.59 -all"),
    ],
)
def test_the_record(server: NameServer, records: list[str], verdict: str, part: str) -> None:
    server.zone[(DOMAIN, "TXT")] = records or ["unrelated"]
    server.zone[(DOMAIN, "A")] = [OURS]
    server.zone[("twice.example.org", "TXT")] = ["v=spf1 -all", "v=spf1 ~all"]
    found = judged(server)["spf.record"]
    assert found.verdict == verdict
    assert part in found.seen
    assert bool(found.remedy) == (verdict != "ok")


def test_a_long_record_comes_over_tcp(server: NameServer) -> None:
    server.zone[(DOMAIN, "TXT")] = [f"v=spf1 {' '.join(f'ip4:192.0.2.{i}' for i in range(60))} -all"]
    judged(server)
    assert server.asked == [(DOMAIN, "TXT", "udp"), (DOMAIN, "TXT", "tcp")]


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        ("v=spf1 -all", "ok"),
        ("v=spf1 ~all", "ok"),
        ("v=spf1 redirect=other.example.org", "ok"),
        ("v=spf1 ?all", "warn"),
        ("v=spf1 mx:other.example.org", "warn"),
        ("v=spf1 include:other.example.org", "warn"),
        ("v=spf1 all", "fail"),
        ("v=spf1 +all", "fail"),
    ],
)
def test_the_end(server: NameServer, record: str, verdict: str) -> None:
    server.zone |= {(DOMAIN, "TXT"): [record], ("other.example.org", "TXT"): ["v=spf1 -all"]}
    assert judged(server)["spf.end"].verdict == verdict


@pytest.mark.parametrize(
    ("record", "route", "verdict"),
    [
        (f"v=spf1 ip4:{OURS} -all", Route((OURS,), True, OURS), "ok"),
        ("v=spf1 -all", Route((OURS,), True, OURS), "fail"),
        ("v=spf1 -all", Route((OURS,), False, OURS), "warn"),  # it may send from another address
        ("v=spf1 exists:%{i} -all", Route((OURS,), True, OURS), "unknown"),
        ("v=spf1 -all", Route(("10.0.0.1",), False, ""), "unknown"),
        ("none", Route((OURS,), True, OURS), "unknown"),
    ],
)
def test_the_mail_server(server: NameServer, record: str, route: Route, verdict: str) -> None:
    server.zone[(DOMAIN, "TXT")] = [record]
    policy, answer = read(server, route.sending)
    found = spf.authorised(policy, answer, route, DOMAIN, "mail.example.org")  # type: ignore[arg-type]
    assert found.verdict == verdict
    if verdict == "fail":
        assert f"ip4:{OURS}" in found.remedy


def test_a_server_on_this_machine_sends_from_its_public_address(server: NameServer, look: Any) -> None:
    server.zone[(DOMAIN, "TXT")] = [f"v=spf1 ip4:{OURS} -all"]
    assert look(spf.look, own=OURS)["spf.relay"].verdict is Verdict.OK
    assert look(spf.look, own="93.184.215.15")["spf.relay"].verdict is Verdict.FAIL
    assert look(spf.look, own="10.1.2.3")["spf.relay"].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("trouble", "part"),
    [(SILENT, "no name server answered for {} in 0.5 s"), (BROKEN, "could not tell {}: SERVFAIL")],
)
def test_what_nobody_answers_is_not_taken_for_missing(server: NameServer, trouble: str, part: str) -> None:
    server.zone |= {(DOMAIN, "TXT"): ["v=spf1 include:x.example.org -all"], ("x.example.org", "TXT"): trouble}
    with pytest.raises(Unanswered, match=part.format("x.example.org TXT")):
        read(server, patience=0.5)
