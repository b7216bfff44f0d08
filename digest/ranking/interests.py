"""What readers care about, as rows of the space. Readers share them: each distinct interest is scored once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import sparse

from digest.model import Interest, InterestKind, Paper, Profile
from digest.ranking.space import Space, Vectors
from digest.ranking.terms import fold, tokens
from digest.sources.identity import title_key

_ARXIV = re.compile(
    r"(?:https?://)?(?:(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/|huggingface\.co/papers/|arxiv:\s*)?"
    r"([a-z-]+(?:\.[a-z]{2})?/\d{7}|\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?/?",
    re.IGNORECASE,
)


# The share of the topics in likeness, where there are any. A few words need them more than a whole paper does; a
# sentence or a title needs them most, as no paper has all of its words.
TOPICS_OF_PAPER, TOPICS_OF_PHRASE, TOPICS_OF_SENTENCE = 0.5, 0.75, 0.9
SENTENCE = 3  # words; more of them make a sentence
LEAST = -0.02  # less likely than usual is a weak sign, never a veto
# What words alone say is on a smaller scale: a phrase in a title gives a cosine of 0.12 to 0.28.
WORDS_ALONE = 1.7


class Named(NamedTuple):
    """An interest without its weight: what readers can share."""

    kind: InterestKind
    text: str


def wanted(profile: Profile) -> list[tuple[Named, float]]:
    """A profile's interests with their weights, in the profile's order.

    "Tool use" and "tool-use" are one interest, in its first spelling and with its greatest weight.
    """
    every = [
        *profile.interests,
        *(Interest(text, kind="author") for text in profile.authors),
        *(Interest(text, kind="liked") for text in profile.liked),
        *(Interest(text, kind="disliked") for text in profile.disliked),
    ]
    found: dict[Named, tuple[Named, float]] = {}
    for one in every:
        same = Named(one.kind, _ignoring_spelling(one.text))
        spelt, weight = found.get(same, (Named(one.kind, one.text), 0.0))
        found[same] = spelt, max(weight, one.weight)
    return list(found.values())


@lru_cache(maxsize=100_000)
def _ignoring_spelling(text: str) -> str:
    return " ".join(token.folded for token in tokens(text)) or text


class Catalogue:
    """The interests of an edition's readers and their likeness to its candidates; grows as readers come."""

    def __init__(self, space: Space, corpus: Sequence[Paper], candidates: Vectors, authors: Authors) -> None:
        self._space, self._corpus, self._authors = space, corpus, authors
        self._terms, self._topics = sparse.csc_matrix(candidates.terms.T), candidates.topics.astype(np.float64)
        self._sample_terms = sparse.csc_matrix(space.sample.terms.T)
        self._sample_topics = space.sample.topics.astype(np.float64)
        self._row_of = {key: row for row, paper in enumerate(corpus) for key in paper.keys if key != title_key("")}
        self._rows: dict[str, int | None] = {}
        self._likeness: dict[Named, np.ndarray] = {}
        self._weights: dict[Named, dict[int, float]] = {}
        self.told: dict[tuple[Named, int], tuple[str, ...]] = {}  # matched words, found once for all readers
        self.written: dict[int, dict[str, str]] = {}  # candidate → its terms as people write them, once picked

    def learn(self, interests: Iterable[Named]) -> None:
        """Score those that are new, all in one product S = A·Pᵀ. A row's figures do not depend on its company."""
        new = [one for one in dict.fromkeys(interests) if one not in self._likeness]
        for one in new:
            if one.kind == "author":
                self._likeness[one] = self._authors.matching(one.text)
        row_of = {one: self._row(one.text) for one in new if one.kind in ("liked", "disliked")}
        stored = [(one, row) for one, row in row_of.items() if row is not None]
        read = [one for one in new if one.kind != "author" and row_of.get(one) is None]
        texts = [one.text if one.kind == "phrase" else _title(one.text) for one in read]
        asked = self._space.phrases(texts)
        self._remember(read, asked.terms)
        self._score(read, self._space.completed(asked))
        liked = self._space.corpus.take([row for _, row in stored])
        self._remember([one for one, _ in stored], liked.terms)
        self._score([one for one, _ in stored], liked)

    def _remember(self, these: Sequence[Named], matrix: sparse.csr_matrix) -> None:
        for place, one in enumerate(these):
            row = slice(matrix.indptr[place], matrix.indptr[place + 1])
            self._weights[one] = dict(zip(matrix.indices[row].tolist(), matrix.data[row].tolist(), strict=True))

    def _score(self, these: Sequence[Named], vectors: Vectors) -> None:
        """Likeness by words and by topics.

        The two are on different scales, and how different hangs on the interest. So topics are brought to the scale
        of words by what is usual in the corpus, and only what is beyond the usual counts.
        """
        if not these:
            return
        trust = self._space.trust
        words = (vectors.terms @ self._terms).toarray()
        usual = (vectors.terms @ self._sample_terms).toarray()
        for place, one in enumerate(these):
            likeness = words[place] - trust * usual[place].mean()
            # One product for each interest: the last bits of a larger one hang on how many there are.
            placed = vectors.topics[place].astype(np.float64)
            topics, usual_topics = self._topics @ placed, self._sample_topics @ placed
            spread = float(usual_topics.std()) if placed.size else 0.0
            if spread <= 1e-9:
                likeness = WORDS_ALONE * likeness
            else:
                scale = float(usual[place].std()) / spread
                beyond = scale * (topics - trust * usual_topics.mean())
                share = _share_of_topics(one)
                likeness = (1 - share) * likeness + share * beyond
            self._likeness[one] = np.clip(np.round(likeness, 9), LEAST, 1.0)

    def likeness(self, one: Named) -> np.ndarray:
        """From LEAST to 1 for each candidate, (candidates,); 0 is what is usual."""
        return self._likeness[one]

    def weights(self, one: Named) -> Mapping[int, float]:
        """Its row of the space as column → weight; empty for an author."""
        return self._weights.get(one, {})

    def paper(self, text: str) -> Paper | None:
        """The stored paper that a title or an arXiv id means."""
        row = self._row(text)
        return None if row is None else self._corpus[row]

    def _row(self, text: str) -> int | None:
        if text not in self._rows:
            found = _ARXIV.fullmatch(text.strip())
            key = f"arxiv:{found[1].lower()}" if found else text.strip().lower()
            self._rows[text] = self._row_of.get(key, None if found else self._row_of.get(title_key(text)))
        return self._rows[text]


def _share_of_topics(one: Named) -> float:
    if one.kind != "phrase":
        return TOPICS_OF_PAPER
    return TOPICS_OF_PHRASE if len(one.text.split()) <= SENTENCE else TOPICS_OF_SENTENCE


def _title(text: str) -> str:
    """What there is to read of a paper that is not stored: its title, but nothing of an arXiv id."""
    return "" if _ARXIV.fullmatch(text.strip()) else text


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
    words = [_GLUE.sub("", word) for word in _NAME.findall(_INITIALS.sub(r"\1 ", fold(ordered)))]
    return (tuple(words[:-1]), words[-1]) if words else ((), "")


_NAME = re.compile(r"[^\W_]+(?:['’‐-][^\W_]+)*")
_GLUE = re.compile("['’‐-]")  # "Xiao-Ming" is "Xiaoming"
_INITIALS = re.compile(r"\b([^\W\d_])\.?[‐-](?=[^\W\d_]\b)")  # "J.-P." is "J. P."


def _fits(one: Sequence[str], other: Sequence[str]) -> bool:
    if not one or not other:
        return not one and not other
    # "J." fits "Jane"; a second name that only one of them gives is no contradiction.
    return all(a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) for a, b in zip(one, other, strict=False))
