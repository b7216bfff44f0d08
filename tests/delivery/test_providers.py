"""Provider names: by mail servers where there is DNS, by domain where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from digest.delivery.providers import AT_ONCE, FAILURES, Providers, provider_of
from tests.delivery.dns_server import dns_server


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(what)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("aspmx.l.google.com", "google.com"),
        ("ASPMX.L.GOOGLE.COM.", "google.com"),
        ("alt1.aspmx.l.google.com", "google.com"),
        ("aspmx2.googlemail.com", "google.com"),
        ("example-org.mail.protection.outlook.com", "outlook.com"),
        ("example-org.o-v1.mx.microsoft", "outlook.com"),
        ("mta5.am0.yahoodns.net", "yahoo.com"),
        ("mx01.mail.icloud.com", "icloud.com"),
        ("mail.protonmail.ch", "proton.me"),
        ("mx1.example.org", "example.org"),
        ("example.org", "example.org"),
        ("mx.a.b.c.example.org", "example.org"),
        ("mail.inf.example.ac.uk", "example.ac.uk"),
        ("mx.example.co.jp", "example.co.jp"),
        ("mx.example.com.au", "example.com.au"),
        ("co.uk", "co.uk"),
        ("mx.co.example", "co.example"),
        ("mx.notgoogle.com", "notgoogle.com"),
        ("mx.xn--bcher-kva.example", "xn--bcher-kva.example"),
        (".", ""),
        ("", ""),
        ("localhost", ""),
        ("192.0.2.1", ""),
        ("a\\032b.example.org", ""),
        ("-.example.org/../x", ""),
    ],
)
def test_a_mail_servers_name_tells_the_provider(host: str, provider: str) -> None:
    assert provider_of(host) == provider


ZONE = {
    "uni.example": "10 aspmx.l.google.com., 20 mx.elsewhere.example.",
    "firm.example": "20 mx.elsewhere.example., 5 firm-example.mail.protection.outlook.com.",
    "own.example": "10 mx2.own.example., 10 mx1.own.example.",
    "college.ac.uk": "10 mx.it.college.ac.uk.",
    "hosted.example": "10 in1.smtp.mailhost.example.",
    "nomail.example": "0 .",
    "address.example": "10 192.0.2.7.",
    "bare.example": "",
    "gone.example": "nxdomain",
    "broken.example": "servfail",
}
NAMES = {
    "uni.example": "google.com",
    "firm.example": "outlook.com",
    "own.example": "own.example",
    "college.ac.uk": "college.ac.uk",
    "hosted.example": "mailhost.example",
    "nomail.example": "nomail.example",
    "address.example": "address.example",
    "bare.example": "bare.example",
    "gone.example": "gone.example",
    "broken.example": "broken.example",
}


def test_domains_are_grouped_by_their_best_mail_server_and_asked_once() -> None:
    async def check() -> None:
        async with dns_server(ZONE) as (server, resolver):
            providers = Providers(resolver=resolver)
            assert providers.known("uni.example") is None
            await providers.find([*NAMES, *NAMES])
            assert {domain: providers.known(domain) for domain in NAMES} == NAMES
            asked = dict(server.asked)
            assert asked["uni.example"] == 1
            await providers.find(NAMES)
            assert server.asked == asked

    run(check())


def test_what_needs_no_dns_is_not_asked() -> None:
    async def check() -> None:
        async with dns_server({}) as (server, resolver):
            providers = Providers(resolver=resolver)
            domains = ["gmail.com", "hotmail.com", "localhost", "[192.0.2.1]"]
            assert [providers.known(domain) for domain in domains] == ["google.com", "outlook.com", *domains[2:]]
            await providers.find(domains)
            by_domain = Providers("domain", resolver)
            assert [by_domain.known(domain) for domain in ("gmail.com", "uni.example")] == [
                "gmail.com",
                "uni.example",
            ]
            await by_domain.find(["uni.example"])
            assert not server.asked

    run(check())


def test_many_are_asked_at_the_same_time_but_not_too_many() -> None:
    async def check() -> None:
        domains = [f"d{number}.example" for number in range(100)]
        zone = {domain: f"10 mx.h{number % 7}.example." for number, domain in enumerate(domains)}
        async with dns_server(zone, delay=0.02) as (server, resolver):
            providers = Providers(resolver=resolver)
            await asyncio.gather(providers.find(domains[:60]), providers.find(domains[40:]))
            assert {providers.known(domain) for domain in domains} == {f"h{n}.example" for n in range(7)}
            assert 2 <= server.most_open <= AT_ONCE

    run(check())


def test_without_an_answer_dns_is_given_up_and_every_domain_is_its_own_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("digest.delivery.providers.DEADLINE_SECONDS", 0.2)

    async def check() -> None:
        domains = [f"d{number}.example" for number in range(200)]
        async with dns_server(dict.fromkeys(domains, "silent")) as (server, resolver):
            providers = Providers(resolver=resolver)
            await providers.find(domains)
            assert [providers.known(domain) for domain in domains] == domains
            assert FAILURES <= len(server.asked) < AT_ONCE + FAILURES
            asked = server.asked.total()
            await providers.find(["later.example"])
            assert providers.known("later.example") == "later.example"
            assert providers.known("gmail.com") == "google.com"
            assert server.asked.total() == asked

    run(check())


def test_some_broken_domains_between_good_ones_do_not_end_the_questions() -> None:
    async def check() -> None:
        domains = [f"d{number}.example" for number in range(40)]
        zone = {domain: "servfail" if n % 4 else "10 mx.host.example." for n, domain in enumerate(domains)}
        async with dns_server(zone) as (server, resolver):
            providers = Providers(resolver=resolver)
            for domain in domains:
                await providers.find([domain])
            assert len(server.asked) == 40
            assert providers.known("d36.example") == "host.example"
            assert providers.known("d37.example") == "d37.example"

    run(check())


@pytest.mark.parametrize(
    "domain", ["a..b", "x" * 64 + ".example", "é" * 60 + ".example", "a b.example", ".", "a.b\\"]
)
def test_no_domain_however_odd_stops_the_others(domain: str) -> None:
    async def check() -> None:
        async with dns_server(ZONE) as (_, resolver):
            providers = Providers(resolver=resolver)
            await providers.find([domain, "uni.example"])
            assert providers.known(domain) == domain
            assert providers.known("uni.example") == "google.com"

    run(check())
