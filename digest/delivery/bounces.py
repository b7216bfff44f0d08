"""What a mail that came back is: bytes in; a report, a complaint, a wish to unsubscribe, or nothing to act on, out.

Nothing here is believed. Whatever a mail says of a reader, it may have been written by anybody; `digest/bounces.py`
asks the tokens in it for proof before anything is done.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Literal
from urllib.parse import unquote

from digest.delivery.replies import clean_reply, enhanced_status, judge
from digest.letters.verp import Tag, tags
from digest.model import LetterState

MOST_BYTES = 1_000_000  # of a mail that are looked at; what it reports stands before the letter that it returns
MOST_PARTS = 100
MOST_TEXT = 100_000  # characters of a text that are searched

Severity = Literal["hard", "soft", "refused", "ignored"]
What = Literal["report", "complaint", "unsubscribe", "ignored", "unknown"]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the mail to one recipient."""

    severity: Severity  # "refused": for good, and nobody knows why
    detail: str
    recipients: tuple[str, ...] = ()  # as the report names them: the final one, and the original one


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that came back."""

    what: What
    detail: str = ""
    reports: tuple[Report, ...] = ()
    tags: tuple[Tag, ...] = ()  # not yet checked: those of its own recipient, then those of the letter it returns
    message_ids: tuple[str, ...] = ()  # of the letter it returns
    recipients: tuple[str, ...] = ()  # whom it names
    asks_for: str = ""  # whom an unsigned wish to unsubscribe names
    at: datetime | None = None  # as it says
    identity: str = ""  # the same for the same mail, read again

    def report_on(self, address: str) -> Report:
        """What it says of a letter to this address.

        A report may cover several recipients, if the address forwards to them. Then that of the address itself
        counts, and without one the mildest: as long as one of them can be reached the letter arrives.
        """
        own = [one for one in self.reports if address.casefold() in map(str.casefold, one.recipients)]
        return min(own or self.reports, key=lambda one: _SEVERITIES.index(one.severity))


_SEVERITIES: tuple[Severity, ...] = ("ignored", "soft", "refused", "hard")

_REPORT_TYPES = ("message/delivery-status", "message/global-delivery-status")
_LETTER_TYPES = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
)
_ENVELOPE = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_MESSAGE_ID = re.compile(r"^Message-ID:\s*(<[^<>\s]{1,500}>)", re.IGNORECASE | re.MULTILINE)
_AWAY = re.compile(
    r"^(auto(matic|mated)?[ -]?(reply|response|antwort)\b|auto: |out of (the )?office|abwesen|automatische antwort"
    r"|r[ée]ponse automatique|respuesta autom)",
    re.IGNORECASE,
)
_POSTMAN = re.compile(r"mailer-daemon|postmaster|mail delivery|microsoftexchange", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~.%-]{1,200}@[A-Za-z0-9.-]{1,255}")

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)  # it logs its own faults; we say them


def read(data: bytes, recipient: str = "") -> Mail:
    """What a mail is. `recipient` is the address that it was delivered to, where somebody knows it.

    Never raises: what nobody can read is "unknown" and says why.
    """
    data = data[:MOST_BYTES]
    try:
        return _read(message_from_bytes(data), data, recipient)
    except Exception as error:
        # Python's parser gives up on hostile mails in a dozen ways (RecursionError, LookupError, IndexError, …).
        return Mail("unknown", f"no program can read it ({type(error).__name__})", identity=_hash(data))


def _read(message: Message, data: bytes, recipient: str) -> Mail:
    parts = list(_parts(message))
    envelope = tags(recipient) or tags("\n".join(_all(message, *_ENVELOPE)))
    letter = "\n".join(_letter_in(part) for part in parts if part.get_content_type() in _LETTER_TYPES)
    told = _statuses(parts)
    complaint = _complaint(message, parts)
    text = ""
    if told:
        what, detail, reports = _said(told)
    elif complaint is not None:
        what, detail, reports = (*complaint, ())
    elif any(one.purpose == "unsubscribe-mail" for one in envelope):
        what, detail, reports = "unsubscribe", "a mail to the signed address", ()
    elif why := _no_bounce(message):
        what, detail, reports = "ignored", why, ()
    else:
        text = "\n".join(_text(part) for part in parts if part.get_content_maintype() == "text")
        # Its seventeen detectors read the whole mail each, some of them slowly.
        less = message_from_bytes(data[:MOST_TEXT]) if len(data) > MOST_TEXT else message
        what, detail, reports = _guessed(message, less if len(parts) < MOST_PARTS else None, text)
        letter = letter or text
    named = [_all(part, "Original-Rcpt-To", "X-HmXmrOriginalRecipient") for part in _flat(message, parts)]
    recipients = [one for report in reports for one in report.recipients]
    recipients += [_bare(one) for some in named for one in some] if what == "complaint" else []
    return Mail(
        what,
        detail,
        reports,
        tuple(dict.fromkeys((*envelope, *tags(letter)))),
        tuple(dict.fromkeys(_MESSAGE_ID.findall(letter)))[:5],
        tuple(dict.fromkeys(recipients)),
        _asks_for(message) if what == "unknown" else "",
        _date(message),
        _hash((_header(message, "Message-ID").strip() or "").encode("utf-8", "replace") or data),
    )


# ---- RFC 3464, and what is written like it


def _statuses(parts: list[Message]) -> list[Message]:
    """What the delivery reports among the parts say, one for each recipient."""
    found: list[Message] = []
    for part in parts:
        if part.get_content_type() not in _REPORT_TYPES:
            continue
        payload = part.get_payload()
        blocks = [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []
        if part.get_content_type() != "message/delivery-status" or not any(map(_recipients, blocks)):
            # Encoded, or a sort that Python does not take apart: the text of it all, as that of a plain part.
            if blocks:
                whole = Message()
                whole["Content-Transfer-Encoding"] = _header(part, "Content-Transfer-Encoding")
                whole.set_payload("\n".join(one.as_string() for one in blocks).strip() + "\n")
                part = whole
            text = _text(part)
            blocks = [message_from_string(one) for one in re.split(r"\n[ \t]*\n", text[:MOST_TEXT])]
        found += [one for one in blocks if _recipients(one) or "Action" in one]
    return found[:MOST_PARTS]


def _said(statuses: list[Message]) -> tuple[What, str, tuple[Report, ...]]:
    reports = tuple(map(_report, statuses))
    return "report", max(reports, key=lambda one: _SEVERITIES.index(one.severity)).detail, reports


def _report(block: Message) -> Report:
    action = (_header(block, "Action").lower().split() or [""])[0].strip(";,.")
    status = re.search(r"[245]\.\d{1,3}\.\d{1,3}", _header(block, "Status"))
    code = status[0] if status else ""
    said = re.sub(r"^\s*[\w.-]+\s*;", "", _header(block, "Diagnostic-Code"))
    if not action:
        action = {"2": "delivered", "4": "delayed", "5": "failed"}.get(code[:1], "")
    if action != "failed":
        # A delay is no failure yet: if it becomes one, another report says so.
        words = clean_reply(" ".join(filter(None, [f"{action or 'no action'}:", code, said])))
        return Report("ignored", words, _recipients(block))
    severity, detail = judged(code, said)
    return Report(severity, detail, _recipients(block))


def _recipients(block: Message) -> tuple[str, ...]:
    named = (_bare(one) for one in _all(block, "Final-Recipient", "Original-Recipient"))
    return tuple(dict.fromkeys(filter(None, named)))


def judged(status: str, said: str) -> tuple[Severity, str]:
    """How bad a failure is for the address, by the policy for replies (`policy.POLICY`), and the words for it.

    `status` is the report's own, e.g. "5.1.1"; `said` what the last server said, where it is known.
    """
    found = re.search(r"(?<![\d.])([45]\d\d)(?=[ -])[ -]?", said)
    code = int(found[1]) if found else int(status[0]) * 100 + 50 if status[:1] in ("4", "5") else 550
    words = said[found.end() :] if found else said
    known = enhanced_status(code, words)
    if not known and status[:1] == str(code)[0] and not status.endswith(".0.0"):
        words = f"{status} {words}"
        known = status
    judgement = judge(code, words.strip())
    if known == "5.4.7":  # it was tried for too long
        return "soft", judgement.reply
    if judgement.kind in _BY_KIND:
        return _BY_KIND[judgement.kind], judgement.reply
    return "soft" if judgement.state is LetterState.DEFERRED else "ignored", judgement.reply


# What is refused for our own sake or the letter's is no fault of the address.
_BY_KIND: dict[str, Severity] = {
    "no-mailbox": "hard",
    "refused": "refused",
    "reputation": "ignored",
    "relay-denied": "ignored",
}


# ---- complaints (RFC 5965)


def _complaint(message: Message, parts: list[Message]) -> tuple[What, str] | None:
    for part in parts:
        if part.get_content_type() != "message/feedback-report":
            continue
        payload = part.get_payload()
        if isinstance(payload, list) and payload and isinstance(payload[0], Message):
            fields = payload[0]
        else:
            fields = message_from_string(_text(part))
        kind = (_header(fields, "Feedback-Type").lower() or "abuse").split()[0]
        by = clean_reply(_header(fields, "User-Agent"), 80)
        if kind in ("abuse", "fraud", "opt-out", "opt-out-list", "virus", "miscategorized", "other"):
            return "complaint", f"reported as {kind}" + (f" (by {by})" if by else "")
        return "ignored", f"a feedback report that is no complaint: {clean_reply(kind, 40)}"
    if any("X-HmXmrOriginalRecipient" in one for one in _flat(message, parts)):  # Outlook.com writes no ARF
        return "complaint", "reported as junk (Outlook.com)"
    return None


def _flat(message: Message, parts: list[Message]) -> Iterator[Message]:
    """The mail, its parts, and the heads of what these hold."""
    yield message
    for part in parts:
        payload = part.get_payload()
        if part.get_content_maintype() == "message" and isinstance(payload, list):
            yield from (one for one in payload if isinstance(one, Message))


# ---- mails that nobody has to act on, and the rest


def _no_bounce(message: Message) -> str:
    """Why this is surely no bounce: a program answered for somebody who is away, or a receipt; or ""."""
    if message.get_content_type() == "multipart/report":
        kind = str(message.get_param("report-type") or "")
        if kind.lower() == "disposition-notification":
            return "a receipt: somebody opened a mail, or deleted it"
    if "X-Failed-Recipients" in message or _POSTMAN.search(_header(message, "From")):
        return ""
    automatic = _header(message, "Auto-Submitted").lower()
    away = (
        (automatic and not automatic.startswith("no"))
        or any(name in message for name in ("X-Autoreply", "X-Autorespond", "X-Autoresponder"))
        or _header(message, "Precedence").lower().strip() == "auto_reply"
        or _AWAY.match(_header(message, "Subject").strip())
    )
    return "an automatic reply" if away else ""


def _guessed(message: Message, readable: Message | None, text: str) -> tuple[What, str, tuple[Report, ...]]:
    """A bounce in a server's own words, as flufl.bounce knows many."""
    from flufl.bounce import all_failures

    passing, lasting = all_failures(readable) if readable else ((), ())
    addresses = {one.decode("utf-8", "replace"): False for one in passing}
    addresses |= {one.decode("utf-8", "replace"): True for one in lasting}
    reports = []
    for address, for_good in list(addresses.items())[:MOST_PARTS]:
        place = text.lower().find(address.lower())
        words = text[place + len(address) if place >= 0 else 0 :][:600]
        words = re.split(r"\n-{3,}|\n\s*\n(?=\S+: )", words.replace("\r\n", "\n"))[0]
        words = " ".join(words.strip(" <>:;\r\n\t").split())
        severity, detail = judged("", words) if for_good else ("ignored", clean_reply(f"delayed: {words}"))
        reports.append(Report(severity, detail, (address,)))
    if reports:
        worst = max(reports, key=lambda one: _SEVERITIES.index(one.severity))
        return "report", worst.detail, tuple(reports)
    sender, subject = (clean_reply(_header(message, one), 80) for one in ("From", "Subject"))
    if not sender and not subject:
        return "unknown", "no mail, or one without a head", ()
    return "unknown", f"from {sender or 'nobody'}: “{subject}”", ()


