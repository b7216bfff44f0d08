"""What a mail server's reply means: a table of policy, read from the top, and the functions that look it up.

The table is the only place that decides whose fault a refusal is. That matters more than it seems: to take a wrong
password for a bad address marks every reader as unreachable, and to take a bad address for a broken server stops
the run for everybody behind it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

Judged = Literal[LetterState.SENT, LetterState.DEFERRED, LetterState.FAILED]

SENT: Literal[LetterState.SENT] = LetterState.SENT
DEFERRED: Literal[LetterState.DEFERRED] = LetterState.DEFERRED
FAILED: Literal[LetterState.FAILED] = LetterState.FAILED
RELAY: None = None  # nobody's letter is at fault: stop, mark nothing

REPLY_LIMIT = 300  # characters of a reply that are kept


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the policy. It holds where the code, the enhanced status and the words all match."""

    kind: str  # a stable short name, for counting and for rules that build on this table
    state: Judged | None  # None: see RELAY
    code: str  # pattern for the whole code
    status: str = ""  # pattern for the whole enhanced status; "" matches any, and none
    words: str = ""  # pattern found anywhere in the text, in any case; "" matches all
    explanation: str = ""
    remedy: str = ""

    def holds(self, code: int, status: str, text: str) -> bool:
        return (
            re.fullmatch(self.code, str(code)) is not None
            and (not self.status or re.fullmatch(self.status, status) is not None)
            and (not self.words or re.search(self.words, text, re.IGNORECASE) is not None)
        )


FULL = r"mailbox (is )?(full|over)|over.?quota|quota (is )?exceeded|exceed\w* .{0,30}(quota|storage)"

