"""What a score means: what is clear, what is incidental, and that neither numbers nor company bend it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_input import shared_folder
from world import DAY, PAPERS, TEXTS, candidates, listed, paper, ranker, reader, titles, why

from digest.model import Interest, Listing, Paper, Profile, Verdict
from digest.ranking.ranker import Candidate, Ranker, Reader
from digest.ranking.terms import folded_terms, terms
from digest.ranking.trending import trends
from digest.sources import saved_page

TOOLS, BROKEN, HEAT, FOLDING, RAIN, SPEECH, VIDEO, ROBOT, POEMS = TEXTS


def scores(one: Reader, world: Ranker | None = None) -> dict[str, float]:
    return {v.pick.paper.title: v.pick.score for v in (world or ranker()).explain(one)}


# ---- what the reader meant


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("news", "How News Spreads"),  # and not the empty word "new"
        ("fire", "Finding Fire from the Air"),
        ("movies", "One Movie a Night"),
        ("cache", "Caches That Forget"),
        ("boxes", "A Box Within"),
        ("bias", "Four Biases"),
        ("C++", "Porting Old C++"),
        ("Ørsted", "Letters of Orsted"),
        ("한국", "한국어의 어순"),
    ],
)
def test_words_meet_however_they_are_written(asked: str, title: str) -> None:
    new = paper(50, title, "Nothing else is said here.")
    assert titles(reader(asked), ranker([*PAPERS, new])) == [title]


def test_c_is_not_cpp() -> None:
    cpp = paper(50, "Porting Old C++", "Nothing else is said here.")
    assert titles(reader("C"), ranker([*PAPERS, cpp])) == []
    assert why(reader(muted=("C",)), ranker([*PAPERS, cpp]))[cpp.title] != "muted: C"


@given(st.text(alphabet=st.sampled_from("abcAB é.-:()+#0123 \u6587\u0301\n“"), max_size=80))
def test_the_fast_way_to_terms_is_the_slow_one(text: str) -> None:
    assert sorted(folded_terms(text)) == sorted(term.folded for term in terms(text))


def test_one_interest_in_two_spellings_counts_once() -> None:
    once = scores(reader("tool use", "speech"))
    assert scores(reader("tool use", "Tool-Use", "speech")) == once


def test_an_arxiv_id_that_is_not_stored_is_not_read_as_words() -> None:
    numbers = paper(50, "Numbers 2502 12345", "The numbers 2502 12345 and 2502.12345 again.")
    assert titles(reader(liked=("arXiv:2502.12345",)), ranker([*PAPERS, numbers])) == []


@pytest.mark.parametrize(
    ("followed", "author", "fits"),
    [
        ("Xiao-Ming Li", "Xiaoming Li", True),
        ("J.-P. Serre", "Jean-Pierre Serre", True),
        ("Łukasz Kaiser", "Lukasz Kaiser", True),
        ("O'Brien, Pat", "Pat O’Brien", True),
        ("J. A. Doe", "Jane B. Doe", False),
    ],
)
def test_names_meet_however_they_are_written(followed: str, author: str, fits: bool) -> None:
    papers = [*PAPERS[:-1], replace(PAPERS[-1], authors=(author,))]
    assert titles(reader(authors=(followed,)), ranker(papers)) == ([POEMS] if fits else [])


# ---- how much


def test_one_liked_paper_says_the_same_as_one_phrase_does_whatever_the_weight_of_the_other_kind() -> None:
    assert scores(reader(Interest("bees", 100.0), liked=(HEAT,))) == scores(reader("bees", liked=(HEAT,)))


def test_weights_are_relative() -> None:
    def at(a: float, b: float) -> dict[str, float]:
        return scores(reader(Interest("protein", a), Interest("speech", b)))

    assert at(100, 50) == at(2, 1)
    assert at(2, 1)[SPEECH] < at(1, 1)[SPEECH]


def test_without_trending_only_relevance_counts_and_with_nothing_else_only_trending_does() -> None:
    for verdict in ranker().explain(reader("protein", trending=0.0)):
        assert verdict.pick.score == pytest.approx(100 * verdict.pick.relevance)
    for verdict in ranker().explain(reader("protein", trending=1.0)):
        assert verdict.pick.score == pytest.approx(100 * verdict.pick.trending)


def test_what_is_unrelated_passes_only_when_trending_is_raised() -> None:
    def best_unrelated(t: float) -> float:
        return max(v.pick.score for v in ranker().explain(reader("zymurgy", trending=t)))

    assert best_unrelated(0.2) == best_unrelated(0.5) == 0
    assert 0 < best_unrelated(0.6) < best_unrelated(0.8) < best_unrelated(1.0)


# ---- trending


@pytest.mark.parametrize("position", [-3, 0, 1, 7, 10**9])
@pytest.mark.parametrize("size", [0, 1, 20, 10**9])
@pytest.mark.parametrize("age", [0, 1, 100_000])
def test_trending_is_bounded_for_any_listing(position: int, size: int, age: int) -> None:
    assert 0 <= trends([[Listing("s", DAY - timedelta(days=age), position, size)]], DAY)[0] < 1


# ---- what stays out


@pytest.mark.parametrize(
    ("muted", "out"),
    [
        ("🐝", True),
        (".", False),
        ("", False),
        ("dance in summer", True),
        ("summer rain", False),  # the title ends before it
        ("summers", True),
    ],
)
def test_muted_signs_and_borders(muted: str, out: bool) -> None:
    bees = paper(50, "Bees Dance in Summer", "Rain stops them. 🐝")
    assert (why(reader(muted=(muted,)), ranker([bees]))[bees.title] == f"muted: {muted}") is out


def test_memory_speaks_before_likes_and_likes_before_muted() -> None:
    one = reader("tool use", liked=(TOOLS, HEAT), muted=("tool", "residues"), memory={PAPERS[0].id: DAY})
    said = why(one)
    assert said[TOOLS] == "sent on 2026-03-14"
    assert said[HEAT] == "you liked it already"
    assert said[FOLDING] == "muted: residues"


def test_a_paper_that_is_a_candidate_twice_is_picked_once_with_all_its_listings() -> None:
    one = PAPERS[0]
    twice = [Candidate(one, (listed(3, age=1),)), Candidate(one, (listed(9),))]
    (pick,) = Ranker(PAPERS, twice, DAY).choose([reader("tool use")])[0]
    assert pick.trending == trends([[listed(3, age=1), listed(9)]], DAY)[0]
    assert pick.listed == DAY


def test_a_candidate_that_the_corpus_lacks_is_read_all_the_same() -> None:
    assert titles(reader("tool use"), Ranker(PAPERS[1:], candidates(), DAY))[0] == TOOLS


@pytest.mark.parametrize("room", [0, -1])
def test_no_room_no_picks(room: int) -> None:
    assert titles(reader("tool use", papers=room)) == []


# ---- what is told


def test_terms_keep_the_capitals_of_names_and_lose_those_of_titles() -> None:
    new = paper(50, "Gentle Priors", "Slow trees need care. A fit with Bayesian priors works, as do LLMs.")
    (pick,) = ranker([*PAPERS, new]).choose([reader("bayesian priors", "LLM")])[0]
    told = {reason.text: reason.terms for reason in pick.reasons}
    assert told["bayesian priors"] == ("Bayesian priors",)
    assert told["LLM"] == ("LLM",)  # as the reader writes it


def test_terms_are_few_and_heaviest_first() -> None:
    twin = paper(50, "Designing Proteins for Heat", TEXTS[HEAT])
    pick = ranker([*PAPERS, twin]).choose([reader(liked=(HEAT,))])[0][0]
    (reason,) = (one for one in pick.reasons if one.kind == "liked")
    assert pick.paper.title == twin.title
    assert reason.text == HEAT
    assert 2 <= len(reason.terms) <= 5
    assert all(term.casefold() in f"{twin.title} {twin.abstract}".casefold() for term in reason.terms)


# ---- real input


def real_world() -> Ranker:
    papers: dict[str, Paper] = {}
    pool: dict[str, list[Listing]] = {}
    for age, file in enumerate(sorted(Path(shared_folder("pages")).iterdir())):
        read = saved_page.parse(file.read_bytes(), file.name)
        for entry in read.entries:
            key = entry.paper.keys[0]
            papers.setdefault(key, replace(entry.paper, id=len(papers) + 1))
            pool.setdefault(key, []).append(listed(entry.position, age, len(read.entries), source=file.name))
    return Ranker(list(papers.values()), [Candidate(papers[key], tuple(pool[key])) for key in papers], DAY)


@pytest.mark.shared
def test_on_real_pages_a_match_in_the_title_is_clear_and_a_mention_is_not() -> None:
    world = real_world()
    for asked in ("tool use", "long context", "reinforcement learning", "robot manipulation"):
        verdicts = world.explain(Reader(Profile(interests=(Interest(asked),)), {}))
        sought = {term.folded for term in terms(asked) if " " in term.folded}

        def named(verdict: Verdict, sought: set[str] = sought) -> bool:
            return bool(sought & {term.folded for term in terms(verdict.pick.paper.title)})

        clear = [v.pick.score for v in verdicts if named(v)]
        assert all(score > 2 * Profile().floor for score in clear)
        scored = sorted((v.pick.score for v in verdicts), reverse=True)
        # Most papers of a page have nothing to do with one phrase and must not pass the usual floor.
        assert scored[len(scored) // 5] < Profile().floor
        assert all(v.pick.score == 0 for v in verdicts if v.pick.relevance == 0)
