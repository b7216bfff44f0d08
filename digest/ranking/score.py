"""Likeness and trending → a score from 0 to 100, and the parts of it, for many readers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from digest.model import InterestKind
from digest.ranking.interests import Catalogue, Named

# Likeness that makes one interest alone a clear match, with a relevance of 0.63: for a phrase, and for a paper.
# They were chosen so that a score means the same for both (docs/calibration.png).
PHRASE = 0.25
PAPER = 0.12
# n likes are divided by n to this power: a hundred of them say more than one, not a hundred times more. Chosen so
# that a score means the same share of papers liked for three likes and for a library (docs/calibration.png).
NUMBER = 0.55
AUTHOR = 1.4  # a followed author alone gives a relevance of 0.86
CATEGORY = 0.6  # a category is wide: alone it gives a relevance of 0.30
AGAINST = 0.5  # a dislike counts half: it may push away a paper, but not the field that the reader asked for
OTHERS_SHARE = 0.9  # what other readers count beside a reader's own likes
RELATED = 0.15  # from this relevance on popularity counts in full
OTHERS = Named("others", "")  # what readers with like likes say, beside a reader's own interests


@dataclass(frozen=True, slots=True)
class Asked:
    """What one reader brings to the scoring."""

    interests: Sequence[tuple[Named, float]]  # with weights, above 0
    trending: float  # the profile's knob, 0–1
    # What other readers say of each candidate, in spreads above what is usual, (candidates,).
    others: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of many readers, (readers × candidates) each."""

    score: np.ndarray  # 0–100
    relevance: np.ndarray  # 0–1
    evidence: np.ndarray  # what relevance is made of: the same order, but never full
    drawn: np.ndarray  # the evidence for
    popular: np.ndarray  # points of the score that trending gave
    named: Sequence[Named]  # the interests, one a row of `parts`
    parts: np.ndarray  # each interest's evidence for at full weight, (interests × candidates)
    weights: sparse.csr_matrix  # (readers × interests), 0 for dislikes
    others: np.ndarray  # the evidence of other readers


def score(readers: Sequence[Asked], catalogue: Catalogue, trend: np.ndarray) -> Scored:
    """Score every candidate for each reader. `trend` is each candidate's trending, 0–1, (candidates,).

        relevance = 1 − exp(−max(0, Σ evidence for − Σ evidence against)²)
        score     = 100 · ((1 − t) · relevance + t · trending · g)

    Evidence for is weight · l / PHRASE for a phrase of likeness l, weight · AUTHOR for an author,
    weight · CATEGORY for a category, and weight · l / PAPER / n^NUMBER for each of n liked papers; n disliked ones
    give AGAINST times that against. It adds up before it is squared: a paper that meets two interests half-way is
    worth as much as one that meets one of them.

    Weights are relative to the largest of their kind, so that a clear match scores the same however many other
    interests there are; n is the sum of the weights of likes, as they fade. What other readers say adds
    OTHERS_SHARE of the spread of the evidence of a reader's own likes. g is 1 for what is related (relevance ≥
    RELATED) and falls to 0 with the relevance: who named interests does not get a paper merely because others read
    it. Above t = 1/2 popularity stands more and more on its own, and t = 1 is popularity alone. Without interests
    the score is 100 · trending.
    """
    named, wanted, unwanted = _weights(readers)
    parts = np.zeros((max(len(named), 1), len(trend)))
    for row, one in enumerate(named):
        parts[row] = _worth(one.kind) * catalogue.likeness(one)
    above = np.clip(parts, 0.0, None)
    drawn: np.ndarray = wanted @ above
    # What is less than usual holds back a little, and is no reason.
    evidence = drawn + wanted @ np.clip(parts, None, 0.0)
    if unwanted.nnz:
        evidence -= unwanted @ above
    likes = [row for row, one in enumerate(named) if one.kind in ("liked", "saved")]
    others = _others(readers, wanted[:, likes], parts[likes])
    evidence += others
    drawn += np.clip(others, 0.0, None)
    relevance = np.round(1 - np.exp(-np.square(np.clip(evidence, 0.0, None))), 9)
    t = np.array([reader.trending for reader in readers])[:, None]
    alone = np.clip(2 * t - 1, 0.0, 1.0)
    popular = np.round(100 * t * trend * np.maximum(np.minimum(relevance / RELATED, 1.0), alone), 9)
    # Rounded, so that the order never hangs on the last bit of a sum.
    total = np.round(np.clip(100 * (1 - t) * relevance + popular, 0.0, 100.0), 6)
    # Dislikes alone are no wish: who names nothing gets what is trending, but not what is like those.
    nothing = np.asarray(wanted.sum(axis=1)).ravel() == 0
    if nothing.any():
        kept = np.exp(-np.square(unwanted[nothing] @ above))
        popular[nothing] = total[nothing] = np.round(100 * trend * kept, 6)
    return Scored(total, relevance, evidence, drawn, popular, named, above, wanted, np.clip(others, 0.0, None))


def _weights(readers: Sequence[Asked]) -> tuple[list[Named], sparse.csr_matrix, sparse.csr_matrix]:
    """The interests of all; relative weights of what is wanted and of what is not, (readers × interests) each."""
    every = [pair for reader in readers for pair in reader.interests]
    row_of = {one: row for row, one in enumerate(dict.fromkeys([one for one, _ in every]))}
    column = np.array([row_of[one] for one, _ in every], dtype=np.intp)
    weight = np.array([weight for _, weight in every])
    reader = np.repeat(np.arange(len(readers)), [len(one.interests) for one in readers])
    family = np.array([_FAMILY[one.kind] for one in row_of], dtype=np.intp)[column] if every else column
    group = reader * len(_FAMILY) + family
    largest = np.zeros(len(readers) * len(_FAMILY))
    np.maximum.at(largest, group, weight)
    relative = weight / largest[group]
    total = np.bincount(group, relative, minlength=len(largest))
    relative = np.where(family >= _LIKED, relative / total[group] ** NUMBER, relative)
    shape = (len(readers), max(len(row_of), 1))
    bad = family == _DISLIKED
    wanted, unwanted = (
        sparse.csr_matrix((relative[mine], (reader[mine], column[mine])), shape=shape) for mine in (~bad, bad)
    )
    return list(row_of), wanted, unwanted


# The weights of one family are relative to each other's; from _LIKED on they are divided among their number.
_LIKED, _DISLIKED = 3, 4
_FAMILY = {"phrase": 0, "author": 1, "category": 2, "liked": _LIKED, "saved": _LIKED, "disliked": _DISLIKED}


def _worth(kind: InterestKind) -> float:
    """What one interest of a kind says of a candidate at full weight and a likeness of 1."""
    if kind in ("author", "category"):
        return AUTHOR if kind == "author" else CATEGORY
    if kind == "phrase":
        return 1 / PHRASE
    return (AGAINST if kind == "disliked" else 1.0) / PAPER


def _others(readers: Sequence[Asked], weights: sparse.csr_matrix, parts: np.ndarray) -> np.ndarray:
    """What other readers say, on the scale of what the reader's own likes say, (readers × candidates).

    `weights` are those of the likes, (readers × likes), and `parts` their evidence, (likes × candidates).
    """
    found = np.zeros((len(readers), parts.shape[1]))
    heard = [row for row, one in enumerate(readers) if one.others is not None]
    if heard:
        own = weights[heard] @ parts
        said = np.array([readers[row].others for row in heard])
        found[heard] = np.round(OTHERS_SHARE * own.std(axis=1, keepdims=True) * said, 9)
    return found
