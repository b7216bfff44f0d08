"""What the ranking learns from a store: topics, what readers said of papers, and what other readers like."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_readers import COMMON, TOPICS
from world import DAY, candidates, paper, reader

from digest.model import Feedback, Interest, Paper, Pick, Profile
from digest.pool import fitted
from digest.ranking import others as others_module
from digest.ranking.others import Others
from digest.ranking.ranker import Ranker, Reader, in_order
from digest.ranking.space import Space
from digest.store import arrays

FIELDS = tuple(TOPICS)


@lru_cache(maxsize=4)
def field_papers(number: int = 300, seed: int = 2) -> tuple[Paper, ...]:
    """Papers of six fields in turn, each with words of its own and some that all of them have."""
    dice = random.Random(seed)
    made = []
    for n in range(1, number + 1):
        own = dice.choices(TOPICS[field_of(n)].split(), k=8)
        text = [*own, *dice.choices(COMMON.split(), k=10)]
        dice.shuffle(text)
        made.append(paper(n, f"{own[0]} {own[1]} {n}", " ".join(text)))
    return tuple(made)


def field_of(paper_id: int) -> str:
    return FIELDS[paper_id % len(FIELDS)]


def of_field(field: str, *, among: int = 300) -> list[int]:
    return [n for n in range(1, among + 1) if field_of(n) == field]


def said(kind: str, *ids: int, days_ago: float = 0) -> tuple[Feedback, ...]:
    at = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) - timedelta(days=days_ago)
    return tuple(Feedback(one, kind, at, "cli") for one in ids)  # type: ignore[arg-type]


def world(**more: object) -> Ranker:
    papers = list(field_papers())
    return Ranker(papers, candidates(papers[200:]), DAY, **more)  # type: ignore[arg-type]


def who_says(*feedback: Feedback, **knobs: object) -> Reader:
    return replace(reader(**{"trending": 0.0, "papers": 10, **knobs}), feedback=feedback)  # type: ignore[arg-type]


def fields_of(picks: tuple[Pick, ...]) -> list[str]:
    return [field_of(pick.paper.id) for pick in picks]


# ---- what readers said of papers


def test_likes_bring_their_field_and_say_so() -> None:
    (picks,) = world().choose([who_says(*said("liked", *of_field("bees")[:3]))])
    assert set(fields_of(picks)) == {"bees"}
    assert picks[0].reasons[0].kind == "liked"
    assert picks[0].reasons[0].text in {one.title for one in field_papers()}


def test_a_library_speaks_as_one_under_the_name_of_its_weightiest_paper() -> None:
    (picks,) = world().choose([who_says(*said("liked", *of_field("bees")[:20]))])
    for pick in picks:
        assert [reason.kind for reason in pick.reasons] == ["liked"]
        assert 0 < pick.reasons[0].beside < 20
        titles = f"{pick.paper.title} {pick.reasons[0].text}"
        assert all(word in titles for word in pick.reasons[0].terms)


def test_what_is_saved_counts_as_liked_and_is_told_as_saved() -> None:
    (picks,) = world().choose([who_says(*said("saved", *of_field("clocks")[:3]))])
    assert set(fields_of(picks)) == {"clocks"}
    assert picks[0].reasons[0].kind == "saved"


def test_what_a_reader_spoke_of_is_not_sent_again() -> None:
    liked, saved, bad = [n for n in of_field("bees") if n > 200][:3]
    one = who_says(*said("liked", liked), *said("saved", saved), *said("disliked", bad))
    why = {verdict.pick.paper.id: verdict.why for verdict in world().explain(one)}
    assert (why[liked], why[saved], why[bad]) == ("you liked it already", "you saved it already", "you disliked it")


def test_a_new_verdict_says_more_than_an_old_one() -> None:
    def share(old: float) -> float:
        bees, clocks = said("liked", *of_field("bees")[:3]), said("liked", *of_field("clocks")[:3], days_ago=old)
        (picks,) = world().choose([who_says(*bees, *clocks, variety=0.0)])
        return fields_of(picks).count("clocks") / len(picks)

    assert share(0) > 0.2
    assert share(3 * 365) < share(0)
    alone = who_says(*said("liked", *of_field("clocks")[:3], days_ago=3 * 365))
    assert set(fields_of(world().choose([alone])[0])) == {"clocks"}  # who was away is not forgotten


def test_the_half_life_is_the_operators() -> None:
    one = who_says(*said("liked", *of_field("bees")[:3], days_ago=60), *said("liked", *of_field("clocks")[:3]))
    scores = [
        {v.pick.paper.id: v.pick.score for v in world(half_life_days=days).explain(one)} for days in (10.0, 1000.0)
    ]
    near = [n for n in of_field("bees") if n > 200]
    assert sum(scores[0][n] for n in near) < 0.7 * sum(scores[1][n] for n in near)


def test_a_dislike_pushes_its_like_away_and_leaves_other_fields() -> None:
    likes = said("liked", *of_field("bees")[:3], *of_field("clocks")[:3])
    before = world().explain(who_says(*likes))
    after = world().explain(who_says(*likes, *said("disliked", *of_field("bees")[5:8])))

    def total(verdicts: list, field: str) -> float:  # type: ignore[type-arg]
        return sum(v.pick.score for v in verdicts if field_of(v.pick.paper.id) == field)

    assert total(after, "bees") < 0.8 * total(before, "bees")
    assert total(after, "clocks") == pytest.approx(total(before, "clocks"), rel=0.05)


def test_dislikes_alone_leave_what_is_trending_but_not_what_is_like_them() -> None:
    everything = world().choose([reader(papers=30)])[0]
    one = replace(reader(papers=30), feedback=said("disliked", *of_field("bees")[:4]))
    picks = world().choose([one])[0]
    assert fields_of(everything)[:12].count("bees") > fields_of(picks)[:12].count("bees")
    assert all(reason.kind == "trending" for pick in picks for reason in pick.reasons)


def test_a_verdict_with_a_date_counts_more_than_the_file() -> None:
    one = field_papers()[of_field("bees")[0] - 1]
    file = reader(liked=(one.title,), trending=0.0)
    assert fields_of(world().choose([file])[0])[0] == "bees"
    changed = replace(file, feedback=said("disliked", one.id))
    assert "bees" not in fields_of(world().choose([changed])[0])[:3]
    assert all(reason.kind == "trending" for pick in world().choose([changed])[0] for reason in pick.reasons)


def test_papers_that_no_source_listed_can_be_liked() -> None:
    mine = Paper("Wax and nectar", TOPICS["bees"], keys=("doi:10.1/x",), id=9001)
    one = world()
    one.acquaint([mine])
    picks = one.choose([who_says(*said("liked", 9001))])[0]
    assert set(fields_of(picks)) == {"bees"}
    assert picks[0].reasons[0].text == "Wax and nectar"


def test_another_readers_library_cannot_be_named_or_tell_that_it_is_there() -> None:
    mine = Paper("Wax and nectar", TOPICS["bees"], keys=("arxiv:2301.00001", "title:waxandnectar"), id=9001)
    asking = [
        reader(liked=(text,), trending=0.0) for text in ("2301.00001", "title:waxandnectar", "id:9001", "9001")
    ]
    one = world()
    alone = one.choose(asking)
    one.acquaint([mine], public=False)
    assert one.choose([*asking, who_says(*said("liked", 9001))])[:4] == alone


def test_a_paper_that_nobody_knows_any_more_breaks_nothing() -> None:
    assert world().choose([who_says(*said("liked", 12345))])[0] == ()


@pytest.mark.parametrize(
    ("followed", "found"), [("cs.CL", {1}), ("CS.cl", {1}), ("cs.*", {1, 2}), ("math.AG", set())]
)
def test_followed_categories(followed: str, found: set[int]) -> None:
    papers = [
        replace(one, categories=names)
        for one, names in zip(field_papers()[:4], (("cs.CL", "cs.AI"), ("cs.LG",), ("stat.ML",), ()), strict=True)
    ]
    picks = Ranker(papers, candidates(papers), DAY).choose([reader(categories=(followed,), trending=0.0)])[0]
    assert {pick.paper.id for pick in picks} == found
    assert all(pick.reasons[0].kind == "category" for pick in picks)


# ---- several interests


def served(*interests: Interest, papers: int = 6) -> dict[str, int]:
    """How many picks each interest paid for."""
    loud = [
        paper(n, f"Honey and hive number {n}", "honey hive honey hive nectar", key=f"a:{n}") for n in range(1, 31)
    ]
    quiet = [
        paper(n, f"Report {n}", f"careful notes of villages and their {word} in winter", key=f"b:{n}")
        for n, word in zip(range(31, 46), ["glacier"] * 8 + ["sourdough"] * 7, strict=True)
    ]
    every = [*loud, *quiet]
    one = replace(reader(*interests, papers=papers, trending=0.0), memory={})
    one = replace(one, profile=replace(one.profile, variety=Profile().variety))
    picks = Ranker(every, candidates(every), DAY).choose([one])[0]
    numbers: dict[str, int] = {}
    for pick in picks:
        numbers[pick.reasons[0].text] = numbers.get(pick.reasons[0].text, 0) + 1
    return numbers


def test_a_letter_serves_each_interest_and_not_only_the_loudest() -> None:
    numbers = served(Interest("honey hive"), Interest("glacier"), Interest("sourdough"))
    assert set(numbers) == {"honey hive", "glacier", "sourdough"}
    assert max(numbers.values()) <= 3


def test_a_heavier_interest_gets_more_places() -> None:
    numbers = served(Interest("honey hive", 2.0), Interest("glacier", 1.0), papers=9)
    assert numbers["honey hive"] > numbers["glacier"] > 0


# ---- reasons


SAID = st.lists(
    st.tuples(st.sampled_from(["liked", "saved", "disliked"]), st.integers(1, 310), st.integers(0, 900)),
    max_size=12,
)
PHRASES = st.lists(st.sampled_from([*" ".join(TOPICS.values()).split(), "unknown"]), max_size=6, unique=True)


@settings(max_examples=50, deadline=None)
@given(SAID, PHRASES, st.sampled_from([0.0, 0.2, 0.7, 1.0]), st.booleans())
def test_reasons_are_at_most_three_and_add_up(
    verdicts: list[tuple[str, int, int]], phrases: list[str], trending: float, heard: bool
) -> None:
    world = _world(heard)
    feedback = tuple(one for kind, n, ago in verdicts for one in said(kind, n, days_ago=ago))
    one = replace(reader(*phrases, trending=trending, papers=12), feedback=feedback)
    for verdict in world.explain(one):
        pick = verdict.pick
        assert len(pick.reasons) <= 3
        assert all(reason.share > 0 for reason in pick.reasons)
        assert sum(reason.share for reason in pick.reasons) == pytest.approx(pick.score, abs=1e-6)
        more = [reason for reason in pick.reasons if reason.kind == "more"]
        assert all(int(reason.text) >= 1 for reason in more)
        if pick.score > 0 and any(reason.kind == "others" for reason in pick.reasons):
            assert any(
                reason.kind in ("phrase", "liked", "saved", "trending", "more") for reason in pick.reasons
            ) or (len(pick.reasons) == 1)


@lru_cache(maxsize=2)
def _world(heard: bool) -> Ranker:
    return world(others=learned() if heard else None)


# ---- other readers


def likes(readers: int = 160, seed: int = 5) -> dict[int, list[int]]:
    """Whoever likes bees likes glaciers, and whoever likes bread likes choirs: nothing in the text says so."""
    dice = random.Random(seed)
    pairs = (("bees", "glaciers"), ("bread", "choirs"), ("rivers", "clocks"))
    row_of = {one.id: row for row, one in enumerate(in_order(field_papers()))}
    made = {}
    for number in range(readers):
        mine = [n for field in pairs[number % 3] for n in of_field(field, among=200)]
        made[number] = [row_of[n] for n in dice.sample(mine, 8)]
    return made


@lru_cache(maxsize=1)
def space() -> Space:
    return Space(in_order(field_papers()))


def learned(**more: int) -> Others | None:
    return Others.learn(likes(**more), space().corpus)


def test_what_readers_with_the_same_likes_like_comes_in_and_is_told_without_names() -> None:
    one = who_says(*said("liked", *of_field("bees")[:6]), papers=40)
    alone, heard = world().choose([one])[0], world(others=learned()).choose([one])[0]
    assert fields_of(heard).count("glaciers") > fields_of(alone).count("glaciers")
    reasons = [reason for pick in heard for reason in pick.reasons if reason.kind == "others"]
    assert reasons
    assert all((reason.text, reason.terms) == ("", ()) for reason in reasons)


def test_nothing_is_learned_from_few_readers() -> None:
    assert learned(readers=others_module.FEWEST_READERS - 1) is None
    assert learned(readers=others_module.FEWEST_READERS) is not None
    few = {reader: rows[: others_module.FEWEST_LIKES - 1] for reader, rows in likes().items()}
    assert Others.learn(few, space().corpus) is None


def test_what_one_reader_alone_liked_is_not_in_what_is_learned() -> None:
    unliked = [row for row in range(300) if row not in {one for rows in likes().values() for one in rows}]
    # Nor is what a second one liked who is not heard.
    more = likes() | {0: [*likes()[0], *unliked[:5]], 900: unliked[:1]}
    with_it, without = Others.learn(more, space().corpus), learned()
    assert with_it is not None
    assert without is not None
    for name, array in with_it.to_arrays().items():
        assert np.array_equal(array, without.to_arrays()[name]), name


def test_readers_without_likes_hear_nobody() -> None:
    one = reader("nectar", papers=10)
    assert world(others=learned()).choose([one]) == world().choose([one])


def test_what_is_learned_does_not_hang_on_the_order_of_readers() -> None:
    shuffled = list(likes().items())
    random.Random(1).shuffle(shuffled)
    again = Others.learn({n: rows[::-1] for n, (_, rows) in enumerate(shuffled)}, space().corpus)
    first = learned()
    assert again is not None
    assert first is not None
    assert all(np.array_equal(first.to_arrays()[name], array) for name, array in again.to_arrays().items())


# ---- kept as arrays


def test_a_space_that_was_kept_is_the_same_space(tmp_path: Path) -> None:
    made = space()
    arrays.save(tmp_path, "space", "a", made.to_arrays())
    stored = arrays.load(tmp_path, "space", "a")
    assert stored is not None
    again = Space.from_arrays(stored)
    readers = [reader("nectar", "brass pendulum"), who_says(*said("liked", 3, 9)), reader("wholly unknown")]
    papers = list(field_papers())
    fresh = Paper("Honey in the snow", "nectar and ice", id=500)
    worlds = [Ranker(papers, candidates([*papers[200:], fresh]), DAY, space=one) for one in (made, again)]
    assert worlds[0].choose(readers) == worlds[1].choose(readers)
    assert [worlds[0].explain(one) for one in readers] == [worlds[1].explain(one) for one in readers]


def test_factors_that_were_kept_are_the_same_factors(tmp_path: Path) -> None:
    first = learned()
    assert first is not None
    arrays.save(tmp_path, "others", "a", first.to_arrays())
    stored = arrays.load(tmp_path, "others", "a")
    assert stored is not None
    one = who_says(*said("liked", *of_field("bees")[:6]), papers=30)
    assert world(others=Others.from_arrays(stored)).choose([one]) == world(others=first).choose([one])


NOT_ARRAYS = ["nothing", "no archive", "a pickle", "noise"]  # the same in each worker


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 nothing", b"\x80\x04N.", Random(7).randbytes(2000)], ids=NOT_ARRAYS
)
def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "space-a.npz").write_bytes(content)
    assert arrays.load(tmp_path, "space", "a") is None
    assert arrays.load(tmp_path, "space", "b") is None


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "space-a.npz", data=np.array([object()], dtype=object))
    assert arrays.load(tmp_path, "space", "a") is None


def test_arrays_of_something_else_are_refused() -> None:
    made = space().to_arrays()
    with pytest.raises((KeyError, ValueError)):
        Space.from_arrays({name: array for name, array in made.items() if name != "axes"})
    with pytest.raises((KeyError, ValueError)):
        Space.from_arrays(made | {"rarity": made["rarity"][:-1]})
    with pytest.raises((KeyError, ValueError)):
        Space.from_arrays(made | {"indices": made["indices"] + 10_000_000})


def test_only_the_newest_files_stay(tmp_path: Path) -> None:
    for number in range(arrays.KEEP + 3):
        arrays.save(tmp_path, "space", str(number), {"a": np.zeros(1)})
        os.utime(tmp_path / f"space-{number}.npz", (number, number))
    arrays.save(tmp_path, "others", "x", {"a": np.zeros(1)})
    kept = {path.name for path in tmp_path.iterdir()}
    assert "others-x.npz" in kept
    assert len(kept) == arrays.KEEP + 1
    assert f"space-{arrays.KEEP + 2}.npz" in kept


# ---- when the space is fitted anew


def test_a_small_store_is_fitted_whole() -> None:
    listed = {n: DAY + timedelta(days=n // 50) for n in range(1000)}
    assert fitted(listed) == set(listed)


def test_a_large_store_is_fitted_anew_when_it_has_grown_by_a_tenth() -> None:
    listed = {n: DAY + timedelta(days=n // 50) for n in range(5000)}
    sizes = []
    for days in range(25, 101):
        known = {n: day for n, day in listed.items() if day < DAY + timedelta(days=days)}
        chosen = fitted(known)
        assert len(chosen) > len(known) / 1.11
        sizes.append(len(chosen))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) < 20  # and not each day
    assert fitted(dict(reversed(listed.items()))) == fitted(listed)


# ---- the same on every machine

SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:]
from test_learning import *
readers = [reader("nectar", "brass pendulum", papers=9), who_says(*said("liked", 3, 9, 40, 41)), reader("hymn")]
for one in world(others=learned()).choose(readers):
    print([(pick.paper.id, pick.score, pick.reasons) for pick in one])
"""


