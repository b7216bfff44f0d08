"""Why a paper scores what it does, in the reader's words. The shares of a paper's reasons sum to its score."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import sparse

from digest.model import Paper, Reason
from digest.ranking.interests import Catalogue, Named
from digest.ranking.score import Scored
from digest.ranking.space import terms

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
                catalogue.told[one, place] = _terms(one, paper, rows[place], catalogue, vocabulary)
            words = catalogue.told[one, place]
            found.append(Reason(kind, text, words, (whole - popular) * part / total))
    if popular > 0 or (whole > 0 and not found):
        found.append(Reason("trending", "", (), whole - sum(reason.share for reason in found)))
    return tuple(sorted(found, key=lambda reason: (-round(reason.share, 9), reason.kind, reason.text)))


def _terms(
    one: Named, paper: Paper, row: sparse.csr_matrix, catalogue: Catalogue, vocabulary: Sequence[str]
) -> tuple[str, ...]:
    """The words that matched, heaviest first. Of a pair and its words the pair is told."""
    vector = catalogue.vector(one)
    if vector is None:
        return ()
    shared = vector.multiply(row).tocoo()
    weights = {vocabulary[column]: float(value) for column, value in zip(shared.col, shared.data, strict=True)}
    written: dict[str, str] = {}
    # A phrase is told as its reader writes it, a liked paper's words as the paper at hand has them.
    for text in (one.text, paper.title, paper.abstract) if one.kind == "phrase" else (paper.title, paper.abstract):
        for term in terms(text):
            written.setdefault(term.folded, _plain(term.written))
    covered = {word for term in weights if " " in term and term in written for word in term.split(" ")}
    ranked = sorted(weights, key=lambda term: (-weights[term], term))
    told = [written[term] for term in ranked if term in written and term not in covered]
    return tuple(dict.fromkeys(told))[:MOST_TERMS]


def _plain(word: str) -> str:
    """Without the capitals of a title, with those of a name such as LLM or GPT-4."""
    parts = " ".join(word.split()).split(" ")
    return " ".join(part.lower() if part[1:].islower() or len(part) == 1 else part for part in parts)
