"""Likeness and trending → a score from 0 to 100, and the parts of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from digest.model import InterestKind, Profile
from digest.ranking.interests import Catalogue, Named

# A phrase speaks for a paper with (cosine / PHRASE)². On three real pages a phrase of one or two words has a cosine
# of 0.12 to 0.28 with papers that have it in their title, and of 0.02 to 0.05 with those that mention one word of
# it once. The square sets the two apart, so that many mentions do not add up to a match: relevance 0.63 to 0.99 for
# the first and 0.03 to 0.16 for the second. (It orders papers for readers with known likes no better than the plain
# cosine, perhaps 3 % worse, which is within the error; what it gives is a floor that means something.)
PHRASE = 0.12
AUTHOR = 2.0  # a followed author alone gives a relevance of 0.86
# Whole papers: those that such readers went on to like have a likeness of 0.05 to 0.1 to three papers they liked,
# relevance 0.2 to 0.4; the median candidate has 0.001. Here the sum orders better than the square does.
PAPER = 0.2
RELATED = 0.15  # from this relevance on popularity counts in full


@dataclass(frozen=True, slots=True)
class Scored:
    """One reader's scores, aligned with the candidates."""

    score: np.ndarray  # 0–100, (candidates,)
    relevance: np.ndarray  # 0–1, (candidates,)
    trending_points: np.ndarray  # points of the score that trending gave, (candidates,)
    paid: tuple[tuple[Named, np.ndarray], ...]  # each interest's evidence for, (candidates,)


def score(
    profile: Profile, interests: list[tuple[Named, float]], catalogue: Catalogue, trend: np.ndarray
) -> Scored:
    """Score every candidate for one profile. `trend` is each candidate's trending, 0–1, (candidates,).

        relevance = 1 − exp(−max(0, Σ evidence for − Σ evidence against))
        score     = 100 · ((1 − t) · relevance + t · trending · g)

    Evidence for is weight · (likeness / PHRASE)² for a phrase, weight · AUTHOR for an author, and
    weight · likeness / PAPER / √n for each of n liked papers; for n disliked ones, the same against. So each
    interest gives a relevance of its own and they add up as chances do (noisy-or).

    Weights are relative to the largest of their kind, so that a clear match scores the same however many other
    interests there are. Likes are divided by the square root of their number: a hundred of them say more than one,
    not a hundred times more. g is 1 for what is related (relevance ≥ RELATED) and falls to 0 with the relevance:
    who named interests does not get a paper merely because others read it. Above t = 1/2 popularity stands more and
    more on its own, and t = 1 is popularity alone. Without interests the score is 100 · trending.
    """
    if profile.is_empty:
        nothing = np.zeros_like(trend)
        points = np.round(100 * trend, 9)
        return Scored(points, nothing, points, ())
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
            pushed = pushed + part
        else:
            drawn = drawn + part
            paid.append((one, part))
    relevance = 1 - np.exp(-np.clip(drawn - pushed, 0.0, None))
    t = profile.trending
    alone = min(max(2 * t - 1, 0.0), 1.0)
    gate = np.maximum(np.minimum(relevance / RELATED, 1.0), alone)
    points = 100 * t * trend * gate
    # Rounded, so that the order never hangs on the last bit of a sum.
    total = np.round(np.clip(100 * (1 - t) * relevance + points, 0.0, 100.0), 9)
    return Scored(total, relevance, points, tuple(paid))


def _evidence(kind: InterestKind, likeness: np.ndarray, number: int) -> np.ndarray:
    """What one of `number` interests of a kind says of each candidate at full weight, 0 or more; (candidates,)."""
    if kind == "phrase":
        return np.square(likeness / PHRASE)
    return AUTHOR * likeness if kind == "author" else likeness / PAPER / number**0.5
