"""Why a paper scores what it does, in the reader's words. The shares of a paper's reasons sum to its score."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

from digest.model import Paper, Reason
from digest.ranking.interests import PAPER_KINDS, Catalogue, Named, cells
from digest.ranking.score import LIKED, OTHERS, Scored
from digest.ranking.terms import folded_terms, terms

MOST = 3  # reasons of one pick; where there are more, the last one sums up the rest and tells how many they are
MOST_TERMS = 5
AS_MUCH = 0.5  # of the weightiest like's part: such a one is counted beside it
LEAST_POINTS = 1e-9
HELD = 200_000  # of what is told of an interest and a candidate, some 600 bytes each
OF_OTHERS = -1
WIDE = 42  # bits for the evidence of one pick in billionths, some 4,000: a library of 100,000 papers gives less

Told = tuple[str, str, tuple[str, ...]]  # kind, text and terms of a reason
T = TypeVar("T")


class Teller:
    """Tells reasons of the candidates `papers` with the term rows `rows`, (candidates × terms)."""

    def __init__(
        self, papers: Sequence[Paper], rows: sparse.csr_matrix, catalogue: Catalogue, vocabulary: Sequence[str]
    ) -> None:
        self._papers, self._rows, self._catalogue, self._vocabulary = papers, rows, catalogue, vocabulary
        self._told: dict[int, Told] = {}  # once for all readers: see `_tell`
        self._wanted: dict[Named, Mapping[int, float]] = {}  # interest → its row of terms
        self._written: dict[int, dict[str, str]] = {}  # candidate → its terms as people write them, once picked
        self._weights: dict[int, dict[int, float]] = {}  # candidate → its row of terms, once picked

    def forget(self) -> None:
        """What was told of interests, whose numbers in the catalogue may begin anew."""
        self._told.clear()
        self._wanted.clear()

    def reasons(self, scored: Scored, row: np.ndarray, place: np.ndarray) -> list[tuple[Reason, ...]]:
        """The reasons of each pick, the weightiest first: of the candidates `place`, for the readers `row`.

        The points that trending gave are one reason; the rest of the score is divided among what speaks for the
        paper, in proportion.
        """
        picks = len(row)
        pick, cell, paid, beside = _together(scored, picks, *_paid(scored, row, place))
        number, total = np.bincount(pick, minlength=picks), np.bincount(pick, paid, minlength=picks)
        rank = np.arange(len(pick)) - (np.cumsum(number) - number)[pick]
        score = scored.score[row, place]
        popular = np.minimum(scored.popular[row, place], score)
        points = np.divide(score - popular, total, out=np.zeros(picks), where=total > 0)
        popular = np.where(points > 0, popular, score)
        trends = popular > LEAST_POINTS
        room = MOST - trends
        more = (number > room) & (points > 0)
        kept = np.where(more, room - 1, np.where(points > 0, number, 0))
        # Where there is room for one, a reader is told of an interest of their own.
        foreign = np.zeros(picks, dtype=bool)
        foreign[pick[(rank == 0) & (cell == OF_OTHERS)]] = True
        rank -= (foreign & more & (kept == 1))[pick]
        told = (rank >= 0) & (rank < kept[pick])
        pick, cell, paid, rank = pick[told], cell[told], paid[told], rank[told]
        share, rest = points[pick] * paid, points * (total - np.bincount(pick, paid, minlength=picks))

        # All reasons in one row: trending comes after those that weigh as much, "more" comes last.
        size = kept + trends + more
        ends = np.cumsum(size)
        starts = ends - size
        behind = np.round(share, 9) < popular[pick]
        at = starts[pick] + rank + (trends[pick] & behind)
        trending = (starts + kept - np.bincount(pick[behind], minlength=picks))[trends]
        last = ends[more] - 1
        shares, besides = np.zeros(size.sum()), np.zeros(size.sum(), dtype=np.intp)
        shares[at], shares[trending], shares[last] = share, popular[trends], rest[more]
        besides[at] = np.where(_liked(scored, cell), beside[pick], 0)
        what: list[Told] = [("trending", "", ())] * len(shares)
        for where, one in zip(at.tolist(), self._tell(scored, cell, place[pick]), strict=True):
            what[where] = one
        for where, left in zip(last.tolist(), (number - kept)[more].tolist(), strict=True):
            what[where] = "more", str(left), ()
        kinds, texts, terms = zip(*what, strict=True) if what else ((), (), ())
        reasons = made(Reason, kinds, texts, terms, shares.tolist(), besides.tolist())
        return [tuple(reasons[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def _tell(self, scored: Scored, cell: np.ndarray, place: np.ndarray) -> list[Told]:
        # By the interest's number and the place, in one number: an interest takes longer to look up.
        if len(self._told) > HELD:
            self.forget()
        number = np.where(cell == OF_OTHERS, -1, scored.weights.indices[cell]).astype(np.int64)
        keys = (number * len(self._papers) + place).tolist()
        told = self._told
        for at in [at for at, key in enumerate(keys) if key not in told]:
            told[keys[at]] = self._told_of(_name(scored, int(cell[at])), int(place[at]))
        return [told[key] for key in keys]

    def _told_of(self, one: Named, place: int) -> Told:
        liked = self._catalogue.paper(one) if one.kind in PAPER_KINDS else None
        return one.kind, liked.title if liked else one.text, self._terms(one, place)

    def _terms(self, one: Named, place: int) -> tuple[str, ...]:
        """The words that matched, heaviest first. Of a pair and its words the pair is told."""
        wanted = self._wanted.get(one)
        if wanted is None:
            wanted = self._wanted[one] = self._catalogue.weights(one)
        if not wanted:
            return ()
        if place not in self._written:
            self._written[place] = _written(self._papers[place])
            self._weights[place] = cells(self._rows, place)
        there = self._weights[place]
        both = wanted.keys() & there.keys()
        weights = {self._vocabulary[column]: wanted[column] * there[column] for column in both}
        if not weights:
            return ()
        written = self._written[place]
        spelt = _spelt(one.text) if one.kind == "phrase" else {}
        covered = {
            word
            for term in weights
            if " " in term and (term in written or term in spelt)
            for word in term.split(" ")
        }
        if one.kind != "phrase":
            # Two abstracts share many a word by chance; what is told of them stands in a title.
            liked = self._catalogue.paper(one)
            titles = _in_title(self._papers[place].title), _in_title(liked.title if liked else one.text)
            weights = {term: weights[term] for term in weights if term in titles[0] or term in titles[1]}
        told = []
        for term in sorted(weights, key=lambda term: (-weights[term], term)):
            if term in covered:
                continue
            plain, asked = written.get(term), spelt.get(term)
            # As its reader spells it, but not with capitals that the paper does not have.
            if asked is not None and (plain is None or asked.casefold() != plain.casefold()):
                told.append(asked)
            elif plain is not None:
                told.append(plain)
        return tuple(dict.fromkeys(told))[:MOST_TERMS]


def made(kind: type[T], *columns: Sequence[Any]) -> list[T]:
    """Objects of a frozen dataclass with slots, given field by field: in half the time that calling it takes."""
    found = list(map(object.__new__, repeat(kind, len(columns[0]))))
    for name, column in zip(kind.__slots__, columns, strict=True):  # type: ignore[attr-defined]
        deque(map(getattr(kind, name).__set__, found, column), maxlen=0)
    return found


def _paid(scored: Scored, row: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What speaks for which pick: the pick, which of `Scored.named` or OF_OTHERS, and its evidence in billionths,
    which are whole numbers, so that no sum hangs on an order."""
    starts, ends = scored.weights.indptr[row], scored.weights.indptr[row + 1]
    width = ends - starts
    pick = np.repeat(np.arange(len(row)), width)
    cell = np.arange(len(pick)) + np.repeat(starts - np.cumsum(width) + width, width)
    evidence = scored.weights.data[cell] * scored.likeness[scored.weights.indices[cell], place[pick]]
    paid = np.rint(1e9 * np.concatenate([evidence, scored.others[row, place]]))
    some = paid > 0
    pick = np.concatenate([pick, np.arange(len(row))])
    return pick[some], np.concatenate([cell, np.full(len(row), OF_OTHERS)])[some], paid[some]