def _asks_for(message: Message) -> str:
    """The address that a mail asks to unsubscribe, without any proof."""
    found = re.match(r"\s*unsubscribe\s+(\S+)\s*$", unquote(_header(message, "Subject")), re.IGNORECASE)
    return found[1] if found and _ADDRESS.fullmatch(found[1]) else ""


# ---- taking mails apart


def _parts(message: Message) -> Iterator[Message]:
    """The parts that are no multiparts, in order; what a returned letter consists of is not among them."""
    waiting, seen = [message], 0
    while waiting and seen < MOST_PARTS:
        part = waiting.pop()
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting += reversed([one for one in payload if isinstance(one, Message)])
        else:
            seen += 1
            yield part


def _letter_in(part: Message) -> str:
    """The head of a returned letter."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return "\n".join(f"{name}: {_line(value)}" for name, value in payload[0].items())[:MOST_TEXT]
    head = re.split(r"\n[ \t]*\n", _text(part).lstrip(), maxsplit=1)[0]
    return re.sub(r"\n[ \t]+", " ", head)


def _text(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    return data[: 4 * MOST_TEXT].decode("utf-8", "replace").replace("\r\n", "\n")[:MOST_TEXT]


def _header(message: Message, name: str) -> str:
    return _line(message.get(name, ""))


def _all(message: Message, *names: str) -> list[str]:
    return [_line(one) for name in names for one in message.get_all(name, [])[:20]]


def _line(value: object) -> str:
    return " ".join(str(value).split())


def _bare(text: str) -> str:
    """An address without its type, brackets and quotes: `rfc822; <ada@example.org>`."""
    found = _ADDRESS.search(text.rpartition(";")[2])
    return found[0] if found else ""


def _date(message: Message) -> datetime | None:
    try:
        said = parsedate_to_datetime(_header(message, "Date"))
        return (said if said.tzinfo else said.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()
