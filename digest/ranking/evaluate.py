"""How good is a ranking for real readers? Their likes on papers that nobody had rated before tell.

A ranker is fitted on a `Task` once and then ranks the candidates for readers: `fit(task)(readers)` gives an array
(readers × candidates), higher is better. `ours` is the ranking of the letter; `plain_tfidf` and `svm_per_reader`
are what it is measured beside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from digest.model import Interest, Paper, Profile
from digest.ranking.embedding import Embed
from digest.ranking.interests import Catalogue, Named, known_as, wanted
from digest.ranking.others import Others
from digest.ranking.score import Asked, Scored, score
from digest.ranking.space import Space

CUTS = (20, 100)  # the k of recall@k
FIRST = 10  # the k of NDCG@k
DRAWS = 1000  # of the bootstrap
PERCENT = 95  # of its intervals
FEWEST = 5  # readers; of fewer, an interval says nothing
CELLS = 20_000_000  # scores held at a time
READERS = 256  # whose interests are held at a time


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a reader before the candidates appear."""

    name: str
    liked: tuple[int, ...] = ()  # rows of the task's papers
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """How a task was made, and what could not be part of it."""

    since: datetime | None = None  # what was liked from then on is the future; None: papers held out by a hash
    one_moment: bool = False  # there are dates, but all the same
    undated: int = 0  # likes without a date
    likes: int = 0
    readers: int = 0  # who liked anything or named a phrase
    without_truth: int = 0  # readers left out: they liked no candidate
    without_profile: int = 0  # readers left out: nothing was known of them
    late: int = 0  # likes of the future on older papers: neither known nor asked for


