"""The bytes of a mail, read back with the standard library's parser."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sample_letters import ADA, CONFIG, daily, letter, trending_only, worst_case

from digest.config import LetterConfig
from digest.errors import NotMailable
from digest.letters.letter import Rendered, environment, render
from digest.letters.mime import assemble, body_text, message_id, one_line
from digest.model import Subscriber

HEADERS = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "Precedence",
    "MIME-Version",
    "Content-Type",
]
EVIL = (
    "=?utf-8?q?x=0ABcc=3A_evil?=",
    "=?utf-8?b?eA0KQmNjOiBldmls?=",
    "x\r\nBcc: evil@example.org",
    "x\n\nbody",
    "x\rBcc: evil",
    "\x00\x07\x1b[31m\x85\u2028Bcc: evil\u2029",
    "=\u202e?utf-8?q?x?=",
    "\u202egro.elpmaxe\u202c \u2066x\u2069",
    "\ud800 lone \udfff",
    'O"Brien, \\ (x) <evil@example.org>; a:b@c',
    "Zoë Łukasz 山田太郎 محمد 👩‍👩‍👧‍👦",
    "x" * 10_000,
    "漢" * 3_000,
    ".\r\n.\r\n..",
    " \t ",
    "",
    "=",
    "a =? b",
    "Größe " * 30,
)
WORDS = st.sampled_from(EVIL) | st.text(max_size=200) | st.text(alphabet='=?_ \r\n\t"\\,<>:;@qQbBé漢', max_size=60)
BODIES = (
    WORDS
    | st.lists(WORDS, max_size=5).map("\r\n.".join)
    | st.text(alphabet=" \t\r\n.-=_aé", max_size=400)
    | st.lists(st.text(alphabet=" \ta=é", min_size=70, max_size=80), max_size=4).map("\n".join)
)


def parse(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def check_bytes(raw: bytes) -> None:
    assert raw.isascii()
    assert b"\0" not in raw
    assert raw.endswith(b"--\r\n")
    assert re.sub(rb"\r\n", b"", raw).count(b"\r") == 0, "no bare CR"
    assert re.sub(rb"\r\n", b"", raw).count(b"\n") == 0, "no bare LF"
    head, _, body = raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 76 for line in body.split(b"\r\n")), "the limit of quoted-printable"
    for line in head.split(b"\r\n"):
        assert len(line) <= 78 or line.startswith(b"List-Unsubscribe:") or b"@" in line
        assert len(line) <= 998
        assert line.strip()
        assert all(len(word) <= 75 for word in re.findall(rb"=\?\S+?\?=", line))


def display_name(raw: bytes, header: str, address: str) -> str:
    """The name beside an address, decoded as RFC 2047 says."""
    value = str(email.message_from_bytes(raw, policy=email.policy.compat32)[header]).replace("\r\n", "")
    name = value.removesuffix(address).removesuffix(f"<{address}>").strip()
    if name.startswith('"'):
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return str(make_header(decode_header(name)))


def names(raw: bytes) -> list[str]:
    """The headers that are really there, by the raw bytes."""
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    return [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]


@pytest.mark.parametrize("written", [daily, trending_only, worst_case], ids=lambda f: f.__name__)
def test_a_real_letter_reads_back_as_it_was_written(written) -> None:
    one = written()
    rendered = render(one, CONFIG, environment())
    raw = assemble(rendered, one, CONFIG)
    check_bytes(raw)
    message = parse(raw)
    assert message.keys() == HEADERS
    assert message["Subject"] == rendered.subject
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == rendered.text
    assert html.get_content().replace("\r\n", "\n") == rendered.html
    assert [part.keys() for part in (text, html)] == [["Content-Type", "Content-Transfer-Encoding"]] * 2
    assert not list(message.iter_attachments())


def test_each_header_to_the_letter() -> None:
    raw = assemble(Rendered("5 papers on tool use", "", "<p>x</p>", "x"), daily(), CONFIG)
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    assert head[:10] == [
        "From: Trending papers <letters@example.org>",
        "To: Ada <ada@example.org>",
        "Reply-To: editor@example.org",
        "Subject: 5 papers on tool use",
        "Date: Fri, 20 Nov 2026 06:00:00 +0000",
        f"Message-ID: {daily().message_id}",
        "List-Id: Trending papers <trending-papers.example.org>",
        "List-Unsubscribe: <mailto:editor@example.org?subject=unsubscribe>",
        "Precedence: bulk",
        "MIME-Version: 1.0",
    ]


def test_reply_to_only_where_a_contact_is_set() -> None:
    config = LetterConfig(name="Neue Aufsätze", from_address="letters@example.org")
    message = parse(
        assemble(Rendered("s", "", "h", "t"), replace(daily(), subscriber=replace(ADA, name="")), config)
    )
    assert "Reply-To" not in message
    assert message["To"] == "ada@example.org"
    assert message["From"].addresses[0].display_name == "Neue Aufsätze"
    assert message["List-Unsubscribe"] == "<mailto:letters@example.org?subject=unsubscribe>"
    assert "<neue-aufs-tze.example.org>" in message["List-Id"]


def test_the_date_is_utc_whatever_zone_it_was_written_in() -> None:
    there = datetime(2026, 11, 20, 7, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    raw = assemble(Rendered("s", "", "h", "t"), letter(created_at=there), CONFIG)
    assert b"\r\nDate: Fri, 20 Nov 2026 01:30:00 +0000\r\n" in raw
    assert parse(raw)["Date"].datetime == there.astimezone(UTC)


def test_same_letter_same_bytes() -> None:
    rendered = Rendered("s — ü", "", "<p>h</p>", "t")
    assert assemble(rendered, daily(), CONFIG) == assemble(rendered, daily(), CONFIG)


@settings(max_examples=300, deadline=None)
@given(subject=WORDS, name=WORDS, sender=WORDS.filter(lambda s: one_line(s)), text=BODIES, html=BODIES)
@example(EVIL[0], EVIL[0], EVIL[0], EVIL[0], EVIL[0])
@example("s", "n", "f", "a" * 73 + "é \nx", "\n".join("a" * n + "\t" for n in range(60, 90)))
@example("漢" * 200, "é" * 199, "a " * 99, " \n" * 50, "." * 9000)
def test_whatever_it_is_given_the_mail_holds_what_it_should(
    subject: str, name: str, sender: str, text: str, html: str
) -> None:
    config = CONFIG.model_copy(update={"name": sender})
    raw = assemble(Rendered(subject, "", html, text), letter(replace(ADA, name=name)), config)
    check_bytes(raw)
    assert names(raw) == HEADERS
    message = parse(raw)
    assert message.keys() == HEADERS
    assert message["Subject"] == one_line(subject)
    for header, address, said in (("To", "ada@example.org", name), ("From", "letters@example.org", sender)):
        assert [one.addr_spec for one in message[header].addresses] == [address]
        wanted = one_line(said)[:200].strip()
        assert display_name(raw, header, address) == wanted
        # Python 3.11 puts a space between two encoded words of a display name, which RFC 2047 forbids.
        assert message[header].addresses[0].display_name.replace(" ", "") == wanted.replace(" ", "")
    first, second = message.iter_parts()
    assert first.get_content().replace("\r\n", "\n") == body_text(text)
    assert second.get_content().replace("\r\n", "\n") == body_text(html)


@settings(max_examples=150, deadline=None)
@given(WORDS, WORDS)
def test_a_program_that_writes_it_again_adds_no_header(subject: str, name: str) -> None:
    """The standard library's generator decodes encoded words before it folds, and so would let them out."""
    raw = assemble(Rendered(subject, "", "h", "t"), letter(replace(ADA, name=name)), CONFIG)
    message = parse(raw)
    fresh = EmailMessage(policy=email.policy.SMTP)
    fresh["Subject"] = str(message["Subject"])
    fresh["To"] = str(message["To"])
    assert names(fresh.as_bytes() + b"\r\n\r\n") == ["Subject", "To"]


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org\r\nBcc: x@example.org",
        "ada@example.org\n",
        "a da@example.org",
        "<ada@example.org>",
        "ada@example.org, x@example.org",
        "=?utf-8?q?x?=@example.org",
        "ädä@example.org",
        "ada",
        "",
    ],
)
def test_an_address_that_is_not_one_is_refused(address: str) -> None:
    with pytest.raises(NotMailable, match="address"):
        assemble(Rendered("s", "", "h", "t"), replace(daily(), subscriber=replace(ADA, address=address)), CONFIG)


