"""Why a paper scores what it does, in the reader's words. The shares of a paper's reasons sum to its score."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import lru_cache

from scipy import sparse

from digest.model import Paper, Reason
from digest.ranking.interests import PAPER_KINDS, Catalogue, Named
from digest.ranking.score import OTHERS
from digest.ranking.terms import folded_terms, terms

MOST = 3  # reasons of one pick; where there are more, the last one sums up the rest and tells how many they are
MOST_TERMS = 5
LIKES = ("liked", "saved")
AS_MUCH = 0.5  # of the weightiest like's part: such a one is counted beside it
LEAST_POINTS = 1e-9


class Teller:
    """Tells reasons of the candidates `papers` with the term rows `rows`, (candidates × terms)."""

    def __init__(
        self, papers: Sequence[Paper], rows: sparse.csr_matrix, catalogue: Catalogue, vocabulary: Sequence[str]
    ) -> None:
        self._papers, self._rows, self._catalogue, self._vocabulary = papers, rows, catalogue, vocabulary
        self._told: dict[tuple[Named, int], tuple[str, str, tuple[str, ...]]] = {}  # once for all readers
        self._written: dict[int, dict[str, str]] = {}  # candidate → its terms as people write them, once picked
        self._wanted: dict[Named, Mapping[int, float]] = {}
        self._weights: dict[int, dict[int, float]] = {}  # candidate → its row of terms, once picked

    def reasons(
        self, score: float, popular: float, found: list[tuple[float, Named]], place: int
    ) -> tuple[Reason, ...]:
        """The reasons of the candidate at `place`, the weightiest first.

        `popular` are the points that trending gave; the rest of the score is divided among what was found, as
        (−evidence for, interest), in proportion.
        """
        found.sort()
        found, beside = _likes_together(found)
        total = -sum([part for part, _ in found])
        points = (score - min(popular, score)) / total if total > 0 else 0.0
        popular = min(popular, score) if points > 0 else score
        room = MOST - (popular > LEAST_POINTS)
        left = 0.0
        kept = found if points else []
        if len(found) > room and points:
            kept = found[: room - 1]
            if len(kept) == 1 and kept[0][1] == OTHERS:
                kept = found[1:2]  # a reader is told of an interest of their own
            left = total + sum([part for part, _ in kept])
        told = [self._reason(one, -points * part, place, beside) for part, one in kept]
        if popular > LEAST_POINTS:
            place = next((n for n, one in enumerate(told) if one.share < popular), len(told))
            told.insert(place, Reason("trending", "", (), popular))
        if left:
            told.append(Reason("more", str(len(found) - len(kept)), (), points * left))
        return tuple(told)

    def _reason(self, one: Named, share: float, place: int, beside: int) -> Reason:
        told = self._told.get((one, place))
        if told is None:
            liked = self._catalogue.paper(one) if one.kind in PAPER_KINDS else None
            told = self._told[one, place] = one.kind, liked.title if liked else one.text, self._terms(one, place)
        return Reason(told[0], told[1], told[2], share, beside if one.kind in LIKES else 0)  # type: ignore[arg-type]

    def _terms(self, one: Named, place: int) -> tuple[str, ...]:
        """The words that matched, heaviest first. Of a pair and its words the pair is told."""
        wanted = self._wanted.get(one)
        if wanted is None:
            wanted = self._wanted[one] = self._catalogue.weights(one)
        if not wanted:
            return ()
        if place not in self._written:
            self._written[place] = _written(self._papers[place])
            row = slice(self._rows.indptr[place], self._rows.indptr[place + 1])
            there = zip(self._rows.indices[row].tolist(), self._rows.data[row].tolist(), strict=True)
            self._weights[place] = dict(there)
        weights_there = self._weights[place]
        fewer = wanted if len(wanted) < len(weights_there) else weights_there
        both = [column for column in fewer if column in wanted and column in weights_there]
        weights = {self._vocabulary[column]: wanted[column] * weights_there[column] for column in both}
        if not weights:
            return ()
        written: Mapping[str, str] = self._written[place]
        if one.kind == "phrase":
            # Told as its reader spells it, but not with capitals that the paper does not have.
            asked = _spelt(one.text)
            same = {term for term in asked if asked[term].casefold() == written.get(term, "").casefold()}
            written = ChainMap({term: asked[term] for term in asked if term not in same}, self._written[place])
        covered = {word for term in weights if " " in term and term in written for word in term.split(" ")}
        ranked = sorted(weights, key=lambda term: (-weights[term], term))
        if one.kind != "phrase":
            # Two abstracts share many a word by chance; what is told of them stands in a title.
            liked = self._catalogue.paper(one)
            titles = _in_title(self._papers[place].title), _in_title(liked.title if liked else one.text)
            ranked = [term for term in ranked if term in titles[0] or term in titles[1]]
        told = [written[term] for term in ranked if term in written and term not in covered]
        return tuple(dict.fromkeys(told))[:MOST_TERMS]


def _likes_together(found: list[tuple[float, Named]]) -> tuple[list[tuple[float, Named]], int]:
    """All likes as one, under the name of the weightiest, and how many others speak for the paper as much.

    Of a library each paper says a little, and what it says together is one reason.
    """
    likes = [pair for pair in found if pair[1].kind in LIKES]
    if len(likes) < 2:
        return found, 0
    lead, name = likes[0]
    together = (sum([part for part, _ in likes]), name)
    rest = [pair for pair in found if pair[1].kind not in LIKES]
    return sorted([*rest, together]), sum(part <= AS_MUCH * lead for part, _ in likes[1:])


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
