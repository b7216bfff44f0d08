"""Signed addresses: what comes back says which letter it is about, however the address is spelt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mails import parse, raw_header
from sample_letters import ADA, CONFIG, LINKS, daily, letter

from digest.assembly import compose
from digest.config import Config
from digest.fields import check_address
from digest.letters.compose import Composer
from digest.letters.lint import lint
from digest.letters.verp import MOST_TAGS, Returns, Tag, tags
from digest.model import Letter
from digest.tokens import Keys

KEYS = Keys([b"k" * 32])
RETURNS = Returns("bounces@example.org", KEYS)
LETTER = letter(id=31, message_id="<0123@example.org>")


def envelope_sender(letter: Letter, returns: Returns | None = RETURNS) -> str:
    return compose(letter, Config(letter=CONFIG), Composer(CONFIG, returns=returns)).sender


def test_each_letter_has_an_envelope_sender_of_its_own() -> None:
    sender = envelope_sender(LETTER)
    assert sender == f"bounces+1f-{KEYS.token('bounce', 31, '<0123@example.org>')[3:]}@example.org"
    assert envelope_sender(replace(LETTER, id=32)) != sender
    assert envelope_sender(replace(LETTER, message_id="<0124@example.org>")) != sender


def test_without_a_return_address_it_is_the_sender_of_all_letters() -> None:
    assert envelope_sender(LETTER, None) == "letters@example.org"


def test_the_longest_is_an_address_that_every_server_takes() -> None:
    longest = Returns("b" * 20 + "@example.org", KEYS)
    for address in (longest.sender(replace(LETTER, id=2**31 - 1)), longest.unsubscribe(replace(ADA, id=2**31 - 1))):
        assert len(address.partition("@")[0]) <= 64
        assert check_address(address) == address


SENT = RETURNS.sender(LETTER)
TOKEN = SENT.partition("+")[2].partition("@")[0]


@pytest.mark.parametrize(
    "spelt",
    [
        SENT,
        SENT.upper(),
        f"<{SENT}>",
        f'"{SENT.partition("@")[0]}"@example.org',
        f"Digest bounces <{SENT}> (returned)",
        f"rfc822;{SENT}",
        SENT.replace("@example.org", "@mx.internal.example"),
        SENT.partition("@")[0],
        SENT.replace("+", r"\+").replace("@", r"\@"),
        SENT.replace("+", "%2B").replace("@", "%40"),
        f"mailto:{SENT}?subject=x",
        f"one@example.org, {SENT}, two@example.org",
    ],
)
def test_it_is_known_in_any_spelling(spelt: str) -> None:
    (found,) = tags(spelt)
    assert (found.purpose, found.number) == ("bounce", 31)
    assert KEYS.valid(found.purpose, found.token, LETTER.message_id)


@pytest.mark.parametrize(
    "other", ["", "bounces@example.org", f"{SENT[:-20]}", SENT.replace("+", "-"), f"bounces+{TOKEN}0@example.org"]
)
def test_what_is_cut_or_longer_is_no_token(other: str) -> None:
    assert tags(other) == ()


def test_the_purposes_are_told_apart() -> None:
    leave = RETURNS.unsubscribe(ADA)
    page = LINKS.unsubscribe(KEYS.token("unsubscribe", ADA.id, ADA.secret))
    found = tags(f"<{page}>, <mailto:{leave}?subject=unsubscribe> {SENT} {SENT}")
    assert [(one.purpose, one.number) for one in found] == [
        ("unsubscribe", ADA.id),
        ("unsubscribe-mail", ADA.id),
        ("bounce", 31),
    ]
    assert KEYS.valid("unsubscribe-mail", found[1].token, ADA.secret)
    assert not KEYS.valid("unsubscribe-mail", found[1].token, "another secret")
    assert not KEYS.valid("bounce", found[1].token, ADA.secret)


@given(st.text(max_size=60), st.text(max_size=60))
def test_it_is_found_in_any_words_and_nothing_else_is(before: str, after: str) -> None:
    assert tags(before + after) == ()
    assert Tag("bounce", TOKEN) in tags(f"{before} {SENT} {after}")


def test_a_flood_of_them_is_cut() -> None:
    flood = " ".join(f"+{n:x}-{'0' * 32}" for n in range(1, 1000))
    assert len(tags(flood)) == MOST_TAGS


@pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "with pages"])
def test_the_address_that_unsubscribes_is_signed_in_the_header(links) -> None:  # type: ignore[no-untyped-def]
    one = daily()
    raw = Composer(CONFIG, links=links, returns=RETURNS).mail(one)
    leave = raw_header(raw, "List-Unsubscribe")
    assert leave.endswith(f"<mailto:{RETURNS.unsubscribe(one.subscriber)}?subject=unsubscribe>")
    assert one.subscriber.address not in leave
    assert leave.startswith("<https://") == bool(links)
    assert parse(raw).keys() == parse(Composer(CONFIG, links=links).mail(one)).keys()
    assert [one for one in lint(raw) if one.rule == "list-unsubscribe"] == []
