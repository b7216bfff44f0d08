"""What is each part of the ranking worth? The whole without one part at a time, on real readers.

    make ablation READERS=../shared/ranking     (the folder of `make bench-relevance`)

Printed as a table for docs/ranking.md: the mean NDCG@10 and recall@100 without the part as a ratio to the whole.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.common import setup
from benchmarks.readers import KINDS, SPLITS, as_task, known, load_bench
from digest.ranking import interests, score, space, topics
from digest.ranking.evaluate import with_others
from digest.ranking.space import Vectors


@contextmanager
def _replaced(module: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _single_words(terms: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    return lambda text: [term for term in terms(text) if " " not in term]


def _of_length_one(weighed: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: space._normalized(weighed(*arguments))


def _as_asked(_: object, phrases: Vectors) -> Vectors:
    return phrases


# What is left out → how.
PARTS: dict[str, tuple[Any, str, object]] = {
    "title x 3 (x 1 instead)": (space, "TITLE_WEIGHT", 1),
    "pairs of words": (space, "folded_terms", _single_words(space.folded_terms)),
    "the length of rows (cosine instead)": (space, "_weighed", _of_length_one(space._weighed)),
    "saturation (k1 = 20)": (space, "SATURATION", 20.0),
    "text length (b = 0)": (space, "LENGTH", 0.0),
    "topics and word vectors": (topics, "TOPICS", ()),
    "several cuts (200 topics alone)": (topics, "TOPICS", (200,)),
    "word vectors": (topics, "COMPANY_FROM", 10**9),
    "feedback from the corpus": (space.Space, "completed", _as_asked),
    "the bound on what is less than usual": (interests, "LEAST", -1.0),
    "what other readers say": (score, "OTHERS_SHARE", 0.0),
}


NEED_TEXT = ("title x 3 (x 1 instead)", "pairs of words")  # bags of words have neither


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readers", type=Path, required=True)
    arguments.add_argument("--split", choices=tuple(SPLITS), default="all")
    arguments.add_argument("--data", choices=tuple(KINDS), action="append")
    wanted = arguments.parse_args()
    bench = load_bench(wanted.readers)
    print(setup())
    for data in wanted.data or KINDS:
        task = bench.load(data, wanted.readers)
        print(f"\n{data}, NDCG@10 / recall@100 without it, as a ratio to the whole\n")
        print("| without | " + " | ".join(KINDS[data]) + " |")
        print("|---" * (len(KINDS[data]) + 1) + "|")
        whole = _figures(bench, task, KINDS[data], wanted.split)
        for name, change in PARTS.items():
            if not task.has_text and name in NEED_TEXT:
                continue
            with _replaced(*change):
                found = _figures(bench, task, KINDS[data], wanted.split)
            cells = [
                f"{ndcg / whole[n][0]:.3f} / {recall / whole[n][1]:.3f}" for n, (ndcg, recall) in enumerate(found)
            ]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def _figures(bench: ModuleType, data: Any, kinds: tuple[str, ...], split: str) -> list[tuple[float, float]]:
    """(NDCG@10, recall@100) for each kind, with what other readers say where there are likes."""
    keep = SPLITS[split]
    rank = with_others(as_task(data))
    found = []
    for kind in kinds:
        scores = rank(known(data.profiles(kind)[keep]))
        figures = bench.metrics(scores, data.truth[np.arange(data.truth.shape[0])[keep]])
        found.append((figures["ndcg@10"].mean(), figures["recall@100"].mean()))
    return found


if __name__ == "__main__":
    main()
