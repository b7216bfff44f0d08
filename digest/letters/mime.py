"""A letter as the bytes of a mail: RFC 5322, CRLF, nothing but ASCII.

Headers are written here, not by the standard library's generator. That one decodes what it is given before it
folds it, so that a title such as `=?utf-8?q?x=0ABcc=3A_evil?=` becomes a header of its own (Python 3.11.7, 3.12.1),
and it folds a long List-Unsubscribe into encoded words, which no mail client can click. Two rules keep ours safe:
`one_line` lets no control, bidi mark, lone surrogate or `=?` through, so nothing is left to decode; and addresses
and ids that do not look exactly as they should are refused, never mended.
"""

from __future__ import annotations

import re
from base64 import b64encode, encodebytes
from binascii import b2a_qp
from collections.abc import Callable, Sequence
from datetime import UTC, date
from email.utils import format_datetime
from hashlib import sha256

from digest.config import LetterConfig
from digest.errors import NotMailable
from digest.letters.letter import Rendered, mailto
from digest.model import Letter, Subscriber

LINE = 76  # RFC 2047: the limit of a line that holds an encoded word; well under the 78 of RFC 5322
WORD = 75  # RFC 2047: the limit of an encoded word, its delimiters included
NAME_LIMIT = 200  # characters of a display name

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BODY_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NEWLINE = re.compile("\r\n?")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>")
# b2a_qp encodes a blank at the end of a line after it has counted the line, which may then be over the limit of 76.
_LONG_QP = re.compile(rb"^(.{74,75})(=20|=09)$", re.MULTILINE)
# Inside an encoded word of a display name these stand for themselves; everything else is hex (RFC 2047, 5 (3)).
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def message_id(reader: Subscriber, slot: date, sender: str) -> str:
    """The same for the same letter, so a resend is recognisable; it tells nobody the address.

    The reader's row is part of it: an address can pass from one subscriber to another within a day. So is the
    sender's address: two lists on one domain may write to one reader.
    """
    seed = f"{reader.id}\n{reader.address.lower()}\n{slot.isoformat()}\n{sender.lower()}"
    domain = sender.rpartition("@")[2]
    return f"<{sha256(seed.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}@{domain}>"


def assemble(rendered: Rendered, letter: Letter, config: LetterConfig) -> bytes:
    """The mail. Raises `NotMailable` for an address or Message-ID that could break out of its header."""
    if letter.created_at is None:
        raise ValueError("a letter without a time of writing has no Date")
    sender = _checked("address", config.from_address, _ADDRESS)
    recipient = _checked("address", letter.subscriber.address, _ADDRESS)
    reply_to = _checked("address", config.reply_to, _ADDRESS)
    identity = _checked("Message-ID", letter.message_id, _MESSAGE_ID)

    parts = [("text/plain", _body(rendered.text)), ("text/html", _body(rendered.html))]
    boundary = _boundary(identity, [body for _, (_, body) in parts])
    lines = [
        _mailbox("From", config.name, sender),
        _mailbox("To", letter.subscriber.name, recipient),
        *([f"Reply-To: {reply_to}"] if config.contact else []),
        _fold("Subject", _unstructured("Subject", rendered.subject)),
        f"Date: {format_datetime(letter.created_at.astimezone(UTC))}",
        f"Message-ID: {identity}",
        _fold("List-Id", [*_phrase("List-Id", config.name), f"<{_slug(config.name)}.{config.domain}>"]),
        # Never folded, never encoded: clients look for the URL in the raw line.
        f"List-Unsubscribe: <{mailto(reply_to, 'unsubscribe')}>",
        # The list headers tell newer mail servers not to answer "I am on holiday"; older ones look for this.
        "Precedence: bulk",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"',
        "",
    ]
    for kind, (encoding, body) in parts:
        lines += [
            f"--{boundary}",
            f"Content-Type: {kind}; charset=utf-8",
            f"Content-Transfer-Encoding: {encoding}",
            "",
            body,
        ]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def one_line(text: str) -> str:
    """`text` as a header may hold it: one line, and nothing in it that some program would decode."""
    text = _BIDI.sub("", _CONTROL.sub(" ", text))
    text = " ".join(_SURROGATE.sub("\ufffd", text).split())
    return text.replace("=?", "= ?")  # last: what was taken out may have stood between the two


