"""What does a reader cost? Picks with reasons for many readers, beside a classifier for each.

    make bench-ranking READERS=../shared/ranking     (the folder of `make bench-relevance`)

10,000 readers are made up of the keywords and libraries there: each follows two to five keywords, and every third
has ten liked papers as well. They get seven picks each of 324 candidates, with reasons, on one thread. Scoring the
interests is told apart: it is done once an edition, however many readers share them. The SVM learns from ten liked
papers a reader on the same papers and ranks the same candidates.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import setup
from benchmarks.readers import as_task, load_bench
from digest.edition import SHARD
from digest.model import Interest, Listing, Profile
from digest.ranking.evaluate import Known, Task, svm_per_reader
from digest.ranking.interests import Catalogue
from digest.ranking.ranker import BLOCK, HALF_LIFE_DAYS, Candidate, Ranker, Reader, in_order
from digest.ranking.score import Asked, score
from digest.ranking.space import Space
from digest.store.sql import batched

DAY = date(2026, 3, 14)
NUMBER, CANDIDATES, ROUNDS = 10_000, 324, 5
SVM_READERS = 60


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readers", type=Path, required=True)
    wanted = arguments.parse_args()
    bench = load_bench(wanted.readers)
    print(setup())
    with threadpool_limits(limits=1):
        for name in ("abstracts", "large"):
            data = bench.load(name, wanted.readers)
            task = as_task(data)
            papers = [replace(paper, id=row + 1) for row, paper in enumerate(task.papers)]
            took, space = _timed(lambda papers=papers: Space(in_order(papers)))
            print(f"\n{name}: space of {len(papers):,} papers fitted in {took:.1f} s")
            _readers(data, papers, task, space)


def _readers(data: Any, papers: list[Any], task: Task, space: Space) -> None:
    dice = random.Random(0)
    candidates = [
        Candidate(papers[row], (Listing("page", DAY, place, CANDIDATES),))
        for place, row in enumerate(task.candidates[:CANDIDATES], 1)
    ]
    vectors = space.papers([one.paper for one in candidates])
    keywords = sorted({word for words in data.keywords for word in words})
    liked = sorted({row for one in task.likes for row in one})
    readers = []
    for number in range(NUMBER):
        phrases = tuple(Interest(word) for word in dice.sample(keywords, dice.randint(2, 5)))
        likes = tuple(papers[row].keys[0] for row in dice.sample(liked, 10)) if number % 3 == 0 else ()
        readers.append(Reader(Profile(phrases, liked=likes), {}))
    scoring, choosing = [], []
    for _ in range(ROUNDS):
        ranker = Ranker(papers, candidates, DAY, space=space)
        first, _ = _timed(lambda ranker=ranker: ranker.learn(readers))
        scoring.append(first)
        took, number = _timed(lambda ranker=ranker: _picks(ranker, readers))
        choosing.append(took)
    catalogue = Catalogue(space, in_order(papers), [one.paper for one in candidates], vectors)
    asked = [Asked(catalogue.asked(one.profile, (), DAY, HALF_LIFE_DAYS), 0.0) for one in readers]
    catalogue.learn(named for one in asked for named, _ in one.interests)
    trend = np.zeros(CANDIDATES)
    weighing = [
        _timed(lambda: [score(some, catalogue, trend) for some in batched(asked, BLOCK)])[0] for _ in range(ROUNDS)
    ]
    interests = len({one.text for reader in readers for one in reader.profile.interests}) + len(liked)
    print(f"  {interests:,} interests scored in {_spread(scoring)}")
    print(f"  {NUMBER:,} readers x {CANDIDATES} candidates: {number:,} picks with reasons in {_spread(choosing)}")
    ours, alone = median(choosing) / NUMBER, median(weighing) / NUMBER
    classify = svm_per_reader(task)
    known = [Known(str(n), tuple(dice.sample(liked, 10))) for n in range(SVM_READERS)]
    took, _ = _timed(lambda: classify(known))
    svm = took / SVM_READERS
    both = (median(choosing) + median(scoring)) / NUMBER
    print(f"  a reader's scores alone: {1e6 * alone:.0f} µs, 1/{svm / alone:,.0f} of the SVM's {1e6 * svm:,.0f} µs")
    print(f"  with picks and reasons: {1e6 * ours:.0f} µs, 1/{svm / ours:,.0f}")
    print(f"  with the interests as well: {1e6 * both:.0f} µs, 1/{svm / both:,.0f}")


def _picks(ranker: Ranker, readers: list[Reader]) -> int:
    """Shard by shard, as an edition is written: nobody holds all picks at once."""
    return sum(sum(map(len, ranker.choose(some))) for some in batched(readers, SHARD))


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} ± {(max(seconds) - min(seconds)) / 2:.2f} s"


if __name__ == "__main__":
    main()
