"""From scores to picks: what may not be in a letter, what should not be in it twice over, and whose turn it is."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from digest.model import Paper
from digest.ranking.terms import tokens

LOOK_AHEAD = 5  # variety is sought among so many times the papers that there is room for
TURNS = 2.0  # how much sooner it is the turn of an interest that has had less than its part


class Shelf(NamedTuple):
    """The best candidates of many readers, in the order of their scores; padded where a reader has fewer."""

    places: np.ndarray  # which candidate, (readers × most)
    scores: np.ndarray  # 0–100; −1 is padding, (readers × most)
    parts: np.ndarray  # the part of each interest in it, ≥ 0, (readers × interests × most); padded with 0
    weights: np.ndarray  # of each interest, above 0 where it is one, (readers × interests)


def shelf_of(scores: np.ndarray, allowed: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the best allowed candidates and their scores, (readers × at most LOOK_AHEAD · room).

    `scores` and the mask `allowed` are (readers × candidates), in the order that breaks ties.
    """
    number = scores.shape[1]
    most = min(LOOK_AHEAD * room, int(allowed.sum(axis=1).max(initial=0)))
    # Score and place in one whole number, so that the best are found without sorting all; scores have six decimals.
    packed = np.where(allowed, -1 - np.rint(scores * 1e6).astype(np.int64), 0) * number + np.arange(number)
    packed.partition(max(most - 1, 0), axis=1)
    best = np.sort(packed[:, :most], axis=1)
    places = best % max(number, 1)
    return places, np.where(best < 0, np.take_along_axis(scores, places, axis=1), -1.0)


def select(
    shelf: Shelf, room: np.ndarray, variety: np.ndarray, alike: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The candidates for each reader, best score first, and each one's likeness to the nearest earlier pick, both
    (readers × at most the largest room); where a reader gets fewer, −1 is none.

    Each pick maximises (1 − variety) · score / 100 · turn^(TURNS · variety) − variety · likeness to the nearest
    earlier pick: maximal marginal relevance (Carbonell and Goldstein, 1998), with turns. `turn` is 1 for a paper of
    the interest that has had least for its weight, and less for others: the quotients weight / (2 · had + 1) by
    which seats are given to parties, as Dang and Croft (2012) do it for the aspects of a query. So several
    interests stay several, each in proportion to its weight, and not only the one that scores highest. The first
    pick is always the best score. `alike(these, those)` gives cosines of candidates, (n) and (n × m) → (n × m).
    """
    readers, most = shelf.places.shape
    steps = min(int(room.max(initial=0)), most)
    # The columns of the shelf in the order in which they are picked; `most` is none.
    picked, nearest = np.full((readers, steps), most), np.zeros((readers, steps))
    whole = shelf.parts.sum(axis=1)
    share = shelf.parts / np.where(whole > 0, whole, 1.0)[:, None]
    unclaimed = (whole <= 0).astype(np.float64)  # popular alone: it takes no interest's turn
    free = shelf.scores > 0
    weights = np.where(np.einsum("ric,rc->ri", shelf.parts, free.astype(np.float64)) > 0, shelf.weights, 0.0)
    had = np.zeros_like(weights)
    v, exponent = variety[:, None], TURNS * variety[:, None]
    points = (1 - v) * shelf.scores / 100
    redundancy = np.zeros((readers, most))
    for step in range(steps):
        active = np.flatnonzero((step < room) & free.any(axis=1))
        if not len(active):
            break
        some = active if len(active) < readers else slice(None)  # without a copy
        quotient = weights[some] / (2 * had[some] + 1)
        quotient /= np.maximum(quotient.max(axis=1, keepdims=True), 1e-12)
        turn = unclaimed[some] + np.einsum("ric,ri->rc", share[some], quotient)
        worth = points[some] * np.maximum(turn, 1e-9) ** exponent[some]
        gain = np.where(free[some], np.round(worth - v[some] * redundancy[some], 9), -np.inf)
        best = np.argmax(gain, axis=1) if step else np.zeros(len(active), dtype=np.intp)
        picked[active, step], nearest[active, step] = best, redundancy[active, best]
        free[active, best] = False
        had[active] += share[active, :, best]
        if step + 1 < steps and variety.any():
            near = alike(shelf.places[active, best], shelf.places[some])
            redundancy[some] = np.maximum(redundancy[some], near)
    order = np.argsort(picked, axis=1, kind="stable")
    places = np.concatenate([shelf.places, np.full((readers, 1), -1)], axis=1)
    picked, nearest = np.take_along_axis(picked, order, axis=1), np.take_along_axis(nearest, order, axis=1)
    return np.take_along_axis(places, picked, axis=1), nearest


class Muted:
    """Which candidates speak of what a reader does not want to read of: whole words, in any case or number, or the
    beginnings of words."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        # Words of the title do not run on into the abstract.
        self._texts = [f"{_joined(paper.title)}\n{_joined(paper.abstract)}" for paper in papers]
        self._signs = [f"{paper.title}\n{paper.abstract}" for paper in papers]
        self._known: dict[str, np.ndarray] = {}

    def by(self, term: str) -> np.ndarray:
        """A mask, (candidates,)."""
        if term not in self._known:
            # "robot*" is every word that starts so.
            sought, texts = _joined(term), self._texts
            if term.endswith("*"):
                sought = sought.rstrip(" ")
            if not sought.strip():
                # No word, but an emoji can be seen; a full stop would mute every paper.
                sought, texts = "".join(c for c in term if unicodedata.category(c) == "So"), self._signs
            self._known[term] = np.array([bool(sought) and sought in text for text in texts], dtype=bool)
        return self._known[term]


def _joined(text: str) -> str:
    return f" {' '.join(token.folded for token in tokens(text))} "
