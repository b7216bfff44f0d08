"""The policy: whose fault a reply is."""

from __future__ import annotations

import pytest

from digest.delivery.replies import POLICY, REPLY_LIMIT, clean_reply, enhanced_status, explain, judge
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
    for code, text, _, _ in CASES:
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
