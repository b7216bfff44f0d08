"""One more view of what texts mean, from a model of sentences that was trained elsewhere. Optional.

The store's own topics know only what the store has said. Such a model has read more, and tells that two words mean
the same though no stored paper has both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from digest.model import Paper
from digest.ranking.topics import on_grid, unit

SHARE = 0.6  # what the view counts in topics, in length squared, where the store has topics of its own


class Embed(Protocol):
    """A model of sentences."""

    @property
    def name(self) -> str:
        """Tells one model from another: vectors of two models have nothing to do with each other."""

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """A vector for each text, (texts × dimensions), float32, of length about one. The same text has the same
        vector in whatever company."""


class View:
    """Texts as a model sees them, relative to what is usual in a corpus."""

    def __init__(self, embed: Embed, rows: np.ndarray) -> None:
        """`rows` are the corpus's, as `embedded` gives them."""
        self.embed, self.rows = embed, rows
        # Exact, so that the order of the corpus does not show: see `Topics.placed`.
        self._centre = rows.sum(axis=0, dtype=np.float64) / max(len(rows), 1)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"model": np.frombuffer(self.embed.name.encode(), dtype=np.uint8), "embedded": self.rows}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], embed: Embed | None, papers: int) -> View | None:
        """None where there was no model and is none. Raises `ValueError` if the model is another one."""
        saved = bytes(arrays["model"]).decode() if "model" in arrays else None
        if saved != (embed.name if embed else None):
            raise ValueError(f"arrays of the model {saved}, not of {embed.name if embed else None}")
        if embed is None:
            return None
        if len(arrays["embedded"]) != papers:
            raise ValueError("arrays of different spaces")
        return cls(embed, arrays["embedded"])

    def papers(self, papers: Sequence[Paper]) -> np.ndarray:
        return self.placed(embedded(self.embed, papers))

    def phrases(self, texts: Sequence[str]) -> np.ndarray:
        return self.placed(_rows(self.embed, texts))

    def placed(self, rows: np.ndarray) -> np.ndarray:
        """Rows of `embedded` → float64, each of length one or zero."""
        return unit((rows - self._centre) * (np.abs(rows).max(axis=1, keepdims=True) > 0))


def embedded(embed: Embed, papers: Sequence[Paper]) -> np.ndarray:
    """(papers × dimensions), float32; zero for a paper without text."""
    return _rows(embed, [f"{paper.title}. {paper.abstract}" if paper.abstract else paper.title for paper in papers])


def _rows(embed: Embed, texts: Sequence[str]) -> np.ndarray:
    rows = on_grid(embed(texts))
    rows[[not text.strip() for text in texts]] = 0.0
    return rows


def beside(topics: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Topics and the view side by side, (n × both widths), float32, of length one or zero and on a grid."""
    share = SHARE if topics.shape[1] else 1.0
    return on_grid(unit(np.hstack([topics * np.sqrt(1 - share), view * np.sqrt(share)])))
