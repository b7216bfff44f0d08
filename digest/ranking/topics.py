"""What words have to do with each other, learned from the store, so that texts without a common word can meet.

Two views of it. **Latent semantic analysis** (Deerwester et al., 1990) finds what occurs together in whole papers.
**Word vectors** from positive pointwise mutual information (Levy and Goldberg, 2014) tell which words keep the same
company, and serve where the first has little to go on: a rare word, a short text. One number of dimensions is too
coarse for some questions and too fine for others, so each view is cut at several, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

PAPERS_PER_TOPIC = 4  # fewer than that, and a topic is a paper
TOPICS = (50, 100, 200, 400)
TOPIC_TERMS = 40_000  # the most frequent terms take part in topics
ROUNDS = 2  # of the randomised decomposition; more change nothing that shows
COMPANY = (50, 100)  # dimensions of the word vectors
COMPANY_SHARE = 0.3  # what the word vectors count beside the topics, in length
COMPANY_WORDS = 8000  # the most frequent words have a vector
COMPANY_FROM = 1000  # papers; from fewer, who keeps whose company is chance
COMPANY_PAPERS = 3  # a word in fewer papers has none, and two words meet at least twice to keep company
GRID = 2.0**14  # see `placed`
Rows = sparse.csr_matrix


class Topics:
    """Axes for rows of terms; none for a store of fewer than PAPERS_PER_TOPIC · 50 papers."""

    def __init__(self, axes: np.ndarray, centre: np.ndarray, cuts: Sequence[tuple[int, int]]) -> None:
        """`axes` is (vocabulary × dimensions), float32; `centre` where the corpus's mean lies on them; `cuts` are
        the pieces of the axes, (first, last), that are brought to length one by themselves."""
        self.axes, self.centre, self.cuts = axes, centre, tuple(cuts)

    @classmethod
    def fit(cls, rows: Rows, words: np.ndarray) -> Topics:
        """Learn from the rows of a corpus, (papers × vocabulary); `words` are the columns of single words."""
        columns = _frequent(rows)
        most = min(len(columns) - 1, rows.shape[0] // PAPERS_PER_TOPIC)
        numbers = [number for number in TOPICS if number <= most]
        if not numbers:
            return cls(np.zeros((rows.shape[1], 0), np.float32), np.zeros(0), ())
        # With one thread, as the last bits of a sum hang on how many share it.
        with threadpool_limits(limits=1, user_api="blas"):
            _, _, found = randomized_svd(rows[:, columns], numbers[-1], n_iter=ROUNDS, random_state=0)
            latent = np.zeros((rows.shape[1], numbers[-1]))
            latent[columns] = found.T
            parts, cuts = [latent], [(0, number) for number in numbers]
            company = _company(rows, words)
            if company.shape[1]:
                start = numbers[-1]
                parts.append(company)
                cuts += [(start, start + number) for number in COMPANY if number <= company.shape[1]]
        axes = np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)
        return cls(axes, np.asarray(rows @ axes, dtype=np.float64).mean(axis=0), cuts)

    @property
    def width(self) -> int:
        return sum(last - first for first, last in self.cuts)

    def placed(self, rows: Rows, *, centred: bool) -> np.ndarray:
        """Rows of terms → (n × width), float32, each of length one or zero.

        Every number is a multiple of 1/GRID. So each product of two such rows is a sum of multiples of 1/GRID²,
        which float64 holds exactly: it is the same whatever the order it is summed in, the number of threads or
        what other rows are in the product.
        """
        found = np.zeros((rows.shape[0], self.width), np.float32)
        if not self.cuts:
            return found
        on_axes = np.asarray(rows @ self.axes, dtype=np.float64)
        if centred:
            on_axes -= self.centre
        views = {first for first, _ in self.cuts}
        number = {view: sum(first == view for first, _ in self.cuts) for view in views}
        place = 0
        for first, last in self.cuts:
            share = 1.0 if first == 0 else COMPANY_SHARE
            part = unit(on_axes[:, first:last]) * np.sqrt(share / number[first])
            found[:, place : place + last - first] = part
            place += last - first
        found[np.diff(rows.indptr) == 0] = 0.0  # of a text without a known word nothing is known
        return on_grid(unit(found.astype(np.float64)))


def _frequent(rows: Rows) -> np.ndarray:
    """The columns of the terms from which topics are learned: what one paper alone says joins nothing."""
    seen = np.bincount(rows.indices, minlength=rows.shape[1])
    return _most(seen, np.flatnonzero(seen >= 2), TOPIC_TERMS)


def _most(seen: np.ndarray, columns: np.ndarray, number: int) -> np.ndarray:
    """So many of the columns, those that are seen in most papers, in their order."""
    return np.sort(columns[np.argsort(-seen[columns], kind="stable")[:number]])


def _company(rows: Rows, words: np.ndarray) -> np.ndarray:
    """A vector for each frequent word, (vocabulary × dimensions), turned so that the first dimensions tell papers
    apart best."""
    seen = np.bincount(rows.indices, minlength=rows.shape[1])
    known = _most(seen, words[seen[words] >= COMPANY_PAPERS], COMPANY_WORDS)
    dimensions = COMPANY[-1]
    if len(known) <= 2 * dimensions or rows.shape[0] < COMPANY_FROM:
        return np.zeros((rows.shape[1], 0))
    there = rows[:, known]
    there = sparse.csr_matrix((np.ones_like(there.data), there.indices, there.indptr), there.shape)
    together = sparse.coo_matrix(there.T @ there)
    number = seen[known].astype(np.float64)
    meet = (together.row != together.col) & (together.data >= 2)
    one, other, times = together.row[meet], together.col[meet], together.data[meet]
    information = np.log(times * rows.shape[0] / (number[one] * number[other]))
    positive = information > 0
    table = sparse.csr_matrix((information[positive], (one[positive], other[positive])), shape=together.shape)
    left, values, _ = randomized_svd(table, dimensions, n_iter=4, random_state=0)
    vectors = unit(left * np.sqrt(values))
    papers = np.asarray(rows[:, known] @ vectors)
    papers -= papers.mean(axis=0)
    _, turn = np.linalg.eigh(papers.T @ papers)
    found = np.zeros((rows.shape[1], dimensions))
    found[known] = vectors @ turn[:, ::-1]
    return found


def on_grid(rows: np.ndarray) -> np.ndarray:
    """To multiples of 1/GRID, float32."""
    return (np.round(rows * GRID) / GRID).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-9))
