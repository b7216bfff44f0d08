"""Why a paper scores what it does, in the reader's words. The shares of a paper's reasons sum to its score."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import sparse

from digest.model import Paper, Reason
from digest.ranking.interests import PAPER_KINDS, Catalogue, Named
from digest.ranking.score import OTHERS
from digest.ranking.terms import terms

MOST = 3  # reasons of one pick; where there are more, the last one sums up the rest and tells how many they are
MOST_TERMS = 5
LEAST_POINTS = 1e-9


def reasons(
    score: float,
    popular: float,
    parts: Sequence[tuple[Named, float]],
    others: float,
    place: int,
    paper: Paper,
    rows: sparse.csr_matrix,
    catalogue: Catalogue,
    vocabulary: Sequence[str],
) -> tuple[Reason, ...]:
    """The reasons of the candidate at `place` of `rows`, (candidates × terms); the weightiest first.

    `popular` are the points that trending gave, `parts` the evidence of each interest and `others` that of other
    readers: these divide the rest of the score among them, in proportion.
    """
    found = [(part, one) for one, part in parts if part > 0]
    if others > 0:
        found.append((others, OTHERS))
    total = sum(part for part, _ in found)
    points = (score - min(popular, score)) / total if total > 0 else 0.0
    popular = min(popular, score) if points > 0 else score
    room = MOST - (popular > LEAST_POINTS)
    found.sort(key=lambda one: (-round(one[0], 9), one[1]))
    kept = found if len(found) <= room else found[: room - 1]
    if len(kept) == 1 < len(found) and kept[0][1] == OTHERS:
        kept = found[1:2]  # a reader is told of an interest of their own
    left = [one for one in found if one not in kept]
    told = [_reason(one, points * part, place, paper, rows, catalogue, vocabulary) for part, one in kept if points]
    if left and points:
        told.append(Reason("more", str(len(left)), (), points * sum(part for part, _ in left)))
    if popular > LEAST_POINTS:
        told.append(Reason("trending", "", (), popular))
    return tuple(sorted(told, key=lambda one: (one.kind == "more", -round(one.share, 9), one.kind, one.text)))


def _reason(
    one: Named,
    share: float,
    place: int,
    paper: Paper,
    rows: sparse.csr_matrix,
    catalogue: Catalogue,
    vocabulary: Sequence[str],
) -> Reason:
    if (one, place) not in catalogue.told:
        catalogue.told[one, place] = _terms(one, place, paper, rows, catalogue, vocabulary)
    liked = catalogue.paper(one) if one.kind in PAPER_KINDS else None
    return Reason(one.kind, liked.title if liked else one.text, catalogue.told[one, place], share)  # type: ignore[arg-type]


def _terms(
    one: Named, place: int, paper: Paper, rows: sparse.csr_matrix, catalogue: Catalogue, vocabulary: Sequence[str]
) -> tuple[str, ...]:
    """The words that matched, heaviest first. Of a pair and its words the pair is told."""
    wanted = catalogue.weights(one)
    if not wanted:
        return ()
    row = slice(rows.indptr[place], rows.indptr[place + 1])
    there = zip(rows.indices[row].tolist(), rows.data[row].tolist(), strict=True)
    weights = {vocabulary[column]: value * wanted[column] for column, value in there if column in wanted}
    if place not in catalogue.written:
        catalogue.written[place] = _written(paper)
    written = catalogue.written[place]
    if one.kind == "phrase":
        # Told as its reader spells it, but not with capitals that the paper does not have.
        asked = {term.folded: " ".join(term.written.split()) for term in terms(one.text)}
        same = {term for term in asked if asked[term].casefold() == written.get(term, "").casefold()}
        written = written | {term: asked[term] for term in asked if term not in same}
    covered = {word for term in weights if " " in term and term in written for word in term.split(" ")}
    ranked = sorted(weights, key=lambda term: (-weights[term], term))
    told = [written[term] for term in ranked if term in written and term not in covered]
    return tuple(dict.fromkeys(told))[:MOST_TERMS]


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