@pytest.mark.parametrize("identity", ["", "<x>", "x@example.org", "<x@example.org>\r\nBcc: y", "<a b@example.org>"])
def test_a_message_id_that_is_not_one_is_refused(identity: str) -> None:
    with pytest.raises(NotMailable, match="Message-ID"):
        assemble(Rendered("s", "", "h", "t"), replace(daily(), message_id=identity), CONFIG)


def test_a_letter_without_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="Date"):
        assemble(Rendered("s", "", "h", "t"), letter(created_at=None), CONFIG)


def test_list_unsubscribe_is_one_raw_line_however_long() -> None:
    config = LetterConfig(from_address=f"{'a+b' * 20}@{'long-' * 11}x.example.org")
    raw = assemble(Rendered("s", "", "h", "t"), daily(), config)
    (line,) = [line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    assert line.endswith(b"x.example.org?subject=unsubscribe>")
    assert b"a%2Bb" in line
    assert b"=?" not in line


def test_mostly_ascii_is_quoted_printable_and_the_rest_base64() -> None:
    message = parse(assemble(Rendered("s", "", "漢字" * 500, "Plain, with one é."), daily(), CONFIG))
    assert [part["Content-Transfer-Encoding"] for part in message.iter_parts()] == ["quoted-printable", "base64"]


def test_message_id_is_the_letters_own() -> None:
    reader = Subscriber("ada", "ada@example.org", id=7)
    day, sender = date(2026, 11, 20), "letters@example.org"
    one = message_id(reader, day, sender)
    assert one == message_id(replace(reader, address="Ada@Example.org"), day, "Letters@example.org")
    assert one.endswith("@example.org>")
    assert "ada" not in one
    others = [
        message_id(reader, date(2026, 11, 21), sender),
        message_id(replace(reader, address="eda@example.org"), day, sender),
        message_id(replace(reader, id=8), day, sender),  # the address has passed to another subscriber
        message_id(reader, day, "weekly@example.org"),
    ]
    assert len({one, *others}) == 5


@given(WORDS)
def test_one_line_is_settled_after_one_pass(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
    assert "=?" not in one_line(text)
