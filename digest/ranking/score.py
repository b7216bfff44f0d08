"""Likeness and trending → a score from 0 to 100, and the parts of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from digest.model import Profile
from digest.ranking.interests import Catalogue, Named

# The relevance that one full-weight interest gives is 1 − exp(−cosine / SCALE). On three real pages a phrase of one
# or two words has a cosine of 0.13 to 0.28 with papers that are about it, and of 0.04 to 0.06 with those that
# mention it once; so the first come to 55–85 % and the second to 20–30 %.
SCALE = 0.16
AUTHOR = 2 * SCALE  # a followed author alone gives 0.86
LIKED = 0.8  # a paper is a less exact wish than a phrase
DISLIKED = 0.8
RELATED = 0.15  # from this relevance on popularity counts in full


@dataclass(frozen=True, slots=True)
class Scored:
    """One reader's scores, aligned with the candidates."""

    score: np.ndarray  # 0–100, (candidates,)
    relevance: np.ndarray  # 0–1, (candidates,)
    trending_points: np.ndarray  # points of the score that trending gave, (candidates,)
    paid: tuple[tuple[Named, np.ndarray], ...]  # each interest's part of the likeness, (candidates,)


def score(
    profile: Profile, interests: list[tuple[Named, float]], catalogue: Catalogue, trend: np.ndarray
) -> Scored:
    """Score every candidate for one profile. `trend` is each candidate's trending, 0–1, (candidates,).

        relevance = 1 − exp(−(Σ weight · likeness − dislikes) / SCALE)
        score     = 100 · ((1 − t) · relevance + t · trending · g)

    Weights are relative to the largest, so that a clear match scores the same however many other interests there
    are. Likes are divided by the square root of their number: a hundred of them say more than one, not a hundred
    times more. g is 1 for what is related (relevance ≥ RELATED) and falls to 0 with the relevance: who named
    interests does not get a paper merely because others read it. Above t = 1/2 popularity stands more and more on
    its own, and t = 1 is popularity alone. Without interests the score is 100 · trending.
    """
    if profile.is_empty:
        nothing = np.zeros_like(trend)
        points = np.round(100 * trend, 9)
        return Scored(points, nothing, points, ())
    number = {kind: max(1, sum(one.kind == kind for one, _ in interests)) for kind in ("liked", "disliked")}
    largest = max((weight for one, weight in interests if one.kind == "phrase"), default=1.0)
    factor = {
        "phrase": 1 / largest,
        "author": AUTHOR,
        "liked": LIKED / number["liked"] ** 0.5,
        "disliked": DISLIKED / number["disliked"] ** 0.5,
    }
    paid: list[tuple[Named, np.ndarray]] = []
    drawn, pushed = np.zeros_like(trend), np.zeros_like(trend)
    for one, weight in interests:
        part = factor[one.kind] * weight * catalogue.likeness(one)
        if one.kind == "disliked":
            pushed = pushed + part
        else:
            drawn = drawn + part
            paid.append((one, part))
    relevance = 1 - np.exp(-np.clip(drawn - pushed, 0.0, None) / SCALE)
    t = profile.trending
    alone = min(max(2 * t - 1, 0.0), 1.0)
    gate = np.maximum(np.minimum(relevance / RELATED, 1.0), alone)
    points = 100 * t * trend * gate
    # Rounded, so that the order never hangs on the last bit of a sum.
    total = np.round(np.clip(100 * (1 - t) * relevance + points, 0.0, 100.0), 9)
    return Scored(total, relevance, points, tuple(paid))
