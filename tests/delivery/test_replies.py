"""The policy: whose fault a reply is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.delivery.policy import POLICY
from digest.delivery.replies import REPLY_LIMIT, clean_reply, enhanced_status, explain, judge, judged_sent
from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

SENT, DEFERRED, FAILED, RELAY = LetterState.SENT, LetterState.DEFERRED, LetterState.FAILED, None


CASES = [
    (250, "2.0.0 Ok: queued as 4711", "accepted", SENT),
    (251, "User not local; will forward", "accepted", SENT),
    (421, "4.7.0 Too many connections", "closing", DEFERRED),
    (421, "Service not available", "closing", DEFERRED),
    (450, "4.2.0 <a@b>: Recipient address rejected: Greylisted for 5 minutes", "greylisted", DEFERRED),
    (451, "4.7.1 Graylisting in action", "greylisted", DEFERRED),
    (450, "mailbox busy", "busy", DEFERRED),
    (451, "local error in processing", "busy", DEFERRED),
    (452, "4.3.1 Insufficient system storage", "storage", DEFERRED),
    (452, "4.2.2 The email account is over quota", "mailbox-full", DEFERRED),
    (454, "4.7.0 Throttling failure: Daily message quota exceeded", "throttled", DEFERRED),
    (454, "Throttling failure: Maximum sending rate exceeded", "throttled", DEFERRED),
    (450, "4.2.1 receiving mail at a rate that prevents delivery", "busy", DEFERRED),
    (454, "4.7.0 TLS not available", "busy", DEFERRED),
    (530, "5.7.0 Must issue a STARTTLS command first", "login-required", RELAY),
    (530, "5.7.0 Authentication Required", "login-required", RELAY),
    (534, "5.7.9 Application-specific password required", "login-refused", RELAY),
    (535, "5.7.8 Username and Password not accepted", "login-refused", RELAY),
    (535, "Incorrect authentication data", "login-refused", RELAY),
    (538, "5.7.11 Encryption required for requested authentication mechanism", "login-refused", RELAY),
    (550, "5.1.8 <x@y>: Sender address rejected: Domain not found", "sender-refused", RELAY),
    (553, "5.7.1 <x@y>: Sender address rejected: not owned by user joe", "sender-refused", RELAY),
    (550, "5.7.60 SMTP; Client does not have permissions to send as this sender", "sender-refused", RELAY),
    (550, "5.1.1 The email account that you tried to reach does not exist", "no-mailbox", FAILED),
    (550, "5.1.0 Address rejected.", "no-mailbox", FAILED),
    (550, "#5.1.0 Address rejected.", "no-mailbox", FAILED),
    (550, "5.2.1 The account is inactive", "no-mailbox", FAILED),
    (550, "No such user here", "no-mailbox", FAILED),
    (550, "User unknown", "no-mailbox", FAILED),
    (556, "5.1.10 domain has null MX", "no-mailbox", FAILED),
    (521, "host does not accept mail", "no-mailbox", FAILED),
    (552, "5.2.2 Mailbox full", "mailbox-full", DEFERRED),
    (552, "mailbox over quota", "mailbox-full", DEFERRED),
    (550, "5.2.2 over quota", "mailbox-full", DEFERRED),
    (554, "5.2.2 mailbox full", "mailbox-full", DEFERRED),
    (552, "5.3.4 Message size exceeds fixed limit", "too-large", FAILED),
    (552, "Message size exceeds maximum permitted", "too-large", FAILED),
    (552, "message too large", "too-large", FAILED),
    (523, "5.3.4 message too long", "too-large", FAILED),
    (550, "5.7.1 Message rejected due to content", "reputation", DEFERRED),
    (550, "5.7.515 Access denied, sending domain does not meet the required level", "reputation", DEFERRED),
    (550, "5.7.26 Unauthenticated email is not accepted", "reputation", DEFERRED),
    (554, "Message refused: looks like spam", "reputation", DEFERRED),
    (554, "5.7.1 Service unavailable; Client host blocked using zen.example.org", "reputation", DEFERRED),
    (550, "blocked by our block list", "reputation", DEFERRED),
    (554, "5.7.1 <x@y>: Relay access denied", "relay-denied", DEFERRED),
    (550, "relay not permitted", "relay-denied", DEFERRED),
    (550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "relay-denied", DEFERRED),
    (503, "5.5.1 Bad sequence of commands", "out-of-step", DEFERRED),
    (554, "transaction failed", "refused", FAILED),
    (501, "syntax", "refused", FAILED),
    (354, "go ahead", "nonsense", DEFERRED),
    (-1, "", "nonsense", DEFERRED),
    (999, "?", "nonsense", DEFERRED),
]


# In the style of real servers: the reply as it stands in a log, its kind, and the seconds that it asks for.
LOGGED = [
    ("250 2.0.0 Ok: queued as 4ZxQ1b2kZqz9", "accepted", None),
    ("250 OK id=1tAbCd-0001ab-2X", "accepted", None),
    ("250 2.6.0 <1@example.org> [InternalId=42] Queued mail for delivery", "accepted", None),
    ("252 Cannot VRFY, will try to deliver", "accepted", None),
    ("421 4.7.0 Try again later, closing connection.", "closing", None),
    ("421 4.7.0 Too many messages on this connection, try again in 30 seconds", "closing", 30),
    ("421 4.3.2 Service shutting down", "closing", None),
    ("421 4.7.28 Our system has detected an unusual rate of mail. Please wait 10 minutes", "closing", 600),
    ("421 Too many concurrent SMTP connections; please try again later.", "closing", None),
    ("450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted, retry in 300 seconds", "greylisted", 300),
    ("450 4.7.1 Greylisted, please try again in 4 minutes", "greylisted", 240),
    ("451 4.7.1 Greylisting in action, please come back in 00:05:00", "greylisted", 300),
    ("451 4.7.1 greylisted for 5m", "greylisted", 300),
    ("451 Greylisted for 1 hour and 30 minutes", "greylisted", 5400),
    ("451-4.7.1 You have been graylisted\n451 4.7.1 try again after 1m30s", "greylisted", 90),
    ("450 Grey-listed, resend within 10 mins", "greylisted", 600),
    ("451 4.7.1 Gray-list: retry after 00:05:00", "greylisted", 300),
    ("451 4.7.1 greylisted, come back in 999999 hours", "greylisted", 86400),
    ("451 4.7.1 greylisted, wait 0 seconds", "greylisted", 0),
    ("450 4.4.2 retry-after: 120", "busy", 120),
    ("451 4.3.0 Temporary lookup failure", "busy", None),
    ("451 4.3.5 Server configuration problem", "busy", None),
    ("450 4.1.2 <a@b.example>: Recipient address rejected: Domain not found", "busy", None),
    ("451 4.4.1 Connection timed out while talking to the next hop, retry in 2 hours", "busy", 7200),
    ("450 4.2.1 The user is receiving mail at a rate that prevents delivery; resend later", "busy", None),
    ("431 4.3.1 disk trouble", "busy", None),
    ("452 4.3.1 Insufficient system storage", "storage", None),
    ("452 4.5.3 Too many recipients in this hour", "storage", None),
    ("452 4.2.2 The recipient's inbox is out of storage space", "mailbox-full", None),
    ("450 Mailbox full, please try again in 1 day", "mailbox-full", None),
    ("452 The account is over quota", "mailbox-full", None),
    ("454 4.7.0 Throttling failure: Maximum sending rate exceeded.", "throttled", None),
    ("454 Throttling failure: Daily message quota exceeded.", "throttled", None),
    ("451 4.7.1 Rate limit exceeded: 100 messages in 60 seconds", "throttled", None),
    ("451 4.7.500 Server busy, sending too fast. Please try again in 15 min", "throttled", 900),
    ("450 4.7.1 Error: too much mail from 192.0.2.1, retry in 60s", "throttled", 60),
    ("450 4.7.25 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", "reputation", None),
    ("451 4.7.650 The mail server has been temporarily blocked, retry in 1 h", "reputation", 3600),
    ("530 5.7.0 Must issue a STARTTLS command first", "login-required", None),
    ("530-5.7.0 Authentication Required.\n530 5.7.0 See https://x.example", "login-required", None),
    ("534-5.7.9 Application-specific password required.", "login-refused", None),
    ("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", "login-refused", None),
    ("550 5.7.8 bad credentials", "login-refused", None),
    ("553 5.7.1 <d@x.example>: Sender address rejected: not logged in", "sender-refused", None),
    ("550 5.1.7 The sender's address is not valid", "sender-refused", None),
    ("552 5.3.4 Error: message file too big", "too-large", None),
    ("552 5.2.3 Message exceeds the recipient's limit", "too-large", None),
    ("554 5.3.4 Message too big for system", "too-large", None),
    ("552 Message size exceeds fixed maximum message size (10485760)", "too-large", None),
    ("552 5.2.2 Mailbox is full", "mailbox-full", None),
    ("550 Mailbox is full / quota exceeded", "mailbox-full", None),
    ("552 Requested mail action aborted, retry in 2 hours", "mailbox-full", 7200),
    ("554 Delivery error: user over quota", "mailbox-full", None),
    ("550 5.4.5 Daily user sending limit exceeded.", "throttled", None),
    ("550 Hourly sending quota reached, try again in 40 minutes", "throttled", 2400),
    ("554 5.7.1 <a@b.example>: Relay access denied", "relay-denied", None),
    ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relay-denied", None),
    (
        "550 5.7.1 [192.0.2.1] this message is likely unsolicited mail",
        "reputation",
        None,
    ),
    ("550 5.7.515 Access denied, sending domain example.org does not pass DMARC", "reputation", None),
    ("550-5.7.26 This mail is unauthenticated\n550 5.7.26 SPF did not pass", "reputation", None),
    ("554 5.7.9 Message not accepted for policy reasons", "reputation", None),
    ("554 Email rejected per SPAM policy", "reputation", None),
    ("571 Delivery not authorized, message refused as spam", "reputation", None),
    ("550 JunkMail rejected - host is in an RBL, see https://x.example", "reputation", None),
    ("550 5.7.0 Message rejected, try again in 1 hour", "reputation", 3600),
    (
        "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in our table",
        "no-mailbox",
        None,
    ),
    ("550-5.1.1 The account that you tried to reach does not exist.\n550 5.1.1 Check it", "no-mailbox", None),
    ("550 5.5.0 Requested action not taken: mailbox unavailable", "no-mailbox", None),
    ("550 5.4.1 Recipient address rejected: Access denied", "no-mailbox", None),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by lookup", "no-mailbox", None),
    ("551 User not local; please try <c@d.example>", "no-mailbox", None),
    ("554 delivery error: dd This user doesn't have an account, no mailbox here", "no-mailbox", None),
    ("550 5.2.1 The account is disabled, try again in 3 days", "no-mailbox", None),
    ("556 5.1.10 Recipient address has a null MX", "no-mailbox", None),
    ("503 5.5.1 Error: need MAIL command", "out-of-step", None),
    ("550 Administrative prohibition", "refused", None),
    ("554 5.4.6 Too many hops", "refused", None),
    ("555 5.5.4 Unsupported option", "refused", None),
    ("354 End data with <CR><LF>.<CR><LF>", "nonsense", None),
]
STATE_OF = {"accepted": SENT} | dict.fromkeys(
    ("closing", "greylisted", "busy", "storage", "mailbox-full", "throttled", "reputation", "relay-denied",
     "out-of-step", "nonsense"), DEFERRED
) | dict.fromkeys(("login-required", "login-refused", "sender-refused"), RELAY) | dict.fromkeys(
    ("too-large", "no-mailbox", "refused"), FAILED
)  # fmt: skip


@pytest.mark.parametrize(("reply", "kind", "seconds"), LOGGED)
def test_what_servers_really_say(reply: str, kind: str, seconds: int | None) -> None:
    code = int(reply[:3])
    text = "\n".join(line[4:] for line in reply.split("\n"))
    judgement = judge(code, text)
    assert (judgement.kind, judgement.state) == (kind, STATE_OF[kind])
    assert judgement.wait == (None if seconds is None else timedelta(seconds=seconds))


def test_a_kind_always_has_the_same_state() -> None:
    assert {rule.kind: rule.state for rule in POLICY} == STATE_OF
    assert all(STATE_OF[rule.kind] is rule.state for rule in POLICY)


@pytest.mark.parametrize("text", ["2.0.0 Ok: queued as 4", "ok", "2.0.0  two  spaces", "2.0.0 é\x1b[1m", "x" * 999])
def test_an_accepted_letter_is_noted_as_the_policy_would(text: str) -> None:
    judgement = judge(250, text)
    assert judged_sent(250, text) == Outcome(SENT, judgement.reply, kind=judgement.kind)


@pytest.mark.parametrize(("code", "text", "kind", "state"), CASES)
def test_the_policy_tells_apart(code: int, text: str, kind: str, state: LetterState | None) -> None:
    judgement = judge(code, text)
    assert (judgement.kind, judgement.state) == (kind, state)
    assert judgement.relay is (state is None)
    assert judgement.explanation
    assert judgement.remedy or state is SENT


def test_every_row_says_whose_fault_and_what_to_do_and_reads_as_part_of_a_sentence() -> None:
    for rule in POLICY:
        assert rule.explanation
        assert not rule.explanation.endswith(".")
        assert rule.explanation[0].islower()
        assert not rule.remedy.endswith(".")
        assert rule.remedy[:1] == rule.remedy[:1].upper()
        assert bool(rule.remedy) is (rule.kind != "accepted")


def test_every_row_is_reached_by_a_case_above() -> None:
    """A row that stands under one that is more general would be dead policy."""
    reached = set()
    logged = [(int(reply[:3]), reply[4:]) for reply, _, _ in LOGGED]
    for code, text in [*((code, text) for code, text, _, _ in CASES), *logged]:
        status = enhanced_status(code, text)
        reached.add(next(i for i, rule in enumerate(POLICY) if rule.holds(code, status, text)))
    assert [rule.kind for i, rule in enumerate(POLICY) if i not in reached] == []


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        (550, "5.1.1 gone", "5.1.1"),
        (550, "first line\n5.7.1 second line", "5.7.1"),
        (550, "rejected (#5.1.0)", "5.1.0"),
        (550, "rejected [5.7.509]", "5.7.509"),
        (550, "4.2.0 the class contradicts the code", ""),
        (550, "mailer 5.1.1 speaking", ""),
        (550, "5.1.1.1 is an address", ""),
        (550, "no status", ""),
        (550, "", ""),
        (250, "2.0.0", "2.0.0"),
    ],
)
def test_the_enhanced_status_is_found_where_it_stands_and_nowhere_else(code: int, text: str, status: str) -> None:
    assert enhanced_status(code, text) == status


def test_a_reply_of_many_lines_becomes_one_that_says_its_status_once() -> None:
    judgement = judge(
        550, "5.1.1 The account does not exist.\n5.1.1 Check it for typos.\n5.1.1  https://x.example/"
    )
    assert judgement.reply == "550 5.1.1 The account does not exist. Check it for typos. https://x.example/"


def test_a_reply_cannot_do_anything_to_a_terminal_or_a_log() -> None:
    nasty = "5.1.1 \x1b]0;owned\x07 \x1b[31mred\r\nX-Forged: 1\x00 \u202egnp.exe\u2028next \udcff \x9b2J"
    kept = judge(550, nasty).reply
    assert kept == "550 5.1.1 ]0;owned [31mred X-Forged: 1 gnp.exe next 2J"
    assert kept.isprintable()


def test_an_endless_reply_is_cut() -> None:
    kept = clean_reply("550 " + "x" * 100_000)
    assert len(kept) == REPLY_LIMIT
    assert kept.endswith("…")


def test_a_long_reply_is_judged_quickly() -> None:
    import time

    start = time.perf_counter()
    judge(550, "mailbox " * 4000)
    judge(552, "exceed " * 4600)
    judge(550, "5." * 16_000)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("what", "part"),
    [
        (Outcome(LetterState.SENT, "250 2.0.0 queued"), "Sent: 250 2.0.0 queued."),
        (Outcome(LetterState.SENT, "filed", "/mail/x"), "It is in /mail/x."),
        (Outcome(LetterState.FAILED, "550 5.1.1 no such user"), "there is no such mailbox"),
        (Outcome(LetterState.FAILED, "the letter is too large"), "Not delivered: the letter is too large."),
        (Outcome(LetterState.DEFERRED, "451 4.7.1 greylisted"), "Not delivered for now: the server makes unknown"),
        (Outcome(LetterState.UNCERTAIN, "no answer came"), "may or may not have arrived: no answer came"),
        (
            RelayUnusable(where="mx:587", detail="login refused", remedy="Check it"),
            "mx:587: login refused. Check it.",
        ),
    ],
)
def test_an_outcome_is_explained_in_plain_words(what: RelayUnusable | Outcome, part: str) -> None:
    assert part in explain(what)