def body_text(text: str) -> str:
    """`text` as a part holds it: newlines are line feeds, the last line is ended, no other control is left."""
    text = _BODY_CONTROL.sub("", _NEWLINE.sub("\n", text))
    text = _SURROGATE.sub("\ufffd", text)
    return text if text.endswith("\n") else text + "\n"


def _checked(what: str, value: str, pattern: re.Pattern[str]) -> str:
    # "=?" is allowed in an address by the letter of the standard, and decoded by too many programs.
    if not pattern.fullmatch(value) or "=?" in value:
        raise NotMailable(what=what, value=value)
    return value


# ---- headers


def _mailbox(header: str, name: str, address: str) -> str:
    words = _phrase(header, name)
    return _fold(header, [*words, f"<{address}>"] if words else [address])


def _unstructured(header: str, text: str) -> list[str]:
    text = one_line(text)
    words = text.split(" ") if text else []
    if text.isascii() and all(len(word) < LINE - len(header) - 2 for word in words):
        return words
    return _encoded_words(header, text)


def _phrase(header: str, text: str) -> list[str]:
    """A display name: bare words, a quoted string, or encoded words."""
    text = one_line(text)[:NAME_LIMIT].strip()
    room = LINE - len(header) - 2
    if text.isascii():
        if len(text) <= room and _ATOMS.fullmatch(text):
            return [text] if text else []
        quoted = '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
        if len(quoted) <= room:
            return [quoted]
    return _encoded_words(header, text)


def _encoded_words(header: str, text: str) -> list[str]:
    """The shorter of the two encodings that RFC 2047 has, in words that fit a line and split no character."""
    base64 = _split(header, text, "b", lambda data: b64encode(data).decode("ascii"))
    quoted = _split(header, text, "q", _q)
    return min(quoted, base64, key=lambda words: sum(map(len, words)))


def _split(header: str, text: str, kind: str, encode: Callable[[bytes], str]) -> list[str]:
    frame = len(f"=?utf-8?{kind}??=")
    words: list[str] = []
    held, written = b"", ""
    room = min(WORD, LINE - len(header) - 2) - frame
    for letter in text:
        more = held + letter.encode("utf-8")
        longer = encode(more)
        if held and len(longer) > room:
            words.append(f"=?utf-8?{kind}?{written}?=")
            room = WORD - frame
            more = letter.encode("utf-8")
            longer = encode(more)
        held, written = more, longer
    return [*words, f"=?utf-8?{kind}?{written}?="]


def _q(data: bytes) -> str:
    return "".join(chr(byte) if byte in _Q_PLAIN else "_" if byte == 0x20 else f"={byte:02X}" for byte in data)


def _fold(header: str, words: Sequence[str]) -> str:
    """Words with single spaces between them, on continued lines where one is not enough."""
    lines, line = [], f"{header}:"
    for place, word in enumerate(words):
        if place and len(line) + 1 + len(word) > LINE:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line])


def _slug(name: str) -> str:
    """The list's name as a label of a domain name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:60].strip("-") or "letter"


# ---- parts


def _body(text: str) -> tuple[str, str]:
    """The transfer encoding and the encoded text, with CRLF line ends."""
    data = body_text(text).encode("utf-8")
    quoted = _LONG_QP.sub(rb"\1=\n\2", b2a_qp(data, quotetabs=False, istext=True))
    # Text that is mostly not ASCII would triple; base64 always takes a third more.
    if len(quoted) <= len(data) * 1.4:
        return "quoted-printable", quoted.decode("ascii").replace("\n", "\r\n")
    lines = encodebytes(data.replace(b"\n", b"\r\n")).decode("ascii")
    return "base64", lines.replace("\n", "\r\n")


def _boundary(identity: str, bodies: Sequence[str]) -> str:
    # "=_" occurs in neither quoted-printable nor base64; the check costs nothing and does not rest on that.
    attempt = 0
    while True:
        boundary = "=_" + sha256(f"{attempt} {identity}".encode("ascii")).hexdigest()[:32]
        if not any(boundary in body for body in bodies):
            return boundary
        attempt += 1
