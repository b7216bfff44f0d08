"""Reading mails back, what every mail of ours keeps to, and strings that would break it."""

from __future__ import annotations

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.message import EmailMessage
from functools import lru_cache

from hypothesis import strategies as st

from digest.config import LetterConfig
from digest.delivery.wire import stuffed, wire_lines
from digest.letters.dkim import relaxed_body
from digest.letters.links import Links
from digest.letters.mime import one_line

EVIL = (
    "=?utf-8?q?x=0ABcc=3A_evil?=",
    "=?utf-8?b?eA0KQmNjOiBldmls?=",
    "x\r\nBcc: evil@example.org",
    "x\n\nbody",
    "x\rBcc: evil",
    "\x00\x07\x1b[31m\x85\u2028Bcc: evil\u2029",
    "\x00subject\x00 \x00cards\x00 \x00number\x00",
    "=\u202e?utf-8?q?x?=",
    "\u202egro.elpmaxe\u202c \u2066x\u2069",
    "\ud800 lone \udfff",
    'O"Brien, \\ (x) <evil@example.org>; a:b@c',
    "Zoë Łukasz 山田太郎 محمد 👩‍👩‍👧‍👦",
    "x" * 10_000,
    "漢" * 3_000,
    ".\r\n.\r\n..",
    ". leads",
    "From the start",
    "100% %b %% %(number)s %(picks)s %d",
    "{{ 7 * 7 }} {% raw %} {# x #} ${HOME}",
    "private \ue000\uf8ff\U000f0000 use",
    "trails  \t ",
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
# What `config.toml` can hold, where it is checked.
ONE_LINES = WORDS.map(lambda text: re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", " ", text)[:60].strip())
NAMES = ONE_LINES.filter(one_line)


@lru_cache(maxsize=4)
def parse(raw: bytes) -> EmailMessage:
    """A mail that nobody changes: the next who asks gets the same."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts(raw: bytes) -> tuple[str, str]:
    """The text and the HTML."""
    message = parse(raw)
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert [part.keys() for part in (text, html)] == [["Content-Type", "Content-Transfer-Encoding"]] * 2
    assert not list(message.iter_attachments())
    assert not [part.defects for part in message.walk() if part.defects]
    return text.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


def header_lines(raw: bytes) -> list[str]:
    """The headers that are really there, by the raw bytes, each unfolded."""
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    return re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n")


def names(raw: bytes) -> list[str]:
    return [line.partition(":")[0] for line in header_lines(raw)]


def raw_header(raw: bytes, name: str) -> str:
    (value,) = [line.removeprefix(f"{name}: ") for line in header_lines(raw) if line.startswith(f"{name}:")]
    return value


def shown_name(raw: bytes, header: str, address: str) -> str:
    """The name beside an address, decoded as RFC 2047 says."""
    head = raw.partition(b"\r\n\r\n")[0]
    value = str(email.message_from_bytes(head, policy=email.policy.compat32)[header]).replace("\r\n", "")
    name = value.removesuffix(address).removesuffix(f"<{address}>").strip()
    if name.startswith('"'):
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return str(make_header(decode_header(name)))


def check(raw: bytes, config: LetterConfig, links: Links | None = None) -> None:
    """What is true of the bytes of every mail, whatever stands in it; `links` where it has pages to link to."""
    assert raw.isascii()
    assert b"\0" not in raw
    assert raw.endswith(b"--\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", raw), "CRLF alone ends lines"
    assert wire_lines(raw) == stuffed(raw) == raw, "no transport has to look at it: `Parcel.plain`"
    head, _, body = raw.partition(b"\r\n\r\n")
    for line in body.split(b"\r\n"):
        assert len(line) <= 76, "the limit of quoted-printable"
        assert not line.startswith((b".", b"From ")), "SMTP and mbox files would change it"
    assert relaxed_body(body) == body, "it is signed as it stands"
    for line in head.split(b"\r\n"):
        assert line.strip()
        # A single word that is longer, an address, cannot be folded.
        assert len(line) <= 78 or line.startswith(b"List-Unsubscribe:") or b" " not in line.partition(b" ")[2]
        assert len(line) <= 998
        assert all(len(word) <= 75 for word in re.findall(rb"=\?\S+?\?=", line))
    assert names(raw) == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "List-Unsubscribe",
        *(["List-Unsubscribe-Post"] if links else []),
        "Feedback-ID",
        *(["Reply-To"] if config.contact else []),
        "List-Id",
        "Precedence",
        "MIME-Version",
        "Content-Type",
    ], "each of them once, and no other"
    assert parse(raw).keys() == names(raw)
    assert raw_header(raw, "Message-ID").endswith(f"@{config.domain}>")
    leave = next(line for line in head.split(b"\r\n") if line.startswith(b"List-Unsubscribe:"))
    mail = rb"<mailto:[!-~]+\?subject=unsubscribe%20[!-~]+>"
    if links:
        page = re.escape(links.base_url.encode()) + rb"/unsubscribe/[0-9a-f]+-[0-9a-f]{32}"
        assert re.fullmatch(rb"List-Unsubscribe: <" + page + rb">, " + mail, leave)
        assert raw_header(raw, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    else:
        assert re.fullmatch(rb"List-Unsubscribe: " + mail, leave)
