"""What readers with like likes say: factors learned from everyone's likes, and from the text of papers.

Implicit-feedback ALS (Hu, Koren and Volinsky, 2008; by conjugate gradients after Takács, Pilászy and Tikk, 2011)
gives each reader and each liked paper a vector. A paper that came this morning has no likes, so its vector is read
off its text by ridge regression.

Nobody's likes are told to anybody: nothing is learned from fewer than FEWEST_READERS readers, nor from what one
reader alone liked (who are left out do not count); a paper speaks by its own vector once HEARD_FROM of them liked
it, and by its text before; what a letter gets is one number a paper in which all of them have a part, and its
reason names neither reader nor paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from digest.ranking.space import Vectors
from digest.ranking.topics import on_grid, unit

FEWEST_READERS = 100  # with FEWEST_LIKES likes that others share; below, nothing is learned
FEWEST_LIKES = 3
LIKED_BY = 2  # readers; a paper that fewer like teaches nothing
HEARD_FROM = 3  # readers; one that fewer like speaks by its text, whoever likes it
FACTORS = 64
CONFIDENCE = 40.0  # how much surer a like is than its absence
SHRINK = 1.0  # ALS's regularisation
RIDGE = 3.0
ROUNDS, STEPS = 8, 3  # of ALS, and of conjugate gradients in each half of one


class Others:
    """Factors of the papers of a corpus, and how to read them off the text of a new one."""

    def __init__(self, factors: np.ndarray, reading: np.ndarray, usual: np.ndarray, spread: np.ndarray) -> None:
        self._factors = factors  # (papers × FACTORS); read off the text of a paper that hardly anybody liked
        self._gram = factors.T @ factors + SHRINK * np.eye(factors.shape[1])
        self._reading = reading  # (topics × FACTORS)
        self._usual, self._spread = usual, spread  # mean of the corpus's papers, and their covariance

    @classmethod
    def learn(cls, likes: Mapping[int, Iterable[int]], corpus: Vectors) -> Others | None:
        """Learn from reader → rows of the corpus; None if there is too little to learn from.

        Readers and rows may come in any order.
        """
        of_reader = _shared(likes)
        popular = np.zeros(corpus.topics.shape[0], dtype=bool)
        popular[[row for rows in of_reader for row in rows]] = True
        if len(of_reader) < FEWEST_READERS or popular.sum() < FACTORS or not corpus.topics.shape[1]:
            return None
        starts = np.cumsum([0, *map(len, of_reader)])
        shape = (len(of_reader), len(popular))
        table = sparse.csr_matrix((np.ones(starts[-1]), np.concatenate(of_reader), starts), shape=shape)
        with threadpool_limits(limits=1, user_api="blas"):
            factors = _factors(table)
            text = corpus.topics.astype(np.float64)
            liked = text[popular]
            reading = np.linalg.solve(liked.T @ liked + RIDGE * np.eye(text.shape[1]), liked.T @ factors[popular])
            read = text @ reading
            often = np.asarray(table.sum(axis=0)).ravel() >= HEARD_FROM
            factors = np.where(often[:, None], factors, read)
            directions = unit(read)
            return cls(factors, reading, directions.mean(axis=0), np.cov(directions.T, bias=True))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays, for `from_arrays`. No reader is in them."""
        return {
            "factors": self._factors,
            "reading": self._reading,
            "usual": self._usual,
            "spread": self._spread,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Others:
        """What `to_arrays` was asked of. Raises `KeyError` or `ValueError` for other arrays."""
        return cls(arrays["factors"], arrays["reading"], arrays["usual"], arrays["spread"])

    def of_papers(self, vectors: Vectors) -> np.ndarray:
        """(papers × FACTORS), read off their text."""
        return on_grid(unit(vectors.topics.astype(np.float64) @ self._reading) - self._usual).astype(np.float64)

    def of_reader(self, rows: Sequence[int]) -> np.ndarray | None:
        """The factors of a reader who likes these rows of the corpus, (FACTORS,), so that its product with a
        paper's tells by how many spreads of the corpus this reader is nearer to the paper than is usual. None if
        too little is known."""
        if not rows:
            return None
        mine = self._factors[sorted(set(rows))]
        found = np.linalg.solve(self._gram + CONFIDENCE * mine.T @ mine, (1 + CONFIDENCE) * mine.sum(axis=0))
        width = float(np.sqrt(max(found @ self._spread @ found, 0.0)))
        return on_grid(found / width).astype(np.float64) if width > 1e-9 else None


def enough(likes: Mapping[int, Iterable[int]]) -> bool:
    """Are there readers and likes enough to learn from?"""
    return len(_shared(likes)) >= FEWEST_READERS


def _shared(likes: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """The likes of each reader that others share, in an order of their own; who has too few is left out."""
    kept = [sorted(set(rows)) for rows in likes.values()]
    while True:  # who is left out may be one of those who shared
        number = Counter(row for rows in kept for row in rows)
        shared = ([row for row in rows if number[row] >= LIKED_BY] for rows in kept)
        fewer = [rows for rows in shared if len(rows) >= FEWEST_LIKES]
        if sum(map(len, fewer)) == sum(map(len, kept)):
            return sorted(fewer)
        kept = fewer


def _factors(table: sparse.csr_matrix) -> np.ndarray:
    """The papers' factors of a table of likes, (readers × papers)."""
    turned = sparse.csr_matrix(table.T)
    papers = np.random.RandomState(0).standard_normal((table.shape[1], FACTORS)) * 0.01
    readers = np.zeros((table.shape[0], FACTORS))
    for _ in range(ROUNDS):
        readers = _half(table, papers, readers)
        papers = _half(turned, readers, papers)
    papers[np.diff(turned.indptr) == 0] = 0.0
    return papers


def _half(table: sparse.csr_matrix, given: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Least squares for all rows of `table` at once, `given` the factors of its columns, from `found` on."""
    row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    gram = given.T @ given + SHRINK * np.eye(given.shape[1])

    def applied(vectors: np.ndarray) -> np.ndarray:
        met = np.einsum("nf,nf->n", vectors[row], given[table.indices])
        at_likes = sparse.csr_matrix((CONFIDENCE * met, table.indices, table.indptr), shape=table.shape)
        return np.asarray(vectors @ gram + at_likes @ given)

    rest = (1 + CONFIDENCE) * np.asarray(table @ given) - applied(found)
    way, size = rest.copy(), np.einsum("nf,nf->n", rest, rest)
    for _ in range(STEPS):
        turned = applied(way)
        length = size / np.maximum(np.einsum("nf,nf->n", way, turned), 1e-12)
        found = found + length[:, None] * way
        rest = rest - length[:, None] * turned
        before, size = size, np.einsum("nf,nf->n", rest, rest)
        way = rest + (size / np.maximum(before, 1e-12))[:, None] * way
    return found
