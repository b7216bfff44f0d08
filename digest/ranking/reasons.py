"""Why a paper scores what it does, in the reader's words. The shares of a paper's reasons sum to its score."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import sparse

from digest.model import Paper, Reason
from digest.ranking.interests import Catalogue, Named
from digest.ranking.score import Scored
from digest.ranking.terms import terms

MOST_TERMS = 5


def reasons(
    scored: Scored,
    place: int,
    paper: Paper,
    rows: sparse.csr_matrix,
    catalogue: Catalogue,
    vocabulary: Sequence[str],
) -> tuple[Reason, ...]:
    """The reasons of the candidate at `place` of `rows`, (candidates × terms); the weightiest first."""
    whole = float(scored.score[place])
    popular = min(float(scored.trending_points[place]), whole)
    likeness = [(one, float(part[place])) for one, part in scored.paid]
    total = sum(part for _, part in likeness)
    found = []
    if total > 0 and whole > popular:
        for one, part in likeness:
            if part <= 0:
                continue
            liked = catalogue.paper(one.text) if one.kind == "liked" else None
            text = liked.title if liked else one.text
            kind = one.kind if one.kind in ("phrase", "liked") else "author"
            if (one, place) not in catalogue.told:
                catalogue.told[one, place] = _terms(one, place, paper, rows, catalogue, vocabulary)
            words = catalogue.told[one, place]
            found.append(Reason(kind, text, words, (whole - popular) * part / total))
    if popular > 0 or (whole > 0 and not found):
        found.append(Reason("trending", "", (), max(whole - sum(reason.share for reason in found), 0.0)))
    return tuple(sorted(found, key=lambda reason: (-round(reason.share, 9), reason.kind, reason.text)))


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
