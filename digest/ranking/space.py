"""The space in which interests and papers meet: weighted terms, and topics learned from the store.

**Terms** are weighted after BM25 (Robertson and Zaragoza, 2009): a word's frequency saturates, long texts are held
back, rare words count more. Rows have length one, so that a product of two rows is their cosine.

**Topics** are latent semantic analysis (Deerwester et al., 1990) of the terms: what occurs together in the store.
One number of topics is too coarse for some questions and too fine for others, so several are used side by side,
each centred on the corpus and of length one. A small store has none.

**Feedback** (Rocchio, 1971) completes a phrase, which has but a few words, with what the papers nearest to it say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from digest.model import Paper
from digest.ranking.terms import terms

TITLE_WEIGHT = 3  # a word in the title counts as three in the abstract
SATURATION, LENGTH = 2.0, 1.0  # BM25's k1 and b
TOPICS = (50, 100, 200, 400)
PAPERS_PER_TOPIC = 4  # fewer than that, and a topic is a paper
RARE_PAIRS_FROM = 500  # papers; above, a pair of words that a single paper has is left out
FEEDBACK = 5  # papers that complete a phrase ...
PAPERS_PER_FEEDBACK = 100  # ... at most one for so many in the store
SAMPLE = 2000  # papers by which to tell what likeness is usual
BLOCK = 256  # interests at a time against the whole corpus
Rows = sparse.csr_matrix


class Vectors(NamedTuple):
    """Papers or interests, one a row."""

    terms: Rows  # (n × vocabulary), of length one or zero
    topics: np.ndarray  # (n × dimensions), float32, of length one or zero; no dimensions for a small store

    def take(self, rows: Sequence[int] | np.ndarray) -> Vectors:
        return Vectors(self.terms[rows], self.topics[rows])


class Space:
    """A vocabulary with its weights, fitted on a corpus."""

    def __init__(self, corpus: Sequence[Paper]) -> None:
        """Fit on `corpus`. An empty one gives a space without terms, in which every row is zero."""
        self._counter = CountVectorizer(analyzer=_as_given, lowercase=False, dtype=np.float64)
        documents = [_paper_terms(paper) for paper in corpus]
        self.is_empty = not any(documents)
        if self.is_empty:
            self.vocabulary: list[str] = [""]
            self.corpus = Vectors(sparse.csr_matrix((len(corpus), 1)), np.zeros((len(corpus), 0), np.float32))
        else:
            counts = sparse.csr_matrix(self._counter.fit_transform(documents))
            counts = self._without_rare_pairs(counts)
            self._usual_length = float(counts.sum()) / len(corpus)
            seen = np.bincount(counts.indices, minlength=counts.shape[1])
            self._rarity = np.log1p((len(corpus) - seen + 0.5) / (seen + 0.5))
            rows = self._weighed(counts, self._usual_length)
            self._axes, self._centre = self._topics_of(rows)
            self.corpus = Vectors(rows, self._in_topics(rows, self._centre))
        # The mean of ten papers is mostly those papers, so what is usual in a small store is only partly believed.
        self.trust = len(corpus) / (len(corpus) + 50)
        step = max(1, len(corpus) // SAMPLE)
        self.sample = self.corpus.take(np.arange(0, len(corpus), step))

    def papers(self, papers: Sequence[Paper]) -> Vectors:
        """Also of papers that the space was not fitted on."""
        if self.is_empty:
            return self._nothing(len(papers))
        rows = self._weighed(self._counted([_paper_terms(paper) for paper in papers]), self._usual_length)
        return Vectors(rows, self._in_topics(rows, self._centre))

    def phrases(self, texts: Sequence[str]) -> Vectors:
        """Phrases and sentences as they are written; one without a known term gives a row of zeros."""
        if self.is_empty or not texts:
            return self._nothing(len(texts))
        rows = self._weighed(self._counted([[term.folded for term in terms(text)] for text in texts]), None)
        # What a phrase leaves out says nothing, so it has no place relative to the centre.
        return Vectors(rows, self._in_topics(rows, None))

    def completed(self, phrases: Vectors) -> Vectors:
        """Phrases with what the papers nearest to each say."""
        number = min(FEEDBACK, self.corpus.terms.shape[0] // PAPERS_PER_FEEDBACK)
        if not number or not phrases.terms.shape[0]:
            return phrases
        blocks = [
            self._completed(phrases.take(np.arange(start, min(start + BLOCK, phrases.terms.shape[0]))), number)
            for start in range(0, phrases.terms.shape[0], BLOCK)
        ]
        return Vectors(
            sparse.csr_matrix(sparse.vstack([one.terms for one in blocks])),
            np.concatenate([one.topics for one in blocks]),
        )

    def _completed(self, phrases: Vectors, number: int) -> Vectors:
        near = (phrases.terms @ self.corpus.terms.T).toarray().astype(np.float32) * np.float32(NEAR_TERMS)
        for place, placed in enumerate(phrases.topics):
            # One product for each phrase: the last bits of a larger one hang on how many there are.
            near[place] += self.corpus.topics @ placed
        near[phrases.terms.getnnz(axis=1) == 0] = 0.0
        np.clip(np.round(near, 6, out=near), 0.0, None, out=near)
        best = np.sort(np.argpartition(-near, number - 1, axis=1)[:, :number], axis=1)
        weight: np.ndarray = np.take_along_axis(near, best, axis=1).astype(np.float64)
        weight = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        row = np.repeat(np.arange(len(best)), number)
        shape = (len(best), self.corpus.terms.shape[0])
        mixed = sparse.csr_matrix((weight.ravel(), (row, best.ravel())), shape=shape)
        rows = sparse.csr_matrix(normalize(phrases.terms + mixed @ self.corpus.terms))
        rows.sort_indices()
        return Vectors(rows, _unit(phrases.topics + mixed @ self.corpus.topics))

    def _nothing(self, number: int) -> Vectors:
        width = self.corpus.topics.shape[1]
        return Vectors(sparse.csr_matrix((number, len(self.vocabulary))), np.zeros((number, width), np.float32))

    def _without_rare_pairs(self, counts: Rows) -> Rows:
        names = self._counter.get_feature_names_out()
        if counts.shape[0] >= RARE_PAIRS_FROM:
            seen = np.bincount(counts.indices, minlength=counts.shape[1])
            kept = np.array([number > 1 or " " not in name for name, number in zip(names, seen, strict=True)])
            self._counter = CountVectorizer(
                analyzer=_as_given, lowercase=False, dtype=np.float64, vocabulary=names[kept]
            )
            counts, names = sparse.csr_matrix(counts[:, kept]), names[kept]
        self.vocabulary = list(names)
        return counts

    def _counted(self, documents: Sequence[Sequence[str]]) -> Rows:
        return sparse.csr_matrix(self._counter.transform(documents))

    def _weighed(self, counts: Rows, usual_length: float | None) -> Rows:
        """Counts → rows of length one; without a usual length all texts count as usually long."""
        rows = counts.copy()
        length = np.asarray(counts.sum(axis=1)).ravel() / usual_length if usual_length else np.ones(rows.shape[0])
        held = SATURATION * (1 - LENGTH + LENGTH * np.repeat(length, np.diff(rows.indptr)))
        rows.data = rows.data * (SATURATION + 1) / (rows.data + held)
        made: Rows = sparse.csr_matrix(normalize(rows @ sparse.diags_array(self._rarity)))
        made.sort_indices()
        return made

    def _topics_of(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """The axes of the topics, (vocabulary × most topics), and where the corpus's mean lies on them."""
        most = max((number for number in TOPICS if number * PAPERS_PER_TOPIC <= rows.shape[0]), default=0)
        if not most:
            return np.zeros((rows.shape[1], 0), np.float32), np.zeros(0, np.float32)
        # With one thread, as the last bits of a sum hang on how many share it.
        with threadpool_limits(limits=1, user_api="blas"):
            _, _, axes = randomized_svd(rows.astype(np.float32), most, n_iter=4, random_state=0)
        axes = np.ascontiguousarray(axes.T, dtype=np.float32)
        return axes, np.asarray(rows @ axes).mean(axis=0)

    def _in_topics(self, rows: Rows, centre: np.ndarray | None) -> np.ndarray:
        placed = np.asarray(rows @ self._axes, dtype=np.float32)
        if centre is not None:
            placed = placed - centre.astype(np.float32)
        numbers = [number for number in TOPICS if number <= placed.shape[1]]
        if not numbers:
            return placed
        together: np.ndarray = np.concatenate([_unit(placed[:, :number]) for number in numbers], axis=1)
        return together / np.float32(len(numbers) ** 0.5)


NEAR_TERMS = 0.3  # the share of the words themselves in what is nearest to a phrase


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-9), dtype=np.float32)


def _paper_terms(paper: Paper) -> list[str]:
    title = [term.folded for term in terms(paper.title)]
    return title * TITLE_WEIGHT + [term.folded for term in terms(paper.abstract)]


def _as_given(document: Iterable[str]) -> Iterable[str]:
    return document
