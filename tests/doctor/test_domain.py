"""DKIM records, DMARC policies, mail exchangers and reverse DNS, asked of a real name server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_dns import BROKEN, NameServer

from digest.doctor import domain, spf
from digest.letters.dkim import Signer
from digest.signing import write_key

DOMAIN = "news.example.org"
OURS = "93.184.215.14"
KEY = '[[dkim.keys]]\nselector = "digest"\nfile = "key.pem"\n'
PARENT = f'[dkim]\ndomain = "example.org"\n{KEY}'


# ---- DKIM


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("keys")
    return {
        "rsa": write_key(folder / "rsa", "rsa", 2048),
        "other": write_key(folder / "other", "rsa", 2048),
        "ed25519": write_key(folder / "ed25519", "ed25519", 256),
    }


def key_file(folder: Path, pem: bytes) -> None:
    (folder / "key.pem").write_bytes(pem)
    (folder / "key.pem").chmod(0o600)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_the_record_that_digest_prints_is_in_order(
    server: NameServer, look: Any, tmp_path: Path, pems: dict[str, bytes], kind: str
) -> None:
    key_file(tmp_path, pems[kind])
    server.zone[(f"digest._domainkey.{DOMAIN}", "TXT")] = [Signer("digest", DOMAIN, pems[kind]).record]
    found = look(domain.dkim, KEY)["dkim.key.digest"]
    assert found.verdict == "ok"
    assert ("RSA, 2048 bits" if kind == "rsa" else "Ed25519") in found.seen


@pytest.mark.parametrize(
    ("change", "verdict", "part"),
    [
        (lambda own, other: [], "fail", "there is no TXT record"),
        (lambda own, other: [own, own + "; n=2"], "fail", "has 2 TXT records"),
        (lambda own, other: ["hello"], "fail", "no DKIM record: hello"),
        (lambda own, other: [own.replace("DKIM1", "DKIM2")], "fail", "no DKIM record"),
        (lambda own, other: ["v=DKIM1; k=rsa; p="], "fail", "revoked"),
        (lambda own, other: ["v=DKIM1; k=rsa"], "fail", "no DKIM record"),
        (lambda own, other: [other], "fail", "another key"),
        (lambda own, other: ["v=DKIM1; k=rsa; p=???"], "fail", "not base64"),
        (lambda own, other: [own.replace("k=rsa", "k=ed25519")], "fail", "type ed25519, ours is rsa"),
        (lambda own, other: [own + "; h=sha1"], "fail", "SHA-256"),
        (lambda own, other: [own + "; s=other"], "fail", "not for mail"),
        (lambda own, other: [own + "; t=y:s"], "warn", "t=y"),
        (lambda own, other: [own + "; h=sha1:sha256; s=email; t=s;"], "ok", "2048 bits"),
        (lambda own, other: [own.replace("k=rsa; ", "").replace("p=", "p = ")], "ok", "2048 bits"),
        (lambda own, other: [own[:100] + " " + own[100:]], "ok", "2048 bits"),
    ],
)
def test_a_record_that_receivers_read_otherwise(
    server: NameServer, look: Any, tmp_path: Path, pems: dict[str, bytes], change: Any, verdict: str, part: str
) -> None:
    key_file(tmp_path, pems["rsa"])
    own, other = (Signer("digest", DOMAIN, pems[one]).record for one in ("rsa", "other"))
    server.zone[(f"digest._domainkey.{DOMAIN}", "TXT")] = change(own, other)
    found = look(domain.dkim, KEY)["dkim.key.digest"]
    assert (found.verdict, part in found.seen) == (verdict, True), found
    assert verdict == "ok" or "`digest dkim show --selector digest`" in found.remedy or verdict == "warn"


def test_a_record_that_nobody_tells_hides_no_other(
    server: NameServer, look: Any, tmp_path: Path, pems: dict[str, bytes]
) -> None:
    key_file(tmp_path, pems["rsa"])
    server.zone[(f"digest._domainkey.{DOMAIN}", "TXT")] = BROKEN
    server.zone[(f"other._domainkey.{DOMAIN}", "TXT")] = [Signer("other", DOMAIN, pems["rsa"]).record]
    found = look(domain.dkim, KEY + KEY.replace('"digest"', '"other"'))
    assert [one.verdict for one in found.values()] == ["unknown", "ok"]
    server.zone[(DOMAIN, "MX")] = BROKEN
    found = look(domain.replies, 'contact = "b@example.net"')
    assert [one.verdict for one in found.values()] == ["unknown", "fail"]


def test_without_a_key_the_mail_server_must_sign(look: Any) -> None:
    found = look(domain.dkim)["dkim.key"]
    assert found.verdict == "unknown"
    assert f"the mail server must sign, with d={DOMAIN}" in found.remedy


def test_a_key_that_cannot_be_read(look: Any) -> None:
    assert look(domain.dkim, KEY)["dkim.key.digest"].verdict == "unknown"


# ---- DMARC


@pytest.mark.parametrize(
    ("zone", "verdict", "part"),
    [
        ({}, "warn", f"no record at _dmarc.{DOMAIN}, nor above it"),
        ({DOMAIN: ["v=DMARC1; p=none"]}, "ok", "v=DMARC1; p=none"),
        ({DOMAIN: ["v=DMARC1; p=reject", "unrelated"]}, "ok", f"the policy for {DOMAIN}: reject"),
        ({"example.org": ["v=DMARC1; p=reject"]}, "ok", "_dmarc.example.org: v=DMARC1; p=reject"),
        ({"example.org": ["v=DMARC1; p=reject; sp=none"]}, "ok", f"the policy for {DOMAIN}: none"),
        ({DOMAIN: ["v=DMARC1; p=none; sp=reject"]}, "ok", f"the policy for {DOMAIN}: none"),
        ({DOMAIN: ["v=DMARC1; p=none"], "example.org": ["v=DMARC1; p=reject"]}, "ok", f"for {DOMAIN}: none"),
        ({DOMAIN: ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "fail", "has 2"),
        ({DOMAIN: ["v=DMARC1; rua=mailto:x@example.org"]}, "fail", "rua="),
        ({DOMAIN: ["v=DMARC1; p=block"]}, "fail", "p=block"),
        ({DOMAIN: ["v=DMARC1; p=none; p=none"]}, "fail", "p=none; p=none"),
        ({DOMAIN: ["v=DMARC10; p=none"]}, "warn", "no record"),
        ({"example.org": ["v=DMARC1; p=reject; psd=y"]}, "warn", "no record"),
    ],
)
def test_the_policy(server: NameServer, look: Any, zone: dict[str, list[str]], verdict: str, part: str) -> None:
    server.zone |= {(f"_dmarc.{name}", "TXT"): records for name, records in zone.items()}
    found = look(domain.dmarc)["dmarc.record"]
    assert (found.verdict, part in found.seen) == (verdict, True), found


@pytest.mark.parametrize(
    ("record", "toml", "bounces", "signature", "envelope"),
    [
        ("p=none", "", "", "unknown", "ok"),
        ("p=none", KEY, "", "ok", "ok"),
        ("p=none", PARENT, "", "ok", "ok"),
        ("p=none; adkim=r", PARENT, "", "ok", "ok"),
        ("p=none; adkim=s", PARENT, "", "warn", "ok"),
        ("p=none; adkim=s; aspf=s", KEY, "", "ok", "ok"),
        ("p=none", KEY, "b@bounce.news.example.org", "ok", "ok"),
        ("p=none", KEY, "b@example.org", "ok", "ok"),
        ("p=none; aspf=s", KEY, "b@example.org", "ok", "warn"),
        ("p=none", KEY, "b@example.net", "ok", "warn"),
        ("p=none", "", "b@example.net", "unknown", "warn"),
        ("p=none; adkim=s", PARENT, "b@example.net", "fail", "fail"),
    ],
)
def test_what_speaks_for_the_from_address(
    server: NameServer, look: Any, record: str, toml: str, bounces: str, signature: str, envelope: str
) -> None:
    server.zone[(f"_dmarc.{DOMAIN}", "TXT")] = [f"v=DMARC1; {record}"]
    found = look(domain.dmarc, toml, bounces=bounces)
    assert (found["dmarc.dkim"].verdict, found["dmarc.spf"].verdict) == (signature, envelope)


@pytest.mark.parametrize(
    ("one", "other", "strict", "organisation", "answer"),
    [
        ("example.org", "example.org", True, "example.org", True),
        ("news.example.org", "example.org", True, "example.org", False),
        ("news.example.org", "bounce.example.org", False, "example.org", True),
        ("news.example.org", "bounce.example.net", False, "example.org", False),
        ("news.example.org", "badexample.org", False, "example.org", False),
    ],
)
def test_alignment(one: str, other: str, strict: bool, organisation: str, answer: bool) -> None:
    assert domain.aligned(one, other, strict, organisation) is answer


# ---- answers and bounces


@pytest.mark.parametrize(
    ("zone", "verdict", "part"),
    [
        ({(DOMAIN, "MX"): ["20 b.example.org.", "10 a.example.org."]}, "ok", "MX a.example.org, b.example.org"),
        ({(DOMAIN, "MX"): ["10 a.example.org.", "20 gone.example.org."]}, "warn", "there is no gone.example.org"),
        ({(DOMAIN, "MX"): ["10 gone.example.org."]}, "fail", "there is no gone.example.org"),
        ({(DOMAIN, "MX"): ["0 ."]}, "fail", "takes no mail"),
        ({(DOMAIN, "A"): ["192.0.2.7"]}, "warn", "192.0.2.7"),
        ({(DOMAIN, "AAAA"): ["2001:db8::7"]}, "warn", "2001:db8::7"),
        ({}, "fail", "neither MX nor A"),
    ],
)
def test_whether_answers_get_back(server: NameServer, look: Any, zone: Any, verdict: str, part: str) -> None:
    server.zone |= {("a.example.org", "A"): ["192.0.2.1"], ("b.example.org", "AAAA"): ["2001:db8::1"]} | zone
    found = look(domain.replies)
    assert [*found] == ["replies.from"]
    assert (found["replies.from"].verdict, part in found["replies.from"].seen) == (verdict, True)


def test_bounces_go_to_the_domain_whose_policy_counts(server: NameServer, look: Any) -> None:
    server.zone |= {("example.net", "MX"): ["1 example.net."], ("example.net", "A"): ["192.0.2.1"]}
    server.zone[("example.net", "TXT")] = ["v=spf1 -all"]
    found = look(domain.replies, bounces="bounces@example.net")
    assert [one.verdict for one in found.values()] == ["fail", "ok"]
    assert [*found] == ["replies.from", "replies.bounces"]
    assert look(spf.look, bounces="bounces@example.net")["spf.record"].seen == "example.net: v=spf1 -all"


def test_the_contact_is_looked_at_where_it_has_another_domain(server: NameServer, look: Any) -> None:
    server.zone[(DOMAIN, "MX")] = [f"1 {DOMAIN}."]
    server.zone[(DOMAIN, "A")] = ["192.0.2.1"]
    assert [*look(domain.replies, f'contact = "b@{DOMAIN}"')] == ["replies.from"]
    found = look(domain.replies, 'contact = "b@example.net"')
    assert [one.verdict for one in found.values()] == ["ok", "fail"]
    assert "example.net" in found["replies.contact"].seen


# ---- reverse DNS

BACK = "14.215.184.93.in-addr.arpa"


@pytest.mark.parametrize(
    ("zone", "verdict", "part"),
    [
        ({(BACK, "PTR"): ["mx.example.org."], ("mx.example.org", "A"): [OURS]}, "ok", f"{OURS} ↔ mx.example.org"),
        (
            {(BACK, "PTR"): ["mx.example.org."], ("mx.example.org", "A"): ["192.0.2.1"]},
            "fail",
            "does not lead back",
        ),
        ({(BACK, "PTR"): ["mx.example.org."]}, "fail", "does not lead back"),
        ({}, "fail", "has no name"),
        (
            {(BACK, "PTR"): ["mx.example.org.", "x.example.net."], ("mx.example.org", "A"): [OURS]},
            "warn",
            "x.example.net does not lead back",
        ),
    ],
)
def test_the_name_of_the_sending_address(server: NameServer, look: Any, zone: Any, verdict: str, part: str) -> None:
    server.zone |= zone
    found = look(domain.reverse, own=OURS)["reverse.name"]
    assert (found.verdict, part in found.seen) == (verdict, True), found


def test_a_name_that_cannot_be_told_or_is_not_ours(look: Any) -> None:
    assert "cannot be told" in look(domain.reverse, own="10.0.0.1")["reverse.name"].seen
    found = look(domain.reverse, host="192.0.2.9", own=OURS)["reverse.name"]
    assert found.verdict == "unknown"
    assert "the business of who runs it" in found.seen