def test_neither_threads_nor_the_processor_show() -> None:
    """OpenBLAS chooses its kernels by the processor; the oldest ones sum in another order than the newest."""
    here = Path(__file__).parent
    told = set()
    for more in ({"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "2"}, {"OPENBLAS_CORETYPE": "Nehalem"}):
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(here), str(here.parent)],
            env=os.environ | more,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.count("(") > 20
        told.add(ran.stdout)
    assert len(told) == 1


# ---- bad libraries


def test_a_library_in_another_language_finds_nothing_and_breaks_nothing() -> None:
    strange = [
        Paper(f"Über die Wärmeleitung fester Körper, Teil {n}", "Wärmeleitung und Temperaturgefälle", id=2000 + n)
        for n in range(40)
    ]
    strange += [Paper("神经网络翻译诗歌", "我们研究用神经网络翻译诗歌", id=2100), Paper("…", "", id=2101)]
    one = world()
    one.acquaint(strange)
    foreign = said("liked", *(each.id for each in strange))
    assert all(pick.score < Profile().floor for pick in one.choose([who_says(*foreign)])[0])
    # Beside it the reader's other likes count as before.
    picks = one.choose([who_says(*foreign, *said("liked", *of_field("bees")[:5]))])[0]
    assert picks
    assert set(fields_of(picks)) == {"bees"}


def test_a_library_of_everything_is_ranked_all_the_same() -> None:
    everything = who_says(*said("liked", *range(1, 201)))
    picks = world().choose([everything])[0]
    assert picks
    assert all(0 <= pick.score <= 100 for pick in picks)


def test_muted_beginnings_of_words() -> None:
    papers = [paper(1, "Robotic arms", "x"), paper(2, "Robots at home", "y"), paper(3, "A robust probe", "z")]
    one = Ranker(papers, candidates(papers), date(2026, 3, 14))
    why = {v.pick.paper.id: v.why for v in one.explain(reader(muted=("robot*",)))}
    assert why[1] == why[2] == "muted: robot*"
    assert not why[3].startswith("muted")
