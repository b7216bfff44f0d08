"""What a mail server's reply means, by the table of policy; and its words, made harmless and plain."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from digest.delivery.policy import DEFERRED, POLICY, SENT, Judged
from digest.errors import RelayUnusable
from digest.frozen import maker
from digest.model import LetterState, Outcome

REPLY_LIMIT = 300  # characters of a reply that are kept


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reply means for the letter that it answers."""

    state: Judged | None  # None: the fault is not the recipient's; stop the run
    kind: str
    explanation: str  # whose fault, in plain words
    remedy: str
    status: str  # the enhanced status, e.g. "5.1.1"; "" when there is none
    reply: str  # the server's words, safe to store and print
    wait: timedelta | None = None  # what it asks for before the next try

    @property
    def relay(self) -> bool:
        return self.state is None


def judge(code: int, message: str) -> Judgement:
    """The policy for one reply: its code and its text, whose lines are joined by line feeds."""
    status = enhanced_status(code, message)
    text = " ".join(message.split())
    rule = next(rule for rule in POLICY if rule.holds(code, status, text))
    wait = asked_wait(text) if rule.state is DEFERRED else None
    words = clean_reply(f"{code} {message}")
    return Judgement(rule.state, rule.kind, rule.explanation, rule.remedy, status, words, wait)


def judged_sent(code: int, message: str) -> Outcome:
    """A letter that was taken: what `judge` says of a 2xx, without the search. This runs for every letter."""
    words = f"{code} {message}"
    if not (words.isascii() and words.isprintable() and len(words) <= REPLY_LIMIT and "  " not in words):
        words = clean_reply(words)
    return _outcome(SENT, words, "", "accepted", None)


_outcome = maker(Outcome)
WAIT_LIMIT = timedelta(hours=24)
_UNIT = r"\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b"
# The number has to follow a word about trying again: "100 messages in 60 seconds" is a limit, and no request.
_CUE = r"(?:again|re-?try|re-?send|come back|wait|gr[ea]y.?list\w*|delay\w*|defer\w*)[^0-9]{0,40}?"
_CLOCK = re.compile(_CUE + r"\b(\d{1,3}):(\d\d):(\d\d)\b", re.IGNORECASE)
_SPAN = re.compile(_CUE + rf"\b(\d{{1,6}}){_UNIT}(?:[\s,]*(?:and )?(\d{{1,6}}){_UNIT})?", re.IGNORECASE)
_PACKED = re.compile(_CUE + r"\b(?:(\d{1,4})h)?(?:(\d{1,4})m)(?:(\d{1,4})s)?\b", re.IGNORECASE)
_HEADER = re.compile(r"retry-?\s?after\s*[:=]?\s*(\d{1,6})\s*(?:$|[;,.)\]])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def asked_wait(text: str) -> timedelta | None:
    """How long a reply asks us to wait: "try again in 4 minutes", "retry after 00:05:00"; at most a day."""
    seconds: int | None = None
    if found := _CLOCK.search(text):
        hours, minutes, rest = map(int, found.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    elif found := _PACKED.search(text):
        hours, minutes, rest = (int(part or 0) for part in found.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    elif found := _SPAN.search(text):
        number, unit, more, its = found.groups()
        seconds = int(number) * _SECONDS[unit[0].lower()] + (int(more) * _SECONDS[its[0].lower()] if more else 0)
    elif found := _HEADER.search(text):
        seconds = int(found[1])
    return None if seconds is None else min(timedelta(seconds=seconds), WAIT_LIMIT)


_STATUS_AT_START = re.compile(r"^\s*[#(\[]?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.MULTILINE)
_STATUS_MARKED = re.compile(r"[#(\[]([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")


def enhanced_status(code: int, message: str) -> str:
    """The enhanced status of RFC 3463 in a reply, or "".

    It starts a line; some servers mark it in the middle instead ("Address rejected (#5.1.1)"). A bare one there is
    not trusted: version numbers look the same. Nor is one whose class contradicts the code: the code is what the
    protocol runs on.
    """
    for pattern in (_STATUS_AT_START, _STATUS_MARKED):
        for found in pattern.finditer(message):
            if found[1][0] == str(code)[:1]:
                return found[1]
    return ""


def clean_reply(text: str, limit: int = REPLY_LIMIT) -> str:
    """A server's words on one line, made harmless: a reply ends up in the store, in logs and on terminals.

    Control and format characters (escape sequences, bidirectional overrides), bytes that are not UTF-8 and line
    separators become spaces; the rest of an endless reply is cut.
    """
    head = text[: 4 * limit]
    # Each line of a long reply repeats the status; once is enough.
    lines = head.splitlines()
    again = _STATUS_AT_START.match(lines[0][4:]) if lines else None
    if again:
        lines[1:] = [re.sub(rf"^\s*{re.escape(again[1])}\s", "", line) for line in lines[1:]]
    kept = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in "\n".join(lines))
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def explain(what: RelayUnusable | Outcome) -> str:
    """A few plain sentences on how one delivery went: what happened, the server's words, what to do about it."""
    if isinstance(what, RelayUnusable):
        return f"{what.fields['where']}: {what.fields['detail']}. {what.fields['remedy']}."
    if what.state is LetterState.SENT:
        place = f" It is in {what.where}." if what.where else ""
        return f"Sent: {what.reply.rstrip('.')}.{place}"
    if what.state is LetterState.UNCERTAIN:
        return f"It may or may not have arrived: {what.reply}."
    word = "Not delivered for now" if what.state is LetterState.DEFERRED else "Not delivered"
    code = re.match(r"([2-5]\d\d) ", what.reply)
    if not code:
        return f"{word}: {what.reply.rstrip('.')}."
    judgement = judge(int(code[1]), what.reply[4:])
    said = f"The server said: “{what.reply}”."
    return f"{word}: {judgement.explanation}. {said} {judgement.remedy}."
