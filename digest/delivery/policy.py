"""The policy: what a mail server's replies mean, a table that is read from the top.

It is the only place that decides whose fault a refusal is. That matters more than it seems: to take a wrong
password for a bad address marks every reader as unreachable, and to take a bad address for a broken server stops
the run for everybody behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from digest.model import LetterState

Judged = Literal[LetterState.SENT, LetterState.DEFERRED, LetterState.FAILED]

SENT: Literal[LetterState.SENT] = LetterState.SENT
DEFERRED: Literal[LetterState.DEFERRED] = LetterState.DEFERRED
FAILED: Literal[LetterState.FAILED] = LetterState.FAILED
RELAY: None = None  # nobody's letter is at fault: stop, mark nothing


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
