"""What a reader gets from the ranking."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_input import shared_folder
from world import DAY, PAPERS, TEXTS, candidates, listed, paper, ranker, reader, titles, why

from digest.model import Interest, Paper, Pick, Profile
from digest.ranking import interests, reasons
from digest.ranking.ranker import Candidate, Ranker, Reader
from digest.ranking.terms import terms
from digest.sources import saved_page

TOOLS, BROKEN, HEAT, FOLDING, RAIN, SPEECH, VIDEO, ROBOT, POEMS = TEXTS


# ---- relevance


def test_what_a_reader_asks_for_comes_first_and_what_has_nothing_to_do_with_it_stays_out() -> None:
    assert titles(reader("tool use by language models")) == [TOOLS, BROKEN]
    assert set(titles(reader("protein"))) == {HEAT, FOLDING}


def test_a_phrase_in_the_title_counts_more_than_in_the_abstract() -> None:
    assert titles(reader("weather"))[0] == RAIN
    in_title = paper(20, "Weather", "A study of clouds over mountains and valleys.")
    assert titles(reader("weather"), ranker([*PAPERS, in_title]))[0] == "Weather"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("video generation", VIDEO),
        ("ROBOTS", ROBOT),
        ("tool-use", TOOLS),
        ("Protéins", HEAT),
        ("翻译诗歌", POEMS),
    ],
)
def test_case_accents_hyphens_and_plurals_do_not_matter(asked: str, found: str) -> None:
    assert found in titles(reader(asked))[:2]


def test_a_heavier_interest_wins() -> None:
    one, two = Interest("protein", 3.0), Interest("speech", 1.0)
    assert titles(reader(one, two))[0] in (HEAT, FOLDING)
    assert titles(reader(replace(one, weight=1.0), replace(two, weight=3.0)))[0] == SPEECH


def test_a_clear_match_scores_the_same_beside_other_interests() -> None:
    alone = ranker().choose([reader("speech recognition")])[0][0]
    among = ranker().choose([reader("speech recognition", "bees", "tides", "volcanoes")])[0][0]
    assert among.score == pytest.approx(alone.score)
    assert alone.score > 50


def test_an_unknown_word_finds_nothing_and_breaks_nothing() -> None:
    assert titles(reader("zymurgy")) == []
    assert titles(reader("the of and")) == []
    assert titles(reader("…!?")) == []


def test_a_liked_paper_brings_what_is_like_it_and_not_itself() -> None:
    assert titles(reader(liked=(HEAT.upper(),)))[0] == FOLDING
    assert why(reader(liked=(HEAT,)))[HEAT] == "you liked it already"


@pytest.mark.parametrize("spelt", ["2502.12345", "arXiv:2502.12345v2", "https://arxiv.org/abs/2502.12345"])
def test_a_liked_paper_by_its_arxiv_id(spelt: str) -> None:
    papers = [replace(one, keys=("arxiv:2502.12345", *one.keys)) if one.title == HEAT else one for one in PAPERS]
    assert titles(reader(liked=(spelt,)), ranker(papers))[0] == FOLDING


def test_a_liked_paper_that_is_not_stored_still_has_a_title() -> None:
    assert titles(reader(liked=("Enzymes, Residues and How They Fold",)))[0] in (HEAT, FOLDING)
    assert titles(reader(liked=("2502.99999",))) == []


def test_many_likes_do_not_lift_what_is_unlike_them() -> None:
    few = {v.pick.paper.title: v.pick.score for v in ranker().explain(reader(liked=(HEAT,)))}
    others = tuple(f"Enzymes and Residues, Part {n}" for n in range(50))
    many = {v.pick.paper.title: v.pick.score for v in ranker().explain(reader(liked=(HEAT, *others)))}
    assert many[FOLDING] > 20
    for title in (RAIN, VIDEO, ROBOT):
        assert many[title] <= few[title] + 5


def test_a_disliked_paper_pushes_away_what_is_like_it_but_not_the_field() -> None:
    before = {v.pick.paper.title: v.pick.score for v in ranker().explain(reader("tool use"))}
    after = {v.pick.paper.title: v.pick.score for v in ranker().explain(reader("tool use", disliked=(BROKEN,)))}
    assert why(reader("tool use", disliked=(BROKEN,)))[BROKEN] == "you disliked it"
    assert 0 < after[TOOLS] < before[TOOLS]
    assert all(after[title] <= before[title] for title in before)  # to be unlike what was disliked is no merit


@pytest.mark.parametrize(
    ("followed", "author", "fits"),
    [
        ("Jane Doe", "Jane Doe", True),
        ("jane doe", "Jane DOE", True),
        ("J. Doe", "Jane Doe", True),
        ("Doe, Jane", "Jane Q. Doe", True),
        ("Žofie Ångström", "Zofie Angstrom", True),
        ("Jane Doe", "Jack Doe", False),
        ("J. Doe", "Jack Roe", False),
        ("Doe", "Jane Doe", False),
        ("Jane", "Jane Doe", False),
    ],
)
def test_followed_authors(followed: str, author: str, fits: bool) -> None:
    papers = [*PAPERS[:-1], replace(PAPERS[-1], authors=("Somebody Else", author))]
    assert titles(reader(authors=(followed,)), ranker(papers)) == ([POEMS] if fits else [])


# ---- trending


def test_an_empty_profile_gets_what_is_trending() -> None:
    picks = ranker().choose([reader(papers=3)])[0]
    assert [pick.paper.title for pick in picks] == [TOOLS, BROKEN, HEAT]
    assert all(pick.score == pytest.approx(100 * pick.trending) for pick in picks)
    assert all([reason.kind for reason in pick.reasons] == ["trending"] for pick in picks)


def test_popularity_alone_does_not_bring_what_a_reader_did_not_ask_for() -> None:
    popular = reader("protein", floor=10.0, trending=0.2)
    assert set(titles(popular)) == {HEAT, FOLDING}
    assert len(titles(reader("protein", floor=10.0, trending=1.0))) == 7  # unless that is what they asked for


def test_trending_from_none_to_all() -> None:
    papers = [one for one in PAPERS if one.title in (HEAT, FOLDING)]

    def order(t: float) -> list[str]:
        world = Ranker(PAPERS, [Candidate(papers[0], (listed(20),)), Candidate(papers[1], (listed(1),))], DAY)
        return titles(reader("design proteins", trending=t), world)

    assert order(0.0) == [HEAT, FOLDING]  # relevance alone
    assert order(1.0) == [FOLDING, HEAT]  # popularity alone


# ---- what stays out


def test_what_was_sent_stays_out_and_says_when() -> None:
    memory = {PAPERS[0].id: DAY - timedelta(days=1)}
    one = reader("tool use", memory=memory)
    assert titles(one) == [BROKEN]
    assert why(one)[TOOLS] == "sent on 2026-03-13"


@pytest.mark.parametrize(
    ("muted", "out"),
    [
        ("robot", ROBOT),
        ("Robots", ROBOT),
        ("video generation", VIDEO),
        ("VIDEO GENERATION", VIDEO),
        ("诗歌", POEMS),
        ("art", None),  # not in "start", "part" or "article"
        ("hammers and spatulas", ROBOT),
        ("hammers spatulas", None),  # a phrase is meant as it stands
        ("…", None),
    ],
)
def test_muted_words_and_phrases(muted: str, out: str | None) -> None:
    verdicts = why(reader(muted=(muted,), papers=50))
    assert [title for title, said in verdicts.items() if said == f"muted: {muted}"] == ([out] if out else [])


def test_the_floor_and_the_room() -> None:
    verdicts = why(reader("tool use", floor=1.0, papers=1))
    assert verdicts[TOOLS] == "in, place 1"
    assert verdicts[BROKEN] == "room for 1 paper only"
    assert verdicts[RAIN] == "below the floor of 1"
    assert titles(reader("tool use", floor=100.0)) == []


# ---- variety


def test_variety_prefers_what_is_unlike_the_first() -> None:
    twin = paper(30, "Tool Use by Small Language Models, Again", TEXTS[TOOLS])
    world = ranker([*PAPERS, twin])
    one = reader("tool use by language models", Interest("speech", 0.6), papers=2, trending=0.0)
    assert set(titles(one, world)) == {TOOLS, twin.title}
    varied = Reader(replace(one.profile, variety=0.7), {})
    assert len({TOOLS, twin.title} & set(titles(varied, world))) == 1
    said = why(varied, world)
    assert "for variety: too like a paper that is in" in said.values()


# ---- reasons


def test_reasons_are_in_the_readers_words_and_add_up() -> None:
    one = reader("Tool Use", Interest("language models", 0.5), liked=(BROKEN,), trending=0.0)
    (pick, *_) = ranker().choose([one])[0]
    assert {reason.text for reason in pick.reasons} == {"Tool Use", "language models", BROKEN}
    assert sum(reason.share for reason in pick.reasons) == pytest.approx(pick.score, abs=1e-9)
    assert [reason.share for reason in pick.reasons] == sorted((r.share for r in pick.reasons), reverse=True)
    by = {reason.text: reason for reason in pick.reasons}
    assert by["Tool Use"].terms == ("tool use",)  # and not "tool" as well
    assert by[BROKEN].kind == "liked"


def test_terms_are_words_as_people_write_them() -> None:
    (pick, *_) = ranker().choose([reader("speech recognition in meetings")])[0]
    assert set(pick.reasons[0].terms) <= {"speech recognition", "meetings", "speech", "recognition"}
    assert all(not term.isdigit() for term in pick.reasons[0].terms)


def test_pairs_do_not_reach_over_the_end_of_a_sentence() -> None:
    found = {term.folded for term in terms("We fold proteins. Rain follows; the use of radar helps.")}
    assert "fold protein" in found
    assert "protein rain" not in found


# ---- the same for everybody


def picks_by_id(chosen: list[tuple[Pick, ...]]) -> list[list[tuple[int, float]]]:
    return [[(pick.paper.id, pick.score) for pick in one] for one in chosen]


READERS = [
    reader("tool use", "protein", trending=0.3, variety=0.4),
    reader(),
    reader("speech", liked=(HEAT,), disliked=(RAIN,), muted=("robot",)),
    reader(Interest("video", 100.0), Interest("rain", 0.01), papers=50),
    reader("神经网络", floor=20.0),
]


def test_the_order_of_papers_readers_and_shards_does_not_matter() -> None:
    expected = picks_by_id(ranker().choose(READERS))
    shuffled = PAPERS.copy()
    for seed in range(5):
        random.Random(seed).shuffle(shuffled)
        pool = candidates()
        random.Random(seed).shuffle(pool)
        world = Ranker(shuffled, pool, DAY)
        assert picks_by_id(world.choose(READERS[::-1]))[::-1] == expected
        assert [picks_by_id(world.choose([one]))[0] for one in READERS] == expected


def test_interests_that_are_forgotten_and_scored_again_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [ranker().choose([one])[0] for one in READERS]
    assert any(reason.terms for picks in expected for pick in picks for reason in pick.reasons)
    monkeypatch.setattr(interests, "CELLS", 0)  # so that nothing is held from one call to the next
    world = ranker()
    assert [world.choose([one])[0] for one in READERS] == expected
    monkeypatch.undo()
    monkeypatch.setattr(reasons, "HELD", 0)
    assert [world.choose([one])[0] for one in READERS] == expected


def test_reasons_that_weigh_the_same_come_in_one_order_however_they_were_named() -> None:
    papers = [replace(one, authors=("Zoe Doe", "Jane Roe", "Ann Poe")) for one in PAPERS[:3]]
    told = [
        [reason.text for reason in ranker(papers).choose([reader(authors=names, trending=0.0)])[0][0].reasons]
        for names in permutations(papers[0].authors)
    ]
    assert told == [["Ann Poe", "Jane Roe", "Zoe Doe"]] * 6


def test_ties_are_broken_by_key() -> None:
    twins = [paper(n, f"Bees {letter}", "Bees dance.") for n, letter in ((1, "c"), (2, "a"), (3, "b"))]
    pool = [Candidate(one, (listed(1),)) for one in twins]
    assert [p.paper.title for p in Ranker(twins, pool, DAY).choose([reader(papers=3)])[0]] == [
        "Bees a",
        "Bees b",
        "Bees c",
    ]


def test_what_is_explained_is_what_is_chosen() -> None:
    world = ranker()
    for one, chosen in zip(READERS, world.choose(READERS), strict=True):
        verdicts = world.explain(one)
        assert tuple(v.pick for v in verdicts if v.included) == chosen
        assert len(verdicts) == len(PAPERS)


WORDS = st.text(st.sampled_from("abc tools use protein 漢 é \u0301 C++ <&> \x00 \ud800 🐝 1"), max_size=30)
PROFILES = st.builds(
    Profile,
    interests=st.lists(
        st.builds(
            Interest, WORDS, st.floats(1e-6, 100), st.sampled_from(["phrase", "author", "liked", "disliked"])
        ),
        max_size=4,
    ).map(tuple),
    muted=st.lists(WORDS, max_size=2).map(tuple),
    authors=st.lists(WORDS, max_size=2).map(tuple),
    liked=st.lists(st.sampled_from([*TEXTS, "2502.1", "", "x"]), max_size=3).map(tuple),
    disliked=st.lists(st.sampled_from([*TEXTS, ""]), max_size=3).map(tuple),
    papers=st.integers(1, 50),
    floor=st.floats(0, 100),
    trending=st.floats(0, 1),
    variety=st.floats(0, 1),
)
STRANGE = st.lists(st.tuples(WORDS, WORDS), max_size=6)


@settings(max_examples=60)
@given(st.lists(PROFILES, min_size=1, max_size=3), STRANGE, st.sets(st.integers(1, 12)))
def test_whatever_it_is_given_the_picks_keep_the_rules(
    profiles: list[Profile], strange: list[tuple[str, str]], sent: set[int]
) -> None:
    papers = [*PAPERS, *(Paper(title, text, id=100 + n) for n, (title, text) in enumerate(strange))]
    world = ranker(papers)
    readers = [Reader(profile, dict.fromkeys(sent, DAY)) for profile in profiles]
    for one, chosen in zip(readers, world.choose(readers), strict=True):
        assert len(chosen) <= one.profile.papers
        assert len({pick.paper.id for pick in chosen}) == len(chosen)
        assert not {pick.paper.id for pick in chosen} & sent
        for pick in chosen:
            assert max(one.profile.floor, 0) <= pick.score <= 100
            assert 0 <= pick.relevance <= 1
            assert 0 <= pick.trending <= 1
            assert all(reason.share >= 0 for reason in pick.reasons)
            assert sum(reason.share for reason in pick.reasons) == pytest.approx(pick.score, abs=1e-6)
        assert [pick.score for pick in chosen] == sorted((pick.score for pick in chosen), reverse=True)
        assert tuple(v.pick for v in world.explain(one) if v.included) == chosen


def test_nothing_to_choose_from() -> None:
    assert Ranker([], [], DAY).choose([reader("x"), reader()]) == [(), ()]
    assert Ranker([], [], DAY).explain(reader("x")) == []
    blank = [Paper("…", "", id=1)]
    assert len(Ranker(blank, [Candidate(blank[0], (listed(1),))], DAY).choose([reader()])[0]) == 1
    single = [PAPERS[0]]
    assert titles(reader("tool use"), ranker(single)) == [TOOLS]


@pytest.mark.shared
def test_on_real_pages_the_word_is_in_what_comes_first() -> None:
    papers: dict[str, Paper] = {}
    pool: dict[str, Candidate] = {}
    for page in sorted(Path(shared_folder("pages")).iterdir()):
        read = saved_page.parse(page.read_bytes(), page.name)
        for entry in read.entries:
            key = entry.paper.keys[0]
            papers.setdefault(key, replace(entry.paper, id=len(papers) + 1))
            listing = listed(entry.position, size=len(read.entries), source=page.name)
            pool[key] = Candidate(papers[key], (listing,))
    world = Ranker(list(papers.values()), list(pool.values()), DAY)
    for phrase in ("tool use", "long context", "reinforcement learning", "diffusion", "agents"):
        chosen = world.choose([reader(phrase, papers=3)])[0]
        assert len(chosen) == 3
        words = {term.folded for term in terms(phrase)}
        first = chosen[0].paper  # further down there may be what is about it without the word
        assert words & {term.folded for term in terms(f"{first.title}. {first.abstract}")}
        assert chosen[0].score > 40


def test_company_does_not_change_a_score_where_topics_are_learned() -> None:
    """Two hundred and forty papers, so that the space has topics and phrases are completed."""
    dice = random.Random(3)
    words = [word for text in TEXTS.values() for word in text.split() if word.isascii()]
    many = [paper(n, " ".join(dice.sample(words, 5)), " ".join(dice.choices(words, k=60))) for n in range(1, 241)]
    readers = [reader(" ".join(dice.sample(words, 2)), dice.choice(words), papers=9) for _ in range(40)]
    world = Ranker(many, candidates(many), DAY)
    together = picks_by_id(world.choose(readers))
    assert sum(map(len, together)) > 100
    for one, expected in zip(readers, together, strict=True):
        assert picks_by_id(Ranker(many, candidates(many), DAY).choose([one]))[0] == expected