def _together(
    scored: Scored, number: int, pick: np.ndarray, cell: np.ndarray, paid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The same in order, the likes of each of the `number` picks as one under the name of the weightiest; and how
    many others speak for the pick as much, (picks,).

    Of a library each paper says a little, and what it says together is one reason.
    """
    liked = _liked(scored, cell)
    likes = np.flatnonzero(liked)
    likes = likes[_ranked(scored, pick[likes], cell[likes], paid[likes])]
    whose, part = pick[likes], paid[likes]
    first = np.diff(whose, prepend=-1) > 0
    weightiest, sums = np.zeros(number), np.bincount(whose, part, minlength=number)
    weightiest[whose[first]] = part[first]
    beside = np.bincount(whose[~first], (part >= AS_MUCH * weightiest[whose])[~first], minlength=number)
    paid[likes[first]] = sums[whose[first]]
    liked[likes[first]] = False
    pick, cell, paid = pick[~liked], cell[~liked], paid[~liked]
    order = _ranked(scored, pick, cell, paid)
    return pick[order], cell[order], paid[order], beside


def _ranked(scored: Scored, pick: np.ndarray, cell: np.ndarray, paid: np.ndarray) -> np.ndarray:
    """The order pick by pick, the most first; what paid the same by name."""
    key = (pick << WIDE) - paid.astype(np.int64)
    order: np.ndarray = np.argsort(key)
    equal = np.flatnonzero(np.diff(key[order]) == 0)
    tied = np.union1d(equal, equal + 1)
    order[tied] = sorted(order[tied].tolist(), key=lambda one: (key[one], _name(scored, int(cell[one]))))
    return order


def _liked(scored: Scored, cell: np.ndarray) -> np.ndarray:
    liked: np.ndarray = (cell != OF_OTHERS) & (scored.family[cell] == LIKED)
    return liked


def _name(scored: Scored, cell: int) -> Named:
    return OTHERS if cell == OF_OTHERS else scored.named[cell]


@lru_cache(maxsize=50_000)
def _in_title(title: str) -> frozenset[str]:
    return frozenset(folded_terms(title))


@lru_cache(maxsize=10_000)
def _spelt(text: str) -> dict[str, str]:
    """Each term of a phrase as its reader writes it."""
    return {term.folded: " ".join(term.written.split()) for term in terms(text)}


def _written(paper: Paper) -> dict[str, str]:
    """Each term of a paper as people write it within a sentence: "video", though a title says "Video"."""
    found: dict[str, str] = {}
    sure: set[str] = set()
    for term in terms(paper.abstract):
        if term.folded not in sure and not term.opens:
            found[term.folded] = " ".join(term.written.split())
            sure.add(term.folded)
        elif term.folded not in found:
            found[term.folded] = _plain(term.written)
    for term in terms(paper.title):
        found.setdefault(term.folded, _plain(term.written))
    return found


def _plain(word: str) -> str:
    """Without the capitals of a title, with those of a name such as LLM or GPT-4."""
    parts = " ".join(word.split()).split(" ")
    return " ".join(part.lower() if part[1:].islower() or len(part) == 1 else part for part in parts)