@dataclass(frozen=True, slots=True)
class Task:
    """Papers to rank for readers of whom something is known, and what they went on to like.

    Raises `ValueError` where somebody's like on a candidate is known, or truth is empty or no candidate.
    """

    papers: Sequence[Paper]
    candidates: Sequence[int]  # rows of `papers`
    known: Sequence[Known]
    truth: Sequence[frozenset[int]]  # for each reader, rows of `papers` that are candidates
    split: Split = field(default_factory=Split)
    # What everybody is known to like, in no order, also those who are not asked: rows of `papers`.
    likes: Sequence[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        places = set(self.candidates)
        if len(places) != len(self.candidates):
            raise ValueError("a paper is a candidate twice")
        if len(self.known) != len(self.truth):
            raise ValueError("each reader needs truth")
        if any(not places.isdisjoint(one.liked) for one in self.known):
            raise ValueError("a like on a candidate is known")
        if any(not places.isdisjoint(one) for one in self.likes):
            raise ValueError("a like on a candidate is known")
        if any(not one or not one <= places for one in self.truth):
            raise ValueError("truth must be some of the candidates")

    @property
    def others(self) -> list[int]:
        """The rows of the papers that are not candidates."""
        places = set(self.candidates)
        return [row for row in range(len(self.papers)) if row not in places]

    def relevant(self) -> list[list[int]]:
        """For each reader, the columns of the scores that are truth."""
        column = {row: place for place, row in enumerate(self.candidates)}
        return [sorted(column[row] for row in one) for one in self.truth]

    def by(self, kind: str) -> Task:
        """The same task with less known of each reader; who has nothing of that kind is left out.

        `library` is all that is known, `likes:3` three liked papers, `titles:3` nothing but the titles of three,
        and `phrases` the reader's own phrases. Which three is a matter of names, not of the order they came in.
        Raises `ValueError` for another kind.
        """
        what, number = parse_kind(kind)
        known = [self._less(one, what, number) for one in self.known]
        kept = [place for place, one in enumerate(known) if one.liked or one.phrases]
        return replace(self, known=[known[place] for place in kept], truth=[self.truth[place] for place in kept])

    def _less(self, one: Known, what: str, number: int) -> Known:
        if what == "library":
            return one
        if what == "phrases":
            return replace(one, liked=())
        some = sorted(one.liked, key=lambda row: (_dice(one.name, _name(self.papers[row])), row))[:number]
        if what == "likes":
            return Known(one.name, tuple(some))
        titles = dict.fromkeys(self.papers[row].title for row in some)
        return Known(one.name, phrases=tuple(title for title in titles if title))


def parse_kind(kind: str) -> tuple[str, int]:
    """`likes:3` → ("likes", 3). Raises `ValueError` with the kinds there are."""
    what, colon, number = kind.partition(":")
    if (what in ("library", "phrases") and not colon) or (
        what in ("likes", "titles") and number.isdecimal() and number.isascii() and 0 < int(number[:9]) < 10**6
    ):
        return what, int(number or 0)
    raise ValueError(
        f"{kind!r} is no kind of profile; there are library, likes:3, titles:3 (or another number), phrases"
    )


def _name(paper: Paper) -> str:
    return paper.keys[0] if paper.keys else paper.title


def _dice(*names: str) -> int:
    """A number that hangs on the names alone."""
    return int.from_bytes(blake2b("\n".join(names).encode("utf-8", "replace"), digest_size=8).digest())


def held_out(key: str) -> bool:
    """Is a paper one of the fifth that is held out where likes have no dates?"""
    return _dice("held out", key) % 5 == 0


# ---- rankers

Rank = Callable[[Sequence[Known]], np.ndarray]  # readers → scores (readers × candidates), higher is better
Fit = Callable[[Task], Rank]


def ours(task: Task) -> Rank:
    """The ranking of the letter, by relevance alone."""
    # Evidence is in the order of the score, but never full: with a thousand likes many papers score 100.
    return _letter(task, lambda found: found.evidence)


def points(task: Task) -> Rank:
    """The scores that the letter would give, 0–100, with nothing trending."""
    return _letter(task, lambda found: found.score)


def with_others(task: Task) -> Rank:
    """The same with what other readers say: see `digest.ranking.others`."""
    return _letter(task, lambda found: found.evidence, heard=True)


def with_model(embed: Embed) -> Fit:
    """Ours with what a model of sentences says: see `digest.ranking.embedding`."""
    return lambda task: _letter(task, lambda found: found.evidence, embed=embed)


def _letter(
    task: Task, part: Callable[[Scored], np.ndarray], *, heard: bool = False, embed: Embed | None = None
) -> Rank:
    """The only place here that knows how the ranking is called. The space is fitted on every paper, as it is in an
    installation: the candidates' words are known, who likes them is not."""
    # Keys of our own: a like is a row, whatever keys papers have in common.
    papers = [replace(paper, keys=(f"row:{row}",), id=row + 1) for row, paper in enumerate(task.papers)]
    space = Space(papers, embed)
    others = Others.learn(dict(enumerate(task.likes)), space.corpus) if heard else None
    candidates, vectors = [papers[row] for row in task.candidates], space.corpus.take(list(task.candidates))
    factors = others.of_papers(vectors).T if others else None

    def asked(one: Known) -> Asked:
        interests = [
            *wanted(Profile(tuple(Interest(text) for text in one.phrases))),
            *((Named("liked", known_as(row + 1)), 1.0) for row in one.liked),
        ]
        mine = others.of_reader(one.liked) if others else None
        return Asked(interests, 0.0, None if mine is None or factors is None else mine @ factors)

    def rank(readers: Sequence[Known]) -> np.ndarray:
        scores = np.zeros((len(readers), len(candidates)))
        for start in range(0, len(readers), READERS):
            some = [asked(one) for one in readers[start : start + READERS]]
            catalogue = Catalogue(space, papers, candidates, vectors)
            catalogue.learn(named for one in some for named, _ in one.interests)
            found = score(some, catalogue, np.zeros(len(candidates)))
            scores[start : start + READERS] = part(found)
        return scores

    return rank


def plain_tfidf(task: Task) -> Rank:
    """TF-IDF as scikit-learn has it, fitted on the papers that are not candidates. A reader is the centroid of what
    was liked, and of the phrases as one more text; a score is a cosine, up to a factor for each reader."""
    vectorizer, rows = _tfidf(task)

    def rank(readers: Sequence[Known]) -> np.ndarray:
        if vectorizer is None:
            return np.zeros((len(readers), len(task.candidates)))
        reader = np.repeat(np.arange(len(readers)), [len(one.liked) for one in readers])
        liked = [row for one in readers for row in one.liked]
        shape = (len(readers), len(task.papers))
        sums = sparse.csr_matrix((np.ones(len(liked)), (reader, liked)), shape=shape) @ rows
        asked = vectorizer.transform([". ".join(one.phrases) for one in readers])
        found: np.ndarray = ((sums + asked) @ rows[list(task.candidates)].T).toarray()
        return found

    return rank


def svm_per_reader(task: Task) -> Rank:
    """A linear SVM for each reader on the same rows: what was liked against every other paper that is no candidate.

    It reads no phrases: a reader without likes gets zeros.
    """
    vectorizer, rows = _tfidf(task)
    others = task.others
    place = {row: number for number, row in enumerate(others)}

    def rank(readers: Sequence[Known]) -> np.ndarray:
        scores = np.zeros((len(readers), len(task.candidates)))
        if vectorizer is None:
            return scores
        known, asked = rows[others], rows[list(task.candidates)]
        for number, one in enumerate(readers):
            labels = np.zeros(len(others))
            labels[[place[row] for row in one.liked]] = 1
            if 0 < labels.sum() < len(others):
                model = LinearSVC(class_weight="balanced", C=0.01, random_state=0).fit(known, labels)
                scores[number] = model.decision_function(asked)
        return scores

    return rank


def _tfidf(task: Task) -> tuple[TfidfVectorizer | None, sparse.csr_matrix]:
    """The vectorizer and every paper's row; None for papers without a word that says anything."""
    texts = [f"{paper.title}. {paper.abstract}" for paper in task.papers]
    vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english")
    try:
        vectorizer.fit([texts[row] for row in task.others])
    except ValueError:  # an empty vocabulary
        return None, sparse.csr_matrix((len(texts), 0))
    return vectorizer, sparse.csr_matrix(vectorizer.transform(texts))


# ---- figures


def metrics(scores: np.ndarray, relevant: Sequence[Collection[int]]) -> dict[str, np.ndarray]:
    """recall@k for each of CUTS, NDCG@10 and MRR of each reader, (readers,).

    `scores` is (readers × candidates); NaN is the worst. `relevant` are the columns that each reader liked, at
    least one. Ties are broken by one seeded permutation, so that a constant earns what chance earns.
    """
    number, width = scores.shape
    shuffled = np.random.default_rng(0).permutation(width)
    discount = 1 / np.log2(np.arange(2, FIRST + 2))
    found = {name: np.zeros(number) for name in (*(f"recall@{k}" for k in CUTS), f"ndcg@{FIRST}", "mrr")}
    for reader, (row, columns) in enumerate(zip(np.asarray(scores, dtype=np.float64), relevant, strict=True)):
        if not columns:
            raise ValueError(f"reader {reader} has no relevant candidate")
        missing = np.isnan(row)
        place = np.empty(width, dtype=np.int64)
        place[np.lexsort((shuffled, -np.where(missing, 0.0, row), missing))] = np.arange(width)
        hits = np.sort(place[list(columns)])
        for k in CUTS:
            found[f"recall@{k}"][reader] = (hits < k).mean()
        best = discount[: min(FIRST, len(hits))].sum()
        found[f"ndcg@{FIRST}"][reader] = discount[hits[hits < FIRST]].sum() / best
        found["mrr"][reader] = 1 / (hits[0] + 1)
    return found


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def interval(values: np.ndarray) -> Interval:
    """The mean, and between which values it lies in PERCENT of DRAWS draws of as many readers (bootstrap)."""
    return Interval(float(values.mean()), *_middle(_means(values)))


def ratio(values: np.ndarray, base: np.ndarray) -> Interval:
    """The ratio of two means over the same readers, who are drawn together. NaN where the base is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = _means(values) / _means(base)
        drawn = drawn[np.isfinite(drawn)]
        if not base.any() or not drawn.size:
            return Interval(np.nan, np.nan, np.nan)
        return Interval(float(values.mean() / base.mean()), *_middle(drawn))


def _means(values: np.ndarray) -> np.ndarray:
    dice = np.random.default_rng(0)  # the same readers in the same draw, whoever asks
    return np.array([values[dice.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)])


def _middle(drawn: np.ndarray) -> tuple[float, float]:
    out = (100 - PERCENT) / 2
    low, high = np.percentile(drawn, (out, 100 - out))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Result:
    """One ranker on one kind of profile."""

    kind: str
    ranker: str
    figures: Mapping[str, np.ndarray]  # of each reader, (readers,)
    ratio: Interval  # of NDCG to that of the first ranker, with the same profiles
    microseconds: float  # a reader, without fitting
    fitted_in: float  # seconds

    @property
    def readers(self) -> int:
        return len(self.figures["mrr"])


def evaluate(task: Task, kinds: Sequence[str], rankers: Mapping[str, Fit]) -> list[Result]:
    """Every ranker on every kind of profile, beside the first ranker. Each is fitted once.

    A classifier is left out where no reader has a like to learn from, and a kind that no reader has altogether.
    """
    fitted: dict[str, tuple[Rank, float]] = {}
    for name, fit in rankers.items():
        start = time.perf_counter()
        fitted[name] = fit(task), time.perf_counter() - start
    results: list[Result] = []
    for kind in kinds:
        part = task.by(kind)
        base: np.ndarray | None = None
        for name, (rank, fitted_in) in fitted.items() if part.known else ():
            if rankers[name] is svm_per_reader and not any(one.liked for one in part.known):
                continue
            figures, seconds = _measured(part, rank)
            ndcg = figures[f"ndcg@{FIRST}"]
            base = ndcg if base is None else base
            each = 1e6 * seconds / len(part.known)
            results.append(Result(kind, name, figures, ratio(ndcg, base), each, fitted_in))
    return results


def _measured(task: Task, rank: Rank) -> tuple[dict[str, np.ndarray], float]:
    """The figures of each reader, and the seconds that the ranking took."""
    relevant = task.relevant()
    step = max(1, CELLS // len(task.candidates))
    parts, seconds = [], 0.0
    for start in range(0, len(task.known), step):
        begun = time.perf_counter()
        scores = rank(task.known[start : start + step])
        seconds += time.perf_counter() - begun
        parts.append(metrics(scores, relevant[start : start + step]))
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}, seconds
