"""Likeness and trending → a score from 0 to 100, and the parts of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from digest.model import InterestKind, Profile
from digest.ranking.interests import Catalogue, Named

# Likeness that makes one interest alone a clear match: relevance 0.63. On three real pages a phrase of one or two
# words has a likeness of 0.15 to 0.36 to the one or two papers that are most about it, of 0.04 to 0.13 to most of
# those that mention one of its words, and of 0.04 to 0.10 to the nearest of the others.
PHRASE = 0.23
# Whole papers: what readers of 1,929 papers went on to like has a likeness of 0.05 to 0.14 (the middle and the best
# tenth) to three papers that they liked before, and the median candidate 0.004.
PAPER = 0.12
AUTHOR = 1.4  # a followed author alone gives a relevance of 0.86
AGAINST = 0.5  # a dislike counts half: it may push away a paper, but not the field that the reader asked for
FAINT = 0.01  # a likeness of this size counts half, a smaller one less: many faint echoes are not a match
RELATED = 0.15  # from this relevance on popularity counts in full


@dataclass(frozen=True, slots=True)
class Scored:
    """One reader's scores, aligned with the candidates."""

    score: np.ndarray  # 0–100, (candidates,)
    relevance: np.ndarray  # 0–1, (candidates,)
    evidence: np.ndarray  # what relevance is made of: the same order, but never full, (candidates,)
    trending_points: np.ndarray  # points of the score that trending gave, (candidates,)
    paid: tuple[tuple[Named, np.ndarray], ...]  # each interest's evidence for, (candidates,)


def score(
    profile: Profile, interests: list[tuple[Named, float]], catalogue: Catalogue, trend: np.ndarray
) -> Scored:
    """Score every candidate for one profile. `trend` is each candidate's trending, 0–1, (candidates,).

        relevance = 1 − exp(−max(0, Σ evidence for − Σ evidence against)²)
        score     = 100 · ((1 − t) · relevance + t · trending · g)

    Evidence for is weight · l² / (l + FAINT) / PHRASE for a phrase of likeness l, weight · AUTHOR for an author,
    and weight · l / PAPER / √n for each of n liked papers; n disliked ones give AGAINST times that against. It adds
    up before it is squared: a paper that meets two interests half-way is worth as much as one that meets one of
    them.

    Weights are relative to the largest of their kind, so that a clear match scores the same however many other
    interests there are. Likes are divided by the square root of their number: a hundred of them say more than one,
    not a hundred times more. g is 1 for what is related (relevance ≥ RELATED) and falls to 0 with the relevance:
    who named interests does not get a paper merely because others read it. Above t = 1/2 popularity stands more and
    more on its own, and t = 1 is popularity alone. Without interests the score is 100 · trending.
    """
    if profile.is_empty:
        nothing = np.zeros_like(trend)
        points = np.round(100 * trend, 9)
        return Scored(points, nothing, nothing, points, ())
    number = Counter(one.kind for one, _ in interests)
    largest: dict[str, float] = {}
    for one, weight in interests:
        largest[one.kind] = max(weight, largest.get(one.kind, 0.0))
    paid: list[tuple[Named, np.ndarray]] = []
    drawn, pushed = np.zeros_like(trend), np.zeros_like(trend)
    for one, weight in interests:
        if weight <= 0:
            continue
        part = weight / largest[one.kind] * _evidence(one.kind, catalogue.likeness(one), number[one.kind])
        if one.kind == "disliked":
            pushed = pushed + np.clip(part, 0.0, None)
        else:
            # What is less than usual holds back a little, and is no reason.
            pushed = pushed - np.clip(part, None, 0.0)
            drawn = drawn + np.clip(part, 0.0, None)
            paid.append((one, np.clip(part, 0.0, None)))
    evidence = drawn - pushed
    relevance = 1 - np.exp(-np.square(np.clip(evidence, 0.0, None)))
    t = profile.trending
    alone = min(max(2 * t - 1, 0.0), 1.0)
    gate = np.maximum(np.minimum(relevance / RELATED, 1.0), alone)
    points = 100 * t * trend * gate
    # Rounded, so that the order never hangs on the last bit of a sum.
    total = np.round(np.clip(100 * (1 - t) * relevance + points, 0.0, 100.0), 6)
    return Scored(total, relevance, evidence, points, tuple(paid))


def _evidence(kind: InterestKind, likeness: np.ndarray, number: int) -> np.ndarray:
    """What one of `number` interests of a kind says of each candidate at full weight, 0 or more; (candidates,)."""
    part: np.ndarray
    if kind == "phrase":
        part = np.where(likeness > 0, np.square(likeness) / (np.abs(likeness) + FAINT), likeness) / PHRASE
    elif kind == "author":
        part = likeness * AUTHOR
    else:
        part = likeness * ((AGAINST if kind == "disliked" else 1.0) / PAPER / number**0.5)
    return part
