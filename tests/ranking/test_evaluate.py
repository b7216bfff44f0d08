"""Figures by hand, rankers that are right or wrong by design, and how much is known of whom."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from invented_readers import invented

from digest.model import Paper
from digest.ranking.evaluate import (
    FEWEST,
    Known,
    Rank,
    Task,
    evaluate,
    interval,
    metrics,
    ours,
    parse_kind,
    plain_tfidf,
    points,
    ratio,
    svm_per_reader,
)
from digest.ranking.tasks import Like, split

NAMES = ("recall@20", "recall@100", "ndcg@10", "mrr")


def task(seed: int = 1, shuffled: int | None = None) -> Task:
    """The invented readers; `shuffled` brings their papers and likes in another order."""
    made = invented(seed=seed, dates=False)
    if shuffled is not None:
        for lines in made.values():
            random.Random(shuffled).shuffle(lines)
    papers = {one["key"]: Paper(one["title"], one["abstract"], keys=(one["key"],)) for one in made["papers"]}
    phrases = {one["reader"]: tuple(one["phrases"]) for one in made["readers"]}
    return split(papers, [Like(one["reader"], one["paper"]) for one in made["likes"]], phrases)


# ---- figures


def test_figures_by_hand() -> None:
    scores = -np.arange(200.0)[None, :]  # column 0 is first
    found = {name: values[0] for name, values in metrics(scores, [[1, 4, 30, 150]]).items()}
    assert found["mrr"] == pytest.approx(1 / 2)
    assert found["recall@20"] == pytest.approx(2 / 4)
    assert found["recall@100"] == pytest.approx(3 / 4)
    best = 1 + 1 / math.log2(3) + 1 / math.log2(4) + 1 / math.log2(5)
    assert found["ndcg@10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(6)) / best)


def test_with_more_liked_than_ten_places_the_best_ndcg_is_still_one() -> None:
    scores = -np.arange(40.0)[None, :]
    assert metrics(scores, [list(range(30))])["ndcg@10"][0] == pytest.approx(1)


def test_a_perfect_ranker_gets_one_and_its_opposite_nearly_nothing() -> None:
    made = task()
    perfect = np.zeros((len(made.known), len(made.candidates)))
    for row, columns in enumerate(made.relevant()):
        perfect[row, columns] = 1.0
    assert all((metrics(perfect, made.relevant())[name] == 1).all() for name in ("ndcg@10", "mrr"))
    assert metrics(-perfect, made.relevant())["ndcg@10"].mean() < 0.2


def test_a_constant_earns_what_chance_earns() -> None:
    dice = np.random.default_rng(5)
    relevant = [dice.choice(400, 8, replace=False).tolist() for _ in range(600)]
    found = metrics(np.full((600, 400), 3.0), relevant)
    assert found["recall@20"].mean() == pytest.approx(20 / 400, abs=0.01)
    assert found["recall@100"].mean() == pytest.approx(100 / 400, abs=0.02)
    # Also where the liked ones are those that come first, which an ordinary sort would favour.
    assert metrics(np.zeros((1, 400)), [list(range(20))])["recall@20"][0] < 0.3


def test_a_score_that_is_not_a_number_is_the_worst() -> None:
    scores = np.array([[np.nan, -np.inf, -5.0, np.nan]])
    assert metrics(scores, [[1]])["mrr"][0] == pytest.approx(1 / 2)
    assert metrics(scores, [[2]])["mrr"][0] == 1
    assert metrics(scores, [[0]])["mrr"][0] <= 1 / 3


def test_a_reader_without_a_liked_candidate_is_refused() -> None:
    with pytest.raises(ValueError, match="reader 1"):
        metrics(np.zeros((2, 3)), [[0], []])


def test_an_interval_holds_the_mean_narrows_with_readers_and_is_the_same_again() -> None:
    values = np.random.default_rng(2).random(400)
    mean, low, high = interval(values)
    assert mean == pytest.approx(values.mean())
    assert low < mean < high
    # As wide as theory has it: the mean of so many lies within two standard errors.
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 400**0.5, rel=0.15)
    assert interval(values) == (mean, low, high)
    assert interval(np.full(9, 0.25)) == (0.25, 0.25, 0.25)


def test_a_ratio_draws_the_same_readers_for_both() -> None:
    base = np.random.default_rng(3).random(50)
    assert ratio(2 * base, base) == pytest.approx((2, 2, 2))
    mean, low, high = ratio(np.random.default_rng(4).random(50), base)
    assert low < mean < high


def test_where_the_base_finds_nothing_there_is_no_ratio() -> None:
    assert all(math.isnan(part) for part in ratio(np.ones(6), np.zeros(6)))
    once = np.array([0, 0, 0, 0, 0, 1.0])  # in many draws the base has nothing
    assert all(math.isfinite(part) for part in ratio(np.ones(6), once))


# ---- what a task may hold


@pytest.mark.parametrize(
    ("candidates", "known", "truth"),
    [
        ([1], [Known("r", (1,))], [frozenset({1})]),  # a like on a candidate is known
        ([1, 1], [], []),
        ([1], [Known("r", (0,))], []),
        ([1], [Known("r", (0,))], [frozenset()]),
        ([1], [Known("r", (0,))], [frozenset({0})]),  # liked, but no candidate
    ],
)
def test_a_task_that_would_mislead_is_refused(
    candidates: list[int], known: list[Known], truth: list[frozenset[int]]
) -> None:
    with pytest.raises(ValueError):
        Task([Paper("One"), Paper("Two")], candidates, known, truth)


def test_profiles_hold_what_their_kind_says() -> None:
    made = task()
    title = [paper.title for paper in made.papers]
    for whole, three, titles, phrases in zip(
        made.known, made.by("likes:3").known, made.by("titles:3").known, made.by("phrases").known, strict=True
    ):
        assert len(three.liked) == 3
        assert set(three.liked) < set(whole.liked)
        assert not three.phrases
        assert titles.liked == ()
        assert titles.phrases == tuple(dict.fromkeys(title[row] for row in three.liked))
        assert phrases == replace(whole, liked=())
        assert phrases.phrases
    assert made.by("library") == made
    chosen = {one.liked for one in made.by("likes:3").known}
    assert len(chosen) > len(made.known) / 2  # not the same three for all


def test_who_has_nothing_of_a_kind_is_left_out_with_the_truth() -> None:
    made = task()
    some = replace(made, known=[replace(one, phrases=()) if n % 2 else one for n, one in enumerate(made.known)])
    asked = some.by("phrases")
    assert [one.name for one in asked.known] == [one.name for one in made.known[::2]]
    assert list(asked.truth) == list(made.truth[::2])


@pytest.mark.parametrize(
    "kind", ["", "likes", "likes:", "likes:0", "likes:-1", "likes:x", "library:3", "tags:3", "likes:²"]
)
def test_a_kind_that_there_is_not_is_refused_with_those_there_are(kind: str) -> None:
    with pytest.raises(ValueError, match="likes:3"):
        parse_kind(kind)


# ---- rankers


def found(rank: Rank, made: Task) -> float:
    return float(metrics(rank(made.known), made.relevant())["ndcg@10"].mean())


@pytest.mark.parametrize("fit", [plain_tfidf, ours, points, svm_per_reader])
def test_each_ranker_finds_what_readers_like_and_beats_chance(fit) -> None:  # type: ignore[no-untyped-def]
    made = task()
    chance = metrics(np.zeros((len(made.known), len(made.candidates))), made.relevant())["ndcg@10"].mean()
    assert found(fit(made), made) > 2 * chance
    # Another reader's profile is no use: the figure comes from what is known of each.
    rank = fit(made)
    others = replace(made, known=made.known[1:] + made.known[:1])
    assert found(rank, others) < found(rank, made)


@pytest.mark.parametrize("fit", [plain_tfidf, ours])
def test_phrases_alone_are_enough_for(fit) -> None:  # type: ignore[no-untyped-def]
    made = task().by("phrases")
    chance = metrics(np.zeros((len(made.known), len(made.candidates))), made.relevant())["ndcg@10"].mean()
    assert found(fit(made), made) > 1.5 * chance


def test_plain_is_the_cosine_with_the_centroid() -> None:
    texts = ["bees wax", "bees honey", "rivers flood", "bees wax honey", "rivers silt flood", "bells"]
    made = Task([Paper(text) for text in texts], [3, 4, 5], [Known("r", (0, 1))], [frozenset({3})])
    (row,) = plain_tfidf(made)(made.known)
    assert row[0] > 0
    assert row[1] == row[2] == 0  # no word in common; "bells" is not in the papers that are known


def test_a_classifier_leaves_readers_without_likes_at_nothing() -> None:
    made = task()
    some = [replace(made.known[0], liked=()), made.known[1]]
    scores = svm_per_reader(made)(some)
    assert not scores[0].any()
    assert scores[1].any()


def test_points_are_the_score_of_a_letter() -> None:
    scores = points(task())(task().known)
    assert scores.min() >= 0
    assert 20 < scores.max() <= 100


def test_the_scores_of_a_reader_do_not_hang_on_the_other_readers() -> None:
    made = task()
    for fit in (plain_tfidf, ours, svm_per_reader):
        rank = fit(made)
        np.testing.assert_allclose(rank(made.known)[3], rank(made.known[3:4])[0], atol=1e-12)


def test_papers_without_a_word_that_says_anything_are_ranked_by_chance() -> None:
    papers = [Paper("the and of") for _ in range(40)]
    known = [Known(f"r{n}", (n,)) for n in range(FEWEST)]
    made = Task(papers, list(range(20, 40)), known, [frozenset({20 + n}) for n in range(FEWEST)])
    for fit in (plain_tfidf, ours, svm_per_reader):
        assert not fit(made)(known).any()


# ---- all together


def test_every_ranker_is_measured_beside_the_first_on_the_same_readers() -> None:
    results = evaluate(task(), ["library", "phrases"], {"plain": plain_tfidf, "ours": ours, "svm": svm_per_reader})
    assert [(one.kind, one.ranker) for one in results] == [
        ("library", "plain"),
        ("library", "ours"),
        ("library", "svm"),
        ("phrases", "plain"),
        ("phrases", "ours"),  # and no classifier, as there is nothing to learn from
    ]
    for one in results:
        assert set(one.figures) == set(NAMES)
        assert one.readers == len(task().known)
        assert one.microseconds > 0
        base = next(other for other in results if other.kind == one.kind)
        assert one.ratio == ratio(one.figures["ndcg@10"], base.figures["ndcg@10"])
    assert results[0].ratio == (1, 1, 1)


def test_the_figures_do_not_hang_on_the_order_of_papers_and_likes() -> None:
    rankers = {"plain": plain_tfidf, "ours": ours}
    one, other = (evaluate(task(shuffled=seed), ["library", "likes:3"], rankers) for seed in (7, 8))
    for a, b in zip(one, other, strict=True):
        for name in NAMES:
            np.testing.assert_array_equal(a.figures[name], b.figures[name])
        assert a.ratio == b.ratio
