"""The bytes of a mail, read back with the standard library's parser."""

from __future__ import annotations

import email.policy
import platform
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mails import EVIL, NAMES, WORDS, check, names, parse, parts, raw_header, shown_name
from sample_letters import ADA, CONFIG, LINKS, PICKS, daily, letter, trending_only, worst_case

from digest.config import LetterConfig
from digest.errors import NotMailable
from digest.letters.compose import Composer
from digest.letters.links import Links
from digest.letters.mime import display_name, message_id, one_line
from digest.letters.templates import Templates
from digest.model import Letter, Subscriber
from digest.tokens import Keys

WITH_AND_WITHOUT_PAGES = pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "with pages"])


def mail(one: Letter, config: LetterConfig = CONFIG, links: Links | None = None) -> bytes:
    return Composer(config, links=links).mail(one)


@WITH_AND_WITHOUT_PAGES
@pytest.mark.parametrize("written", [daily, trending_only, worst_case], ids=lambda f: f.__name__)
def test_a_real_letter_reads_back_as_it_was_written(written, links: Links | None) -> None:
    one = written()
    rendered = Composer(CONFIG, links=links).render(one)
    raw = mail(one, CONFIG, links)
    check(raw, CONFIG, links)
    assert parse(raw)["Subject"] == rendered.subject
    assert len(rendered.subject) <= 78
    assert parts(raw) == (rendered.text, rendered.html)


def test_a_small_letter_byte_for_byte(tmp_path: Path) -> None:
    for name, said in {
        "letter.html": "<p>{{ letter.greeting }} {{ letter.cards }}.</p>\n",
        "letter.txt": "{{ letter.greeting | wrap(first='> ') }}\n.{{ letter.cards }}",
        "card.html": "{{ card.number }}: {{ card.title }} &rarr;",
        "card.txt": "{{ card.number }}: {{ card.title }}\n",
    }.items():
        (tmp_path / "letter").mkdir(exist_ok=True)
        (tmp_path / "letter" / name).write_text(said)
    one = letter(
        replace(ADA, name="Zoë"),
        (replace(PICKS[0], paper=replace(PICKS[0].paper, title="=100% & more …")),),
        subject="1 Aufsatz über Werkzeuge · 20. Nov.",
        message_id="<0123@example.org>",
    )
    config = LetterConfig(name="Trending papers, daily", from_address="letters@example.org")
    assert Composer(config, Templates(tmp_path), LINKS).mail(one) == (
        b'From: "Trending papers, daily" <letters@example.org>\r\n'
        b"To: =?utf-8?q?Zo=C3=AB?= <ada@example.org>\r\n"
        b"Subject: 1 Aufsatz =?utf-8?b?w7xiZXI=?= Werkzeuge =?utf-8?b?wrc=?= 20. Nov.\r\n"
        b"Date: Fri, 20 Nov 2026 06:00:00 +0000\r\n"
        b"Message-ID: <0123@example.org>\r\n"
        b"List-Unsubscribe: <https://digest.example.org/unsubscribe/1b-3248fea95750f776e2e1ba4e98af0b9e>,"
        b" <mailto:letters@example.org?subject=unsubscribe%20ada%40example.org>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        b"Feedback-ID: 20261120:trending-papers:letter:trending-papers\r\n"
        b'List-Id: "Trending papers, daily" <trending-papers-daily.example.org>\r\n'
        b"Precedence: bulk\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative;\r\n boundary="=_digest_letter"\r\n'
        b"\r\n"
        b"--=_digest_letter\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n"
        b"\r\n"
        b"> Hello Zo=C3=AB,=\r\n"
        b"\r\n"
        b"=2E=\r\n"
        b"1=\r\n"
        b": =3D100% & more =E2=80=A6\r\n"
        b"\r\n"
        b"--=_digest_letter\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n"
        b"\r\n"
        b"<p>=\r\n"
        b"Hello Zo=C3=AB,=\r\n"
        b"=20=\r\n"
        b"1=\r\n"
        b": =3D100% &amp; more =E2=80=A6 &rarr;=\r\n"
        b"=2E=\r\n"
        b"</p>\r\n"
        b"\r\n"
        b"--=_digest_letter--\r\n"
    )


def test_reply_to_only_where_a_contact_is_set() -> None:
    config = LetterConfig(name="Neue Aufsätze", from_address="letters@example.org")
    raw = mail(letter(replace(ADA, name="")), config)
    check(raw, config)
    message = parse(raw)
    assert message["To"] == "ada@example.org"
    assert message["From"].addresses[0].display_name == "Neue Aufsätze"
    assert message["List-Unsubscribe"].startswith("<mailto:letters@example.org?")
    assert "<neue-aufs-tze.example.org>" in message["List-Id"]
    assert parse(mail(daily()))["Reply-To"] == "editor@example.org"
    assert parse(mail(daily()))["List-Unsubscribe"].startswith("<mailto:editor@example.org?")


