"""Only what bears the signature of a letter of ours is believed; it counts once, and for the right address."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from given import NOW, letter, subscribe, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from returned_mails import DATE, Original, complaint, crlf, exchange, exim, postfix, qmail, report, vacation

from digest.bounces import Desk, Taken, note_reply
from digest.letters.links import Links
from digest.letters.verp import Returns
from digest.model import Letter, LetterState, Outcome, Subscriber, SubscriberState
from digest.store import letters, subscribers, suppressions
from digest.store.opening import Store, open_store
from digest.tokens import Keys

KEYS = Keys([b"k" * 32])
RETURNS = Returns("bounces@letters.example", KEYS)
LINKS = Links("https://digest.example.org", KEYS)
NOBODY = "postmaster@letters.example"
UNKNOWN = ("5.1.1", "550 5.1.1 unknown")


class Given:
    """Alice and Bela, and a letter of each."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at = NOW + timedelta(days=2)
        self.desk = Desk(store, KEYS, lambda: self.at)
        for reader in subscribe(store, "alice", "bela"):
            write(store, letter(reader))

    def reader(self, handle: str = "alice") -> Subscriber:
        with self.store.read() as connection:
            found = subscribers.find(connection, handle)
        assert found is not None
        return found

    def letter(self, handle: str = "alice") -> Letter:
        with self.store.read() as connection:
            return letters.of_subscriber(connection, self.reader(handle).id)[0]

    def original(self, handle: str = "alice", **more: str) -> Original:
        one = self.letter(handle)
        made = Original(RETURNS.sender(one), one.subscriber.address, one.message_id)
        return replace(made, **more)

    def take(self, data: bytes, recipient: str = "") -> Taken:
        return self.desk.take(data, recipient)

    def states(self) -> list[str]:
        return [self.reader(handle).state.value for handle in ("alice", "bela")]


@pytest.fixture
def world(store: Store) -> Given:
    return Given(store)


def test_a_signed_hard_bounce_ends_the_letters(world: Given) -> None:
    taken = world.take(postfix(*UNKNOWN, letter=world.original()))
    assert (taken.kind, taken.address, taken.letter_id) == ("hard", "alice@example.org", world.letter().id)
    assert taken.suppressed
    assert world.states() == ["bounced", "active"]
    assert "550 5.1.1 unknown" in world.reader().state_reason


def test_the_mail_server_may_know_the_recipient_where_no_header_does(world: Given) -> None:
    original = world.original(sender=NOBODY)
    data = postfix(*UNKNOWN, letter=original, envelope=False)
    assert world.take(data).kind == "forged"
    assert world.take(data, world.original().sender.upper()).suppressed


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
@pytest.mark.parametrize("by", ["page", "mail"])
def test_a_signature_in_the_returned_headers_is_as_good(world: Given, by: str, returned: str) -> None:
    reader = world.reader()
    page = LINKS.unsubscribe(LINKS.keys.token("unsubscribe", reader.id, reader.secret))
    leave = page if by == "page" else f"mailto:{RETURNS.unsubscribe(reader)}"
    original = world.original(sender=NOBODY, leave=leave)
    taken = world.take(postfix(*UNKNOWN, letter=original, returned=returned))
    assert (taken.kind, taken.letter_id, taken.suppressed) == ("hard", world.letter().id, True)


@pytest.mark.parametrize("style", [exim, qmail])
def test_a_bounce_without_a_report_is_proven_by_the_letter_in_its_text(world: Given, style) -> None:  # type: ignore[no-untyped-def]
    leave = f"mailto:{RETURNS.unsubscribe(world.reader())}"
    taken = world.take(style("550 5.1.1 unknown", world.original(sender=NOBODY, leave=leave)))
    assert (taken.kind, taken.suppressed) == ("hard", True)


