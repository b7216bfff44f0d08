"""The language of letters: codes, dates, lists."""

from __future__ import annotations

from datetime import date
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.language import known, language, languages

DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-us", "en-US"),
        ("en_US", "en-US"),
        (" de ", "de"),
        ("de_at", "de-AT"),
        ("DE-ch", "de-CH"),
    ],
)
def test_a_code_may_be_written_in_many_ways(written: str, code: str) -> None:
    assert known(written) == code
    assert known(code) == code
    assert language(code) is language(code)


@pytest.mark.parametrize(
    "code", ["", "xx", "fr", "zh-Hant-TW", "english", "ada@example.org", "en--US", "de-XX", "-", "1"]
)
def test_one_that_there_are_no_words_of_is_named_with_those_that_there_are(code: str) -> None:
    with pytest.raises(ValueError, match="no letters are written in") as caught:
        known(code)
    assert repr(code) in str(caught.value)
    for there in languages():
        assert repr(there) in str(caught.value)
    assert "'en-US'" in str(caught.value)


@given(st.text() | st.text(alphabet=ascii_letters + "-_@.", max_size=12))
def test_any_text_is_known_or_refused(code: str) -> None:
    try:
        found = known(code)
    except ValueError:
        return
    assert known(found) == found
    assert language(found).code == found
    assert found.partition("-")[0] in languages()


@pytest.mark.parametrize(
    ("code", "long", "short", "weekday", "listed"),
    [
        ("en", "Friday 20 November 2026", "20 Nov", "Monday", "a, b and c"),
        ("en-GB", "Friday 20 November 2026", "20 Nov", "Monday", "a, b and c"),
        ("en-US", "Friday, November 20, 2026", "Nov 20", "Monday", "a, b, and c"),
        ("de", "Freitag, 20. November 2026", "20. Nov.", "Montag", "a, b und c"),
        ("de-AT", "Freitag, 20. November 2026", "20. Nov.", "Montag", "a, b und c"),
    ],
)
def test_dates_and_lists_are_those_of_the_country(
    code: str, long: str, short: str, weekday: str, listed: str
) -> None:
    words = language(code)
    assert words.long_day(DAY) == long
    assert words.short_day(DAY) == short
    assert words.weekday(0) == weekday
    assert words.join(["a", "b", "c"]) == listed
    assert words.join(["a"]) == "a"
    assert words.join([]) == ""
    assert words.direction == "ltr"


def test_values_are_words_not_patterns() -> None:
    words = language("en")
    assert words.say("By %(words)s", words="100% %(x)s %s") == "By 100% %(x)s %s"
    assert words.say("100%") == "100%", "without values nothing is looked for"
    assert words.count("%(number)s vote", "%(number)s votes", 1) == "1 vote"
    assert words.count("%(number)s vote", "%(number)s votes", 0) == "0 votes"


@pytest.mark.parametrize("code", ["en", "en-US"])
def test_english_is_what_stands_in_the_code(code: str) -> None:
    assert language(code).say("Preferences") == "Preferences"