def test_the_date_is_utc_whatever_zone_it_was_written_in() -> None:
    there = datetime(2026, 11, 20, 7, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    raw = mail(letter(created_at=there))
    assert raw_header(raw, "Date") == "Fri, 20 Nov 2026 01:30:00 +0000"
    assert parse(raw)["Date"].datetime == there.astimezone(UTC)


@WITH_AND_WITHOUT_PAGES
def test_a_letter_that_is_sent_again_has_the_same_bytes(links: Links | None) -> None:
    assert mail(daily(), CONFIG, links) == mail(daily(), CONFIG, links)
    again = Composer(CONFIG, links=links)
    assert again.mail(daily()) == again.mail(daily()) == mail(daily(), CONFIG, links)


# ---- hostile words


def test_a_title_forges_a_header_where_the_standard_library_writes_the_mail() -> None:
    """What we would be open to without headers of our own; the interest is a title that a reader pasted."""
    title = "=?utf-8?q?x=0ABcc=3A_evil@example.org?="
    usual = EmailMessage(policy=email.policy.SMTP)
    usual["To"] = "ada@example.org"
    usual["Subject"] = f"1 paper on {title}"
    usual.set_content("Hello")
    if parse(usual.as_bytes())["Bcc"] is None:
        pytest.skip(f"Python {platform.python_version()} does not write forged headers any more")
    assert parse(usual.as_bytes())["Bcc"] == "evil@example.org"
    raw = mail(letter(replace(ADA, name=title), subject=f"1 paper on {title}"))
    check(raw, CONFIG)
    assert parse(raw)["Bcc"] is None
    assert parse(raw)["Subject"] == "1 paper on = ?utf-8?q?x=0ABcc=3A_evil@example.org?="


@settings(max_examples=70, deadline=None)
@given(subject=WORDS.filter(bool), name=WORDS, sender=NAMES)
@example(EVIL[0], EVIL[0], EVIL[0])
@example("漢" * 200, "é" * 199, ("a " * 29).strip())
@example("-" * 67 + " " + "x" * 67 + " " + "y" * 68, "x" * 300, "x" * 60)
def test_whatever_it_is_given_the_headers_say_what_they_should(subject: str, name: str, sender: str) -> None:
    config = LetterConfig(name=sender, from_address="letters@example.org", contact="editor@example.org")
    raw = mail(letter(replace(ADA, name=name), PICKS[:1], subject=subject), config)
    check(raw, config)
    message = parse(raw)
    assert message["Subject"] == one_line(subject)
    for header, address, said in (("To", "ada@example.org", name), ("From", "letters@example.org", sender)):
        assert [one.addr_spec for one in message[header].addresses] == [address]
        wanted = display_name(said)
        assert shown_name(raw, header, address) == wanted
        # Python 3.11 puts a space between two encoded words of a display name, which RFC 2047 forbids.
        assert message[header].addresses[0].display_name.replace(" ", "") == wanted.replace(" ", "")


@settings(max_examples=40, deadline=None)
@given(WORDS.filter(bool), WORDS)
def test_a_program_that_writes_it_again_adds_no_header(subject: str, name: str) -> None:
    """The standard library's generator decodes encoded words before it folds, and so would let them out."""
    message = parse(mail(letter(replace(ADA, name=name), PICKS[:1], subject=subject)))
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
        mail(replace(daily(), subscriber=replace(ADA, address=address)))
    for ours in ("from_address", "contact"):
        if address or ours == "from_address":
            with pytest.raises(NotMailable, match="address"):
                Composer(CONFIG.model_copy(update={ours: address}))


@pytest.mark.parametrize("identity", ["", "<x>", "x@example.org", "<x@example.org>\r\nBcc: y", "<a b@example.org>"])
def test_a_message_id_that_is_not_one_is_refused(identity: str) -> None:
    with pytest.raises(NotMailable, match="Message-ID"):
        mail(replace(daily(), message_id=identity))


def test_a_letter_without_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="Date"):
        mail(letter(created_at=None))


@WITH_AND_WITHOUT_PAGES
def test_list_unsubscribe_is_one_raw_line_however_long(links: Links | None) -> None:
    config = LetterConfig(from_address=f"{'a+b' * 20}@{'long-' * 11}x.example.org")
    reader = replace(ADA, address=f"{'x%y' * 20}@{'deep.' * 40}example.org")
    if links:
        links = Links(f"https://{'deep.' * 30}example.org/digest", Keys([b"k" * 32]))
    one = letter(reader, message_id=message_id(reader, daily().slot, config.from_address))
    raw = mail(one, config, links)
    check(raw, config, links)
    (line,) = [line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    assert b"a%2Bb" in line
    assert line.endswith(b"deep.example.org>")
    assert b"=?" not in line


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


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet="abc-äö ", min_size=1, max_size=60).filter(str.strip), st.integers(0, 3))
def test_a_feedback_id_is_four_short_fields(name: str, days: int) -> None:
    slot = date(2026, 11, 20) + timedelta(days)
    raw = mail(letter(picks=(), slot=slot), LetterConfig(name=name, from_address="letters@example.org"))
    campaign, one, kind, sender = raw_header(raw, "Feedback-ID").split(":")
    assert (campaign, kind) == (f"{slot:%Y%m%d}", "letter")
    assert one == sender
    assert 1 <= len(sender) <= 15
