"""The space in which interests and papers meet: weighted terms, and topics learned from the store.

**Terms** are weighted after BM25 (Robertson and Zaragoza, 2009): a word's frequency saturates, long texts are held
back, rare words count more. Rows of papers keep their length, which is about one: a paper that says much of what is
rare is worth more than a vague one. A phrase has length one.

**Feedback** (Rocchio, 1971) completes a phrase, which has but a few words, with what the papers nearest to it say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from digest.model import Paper
from digest.ranking.embedding import Embed, View, beside, embedded
from digest.ranking.terms import folded_terms
from digest.ranking.topics import Topics, on_grid, unit

TITLE_WEIGHT = 3  # a word in the title counts as three in the abstract
SATURATION, LENGTH = 2.0, 1.0  # BM25's k1 and b
RARE_PAIRS_FROM = 500  # papers; above, a pair of words that a single paper has is left out
FEEDBACK = 5  # papers that complete a phrase ...
PAPERS_PER_FEEDBACK = 100  # ... at most one for so many in the store
NEAR_TERMS = 0.3  # the share of the words themselves in what is nearest to a phrase
SAMPLE = 1000  # papers by which to tell what likeness is usual
BLOCK = 256  # phrases at a time against the whole corpus
Rows = sparse.csr_matrix


class Vectors(NamedTuple):
    """Papers or interests, one a row."""

    terms: Rows  # (n × vocabulary), float64
    topics: np.ndarray  # (n × width), float32, of length one or zero and on a grid: see `Topics.placed`

    def take(self, rows: Sequence[int] | np.ndarray) -> Vectors:
        return Vectors(self.terms[rows], self.topics[rows])


class Space:
    """A vocabulary with its weights, fitted on a corpus."""

    def __init__(self, corpus: Sequence[Paper], embed: Embed | None = None) -> None:
        """Fit on `corpus`. An empty one gives a space without terms, in which every row is zero."""
        documents = [_paper_terms(paper) for paper in corpus]
        counter = CountVectorizer(analyzer=_as_given, lowercase=False, dtype=np.float64)
        if any(documents):
            counts = sparse.csr_matrix(counter.fit_transform(documents))
            vocabulary = counter.get_feature_names_out()
            seen = np.bincount(counts.indices, minlength=counts.shape[1])
            if len(corpus) >= RARE_PAIRS_FROM:
                kept = np.array(
                    [number > 1 or " " not in name for name, number in zip(vocabulary, seen, strict=True)]
                )
                counts, vocabulary, seen = sparse.csr_matrix(counts[:, kept]), vocabulary[kept], seen[kept]
        else:
            counts, vocabulary, seen = sparse.csr_matrix((len(corpus), 1)), np.array([""]), np.zeros(1, np.intp)
        rarity = np.log1p((len(corpus) - seen + 0.5) / (seen + 0.5))
        usual_length = float(counts.sum()) / max(len(corpus), 1) or 1.0
        weighed = _weighed(counts, rarity, usual_length)
        lengths = sparse.linalg.norm(weighed, axis=1)
        scale = float(lengths[lengths > 0].mean()) if lengths.any() else 1.0
        weighed.data /= scale
        words = np.array([column for column, name in enumerate(vocabulary) if " " not in name], dtype=np.intp)
        view = View(embed, embedded(embed, corpus)) if embed else None
        self._set(vocabulary.tolist(), rarity, usual_length, scale, weighed, Topics.fit(weighed, words), view)

    def _set(
        self,
        vocabulary: list[str],
        rarity: np.ndarray,
        usual_length: float,
        scale: float,
        rows: Rows,
        topics: Topics,
        view: View | None,
    ) -> None:
        self.vocabulary = vocabulary
        self.topics, self.view = topics, view
        self._rarity, self._usual_length, self._scale = rarity, usual_length, scale
        self._counter = CountVectorizer(
            analyzer=_as_given,
            lowercase=False,
            dtype=np.float64,
            vocabulary={t: n for n, t in enumerate(vocabulary)},
        )
        self.corpus = self._vectors(rows, view.placed(view.rows) if view else None, centred=True)
        number = rows.shape[0]
        # The mean of ten papers is mostly those papers, so what is usual in a small store is only partly believed.
        self.trust = number / (number + 50)
        self.maturity = number / (number + 100)  # topics of two hundred papers are half chance
        self.sample = self.corpus.take(np.arange(0, number, max(1, number // SAMPLE)))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All there is to know, without the text of any paper but its words: plain arrays, for `from_arrays`."""
        rows = self.corpus.terms
        return {
            "vocabulary": np.frombuffer("\n".join(self.vocabulary).encode(), dtype=np.uint8),
            "rarity": self._rarity,
            "usual": np.array([self._usual_length, self._scale]),
            "data": rows.data,
            "indices": rows.indices,
            "indptr": rows.indptr,
            "axes": self.topics.axes,
            "centre": self.topics.centre,
            "cuts": np.array(self.topics.cuts, dtype=np.int64).reshape(-1, 2),
            **(self.view.to_arrays() if self.view else {}),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], embed: Embed | None = None) -> Space:
        """The space that `to_arrays` was asked of, with the same model. Raises `KeyError` or `ValueError` for other
        arrays, or if they are those of another model."""
        vocabulary = bytes(arrays["vocabulary"]).decode().split("\n")
        shape = (len(arrays["indptr"]) - 1, len(vocabulary))
        rows = sparse.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
        rows.check_format(full_check=True)
        if not len(vocabulary) == len(arrays["rarity"]) == len(arrays["axes"]):
            raise ValueError("arrays of different spaces")
        cuts = [(int(first), int(last)) for first, last in arrays["cuts"]]
        usual_length, scale = (float(one) for one in arrays["usual"])
        made = cls.__new__(cls)
        topics = Topics(arrays["axes"], arrays["centre"], cuts)
        view = View.from_arrays(arrays, embed, len(arrays["indptr"]) - 1)
        made._set(vocabulary, arrays["rarity"], usual_length, scale, rows, topics, view)
        return made

    def papers(self, papers: Sequence[Paper]) -> Vectors:
        """Also of papers that the space was not fitted on."""
        counts = self._counted([_paper_terms(paper) for paper in papers])
        rows = _weighed(counts, self._rarity, self._usual_length)
        rows.data /= self._scale
        return self._vectors(rows, self.view.papers(papers) if self.view else None, centred=True)

    def phrases(self, texts: Sequence[str]) -> Vectors:
        """Phrases and sentences as they are written; one without a known term gives a row of zeros, unless a model
        of sentences can read it."""
        said = [folded_terms(text) for text in texts]
        rows = _normalized(_weighed(self._counted(said), self._rarity, None))
        # What a phrase leaves out says nothing, so it has no place relative to the centre.
        read = [text if any(words) else "" for text, words in zip(texts, said, strict=True)]
        return self._vectors(rows, self.view.phrases(read) if self.view else None, centred=False)

    def _vectors(self, rows: Rows, view: np.ndarray | None, *, centred: bool) -> Vectors:
        topics = self.topics.placed(rows, centred=centred)
        return Vectors(rows, topics if view is None else beside(topics, view))

    def completed(self, phrases: Vectors) -> Vectors:
        """Phrases with what the papers nearest to each say."""
        number = min(FEEDBACK, self.corpus.terms.shape[0] // PAPERS_PER_FEEDBACK)
        count = phrases.terms.shape[0]
        if not number or not count:
            return phrases
        blocks = [
            self._completed(phrases.take(np.arange(start, min(start + BLOCK, count))), number)
            for start in range(0, count, BLOCK)
        ]
        return Vectors(
            sparse.csr_matrix(sparse.vstack([one.terms for one in blocks])),
            np.concatenate([one.topics for one in blocks]),
        )

    def _completed(self, phrases: Vectors, number: int) -> Vectors:
        words = (phrases.terms @ self.corpus.terms.T).toarray() * NEAR_TERMS
        # A first look in haste finds more than are needed; the exact one is made among those.
        near = words + phrases.topics @ self.corpus.topics.T
        some = np.sort(np.argpartition(-near, min(4 * number, near.shape[1]) - 1, axis=1)[:, : 4 * number], axis=1)
        exact = np.take_along_axis(words, some, axis=1)
        for place, asked in enumerate(phrases.topics.astype(np.float64)):
            exact[place] += self.corpus.topics[some[place]].astype(np.float64) @ asked
        exact[phrases.terms.getnnz(axis=1) == 0] = 0.0
        exact = np.clip(np.round(exact, 9), 0.0, None)
        order = np.argsort(-exact, axis=1, kind="stable")[:, :number]
        best, weight = np.take_along_axis(some, order, axis=1), np.take_along_axis(exact, order, axis=1)
        weight = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        shape = (len(best), self.corpus.terms.shape[0])
        mixed = sparse.csr_matrix((weight.ravel(), (np.repeat(np.arange(len(best)), number), best.ravel())), shape)
        rows = _normalized(phrases.terms + mixed @ self.corpus.terms)
        topics = phrases.topics.astype(np.float64) + mixed @ self.corpus.topics
        return Vectors(rows, on_grid(unit(topics)))

    def _counted(self, documents: Sequence[Sequence[str]]) -> Rows:
        return sparse.csr_matrix(self._counter.transform(documents))


def _weighed(counts: Rows, rarity: np.ndarray, usual_length: float | None) -> Rows:
    """Counts → BM25 weights; without a usual length all texts count as usually long."""
    rows = sparse.csr_matrix(counts, dtype=np.float64, copy=True)
    length = np.asarray(counts.sum(axis=1)).ravel() / usual_length if usual_length else np.ones(rows.shape[0])
    held = SATURATION * (1 - LENGTH + LENGTH * np.repeat(length, np.diff(rows.indptr)))
    rows.data = rows.data * (SATURATION + 1) / (rows.data + held) * rarity[rows.indices]
    rows.sort_indices()
    return rows


def _normalized(rows: Rows) -> Rows:
    """Each row of length one or zero."""
    made = sparse.csr_matrix(normalize(rows) if rows.shape[0] else rows)
    made.sort_indices()
    return made


def _paper_terms(paper: Paper) -> list[str]:
    return folded_terms(paper.title) * TITLE_WEIGHT + folded_terms(paper.abstract)


def _as_given(document: Iterable[str]) -> Iterable[str]:
    return document