def test_another_readers_signature_proves_nothing_about_this_one(world: Given) -> None:
    mine = world.original("bela", to="alice@example.org", message_id=world.letter().message_id)
    taken = world.take(postfix(*UNKNOWN, letter=mine))
    assert taken.address == "bela@example.org", "whoever has Bela's letter can harm nobody but Bela"
    assert world.states() == ["active", "bounced"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda world, it: replace(it, sender=NOBODY),  # names Message-ID and address alone
        lambda world, it: replace(it, sender=NOBODY, message_id="<other@x>"),  # the address alone
        lambda world, it: replace(it, sender=it.sender[:-25] + "0000@letters.example"),
        lambda world, it: replace(it, sender=Returns("b@x", Keys([b"x" * 32])).sender(world.letter())),
        lambda world, it: replace(it, sender=RETURNS.sender(replace(world.letter(), id=2**31 - 1))),
        lambda world, it: replace(it, sender=RETURNS.sender(replace(world.letter("bela"), id=world.letter().id))),
        lambda world, it: replace(it, sender=RETURNS.unsubscribe(world.reader()).replace("+u", "+")),
    ],
)
@pytest.mark.parametrize("style", ["report", "exchange", "exim", "complaint", "redacted"])
def test_what_has_no_valid_signature_is_forged_and_does_nothing(world: Given, spoil, style: str) -> None:  # type: ignore[no-untyped-def]
    original = spoil(world, world.original())
    data = {
        "report": lambda: postfix(*UNKNOWN, letter=original),
        "exchange": lambda: exchange(*UNKNOWN, letter=original),
        "exim": lambda: exim("550 5.1.1 unknown", original),
        "complaint": lambda: complaint(letter=original),
        "redacted": lambda: complaint(letter=original, redacted=True),
    }[style]()
    taken = world.take(data)
    if style == "redacted" and original.message_id == "<other@x>":
        assert taken.kind == "unknown", "it names nobody of ours"
    else:
        assert taken.kind == "forged"
    assert world.states() == ["active", "active"]


def test_a_bounce_of_somebody_elses_mail_is_unknown(world: Given) -> None:
    data = postfix(*UNKNOWN, letter=Original(NOBODY, "x@else.example", "<1@else.example>"))
    assert world.take(data).kind == "unknown"


def test_a_letter_to_try_the_mail_is_no_letter_of_a_reader(world: Given) -> None:
    trial = replace(world.letter(), id=0, message_id="<test-1@example.org>")
    taken = world.take(postfix(*UNKNOWN, letter=Original(RETURNS.sender(trial), "me@example.org")))
    assert (taken.kind, taken.detail[:19]) == ("unknown", "about a test letter")


def test_soft_ones_of_five_days_are_enough_and_a_mail_read_twice_is_one(world: Given) -> None:
    full = ("5.2.2", "552 5.2.2 Mailbox full")

    def mail(day: int) -> bytes:
        date = (NOW + timedelta(days=day)).strftime("%a, %d %b %Y %H:%M:%S +0000")
        data = postfix(*full, letter=world.original(), date=date)
        return data.replace(b"<77AA11", b"<day%d." % day)

    for day in range(4):
        assert world.take(mail(day)) == Taken(
            "soft", "552 5.2.2 Mailbox full", "alice@example.org", world.letter().id
        )
        world.at += timedelta(days=1)
        assert world.take(mail(day)).repeated
        other = mail(day).replace(b"<day", b"<again")
        assert world.take(other).repeated, "another letter that came back on the same day"
    assert world.states() == ["active", "active"]
    assert world.take(mail(4)).suppressed
    assert world.states() == ["bounced", "active"]


@pytest.mark.parametrize(
    "date", ["", "nonsense", "Mon, 01 Jan 2001 00:00:00 +0000", "Fri, 01 Jan 2100 00:00:00 +0000"]
)
def test_a_mail_that_lies_about_its_day_counts_for_that_of_its_letter(world: Given, date: str) -> None:
    data = postfix("5.2.2", "552 5.2.2 full", letter=world.original(), date=date)
    assert not world.take(data).repeated
    world.at += timedelta(days=1)
    assert world.take(data).repeated
    assert world.take(data.replace(b"<77AA11", b"<other")).repeated


def test_a_refusal_that_nobody_knows_needs_a_second(world: Given) -> None:
    data = postfix("5.0.0", "550 no, thank you", letter=world.original())
    assert (world.take(data).kind, world.states()[0]) == ("refused", "active")
    refused = Outcome(LetterState.FAILED, "550 no", kind="refused")
    with world.store.write() as connection:
        note_reply(connection, 99, "alice@example.org", refused, NOW + timedelta(days=2))
    assert world.states()[0] == "bounced"


@pytest.mark.parametrize("redacted", [False, True])
def test_a_signed_complaint_ends_the_letters_for_good(world: Given, redacted: bool) -> None:
    taken = world.take(complaint(letter=world.original(), redacted=redacted))
    assert (taken.kind, taken.suppressed) == ("complaint", True)
    assert world.reader().state is SubscriberState.UNSUBSCRIBED
    assert world.reader().state_reason == "reported a letter as spam: reported as abuse (by BigLoop/1.0)"


