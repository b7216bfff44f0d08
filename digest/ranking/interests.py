"""What readers care about, as rows of the space. Readers share them: each distinct interest is scored once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from digest.model import Interest, InterestKind, Paper, Profile
from digest.ranking.space import Space
from digest.sources.identity import title_key

_ARXIV = re.compile(
    r"(?:https?://)?(?:(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/|arxiv:\s*)?"
    r"([a-z-]+(?:\.[a-z]{2})?/\d{7}|\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?",
    re.IGNORECASE,
)


class Named(NamedTuple):
    """An interest without its weight: what readers can share."""

    kind: InterestKind
    text: str


def wanted(profile: Profile) -> list[tuple[Named, float]]:
    """A profile's interests with their weights, in the profile's order, each once."""
    every = [
        *profile.interests,
        *(Interest(text, kind="author") for text in profile.authors),
        *(Interest(text, kind="liked") for text in profile.liked),
        *(Interest(text, kind="disliked") for text in profile.disliked),
    ]
    found: dict[Named, float] = {}
    for one in every:
        found.setdefault(Named(one.kind, one.text), one.weight)
    return list(found.items())


class Catalogue:
    """The interests of an edition's readers and their likeness to its candidates; grows as readers come."""

    def __init__(self, space: Space, corpus: Sequence[Paper], rows: sparse.csr_matrix, authors: Authors) -> None:
        """`rows` are the candidates', (candidates × terms)."""
        self._space, self._corpus, self._authors = space, corpus, authors
        self._candidates = sparse.csc_matrix(rows.T)
        self._row_of = {key: row for row, paper in enumerate(corpus) for key in paper.keys}
        self._likeness: dict[Named, np.ndarray] = {}
        self._vectors: dict[Named, sparse.csr_matrix] = {}
        self.told: dict[tuple[Named, int], tuple[str, ...]] = {}  # matched words, found once for all readers

    def learn(self, interests: Iterable[Named]) -> None:
        """Score those that are new, all in one product S = A·Pᵀ. A row's figures do not depend on its company."""
        new = [one for one in dict.fromkeys(interests) if one not in self._likeness]
        texts = [one for one in new if one.kind != "author"]
        for one in new:
            if one.kind == "author":
                self._likeness[one] = self._authors.matching(one.text)
        if not texts:
            return
        phrases = self._space.phrases([one.text for one in texts])
        rows = [self._paper_row(one, phrases[place]) for place, one in enumerate(texts)]
        matrix = sparse.csr_matrix(sparse.vstack(rows))
        scored = (matrix @ self._candidates).toarray()
        for place, one in enumerate(texts):
            self._vectors[one] = rows[place]
            likeness = scored[place]
            if one.kind != "phrase":
                # Whole papers resemble each other by the words of their field alone; only what is beyond that
                # counts.
                likeness = likeness - float((rows[place] @ self._space.mean)[0])
            self._likeness[one] = np.clip(np.round(likeness, 12), 0.0, 1.0)

    def likeness(self, one: Named) -> np.ndarray:
        """0–1 for each candidate, (candidates,)."""
        return self._likeness[one]

    def vector(self, one: Named) -> sparse.csr_matrix | None:
        return self._vectors.get(one)

    def paper(self, text: str) -> Paper | None:
        """The stored paper that a title or an arXiv id means."""
        row = self._row(text)
        return None if row is None else self._corpus[row]

    def _row(self, text: str) -> int | None:
        found = _ARXIV.fullmatch(text.strip())
        return self._row_of.get(f"arxiv:{found[1].lower()}" if found else title_key(text))

    def _paper_row(self, one: Named, phrase: sparse.csr_matrix) -> sparse.csr_matrix:
        if one.kind in ("liked", "disliked"):
            row = self._row(one.text)
            if row is not None:
                return self._space.corpus[row]
        return phrase  # a paper we do not have still has a title


class Authors:
    """Who wrote which candidate. A name fits another if the family names are one and no given name contradicts."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self._number = len(papers)
        self._by_family: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for place, paper in enumerate(papers):
            for author in paper.authors:
                given, family = _name(author)
                self._by_family.setdefault(family, []).append((given, place))

    def matching(self, name: str) -> np.ndarray:
        """1 for each candidate by this author, else 0; (candidates,)."""
        found = np.zeros(self._number)
        given, family = _name(name)
        for other, place in self._by_family.get(family, ()) if family else ():
            if _fits(given, other):
                found[place] = 1.0
        return found


def _name(text: str) -> tuple[tuple[str, ...], str]:
    """Given names and family name, folded; "Doe, Jane" is Jane Doe."""
    family, comma, given = text.partition(",")
    ordered = f"{given} {family}" if comma else text
    plain = "".join(c for c in unicodedata.normalize("NFKD", ordered) if not unicodedata.combining(c)).casefold()
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", plain)
    return (tuple(words[:-1]), words[-1]) if words else ((), "")


def _fits(one: Sequence[str], other: Sequence[str]) -> bool:
    if not one or not other:
        return not one and not other
    # "J." fits "Jane"; a second name that only one of them gives is no contradiction.
    return all(a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) for a, b in zip(one, other, strict=False))
