"""How good is the ranking for real readers, beside plain TF-IDF and a classifier for each reader?

    make bench-relevance READERS=../shared/ranking     (a folder with bench.py, its protocol, and its data)

Every ranker sees the same profiles in the same run; "others" is ours with what other readers like, "semantic" ours
with the model of sentences that --semantic names as config.toml does (only for papers with abstracts). Printed: the
mean NDCG@10 and recall@100 and their ratio to plain TF-IDF, with 95 % bootstrap intervals over readers, and the
time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.common import setup
from benchmarks.readers import KINDS, SPLITS, as_task, known, load_bench
from digest import semantic
from digest.config import Config, RankingConfig
from digest.ranking.evaluate import Fit, ours, svm_per_reader, with_model, with_others


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readers", type=Path, required=True)
    arguments.add_argument("--split", choices=tuple(SPLITS), default="all")
    arguments.add_argument("--data", choices=tuple(KINDS), action="append")
    arguments.add_argument("--svm", action="store_true", help="also a linear SVM for each reader (minutes)")
    arguments.add_argument("--semantic", default="", metavar="MODEL", help="also ours with this model (minutes)")
    wanted = arguments.parse_args()
    config = Config(ranking=RankingConfig(semantic=wanted.semantic))
    embed = semantic.embedder(config, Path(tempfile.gettempdir()) / "digest-relevance")
    bench = load_bench(wanted.readers)
    print(setup())
    for data in wanted.data or KINDS:
        task = bench.load(data, wanted.readers)
        start = time.perf_counter()
        rank = _bench_ranker(ours, task)
        took = time.perf_counter() - start
        number = task.train.shape[1]
        print(f"\n{data}: {number} papers, {len(task.candidates)} candidates; space fitted in {took:.1f} s")
        print(
            f"{'profile':<10}{'ranker':<9}{'NDCG@10':>9}{'ratio to plain':>24}"
            f"{'recall@100':>12}{'ratio':>22}{'time':>9}"
        )
        rankers: list[tuple[str, Callable[..., Any]]] = [("plain", bench.plain_tfidf), ("ours", rank)]
        if embed and task.has_text:
            start = time.perf_counter()
            rankers.append(("semantic", _bench_ranker(with_model(embed), task)))
            print(f"with the model fitted in {time.perf_counter() - start:.1f} s")
        for_likes = [("others", _bench_ranker(with_others, task))]
        for_likes += [("svm", _bench_ranker(svm_per_reader, task))] if wanted.svm else []
        for kind in KINDS[data]:
            base = None
            for name, ranker in rankers + (for_likes if kind in ("library", "likes:3") else []):
                found, seconds = _measure(bench, ranker, task, kind, wanted.split)
                base = base or found
                cells = [
                    f"{found[metric].mean():>{width}.4f}{_ratio(bench, found, base, metric):>{right}}"
                    for metric, width, right in (("ndcg@10", 9, 24), ("recall@100", 12, 22))
                ]
                print(f"{kind:<10}{name:<9}{''.join(cells)}{seconds:>8.1f}s", flush=True)


def _bench_ranker(fit: Fit, task: Any) -> Callable[..., np.ndarray]:
    rank = fit(as_task(task))
    return lambda _, profiles: rank(known(profiles))


def _measure(
    bench: ModuleType, ranker: Callable[..., Any], task: Any, kind: str, split: str
) -> tuple[dict[str, np.ndarray], float]:
    keep = SPLITS[split]
    profiles: Sequence[Any] = task.profiles(kind)[keep]
    start = time.perf_counter()
    scores = ranker(task, profiles)
    seconds = time.perf_counter() - start
    return bench.metrics(scores, task.truth[np.arange(task.truth.shape[0])[keep]]), seconds


def _ratio(bench: ModuleType, found: dict[str, np.ndarray], base: dict[str, np.ndarray], metric: str) -> str:
    mean, low, high = bench.ratio(found, base, metric)
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
