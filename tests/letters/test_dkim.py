"""Signatures, as another program (dkimpy) checks them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mails import BODIES, EVIL, WORDS
from sample_letters import ADA, CONFIG, daily, letter, worst_case

from digest.delivery.wire import stuffed, wire_lines
from digest.letters import mime, qp
from digest.letters.compose import Composer
from digest.letters.dkim import Signer, relaxed_body
from digest.letters.mime import one_line

AT = datetime(2024, 5, 1, 6, 0, tzinfo=UTC)
KINDS = ("rsa", "ed25519")


def pem(key: rsa.RSAPrivateKey | Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    locked: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


@cache
def signer(kind: str) -> Signer:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else Ed25519PrivateKey.generate()
    return Signer(f"s-{kind}", "example.org", pem(key))


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    records = {f"{one.record_name}.": one.record for one in map(signer, KINDS)}
    record = records.get(name.decode())
    return record.encode() if record else None


def verified(mail: bytes, place: int = 0) -> bool:
    try:
        return bool(dkim.DKIM(mail).verify(place, dnsfunc=dns))
    except dkim.DKIMException:
        return False


@cache
def mail_of(written: Callable = daily) -> bytes:
    one = written()
    return Composer(CONFIG).mail(one)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", [daily, worst_case], ids=lambda f: f.__name__)
def test_a_real_letter_verifies(kind: str, written: Callable) -> None:
    mail = mail_of(written)
    signed = signer(kind).sign(mail, AT)
    assert verified(signed)
    assert signed.endswith(mail)
    head = signed.removesuffix(mail)
    assert head.isascii()
    assert head.startswith(b"DKIM-Signature: v=1; ")
    assert head.endswith(b"\r\n")
    assert b"\n" not in head.replace(b"\r\n ", b"").removesuffix(b"\r\n")
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))


def test_two_signatures_stand_side_by_side() -> None:
    both = signer("ed25519").sign(signer("rsa").sign(mail_of(), AT), AT)
    assert verified(both, 0)
    assert verified(both, 1)
    assert re.findall(rb" a=([\w-]+);", both) == [b"ed25519-sha256", b"rsa-sha256"]


@pytest.mark.parametrize("written", [daily, worst_case], ids=lambda f: f.__name__)
def test_a_composer_signs_as_if_it_had_to_look_at_the_body(written: Callable) -> None:
    one, signers = written(), [signer("rsa"), signer("ed25519")]
    signed = Composer(CONFIG, signers=signers).mail(one)
    assert verified(signed, 0)
    assert verified(signed, 1)
    at = one.created_at
    assert signed == signers[1].sign(signers[0].sign(mail_of(written), at), at)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_letter_has_the_same_signature_whatever_the_zone(kind: str) -> None:
    there = AT.astimezone(timezone(timedelta(hours=9)))
    signed = signer(kind).sign(mail_of(), AT)
    assert signed == signer(kind).sign(mail_of(), there)
    assert b" t=%d;" % AT.timestamp() in signed
    assert signed != signer(kind).sign(mail_of(), AT + timedelta(seconds=1))


def test_what_cannot_be_signed_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        signer("rsa").sign(mail_of(), AT.replace(tzinfo=None))
    for mail in (b"", b"\r\n\r\nFrom: a@example.org", b"To: a@example.org\r\n\r\nx"):
        with pytest.raises(ValueError, match="From"):
            signer("rsa").sign(mail, AT)


def test_a_long_domain_and_selector() -> None:
    key = Ed25519PrivateKey.generate()
    long = Signer("a" * 60, ".".join(["label" * 12] * 4), pem(key))
    signed = long.sign(mail_of(), AT)
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: long.record.encode())
    head = signed.removesuffix(mail_of())
    assert [line for line in head.split(b"\r\n") if len(line) > 78] == [f" d={long.domain};".encode()]


# ---- what it protects


def headers(mail: bytes) -> list[bytes]:
    return re.split(rb"\r\n(?![ \t])", mail.partition(b"\r\n\r\n")[0])


OURS = [line.partition(b":")[0].decode() for line in headers(mail_of())]
ONE_MORE = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in OURS if name != "Precedence"])
def test_a_header_that_is_altered_or_gone_fails(kind: str, name: str) -> None:
    signed = signer(kind).sign(mail_of(), AT)
    (line,) = [line for line in headers(signed) if line.startswith(name.encode() + b":")]
    assert verified(signed.replace(line, line.replace(b": ", b":  ", 1))), "white space may change on the way"
    assert not verified(signed.replace(line, line + b"x"))
    assert not verified(signed.replace(line + b"\r\n", b""))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ONE_MORE)
def test_nobody_can_add_another_one(kind: str, name: str) -> None:
    signed = signer(kind).sign(mail_of(), AT)
    added = f"{name}: <evil@example.com>\r\n".encode()
    signature = len(signed) - len(mail_of())
    head_end = signed.index(b"\r\n\r\n") + 2
    for place in (0, signature, head_end):
        assert not verified(signed[:place] + added + signed[place:])
    received = b"Received: from a by b\r\nX-Spam-Score: 1\r\nFeedback-ID: a:b\r\nList-Id: <l.example.net>\r\n"
    assert verified(received + signed), "what relays and lists add does no harm"


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_is_altered_fails(kind: str) -> None:
    signed = signer(kind).sign(mail_of(), AT)
    assert not verified(signed + b"more\r\n")
    middle = signed.index(b"text/html")
    assert not verified(signed[:middle] + signed[middle:].replace(b"<p", b"<q", 1))
    assert verified(signed + b"\r\n\r\n"), "empty lines at the end do not count"
    head, _, body = signed.partition(b"\r\n\r\n")
    assert verified(head + b"\r\n\r\n" + body.replace(b"\r\n", b" \t\r\n").replace(b" ", b"  "))


# ---- whatever it is given


@settings(max_examples=150)
@given(WORDS, WORDS, WORDS.filter(one_line), BODIES, BODIES, st.sampled_from(KINDS))
@example(EVIL[0], EVIL[0], EVIL[2], EVIL[6], EVIL[9], "rsa")
@example(" \t ", "", "x" * 10_000, ".\r\n.", "", "ed25519")
def test_hostile_letters_verify(subject: str, name: str, sender: str, text: str, html: str, kind: str) -> None:
    config = CONFIG.model_copy(update={"name": sender})
    reader = letter(ADA if not name else ADA.__class__("ada", "ada@example.org", name))
    mail = mime.join(mime.Head(config).of(reader, subject), qp.encode(text), qp.encode(html))
    signed = signer(kind).sign(mail, AT)
    assert verified(signed)
    assert wire_lines(signed) == stuffed(signed) == signed, "no transport has to look at it: `Parcel.plain`"


VALUES = st.lists(
    st.text(alphabet=" \tab;=:,.<>@é", min_size=1, max_size=30).filter(str.strip), min_size=1, max_size=3
).map(lambda lines: "\r\n\t".join(lines).encode())
NAMES = st.sampled_from(
    [b"Subject", b"SUBJECT", b"to", b"Date", b"Message-ID", b"List-Id", b"Feedback-ID", b"X-Other", b"Sub", b"Cc"]
)
LINES = st.lists(st.binary(max_size=20).map(lambda line: re.sub(rb"[\r\n]", b" ", line)), max_size=8)


@settings(max_examples=200)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), LINES, st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b" \t"]))
@example([], [], b"")
@example([], [b""], b"\r\n")
@example([(b"Subject", b"a"), (b"Subject", b"b")], [b" ", b"\t", b""], b"\r\n")
def test_any_mail_verifies_as_it_arrives(fields: list[tuple[bytes, bytes]], lines: list[bytes], end: bytes) -> None:
    head = b"".join(b"%b:%b\r\n" % field for field in [(b"From", b" a@example.org"), *fields])
    signed = signer("ed25519").sign(head + b"\r\n" + b"\r\n".join(lines) + end, AT)
    # SMTP ends the last line.
    assert verified(signed if signed.endswith(b"\r\n") else signed + b"\r\n")


def by_the_book(body: bytes) -> bytes:
    """RFC 6376, 3.4.4, line by line."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


