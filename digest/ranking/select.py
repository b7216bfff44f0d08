"""From scores to picks: what may not be in a letter, and what should not be in it twice over."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from digest.model import Paper
from digest.ranking.terms import tokens

LOOK_AHEAD = 5  # variety is sought among so many times the papers that there is room for


def select(
    scores: np.ndarray, allowed: np.ndarray, room: int, variety: float, likeness: Callable[[int], np.ndarray]
) -> list[tuple[int, float]]:
    """(candidate, its likeness to the nearest earlier pick), best score first, at most `room`.

    Maximal marginal relevance (Carbonell and Goldstein, 1998): each pick maximises
    (1 − variety) · score / 100 − variety · likeness to the nearest earlier pick. `scores` are 0–100 and `allowed`
    is a mask, (candidates,); `likeness(i)` gives candidate i's cosine with each candidate. Candidates are in the
    order that breaks ties.
    """
    room = max(room, 0)
    order = np.flatnonzero(allowed)
    order = order[np.argsort(-scores[order], kind="stable")]
    if variety == 0 or len(order) <= 1:
        picked = [(int(one), 0.0) for one in order[:room]]
    else:
        order = order[: LOOK_AHEAD * room]
        redundancy = np.zeros(len(order))
        free = np.ones(len(order), dtype=bool)
        picked = []
        while len(picked) < room and free.any():
            gain = np.round((1 - variety) * scores[order] / 100 - variety * redundancy, 9)
            # The first pick is the best score also where variety is everything.
            best = int(np.argmax(np.where(free, gain, -np.inf))) if picked else 0
            picked.append((int(order[best]), float(redundancy[best])))
            free[best] = False
            redundancy = np.maximum(redundancy, likeness(int(order[best]))[order])
    return sorted(picked, key=lambda one: (-scores[one[0]], one[0]))


class Muted:
    """Which candidates speak of what a reader does not want to read of: whole words, in any case or number."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        # Words of the title do not run on into the abstract.
        self._texts = [f"{_joined(paper.title)}\n{_joined(paper.abstract)}" for paper in papers]
        self._signs = [f"{paper.title}\n{paper.abstract}" for paper in papers]
        self._known: dict[str, np.ndarray] = {}

    def by(self, term: str) -> np.ndarray:
        """A mask, (candidates,)."""
        if term not in self._known:
            sought, texts = _joined(term), self._texts
            if not sought.strip():
                # No word, but an emoji can be seen; a full stop would mute every paper.
                sought, texts = "".join(c for c in term if unicodedata.category(c) == "So"), self._signs
            self._known[term] = np.array([bool(sought) and sought in text for text in texts], dtype=bool)
        return self._known[term]


def _joined(text: str) -> str:
    return f" {' '.join(token.folded for token in tokens(text))} "
