"""What votes, places, days and lists that are shown again make of a paper's trending."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import DAY, PAPERS, listed, reader, titles

from digest.model import Listing
from digest.ranking.ranker import Candidate, Ranker
from digest.ranking.trending import LAST, TOP, standings, trends


def t(*listings: Listing) -> float:
    """Of a paper that is alone in the pool."""
    return float(trends([listings], DAY)[0])


def field(*votes: int | None, place: int | None = None, age: int = 0, source: str = "hf") -> list[list[Listing]]:
    """Papers of one source and day with these votes: in this order, or all at one place."""
    return [
        [Listing(source, DAY - timedelta(days=age), place or number, len(votes), one)]
        for number, one in enumerate(votes, 1)
    ]


def places(number: int, *ages: int) -> list[list[Listing]]:
    """So many papers, each in its place in the lists of so many days ago."""
    return [[listed(place, age, number) for age in ages] for place in range(1, number + 1)]


# ---- where nobody tells votes


def test_trending_grows_with_place_recency_and_days_and_stays_below_one() -> None:
    by_place = [t(listed(place)) for place in range(1, 21)]
    assert by_place == sorted(by_place, reverse=True)
    assert len(set(by_place)) == 20
    ages = [t(listed(1, age)) for age in range(7)]
    assert ages == sorted(ages, reverse=True)
    days = [t(*(listed(1, age) for age in range(number))) for number in range(1, 8)]
    assert days == sorted(days)
    assert by_place[-1] > 0
    assert days[-1] < 1
    assert t() == 0
    assert t(listed(1, -1)) == 0  # tomorrow's page is not known today


def test_the_same_day_on_two_sources_is_one_day_and_the_better_place_counts() -> None:
    assert t(listed(9, source="a"), listed(2, source="b")) == t(listed(2))


def test_an_empty_pool_has_no_trends() -> None:
    assert trends([], DAY).shape == (0,)
    assert standings([[]], DAY)[0].listing is None


# ---- votes beside their field


def test_a_runaway_stands_above_a_paper_that_is_merely_first() -> None:
    usual = (24, 22, 21, 20, 20, 19, 18, 17, 16)
    runaway, first = (float(trends(field(top, *usual), DAY)[0]) for top in (300, 25))
    assert runaway > 1.1 * first
    assert runaway < TOP


def test_votes_count_whatever_the_order_of_the_source() -> None:
    upwards = trends(field(2, 5, 9, 14, 20, 28, 40, 61, 90, 187), DAY)
    assert list(upwards) == sorted(upwards)


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=12))
def test_in_one_place_more_votes_are_more_and_equal_votes_are_equal(votes: list[int]) -> None:
    found = sorted(zip(votes, trends(field(*votes, place=4), DAY), strict=True))
    for (fewer, low), (more, high) in pairwise(found):
        assert (low < high) == (fewer < more)
        assert low == high or fewer != more


def test_votes_are_held_against_their_own_source_and_day_only() -> None:
    mine = field(40, 30, 20, 10)
    alone = trends(mine, DAY)
    crowd = field(9000, 8000, 7000, source="elsewhere") + field(900, 800, 700, age=1)
    assert list(trends(mine + crowd, DAY)[:4]) == list(alone)
    tenfold = trends(field(400, 300, 200, 100), DAY)
    assert list(tenfold) == pytest.approx(list(alone), abs=0.06)  # what counts is the ratio


def test_the_better_of_two_sources_counts_and_not_their_sum() -> None:
    one, two = field(90, 20, 10, 5), field(5, 20, 10, 90, source="other")
    both = [[*a, *b] for a, b in zip(one, two, strict=True)]
    best = [max(pair) for pair in zip(trends(one, DAY), trends(two, DAY), strict=True)]
    assert list(trends(both, DAY)) == best


# ---- what is not known, and what says little


def test_unknown_is_not_zero() -> None:
    votes = (60, 40, 30, 20, 10, 5)
    unknown, none, usual = (trends(field(*votes, one, place=5), DAY)[-1] for one in (None, 0, 24))
    assert none < unknown
    assert unknown == pytest.approx(usual, abs=0.1 * TOP)
    high, low = (trends([*field(*votes), [Listing("hf", DAY, place, 7)]], DAY)[-1] for place in (1, 7))
    assert high > low  # its place is known all the same


@given(st.lists(st.integers(0, 3) | st.integers(0, 10**6), min_size=3, max_size=12), st.integers(1, 15))
def test_in_one_place_unknown_votes_are_between_the_fewest_and_the_most(votes: list[int], place: int) -> None:
    *known, unknown = trends(field(*votes, None, place=place), DAY)
    assert min(known) <= unknown <= max(known)


@pytest.mark.parametrize("votes", [(None, None, None, None), (900, None, None, 1), (0, 0, 0, 0)])
def test_without_votes_that_say_something_the_place_alone_counts(votes: tuple[int | None, ...]) -> None:
    silent = trends(field(*(None for _ in votes)), DAY)
    assert list(trends(field(*votes), DAY)) == list(silent)
    assert all(one.rank is None and one.rated == 0 for one in standings(field(*votes), DAY))


def test_few_votes_move_little() -> None:
    by_place = trends(field(*[None] * 10), DAY)

    def moved(*votes: int) -> float:
        return float(abs(trends(field(*votes), DAY) - by_place).max())

    upside_down = (0, 0, 0, 0, 0, 1, 1, 1, 2, 2)
    assert 0 < moved(*upside_down) < moved(*(100 * one for one in upside_down)) / 2


# ---- a list that is shown again


def test_a_weekend_that_shows_the_list_of_friday_adds_nothing() -> None:
    friday = trends(places(10, 2), DAY)
    assert list(trends(places(10, 2, 1, 0), DAY)) == list(friday)
    assert {one.days for one in standings(places(10, 2, 1, 0), DAY)} == {1}


def test_to_be_listed_anew_adds() -> None:
    """The same first place, but in lists of other papers."""
    mine = [listed(1, 2), listed(1, 1), listed(1, 0)]
    others = [[listed(place, age)] for age in range(3) for place in range(2, 10)]
    anew = standings([mine, *others], DAY)[0]
    assert anew.days == 3
    assert anew.trending > t(listed(1, 0)) > trends(places(10, 2, 1, 0), DAY)[0]


def test_who_comes_to_a_list_that_is_shown_again_counts_from_that_day() -> None:
    """Seven of ten were there the day before: three new ones join."""
    both, late, gone = ([], [], [])
    for place in range(1, 8):
        both.append([listed(place, 1, 10), listed(place, 0, 10)])
    for place in range(8, 11):
        late.append([listed(place, 0, 10)])
        gone.append([listed(place, 1, 10)])
    found = standings([*both, *late, *gone], DAY)
    assert {one.days for one in found} == {1}
    assert found[7].trending == t(listed(8, 0, 10)) > t(listed(8, 1, 10)) == found[10].trending
    assert found[0].trending == t(listed(1, 1, 10))


def test_it_is_the_same_list_under_another_name_but_not_on_the_same_day() -> None:
    """Saved pages have no name of their own."""
    renamed = [[listed(n, 1, 5, source="page:1"), listed(n, 0, 5, source="page:2")] for n in range(1, 6)]
    assert list(trends(renamed, DAY)) == list(trends(places(5, 1), DAY))


def test_a_list_that_changes_a_little_every_day_is_new_when_more_than_half_has_changed() -> None:
    """Ten papers, of which one leaves each day and one comes; the last stays throughout."""
    days = 13
    stays = [listed(10, age, 10) for age in range(days)]
    passing = [
        [listed(1, days - 1 - day, 10) for day in range(max(0, one - 8), min(days, one + 1))]
        for one in range(days + 8)
    ]
    assert standings([stays, *passing], DAY)[0].days == 3


def test_the_last_votes_of_a_list_that_is_shown_again_are_seen() -> None:
    rising = [
        [*early, *late] for early, late in zip(field(20, 19, 18, 1, age=1), field(21, 20, 19, 95), strict=True)
    ]
    assert standings(rising, DAY)[3].listing == rising[3][1]
    assert trends(rising, DAY)[3] > trends(field(20, 19, 18, 1, age=1), DAY)[3]


# ---- whatever comes in


POOLS = st.lists(
    st.lists(
        st.builds(
            Listing,
            source=st.sampled_from(["hf", "page:1", "page:2"]),
            day=st.integers(-1, 5).map(lambda age: DAY - timedelta(days=age)),
            position=st.integers(1, 12),
            size=st.integers(1, 12),
            votes=st.none() | st.integers(0, 9) | st.integers(0, 10**30),
        ),
        max_size=6,
    ),
    max_size=12,
)


@given(pool=POOLS, order=st.randoms(use_true_random=False))
def test_trends_are_bounded_and_the_same_in_any_order(pool: list[list[Listing]], order: object) -> None:
    found = trends(pool, DAY)
    assert ((found >= 0) & (found < 1)).all()
    assert all((value > 0) == any(one.day <= DAY for one in many) for value, many in zip(found, pool, strict=True))
    turned = list(range(len(pool)))
    order.shuffle(turned)  # type: ignore[attr-defined]
    again = standings([sorted(pool[one], key=lambda _: order.random()) for one in turned], DAY)  # type: ignore[attr-defined]
    assert again == [standings(pool, DAY)[one] for one in turned]


# ---- what is told


def test_a_standing_tells_its_parts() -> None:
    pool = field(250, 187, 187, 40, 12, None)
    pool[1].append(listed(3, 4))
    said = standings(pool, DAY)[1]
    assert (said.rank, said.rated, said.days) == (2, 5, 2)
    assert said.listing == pool[1][0]
    assert said.trending == pytest.approx(1 - (1 - TOP * said.strength) * (1 - t(listed(3, 4))))
    assert LAST < said.strength < 1
    assert 0 < said.sure < 1
    unknown = standings(pool, DAY)[5]
    assert (unknown.rank, unknown.rated) == (None, 5)


def test_a_reader_who_asks_for_what_is_popular_gets_it_by_votes() -> None:
    votes = (1, 2, 3, 500, 4, 5, 6, 7, 8)
    pool = [Candidate(one, tuple(many)) for one, many in zip(PAPERS, field(*votes), strict=True)]
    world = Ranker(PAPERS, pool, DAY)
    assert titles(reader(papers=1), world) == [PAPERS[3].title]
    (first, *_) = world.explain(reader())
    assert first.standing.trending == first.pick.trending
    assert (first.standing.rank, first.pick.votes) == (1, 500)


def test_the_example_in_the_documentation_is_true() -> None:
    pool = field(240, 31, 24, 18, 12, 9, 6, None)
    pool[1].append(Listing("page", DAY - timedelta(days=2), 4, 20))
    found = standings(pool, DAY)
    told = (Path(__file__).parents[2] / "docs/trending.md").read_text("utf-8").partition("## An example")[2]
    for value in (found[1].sure, found[1].strength, *(found[one].trending for one in (0, 1, 6, 7))):
        assert f"{value:.3f}" in told
