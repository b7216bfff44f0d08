"""What readers care about, as rows of the space. Readers share them: each distinct interest is scored once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import sparse

from digest.model import Feedback, InterestKind, Paper, Profile
from digest.ranking.space import Space, Vectors
from digest.ranking.terms import fold, tokens
from digest.sources.identity import paper_key, title_key

# The share of the topics in likeness, where there are any. A few words need them more than a whole paper does; a
# sentence or a title needs them most, as no paper has all of its words.
TOPICS_OF_PAPER, TOPICS_OF_PHRASE, TOPICS_OF_SENTENCE = 0.57, 0.75, 0.9
# A model's view of the text is part of the topics. Beside it less is left to the words: so much of their share; and
# where it stands for topics that a small store does not have, it has this share.
BESIDE_VIEW, VIEW_ALONE = 0.6, 0.5
SPREAD_OF_WORDS = 0.022  # the spread that a phrase's words usually have, for one without a word that is known
SENTENCE = 3  # words; more of them make a sentence
LEAST_WEIGHT = 1e-6  # what was said long ago is faint, not nothing
LEAST = -0.02  # less likely than usual is a weak sign, never a veto
# What words alone say is on a smaller scale: a phrase in a title gives a cosine of 0.12 to 0.28.
WORDS_ALONE = 1.7
BLOCK = 256  # interests at a time
CELLS = 50_000_000  # interests × candidates that are held
PAPER_KINDS: tuple[InterestKind, ...] = ("liked", "saved", "disliked")


class Named(NamedTuple):
    """An interest without its weight: what readers can share."""

    kind: InterestKind
    text: str  # of a known paper what `known_as` gives


def known_as(paper_id: int) -> str:
    """The text of an interest in a known paper. Nobody can write it into a profile: texts hold no NUL."""
    return f"\0{paper_id}"


def wanted(profile: Profile) -> list[tuple[Named, float]]:
    """A profile's interests with their weights, in the profile's order.

    "Tool use" and "tool-use" are one interest, in its first spelling and with its greatest weight.
    """
    found: dict[tuple[str, str], tuple[Named, float]] = {}
    every = [(one.kind, one.text, one.weight) for one in profile.interests]
    for kind, texts in _listed(profile):
        every += [(kind, text, 1.0) for text in texts]
    for kind, text, weight in every:
        one, same = _named(kind, text)
        before = found.get(same)
        if before is None or before[1] < weight:
            found[same] = before[0] if before else one, weight
    return list(found.values())


def _listed(profile: Profile) -> tuple[tuple[InterestKind, tuple[str, ...]], ...]:
    return (
        ("author", profile.authors),
        ("category", profile.categories),
        ("liked", profile.liked),
        ("disliked", profile.disliked),
    )


@lru_cache(maxsize=100_000)
def _named(kind: InterestKind, text: str) -> tuple[Named, tuple[str, str]]:
    """An interest, and the same whatever its spelling."""
    return Named(kind, text), (kind, " ".join(token.folded for token in tokens(text)) or text)


class Catalogue:
    """The interests of an edition's readers and their likeness to its candidates; grows as readers come."""

    def __init__(
        self, space: Space, corpus: Sequence[Paper], candidates: Sequence[Paper], vectors: Vectors
    ) -> None:
        """`corpus` is what the space was fitted on, in its order; `vectors` are those of the candidates."""
        self._space, self._authors = space, Authors(candidates)
        self._categories = [tuple(one.casefold() for one in paper.categories) for paper in candidates]
        self._terms, self._topics = sparse.csc_matrix(vectors.terms.T), vectors.topics.T.astype(np.float64)
        self._sample_terms = sparse.csc_matrix(space.sample.terms.T)
        self._sample_topics = space.sample.topics.T.astype(np.float64)
        self.known: set[int] = set()  # ids of papers
        self._papers: list[Paper] = []
        self._known_as: list[str] = []
        self._row_of: dict[str, int] = {}
        self._fitted = len(corpus)
        self.acquaint(corpus)
        self._number = len(candidates)
        self._number_of: dict[Named, int] = {}  # interest → row of what follows
        self._likeness = np.empty((0, self._number))  # a row for each, and room for more
        self._rows: dict[Named, tuple[sparse.csr_matrix, int]] = {}  # which row of what

    def acquaint(self, papers: Iterable[Paper], *, public: bool = True) -> None:
        """Make papers known, so that readers may have liked them; after the corpus those that are not in it.

        What is not public, as it stands only in some reader's library, is known by its id alone: another reader's
        title or arXiv id must not find it.
        """
        for paper in papers:
            if paper.id in self.known:
                continue
            text = known_as(paper.id)
            row = self._row_of[text] = len(self._papers)
            self.known.add(paper.id)
            self._papers.append(paper)
            self._known_as.append(text)
            for key in paper.keys if public else ():
                if key != title_key(""):
                    self._row_of.setdefault(key, row)

    def asked(
        self, profile: Profile, feedback: Sequence[Feedback], day: date, half_life_days: float
    ) -> list[tuple[Named, float]]:
        """What a reader asks for, with weights: the profile's interests and what the reader said of papers.

        A verdict fades to one half in `half_life_days`. One that is in the profile has no date and does not fade;
        where the two differ, the verdict with a date counts.
        """
        found: dict[Named, float] = {}
        for one, weight in wanted(profile):
            same = self._stored(one) if one.kind in PAPER_KINDS else one
            if found.get(same, 0.0) < weight:
                found[same] = weight
        for said in feedback:
            text = known_as(said.paper_id)
            for kind in PAPER_KINDS:
                found.pop(Named(kind, text), None)
            age = max((day - said.at.date()).days, 0)
            found[Named(said.kind, text)] = max(2.0 ** (-age / half_life_days), LEAST_WEIGHT)
        return list(found.items())

    def _stored(self, one: Named) -> Named:
        row = self._row(one.text)
        return one if row is None else Named(one.kind, self._known_as[row])

    def make_room(self) -> bool:
        """Forget all interests if they are too many: a million readers' do not have to be held at once. True if so;
        then the numbers of `numbers` begin anew."""
        full = len(self._number_of) * self._number > CELLS
        if full:
            self._number_of.clear()
            self._rows.clear()
        return full

    def learn(self, interests: Iterable[Named]) -> None:
        """Score those that are new, all in one product S = A·Pᵀ. A row's figures do not depend on its company."""
        new = dict.fromkeys([one for one in interests if one not in self._number_of])
        marked: list[Named] = []
        fitted: dict[Named, int] = {}  # → row of the corpus
        unfitted: dict[Named, Paper] = {}
        read: dict[Named, str] = {}
        for one in new:
            if one.kind in ("author", "category"):
                marked.append(one)
            elif one.kind == "phrase":
                read[one] = one.text
            elif (row := self._row(one.text)) is None:
                read[one] = _title(one.text)
            elif row < self._fitted:
                fitted[one] = row
            else:
                unfitted[one] = self._papers[row]
        if marked:
            self._keep(marked, np.array([self._marks(one) for one in marked]))
        if read:
            asked = self._space.phrases(list(read.values()))
            self._score(list(read), self._space.completed(asked), asked)
        if fitted:
            self._score(list(fitted), self._space.corpus.take(list(fitted.values())))
        if unfitted:
            self._score(list(unfitted), self._space.papers(list(unfitted.values())))

    def _score(self, these: Sequence[Named], vectors: Vectors, told: Vectors | None = None) -> None:
        """Likeness by words and by topics. `told` has the terms that readers are told of, where `vectors` has not.

        The two are on different scales, and how different hangs on the interest. So topics are brought to the scale
        of words by what is usual in the corpus, and only what is beyond the usual counts.
        """
        terms = (told or vectors).terms
        self._rows.update((one, (terms, place)) for place, one in enumerate(these))
        for start in range(0, len(these), BLOCK):
            some = these[start : start + BLOCK]
            part = vectors.take(np.arange(start, start + len(some)))
            words, usual = (part.terms @ self._terms).toarray(), (part.terms @ self._sample_terms).toarray()
            likeness = words - self._space.trust * usual.mean(axis=1, keepdims=True)
            placed = part.topics.astype(np.float64)
            # Exact sums, so neither their order nor their company shows: see `Topics.placed`.
            topics, usual_topics = placed @ self._topics, placed @ self._sample_topics
            spread = usual_topics.std(axis=1, keepdims=True) if placed.size else np.zeros((len(some), 1))
            of_words = usual.std(axis=1, keepdims=True)
            if self._space.view:  # which knows words that no stored paper has
                of_words = np.where(of_words > 0, of_words, SPREAD_OF_WORDS)
            scale = np.divide(of_words, spread, out=np.zeros_like(spread), where=spread > 1e-9)
            beyond = scale * (topics - self._space.trust * usual_topics.mean(axis=1, keepdims=True))
            share = self._space.maturity * np.array([_share_of_topics(one) for one in some])[:, None]
            alone = WORDS_ALONE * likeness
            if self._space.view and self._space.topics.width:
                share = 1 - BESIDE_VIEW * (1 - share)
            elif self._space.view:
                share, likeness = np.full_like(share, VIEW_ALONE), alone
            found = np.where(spread > 1e-9, (1 - share) * likeness + share * beyond, alone)
            # To be less like what was disliked than usual is no merit.
            least = np.array([0.0 if one.kind == "disliked" else LEAST for one in some])[:, None]
            self._keep(some, np.clip(np.round(found, 9), least, 1.0))

    def _keep(self, these: Sequence[Named], likeness: np.ndarray) -> None:
        start = len(self._number_of)
        end = start + len(these)
        if end > len(self._likeness):
            held = self._likeness[:start]
            self._likeness = np.empty((2 * end, self._number))
            self._likeness[:start] = held
        self._likeness[start:end] = likeness
        self._number_of.update(zip(these, range(start, end), strict=True))

    def _marks(self, one: Named) -> np.ndarray:
        return self._authors.matching(one.text) if one.kind == "author" else self._in_category(one.text)

    def _in_category(self, name: str) -> np.ndarray:
        """1 for each candidate in this category, else 0; "stat.*" is all of stat."""
        name = name.casefold()
        start = name.removesuffix("*") if name.endswith("*") else None
        return np.array(
            [
                float(any(one == name or (start is not None and one.startswith(start)) for one in mine))
                for mine in self._categories
            ]
        )

    @property
    def likeness(self) -> np.ndarray:
        """From LEAST to 1 for each interest and candidate, 0 is what is usual; (interests × candidates)."""
        likeness: np.ndarray = self._likeness[: len(self._number_of)]
        return likeness

    def numbers(self, interests: Iterable[Named]) -> np.ndarray:
        """Which rows of `likeness` these are, (interests,); they must have been learned."""
        return np.array([self._number_of[one] for one in interests], dtype=np.int32)

    def weights(self, one: Named) -> Mapping[int, float]:
        """Its row of the space as column → weight; empty for an author or a category."""
        return cells(*self._rows[one]) if one in self._rows else {}

    def paper(self, one: Named) -> Paper | None:
        """The known paper that an interest in a paper means."""
        row = self._row(one.text)
        return None if row is None else self._papers[row]

    def row(self, one: Named) -> int | None:
        """The row of the corpus that an interest in a paper means."""
        row = self._row(one.text)
        return row if row is not None and row < self._fitted else None

    def _row(self, text: str) -> int | None:
        if text in self._row_of:
            return self._row_of[text]
        key = paper_key(text)
        return self._row_of.get(key or title_key(text))


def _share_of_topics(one: Named) -> float:
    if one.kind != "phrase":
        return TOPICS_OF_PAPER
    return TOPICS_OF_PHRASE if len(one.text.split()) <= SENTENCE else TOPICS_OF_SENTENCE


def _title(text: str) -> str:
    """What there is to read of a paper that is not stored: its title, but nothing of an identifier."""
    return "" if paper_key(text) or text.startswith("\0") else text


def cells(matrix: sparse.csr_matrix, row: int) -> dict[int, float]:
    """A row as column → value."""
    some = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return dict(zip(matrix.indices[some].tolist(), matrix.data[some].tolist(), strict=True))


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
