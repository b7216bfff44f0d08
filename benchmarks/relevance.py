"""How good is the ranking for real readers, beside plain TF-IDF and a classifier for each reader?

    make bench-relevance READERS=../shared/ranking     (a folder with bench.py, its protocol, and its data)

Every ranker sees the same profiles in the same run. Printed: the mean NDCG@10 and recall@100 and their ratio to
plain TF-IDF, with 95 % bootstrap intervals over readers, and the time.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.common import setup
from digest.model import Interest, Paper, Profile
from digest.ranking.interests import Authors, Catalogue, wanted
from digest.ranking.score import score
from digest.ranking.space import Space

KINDS = {"abstracts": ("library", "likes:3", "tags:3", "titles:3"), "large": ("library", "likes:3", "tags:3")}
BLOCK = 400  # candidates at a time, so that memory stays small


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readers", type=Path, required=True)
    arguments.add_argument("--split", choices=("tune", "check", "all"), default="all")
    arguments.add_argument("--data", choices=tuple(KINDS), action="append")
    arguments.add_argument("--svm", action="store_true", help="also a linear SVM for each reader (minutes)")
    wanted = arguments.parse_args()
    bench = _load(wanted.readers / "bench.py")
    print(setup())
    for data in wanted.data or KINDS:
        task = bench.load(data, wanted.readers)
        start = time.perf_counter()
        ours = Ours(task)
        took = time.perf_counter() - start
        print(
            f"\n{data}: {len(ours.papers)} papers, {len(task.candidates)} candidates; space fitted in {took:.1f} s"
        )
        print(
            f"{'profile':<10}{'ranker':<8}{'NDCG@10':>9}{'ratio to plain':>24}"
            f"{'recall@100':>12}{'ratio':>22}{'time':>9}"
        )
        rankers: list[tuple[str, Callable[..., Any]]] = [("plain", bench.plain_tfidf), ("ours", ours)]
        for kind in KINDS[data]:
            base = None
            svm = [("svm", svm_per_reader)] if wanted.svm and kind in ("library", "likes:3") else []
            for name, ranker in [*rankers, *svm]:
                found, seconds = _measure(bench, ranker, task, kind, wanted.split)
                base = base or found
                cells = [
                    f"{found[metric].mean():>{width}.4f}{_ratio(bench, found, base, metric):>{right}}"
                    for metric, width, right in (("ndcg@10", 9, 24), ("recall@100", 12, 22))
                ]
                print(f"{kind:<10}{name:<8}{''.join(cells)}{seconds:>8.1f}s", flush=True)


class Ours:
    """The ranking of the letter, by relevance alone."""

    def __init__(self, task: Any) -> None:
        number = task.train.shape[1]
        self.papers = [Paper(*_text(task, n), keys=(f"bench:{n}",), id=n + 1) for n in range(number)]
        self.space = Space(self.papers)

    def __call__(self, task: Any, profiles: Sequence[Any]) -> np.ndarray:
        readers = [self._profile(one) for one in profiles]
        asked = [wanted(one) for one in readers]
        scores = np.zeros((len(profiles), len(task.candidates)))
        for start in range(0, len(task.candidates), BLOCK):
            some = task.candidates[start : start + BLOCK]
            papers = [self.papers[n] for n in some]
            catalogue = Catalogue(self.space, self.papers, self.space.corpus.take(some), Authors(papers))
            catalogue.learn(one for interests in asked for one, _ in interests)
            for row, (reader, interests) in enumerate(zip(readers, asked, strict=True)):
                found = score(reader, interests, catalogue, np.zeros(len(some)))
                # The evidence itself: relevance is the same order, but full for whoever has a thousand likes.
                scores[row, start : start + len(some)] = found.evidence
        return scores

    @staticmethod
    def _profile(one: Any) -> Profile:
        liked = tuple(f"bench:{n}" for n in one.liked)
        return Profile(interests=tuple(Interest(text) for text in one.phrases), liked=liked, trending=0.0)


def svm_per_reader(task: Any, profiles: Sequence[Any]) -> np.ndarray:
    """A linear SVM for each reader on TF-IDF rows, every other paper a negative: what arxiv-sanity-lite does."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    texts = [task.text(n) for n in range(task.train.shape[1])]
    vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english", max_features=20_000)
    vectorizer.fit([texts[n] for n in task.training_papers])
    rows = vectorizer.transform(texts)
    known, asked = rows[task.training_papers], rows[task.candidates]
    place = {int(n): row for row, n in enumerate(task.training_papers)}
    scores = np.zeros((len(profiles), len(task.candidates)))
    for row, one in enumerate(profiles):
        labels = np.zeros(known.shape[0])
        labels[[place[n] for n in one.liked]] = 1
        model = LinearSVC(class_weight="balanced", C=0.01, tol=1e-4).fit(known, labels)
        scores[row] = model.decision_function(asked)
    return scores


def _text(task: Any, number: int) -> tuple[str, str]:
    if task.has_text:
        return task.titles[number], task.abstracts[number]
    # A bag of words: the order is lost, so no two of them stand beside each other.
    row = task.words[number]
    return "", ". ".join(
        w for i, n in zip(row.indices, row.data, strict=True) for w in [task.vocabulary[i]] * int(n)
    )


def _measure(
    bench: ModuleType, ranker: Callable[..., Any], task: Any, kind: str, split: str
) -> tuple[dict[str, np.ndarray], float]:
    keep = {"all": slice(None), "tune": slice(0, None, 2), "check": slice(1, None, 2)}[split]
    profiles = task.profiles(kind)[keep]
    start = time.perf_counter()
    scores = ranker(task, profiles)
    seconds = time.perf_counter() - start
    return bench.metrics(scores, task.truth[np.arange(task.truth.shape[0])[keep]]), seconds


def _ratio(bench: ModuleType, found: dict[str, np.ndarray], base: dict[str, np.ndarray], metric: str) -> str:
    mean, low, high = bench.ratio(found, base, metric)
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise SystemExit(f"error: {path}: no such file; name the folder of the readers with READERS=…")
    spec = importlib.util.spec_from_file_location("bench", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
