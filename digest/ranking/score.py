"""Likeness and trending → a score from 0 to 100, and the parts of it, for many readers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

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
# The weights of one family are relative to each other's; from LIKED on they are divided among their number.
LIKED, DISLIKED, FAMILIES = 3, 4, 5
_FAMILY = {"phrase": 0, "author": 1, "category": 2, "liked": LIKED, "saved": LIKED, "disliked": DISLIKED}
# What an interest of each family says of a candidate at full weight and a likeness of 1.
_WORTH = np.array([1 / PHRASE, AUTHOR, CATEGORY, 1 / PAPER, -AGAINST / PAPER])
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
    popular: np.ndarray  # points of the score that trending gave
    others: np.ndarray  # the evidence for of other readers
    # What each interest of a reader gives at a likeness of 1, below 0 for dislikes, (readers × the catalogue's
    # interests). Its cells are in the order of `named`, the readers' interests one after the other.
    weights: sparse.csr_matrix
    likeness: np.ndarray  # the catalogue's
    named: Sequence[Named]
    family: np.ndarray  # of each of `named`
    relative: np.ndarray  # the weight of each of `named`, relative to its family's


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
    named = [one for reader in readers for one, _ in reader.interests]
    number, likeness = catalogue.numbers(named), catalogue.likeness
    family = np.array([_FAMILY[one.kind] for one in named], dtype=np.intp)
    starts = np.cumsum([0, *[len(one.interests) for one in readers]])
    of_whom = np.repeat(np.arange(len(readers)), np.diff(starts))
    relative = _relative(readers, of_whom, family)
    shape = (len(readers), len(likeness))
    weights = sparse.csr_matrix((relative * _WORTH[family], number, starts), shape=shape)
    evidence: np.ndarray = weights @ likeness
    others = _others(readers, weights, family == LIKED, likeness)
    evidence += others
    relevance = np.round(1 - np.exp(-np.square(np.maximum(evidence, 0.0))), 9)
    t = np.array([reader.trending for reader in readers])[:, None]
    alone = np.clip(2 * t - 1, 0.0, 1.0)
    popular = np.round(100 * t * trend * np.maximum(np.minimum(relevance / RELATED, 1.0), alone), 9)
    # Rounded, so that the order never hangs on the last bit of a sum.
    total = np.round(100 * (1 - t) * relevance + popular, 6)
    # Dislikes alone are no wish: who names nothing gets what is trending, but not what is like those.
    nothing = np.bincount(of_whom, family != DISLIKED, minlength=len(readers)) == 0
    if nothing.any():
        kept = np.exp(-np.square(evidence[nothing]))
        popular[nothing] = total[nothing] = np.round(100 * trend * kept, 6)
    heard = np.maximum(others, 0.0)
    return Scored(total, relevance, evidence, popular, heard, weights, likeness, named, family, relative)


def _relative(readers: Sequence[Asked], of_whom: np.ndarray, family: np.ndarray) -> np.ndarray:
    """The readers' weights, one after the other, relative to the largest of the same family, as `score` tells."""
    weight = np.array([weight for reader in readers for _, weight in reader.interests])
    group = of_whom * FAMILIES + family
    largest = np.zeros(len(readers) * FAMILIES)
    np.maximum.at(largest, group, weight)
    relative = weight / largest[group]
    number = np.bincount(group, relative, minlength=len(largest)) ** NUMBER
    found: np.ndarray = np.where(family >= LIKED, relative / number[group], relative)
    return found


def _others(
    readers: Sequence[Asked], weights: sparse.csr_matrix, liked: np.ndarray, likeness: np.ndarray
) -> np.ndarray:
    """What other readers say, on the scale of what the reader's own likes say, (readers × candidates).

    `liked` tells which of the weights are those of likes.
    """
    found = np.zeros((len(readers), likeness.shape[1]))
    heard = [row for row, one in enumerate(readers) if one.others is not None]
    if heard:
        of_likes = np.where(liked, weights.data, 0.0)
        own = sparse.csr_matrix((of_likes, weights.indices, weights.indptr), weights.shape)[heard] @ likeness
        said = np.array([readers[row].others for row in heard])
        found[heard] = np.round(OTHERS_SHARE * own.std(axis=1, keepdims=True) * said, 9)
    return found