def test_a_mail_to_the_signed_address_unsubscribes_and_no_other(world: Given) -> None:
    for act in ("unsubscribe alice@example.org", "unsubscribe bela%40example.org"):
        taken = world.take(crlf(f"From: alice@example.org\nTo: letters@letters.example\nSubject: {act}\n\n\n"))
        assert taken.kind == "unknown"
        assert "`digest suppressions add" in taken.detail
    forged = RETURNS.unsubscribe(replace(world.reader(), secret="guessed"))
    assert world.take(crlf(f"From: x@y.example\nTo: {forged}\nSubject: unsubscribe\n\n\n")).kind == "forged"
    page = LINKS.keys.token("unsubscribe", world.reader().id, world.reader().secret)
    assert world.take(crlf(f"From: x@y.example\nTo: bounces+u{page}@x\n\n\n")).kind == "forged"
    assert world.states() == ["active", "active"]
    to = RETURNS.unsubscribe(world.reader())
    mail = crlf(f"From: other@far.example\nTo: {to}\nDate: {DATE}\nSubject: x\n\n\n")
    assert world.take(mail) == Taken(
        "unsubscribe", "a mail to the signed address", "alice@example.org", None, False, True
    )
    assert world.take(mail).repeated
    assert (world.states(), world.reader().state_reason) == (["unsubscribed", "active"], "unsubscribed by mail")


def test_an_automatic_reply_does_nothing_whatever_its_signature(world: Given) -> None:
    assert world.take(vacation(world.original())).kind == "ignored"
    assert world.states() == ["active", "active"]


def test_an_address_that_a_reader_has_left_is_suppressed_and_the_reader_is_not(world: Given) -> None:
    original = world.original()
    with world.store.write() as connection:
        subscribers.update(connection, replace(world.reader(), address="new@example.org"))
    assert world.take(postfix(*UNKNOWN, letter=original)).address == "alice@example.org"
    assert world.states() == ["active", "active"]
    with world.store.read() as connection:
        assert list(suppressions.held(connection, ["alice@example.org", "new@example.org"])) == [
            "alice@example.org"
        ]


def test_a_secret_that_was_replaced_still_counts(world: Given) -> None:
    desk = Desk(world.store, Keys([b"n" * 32, b"k" * 32]), lambda: NOW)
    assert desk.take(postfix(*UNKNOWN, letter=world.original())).suppressed


def test_a_dry_run_says_the_same_and_changes_nothing(world: Given) -> None:
    data = postfix(*UNKNOWN, letter=world.original())
    assert world.desk.take(data, dry_run=True).kind == "hard"
    assert world.states() == ["active", "active"]
    assert not world.take(data).repeated


def test_one_report_on_many_is_about_the_address_of_the_letter(world: Given) -> None:
    blocks = [
        "Final-Recipient: rfc822; bela@example.org\nAction: failed\nStatus: 5.1.1",
        "Final-Recipient: rfc822; alice@example.org\nAction: delayed\nStatus: 4.4.1",
    ]
    assert world.take(report(*blocks, letter=world.original())).kind == "ignored"
    assert world.states() == ["active", "active"]


PIECES = [
    "\n",
    "To: ",
    "{sender}",
    "{leave}",
    "Content-Type: message/delivery-status\n\n",
    "Action: failed\n",
    "Final-Recipient: rfc822; alice@example.org\n",
    "Content-Type: multipart/report; boundary=b\n\n",
    "--b\n",
    "Status: 5.1.1\n",
    "Message-ID: {id}\n",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=15))
def test_whatever_comes_is_judged_and_harms_nobody_else(tmp_path_factory, pieces: list[str]) -> None:  # type: ignore[no-untyped-def]
    world = shared(tmp_path_factory)
    text = "".join(pieces)
    for name, value in (
        ("{sender}", world.original().sender),
        ("{leave}", RETURNS.unsubscribe(world.reader())),
        ("{id}", world.letter("bela").message_id),
    ):
        text = text.replace(name, value)
    world.take(text.encode("utf-8", "surrogatepass"))
    assert world.states()[1] == "active"


_shared: list[Given] = []


def shared(tmp_path_factory: pytest.TempPathFactory) -> Given:
    if not _shared:
        _shared.append(Given(open_store(f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/digest.db")))
    return _shared[0]


def test_now_is_only_asked_of_the_clock_that_is_given(world: Given) -> None:
    world.at = datetime(2026, 5, 1, tzinfo=NOW.tzinfo)
    assert world.take(postfix(*UNKNOWN, letter=world.original())).suppressed
    with world.store.read() as connection:
        assert suppressions.everyone(connection)[0].at == world.at
