"""A letter as the bytes of a mail: RFC 5322, CRLF, nothing but ASCII.

Headers are written here, not by the standard library's generator. That one decodes what it is given before it
folds it, so that a title such as `=?utf-8?q?x=0ABcc=3A_evil?=` becomes a header of its own (Python 3.11.7, 3.12.1),
and it folds a long List-Unsubscribe into encoded words, which no mail client can click. Two rules keep ours safe:
`one_line` lets no control, bidi mark, lone surrogate or `=?` through, so nothing is left to decode; and addresses
and ids that do not look exactly as they should are refused, never mended.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from digest.config import LetterConfig
from digest.errors import NotMailable
from digest.letters.links import mailto, quoted
from digest.letters.verp import Returns
from digest.model import Letter, Subscriber

LINE = 76  # RFC 2047: the limit of a line that holds an encoded word; well under the 78 of RFC 5322
WORD = 75  # RFC 2047: the limit of an encoded word, its delimiters included
NAME_LIMIT = 200  # characters of a display name
SENDER_LIMIT = 15  # characters of the sender in a Feedback-ID, as Gmail takes them
BOUNDARY = "=_digest_letter"  # "=_" occurs in no quoted-printable text, so one will do for all

_PART = "--{}\r\nContent-Type: text/{}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_TEXT = _PART.format(BOUNDARY, "plain").encode("ascii")
_HTML = f"\r\n{_PART.format(BOUNDARY, 'html')}".encode("ascii")
_END = f"\r\n--{BOUNDARY}--\r\n".encode("ascii")

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_SIMPLE = re.compile("[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")  # a name that can stand there as it is
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>")
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


def written_at(letter: Letter) -> datetime:
    if letter.created_at is None:
        raise ValueError("a letter without a time of writing has no Date")
    return letter.created_at


class Head:
    """The headers of letters, of which most are the same for all."""

    def __init__(self, config: LetterConfig, returns: Returns | None = None) -> None:
        """With `returns` a mail to a signed address unsubscribes, else one to the contact that names the reader.

        Raises `NotMailable` for an address of our own that could break out of its header.
        """
        self._returns = returns
        sender = _checked("address", config.from_address, _ADDRESS)
        self._reply_to = _checked("address", config.reply_to, _ADDRESS)
        self._list = _slug(config.name)
        self._stop = f"<{mailto(self._reply_to, 'unsubscribe ')}"
        self._sender = self._list[:SENDER_LIMIT].strip("-")
        self._from = _mailbox("From", config.name, sender)
        self._same = "\r\n".join(
            [
                *([f"Reply-To: {self._reply_to}"] if config.contact else []),
                _fold("List-Id", [*_phrase("List-Id", config.name), f"<{self._list}.{config.domain}>"]),
                # The list headers tell newer servers not to answer "I am on holiday"; older ones look for this.
                "Precedence: bulk",
                "MIME-Version: 1.0",
                f'Content-Type: multipart/alternative;\r\n boundary="{BOUNDARY}"',
            ]
        )

    def of(self, letter: Letter, subject: str, page: str = "") -> bytes:
        """The headers of one letter; `page` is where its reader unsubscribes with one click.

        Raises `NotMailable` for an address or Message-ID that could break out of its own header.
        """
        reader = letter.subscriber
        recipient = _checked("address", reader.address, _ADDRESS)
        identity = _checked("Message-ID", letter.message_id, _MESSAGE_ID)
        # Never folded, never encoded: clients look for the URLs in the raw line.
        if self._returns:
            signed = _checked("address", self._returns.unsubscribe(reader), _ADDRESS)
            leave = f"<mailto:{quote(signed, safe='@+')}?subject=unsubscribe>"
        else:
            leave = f"{self._stop}{quoted(recipient)}>"
        if page:
            leave = f"<{page}>, {leave}\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click"
        return (
            f"{self._from}\r\n{_mailbox('To', reader.name, recipient)}\r\n{_subject(subject)}\r\n"
            f"Date: {_date(written_at(letter))}\r\nMessage-ID: {identity}\r\n"
            f"List-Unsubscribe: {leave}\r\n"
            f"Feedback-ID: {_campaign(letter.slot)}:{self._sender}:letter:{self._sender}\r\n{self._same}\r\n\r\n"
        ).encode("ascii")


def join(head: bytes, text: bytes, html: bytes) -> bytes:
    """A mail of its headers and its two parts as `qp` encodes them. Its body is in relaxed form, as theirs is."""
    return b"".join((head, _TEXT, text, _HTML, html, _END))


def one_line(text: str) -> str:
    """`text` as a header may hold it: one line, and nothing in it that some program would decode."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()).replace("=?", "= ?")
    text = _BIDI.sub("", _CONTROL.sub(" ", text))
    text = " ".join(_SURROGATE.sub("\ufffd", text).split())
    return text.replace("=?", "= ?")  # last: what was taken out may have stood between the two


def display_name(text: str) -> str:
    """`text` as it may stand beside an address."""
    return one_line(text)[:NAME_LIMIT].strip()


def _checked(what: str, value: str, pattern: re.Pattern[str]) -> str:
    # "=?" is allowed in an address by the letter of the standard, and decoded by too many programs.
    if not pattern.fullmatch(value) or "=?" in value:
        raise NotMailable(what=what, value=value)
    return value


# ---- headers


def _mailbox(header: str, name: str, address: str) -> str:
    if _SIMPLE.fullmatch(name) and len(name) + len(address) < LINE - len(header) - 5:
        return f"{header}: {name} <{address}>"
    words = _phrase(header, name)
    return _fold(header, [*words, f"<{address}>"] if words else [address])


@lru_cache(maxsize=4096)  # readers of the same interests have the same subject
def _subject(text: str) -> str:
    """Plain words as they are; those that are not ASCII, with what stands between them, as encoded words."""
    words: list[str] = []
    strange: list[str] = []
    pieces = one_line(text).split(" ")
    for place, word in enumerate(pieces):
        plain = word.isascii() and len(word) < LINE - len("Subject: ")
        if not plain:
            strange.append(word)
        if strange and (plain or place == len(pieces) - 1):
            words += _encoded_words("Subject", " ".join(strange))
            strange = []
        if plain:
            words.append(word)
    return _fold("Subject", words)


@lru_cache(maxsize=64)
def _campaign(slot: date) -> str:
    return f"{slot:%Y%m%d}"


@lru_cache(maxsize=64)  # the letters of one run were written at one time
def _date(instant: datetime) -> str:
    return format_datetime(instant.astimezone(UTC))


def _phrase(header: str, text: str) -> list[str]:
    """A display name: bare words, a quoted string, or encoded words."""
    text = display_name(text)
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