@given(
    st.text(alphabet=" \t\r\nab", max_size=40).map(str.encode)
    | st.lists(st.just("\r\n")).map("".join).map(str.encode)
)
@example(b" C \r\nD \t E\r\n\r\n\r\n")
@example(b"")
@example(b"\r\n")
@example(b" ")
@example(b"a")
@example(b"a\r\n")
@example(b"\r\na \t")
@example(b"a\n\r\n\r\r\n")
@example(b" " * 1000 + b"\r\n" + b"\t" * 999)
def test_the_relaxed_body_is_that_of_the_rfc(body: bytes) -> None:
    assert relaxed_body(body) == by_the_book(body)


# ---- keys


def public(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pem(rsa.generate_private_key(65537, 1024)), r"1024 bits .* 2048 is the least — .*digest dkim new"),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519.* — .*digest dkim new"),
        (lambda: pem(Ed25519PrivateKey.generate(), b"secret"), "passphrase — .*openssl pkey"),
        (lambda: public(rsa.generate_private_key(65537, 2048)), "not the private key — name its file"),
        (lambda: b"", "not a private key in PEM — .*digest dkim new"),
        (lambda: b"\0" * 1000, "not a private key in PEM"),
        (lambda: pem(Ed25519PrivateKey.generate())[:80], "not a private key in PEM"),
    ],
)
def test_a_key_that_nobody_should_sign_with_is_refused_with_the_remedy(
    make: Callable[[], bytes], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Signer("s", "example.org", make())


def test_older_forms_of_an_rsa_key_are_read() -> None:
    key = rsa.generate_private_key(65537, 2048)
    old = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert Signer("s", "example.org", old).record == Signer("s", "example.org", pem(key)).record
