"""What a token is good for, and what it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.tokens import Keys, number_of

OLD, NEW = b"o" * 32, b"n" * 32
KEYS = Keys([NEW])
TOKEN = KEYS.token("unsubscribe", 27, "secret")


def test_it_serves_one_purpose_of_one_holder() -> None:
    assert KEYS.valid("unsubscribe", TOKEN, "secret")
    assert not KEYS.valid("pause", TOKEN, "secret")
    assert not KEYS.valid("unsubscribe", TOKEN, "another secret")
    assert not KEYS.valid("unsubscribe", TOKEN)
    assert not Keys([OLD]).valid("unsubscribe", TOKEN, "secret")
    assert number_of(TOKEN) == 27


def test_it_shows_the_number_and_nothing_of_the_holder() -> None:
    number, signature = TOKEN.split("-")
    assert number == "1b"
    assert len(signature) == 32
    assert "secret" not in bytes.fromhex(signature).decode("latin-1")
    others = [
        KEYS.token("unsubscribe", 28, "secret"),
        KEYS.token("unsubscribe", 27, "secret2"),
        KEYS.token("pause", 27, "secret"),
    ]
    assert len({signature, *(one.split("-")[1] for one in others)}) == 4


def test_a_secret_can_be_replaced_without_breaking_letters_that_are_out() -> None:
    before, after = Keys([OLD]), Keys([NEW, OLD])
    sent = before.token("say", 5, "<id@example.org>")
    assert after.valid("say", sent, "<id@example.org>")
    assert after.token("say", 5, "<id@example.org>") == Keys([NEW]).token("say", 5, "<id@example.org>")
    assert not Keys([NEW]).valid("say", sent, "<id@example.org>"), "once the old one is gone"
    with pytest.raises(ValueError, match="no secret"):
        Keys([])


def test_a_program_may_write_it_in_capitals() -> None:
    assert KEYS.valid("unsubscribe", TOKEN.upper(), "secret")
    assert number_of(TOKEN.upper()) == 27


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("0123456789abcdef-gG \n%é²"))
def test_one_other_character_and_it_is_worth_nothing(place: int, other: str) -> None:
    changed = TOKEN[:place] + other + TOKEN[place + 1 :]
    assert KEYS.valid("unsubscribe", changed, "secret") == (changed == TOKEN)


@given(st.text() | st.text(alphabet="0123456789abcdefABCDEF-\n", max_size=60))
def test_whatever_stands_in_a_url_is_answered(text: str) -> None:
    assert KEYS.valid("unsubscribe", text, "secret") == (text.lower() == TOKEN)
    number = number_of(text)
    assert number is None or 0 <= number < 2**63


@pytest.mark.parametrize(
    "cut",
    [
        *("", "-", TOKEN[:-1], TOKEN + "0", TOKEN + "\n", " " + TOKEN, TOKEN.replace("-", "")),
        *("0" + TOKEN, "8000000000000000-" + "0" * 32),  # the last is no number of a row
    ],
)
def test_what_is_cut_or_longer_is_no_token(cut: str) -> None:
    assert not KEYS.valid("unsubscribe", cut, "secret")
    assert number_of(cut) is None


@given(
    st.integers(0, 2**63 - 1),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["a", "b"]),
)
def test_what_is_made_is_valid(number: int, holder: str, purpose: str) -> None:
    token = KEYS.token(purpose, number, holder)
    assert KEYS.valid(purpose, token, holder)
    assert number_of(token) == number
    # "1:" with the holder "2" must not be what "1" with the holder ":2" is.
    assert token.split("-")[1] != KEYS.token(purpose, number, f":{holder}").split("-")[1]