# The first row that holds decides, so the particular stands above the general.
POLICY: tuple[Rule, ...] = (
    Rule("accepted", SENT, r"2\d\d", explanation="the server took the letter"),
    # ---- for now: tried again later
    Rule(
        "closing",
        DEFERRED,
        r"421",
        explanation="the server is closing the connection: it is busy, or has had enough for one connection",
        remedy="Nothing to do, it is tried again; if it keeps on, lower `delivery.smtp.connections`",
    ),
    Rule(
        "throttled",
        DEFERRED,
        r"4\d\d",
        status=r"4\.7\.\d+|",
        words=r"throttl|too (many|much|fast)|rate.?limit|\brate\b|quota exceeded for send",
        explanation="the server wants fewer letters at a time",
        remedy="Nothing to do, it is tried again; if it keeps on, lower `delivery.smtp.connections`",
    ),
    Rule(
        "greylisted",
        DEFERRED,
        r"4\d\d",
        words=r"gr[ea]y.?list",
        explanation="the server makes unknown senders wait once (greylisting)",
        remedy="Nothing to do, it is tried again in a few minutes",
    ),
    Rule(
        "reputation",
        DEFERRED,
        r"4\d\d",
        words=r"spam|black.?list|block.?list|\bblocked\b|reputation|dnsbl|\brbl\b|reverse (hostname|dns)|\bptr\b",
        explanation="the receiving side is wary of mail from us; the address itself may be fine",
        remedy="Check SPF, DKIM and DMARC of the sender's domain, and whether the server is on a block list",
    ),
    Rule(
        "mailbox-full",
        DEFERRED,
        r"4\d\d",
        status=r"4\.2\.2",
        explanation="the reader's mailbox is full",
        remedy="Nothing to do, it is tried again; the reader has to make room",
    ),
    Rule(
        "mailbox-full",
        DEFERRED,
        r"4\d\d",
        words=FULL,
        explanation="the reader's mailbox is full",
        remedy="Nothing to do, it is tried again; the reader has to make room",
    ),
    Rule(
        "storage",
        DEFERRED,
        r"452",
        explanation="the server is short of room or of patience for so many letters",
        remedy="Nothing to do, it is tried again",
    ),
    Rule(
        "busy",
        DEFERRED,
        r"4\d\d",
        explanation="the server cannot take the letter at the moment",
        remedy="Nothing to do, it is tried again",
    ),
    # ---- ours: our account, our sender address
    Rule(
        "login-required",
        RELAY,
        r"530",
        words=r"starttls|\btls\b|encrypt",
        explanation="the server takes mail over an encrypted connection only",
        remedy='Set `tls = "starttls"` under [delivery.smtp]',
    ),
    Rule(
        "login-required",
        RELAY,
        r"530",
        explanation="the server takes mail only after a login",
        remedy="Set `user` and `password_env` (or `password_file`) under [delivery.smtp]",
    ),
    Rule(
        "login-refused",
        RELAY,
        r"534|538",
        explanation="the server does not accept this way of logging in",
        remedy="Check `tls` under [delivery.smtp]; many providers want an app password made for one program",
    ),
    Rule(
        "login-refused",
        RELAY,
        r"535|5\d\d",
        status=r"5\.7\.8",
        explanation="the server refused the user name or password",
        remedy="Check `user` and the password under [delivery.smtp]; many providers want an app password",
    ),
    Rule(
        "login-refused",
        RELAY,
        r"535",
        explanation="the server refused the user name or password",
        remedy="Check `user` and the password under [delivery.smtp]; many providers want an app password",
    ),
    # Servers that judge the sender only once they know the recipient (Postfix by default) say so here.
    Rule(
        "sender-refused",
        RELAY,
        r"5\d\d",
        status=r"5\.1\.[78]",
        explanation="the server does not accept our sender address",
        remedy="Set `from_address` under [letter] to an address that this server may send for",
    ),
    Rule(
        "sender-refused",
        RELAY,
        r"5\d\d",
        words=r"not owned by user|send as this sender|sender address rejected: not logged in",
        explanation="the server does not let this login send from our sender address",
        remedy="Set `from_address` under [letter] to an address of the account that logs in",
    ),
    # ---- this letter: too large whoever gets it
    Rule(
        "too-large",
        FAILED,
        r"5\d\d",
        status=r"5\.3\.4|5\.2\.3",
        explanation="the letter is larger than the server takes",
        remedy="Lower `papers` in the reader's profile",
    ),
    Rule(
        "too-large",
        FAILED,
        r"552",
        status=r"",
        words=r"(message|mail).{0,20}(size|too (large|big))|exceed\w* .{0,30}(message size|size limit)|too large",
        explanation="the letter is larger than the server takes",
        remedy="Lower `papers` in the reader's profile",
    ),
    # ---- 5xx that pass with time
    Rule(
        "mailbox-full",
        DEFERRED,
        r"5\d\d",
        status=r"5\.2\.2",
        explanation="the reader's mailbox is full",
        remedy="Nothing to do, it is tried again; the reader has to make room",
    ),
    Rule(
        "throttled",
        DEFERRED,
        r"5\d\d",
        status=r"5\.4\.5",
        explanation="our account has sent as much as it may for now",
        remedy="Nothing to do, it is tried again; ask the provider for a higher limit",
    ),
    Rule(
        "throttled",
        DEFERRED,
        r"5\d\d",
        words=r"(daily|hourly|sending).{0,30}(limit|quota)|rate.?limit|throttl|too many (messages|connections)",
        explanation="our account has sent as much as it may for now",
        remedy="Nothing to do, it is tried again; ask the provider for a higher limit",
    ),
    Rule(
        "mailbox-full",
        DEFERRED,
        r"5\d\d",
        words=FULL,
        explanation="the reader's mailbox is full",
        remedy="Nothing to do, it is tried again; the reader has to make room",
    ),
    # Not a fault of the reader and not for everybody (a server takes its own domains without a login), so neither
    # "failed" nor "stop" is right: the letter waits until somebody has put the configuration in order.
    Rule(
        "relay-denied",
        DEFERRED,
        r"5\d\d",
        words=r"relay(ing)?( access)? (is )?(denied|not permitted|not allowed|prohibited)|unable to relay"
        r"|rcpthosts",
        explanation="the server does not pass on mail to this address for us",
        remedy="Use your provider's sending server, with `user` and a password, under [delivery.smtp]",
    ),
    # ---- our standing: the reader's address is fine. The letter waits, or expires, and nobody is struck off
    Rule(
        "reputation",
        DEFERRED,
        r"5\d\d",
        status=r"5\.7\.\d+",
        explanation="the receiving side refuses mail from us by its policy; the address itself may be fine",
        remedy="Check SPF, DKIM and DMARC of the sender's domain, and whether the server is on a block list",
    ),
    Rule(
        "reputation",
        DEFERRED,
        r"5[57]\d",
        words=r"spam|black.?list|block.?list|\bblocked\b|reputation|dnsbl|\brbl\b|spf|dkim|dmarc|policy",
        explanation="the receiving side takes our mail for unwanted; the address itself may be fine",
        remedy="Check SPF, DKIM and DMARC of the sender's domain, and whether the server is on a block list",
    ),
    Rule(
        "mailbox-full",
        DEFERRED,
        r"552",
        status=r"",
        explanation="the reader's mailbox is full",
        remedy="Nothing to do, it is tried again; the reader has to make room",
    ),
    # ---- the reader's address
    Rule(
        "no-mailbox",
        FAILED,
        r"5\d\d",
        status=r"5\.1\.\d+|5\.2\.1",
        explanation="there is no such mailbox, or it is closed",
        remedy="Check the address for a slip, or ask the reader",
    ),
    Rule(
        "no-mailbox",
        FAILED,
        r"5\d\d",
        status=r"5\.4\.1",
        words=r"recipient address rejected",
        explanation="there is no such mailbox, or it is closed",
        remedy="Check the address for a slip, or ask the reader",
    ),
    Rule(
        "no-mailbox",
        FAILED,
        r"521|556",
        explanation="the address's domain takes no mail at all",
        remedy="Check the address for a slip, or ask the reader",
    ),
    Rule(
        "no-mailbox",
        FAILED,
        r"55[0134]",
        words=r"(no such|unknown|invalid) (user|recipient|mailbox|address|local)|(user|recipient|mailbox|address)"
        r" (is )?(unknown|not found|does not exist|doesn't exist|disabled|unavailable|not local)|user not known"
        r"|no mailbox here",
        explanation="there is no such mailbox, or it is closed",
        remedy="Check the address for a slip, or ask the reader",
    ),
    # ---- and the rest
    Rule(
        "out-of-step",
        DEFERRED,
        r"503",
        explanation="the server lost the thread of the conversation",
        remedy="Nothing to do, it is tried again",
    ),
    Rule(
        "refused",
        FAILED,
        r"5\d\d",
        explanation="the server refused the letter for good",
        remedy="The server's own words say why",
    ),
    Rule(
        "nonsense",
        DEFERRED,
        r"-?\d+",
        explanation="the server gave an answer that does not belong here",
        remedy="Nothing to do, it is tried again; if it keeps on, check `host` and `port` under [delivery.smtp]",
    ),
)


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
    return Outcome(SENT, words, kind="accepted")


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
