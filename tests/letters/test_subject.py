"""A subject says something, and only ever in the reader's own words."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.letters.subject import LIMIT, preheader, shorten, subject
from digest.model import Interest, Paper, Pick, Profile, Reason

SLOT = date(2026, 11, 20)
TOOLS, LONG, CAUSAL = "tool use", "long context", "causal inference"
PROFILE = Profile((Interest(TOOLS), Interest(LONG), Interest(CAUSAL)), authors=("Jane Doe",))


def pick(*reasons: Reason) -> Pick:
    return Pick(Paper("EVIL TITLE"), 50, 0.5, 0.5, reasons)


def phrase(words: str, share: float = 30.0) -> Reason:
    return Reason("phrase", words, (), share)


TREND = Reason("trending", "", (), 20.0)


@pytest.mark.parametrize(
    ("mains", "said"),
    [
        ([TOOLS, TOOLS, TOOLS, LONG, LONG], "5 papers on tool use and long context · 20 Nov"),
        ([TOOLS], "1 paper on tool use · 20 Nov"),
        ([LONG, TOOLS, TOOLS, CAUSAL], "4 papers on tool use, causal inference and more · 20 Nov"),
    ],
)
def test_it_names_what_most_picks_are_there_for(mains: list[str], said: str) -> None:
    assert subject([pick(phrase(words), TREND) for words in mains], SLOT, PROFILE) == said


def test_authors_are_named_as_authors() -> None:
    jane = pick(Reason("author", "Jane Doe", (), 30.0))
    assert subject([jane], SLOT, PROFILE) == "1 paper by Jane Doe · 20 Nov"
    picks = [pick(phrase(TOOLS)), pick(phrase(TOOLS)), jane]
    assert subject(picks, SLOT, PROFILE) == "3 papers on tool use and by Jane Doe · 20 Nov"


def test_the_largest_reason_counts_whatever_its_place() -> None:
    assert subject([pick(phrase(LONG, 1.0), phrase(TOOLS, 9.0))], SLOT, PROFILE) == "1 paper on tool use · 20 Nov"


def test_trending_letters() -> None:
    assert subject([pick(TREND)] * 7, SLOT, Profile()) == "7 trending papers · 20 Nov"
    assert subject([pick(TREND)], SLOT, PROFILE) == "1 trending paper · 20 Nov"
    assert subject([pick(phrase(TOOLS)), pick(TREND)], SLOT, PROFILE) == "2 papers on tool use and more · 20 Nov"


def test_liked_papers_are_not_quoted() -> None:
    liked = pick(Reason("liked", "EVIL TITLE", (), 30.0))
    assert subject([liked], SLOT, Profile(liked=("2502.12345",))) == "1 paper like those you liked · 20 Nov"


def test_words_that_are_not_the_readers_are_never_used() -> None:
    assert subject([pick(phrase("EVIL TITLE"))], SLOT, PROFILE) == "1 trending paper · 20 Nov"


def test_no_picks() -> None:
    assert subject([], SLOT, PROFILE) == "No new papers · 20 Nov"


def test_long_interests_are_shortened_at_a_word() -> None:
    words = "how language models decide when a tool is worth calling and when it is better to answer alone"
    said = subject([pick(phrase(words))] * 3, SLOT, Profile((Interest(words),)))
    assert said == "3 papers on how language models decide when a tool is worth calling… · 20 Nov"
    both = subject(
        [pick(phrase(words)), pick(phrase(TOOLS)), pick(phrase(TOOLS))],
        SLOT,
        Profile((Interest(words), Interest(TOOLS))),
    )
    assert both == "3 papers on tool use and more · 20 Nov"


def test_encoded_words_in_an_interest_stay_asleep() -> None:
    words = "=?utf-8?q?x=0ABcc=3A_evil?="
    assert "=?" not in subject([pick(phrase(words))], SLOT, Profile((Interest(words),)))


@given(st.lists(st.text(max_size=120), min_size=1, max_size=5), st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_any_words_give_one_safe_short_line(words: list[str], order: list[int]) -> None:
    profile = Profile(tuple(map(Interest, words)))
    line = subject([pick(phrase(words[n % len(words)])) for n in order], SLOT, profile)
    assert len(line) <= LIMIT
    assert line.endswith(" · 20 Nov")
    assert line.isprintable() or not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line)
    assert "=?" not in line
    assert "EVIL" not in line


def test_the_preheader_quotes_the_first_titles() -> None:
    picks = [Pick(Paper(f"Title {n} " + "word " * 40), 1, 1, 1) for n in range(4)]
    line = preheader(picks)
    assert line.startswith("Title 0 word")
    assert "… · Title 1 word" in line
    assert line.endswith("… · and 2 more")
    assert len(line) < 170
    assert preheader(picks[:1]) == shorten("Title 0 " + "word " * 40, 80)
    assert preheader([]) == ""


@given(st.text(max_size=60), st.integers(4, 50))
def test_shortening_keeps_the_limit(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) <= limit
