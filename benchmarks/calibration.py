"""What is a score worth? The share of papers with a score that the reader went on to like, on real readers.

    make calibration READERS=../shared/ranking     (the folder of `make bench-relevance`)

For each kind of profile, every candidate is scored for every reader as a letter scores it, with nothing trending.
By score in steps of five: the number of pairs of reader and paper, the share that the reader liked, with a 95 %
bootstrap interval over readers, and how many times that is the share of all pairs. docs/calibration.png shows it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import setup
from benchmarks.readers import KINDS, SPLITS, as_task, known, load_bench
from digest.ranking.evaluate import DRAWS, Rank, points

PICTURE = Path(__file__).parents[1] / "docs" / "calibration.png"
STEP = 5
BINS = 100 // STEP
FEWEST_PAIRS = 50  # of fewer, a share is not drawn
COLOURS = ("#1d4f91", "#c2571a", "#3a7d44", "#7b4b94")
INK, FAINT = "#24292f", "#d5d9de"


@dataclass(frozen=True)
class Calibration:
    kind: str
    pairs: np.ndarray  # (bins,)
    share: np.ndarray  # of the pairs, liked; NaN for an empty bin; (bins,)
    low: np.ndarray
    high: np.ndarray
    base: float  # the share of all pairs
    best: np.ndarray  # each reader's best score, (readers,)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readers", type=Path, required=True)
    arguments.add_argument("--split", choices=tuple(SPLITS), default="all")
    arguments.add_argument("--data", choices=tuple(KINDS), default="abstracts")
    arguments.add_argument("--picture", type=Path, default=PICTURE)
    wanted = arguments.parse_args()
    task = load_bench(wanted.readers).load(wanted.data, wanted.readers)
    rank = points(as_task(task))
    print(setup())
    found = []
    for kind in KINDS[wanted.data]:
        one = _calibrate(rank, task, kind, wanted.split)
        found.append(one)
        _tell(one)
    _draw(found, wanted.picture)
    print(f"\nwrote {wanted.picture}")


def _calibrate(rank: Rank, task: Any, kind: str, split: str) -> Calibration:
    keep = SPLITS[split]
    truth = task.truth[np.arange(task.truth.shape[0])[keep]].toarray() > 0
    scores = rank(known(task.profiles(kind)[keep]))
    bins = np.minimum(scores // STEP, BINS - 1).astype(np.int64)
    pairs = np.array([np.bincount(row, minlength=BINS) for row in bins], dtype=np.float64)
    liked = np.array(
        [np.bincount(row[good], minlength=BINS) for row, good in zip(bins, truth, strict=True)], dtype=np.float64
    )
    dice = np.random.default_rng(0)
    drawn = np.full((DRAWS, BINS), np.nan)
    for number in range(DRAWS):
        # Whole readers are drawn: the pairs of one reader go together.
        times = np.bincount(dice.integers(0, len(pairs), len(pairs)), minlength=len(pairs))
        some = times @ pairs
        np.divide(times @ liked, some, out=drawn[number], where=some > 0)
    low, high = (_quantile(drawn, part) for part in (0.025, 0.975))
    total = pairs.sum(axis=0)
    share = np.divide(liked.sum(axis=0), total, out=np.full(BINS, np.nan), where=total > 0)
    return Calibration(kind, total, share, low, high, float(truth.mean()), scores.max(axis=1))


def _quantile(drawn: np.ndarray, part: float) -> np.ndarray:
    known_bins = ~np.isnan(drawn).all(axis=0)
    found = np.full(drawn.shape[1], np.nan)
    found[known_bins] = np.nanquantile(drawn[:, known_bins], part, axis=0)
    return found


def _tell(one: Calibration) -> None:
    print(f"\n{one.kind}: of all pairs {one.base:.2%} are liked; median best score {np.median(one.best):.0f}")
    print(f"{'score':>8}{'pairs':>11}{'liked':>8}{'interval':>18}{'lift':>7}")
    for place in range(BINS):
        if one.pairs[place]:
            score = f"{place * STEP}–{(place + 1) * STEP}"
            interval = f"[{one.low[place]:.1%}, {one.high[place]:.1%}]"
            lift = f"{one.share[place] / one.base:.1f}"
            print(f"{score:>8}{one.pairs[place]:>11,.0f}{one.share[place]:>8.1%}{interval:>18}{lift:>7}")


def _draw(found: list[Calibration], path: Path) -> None:
    figure = Figure(figsize=(9.2, 3.9), dpi=160, facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    middle = np.arange(BINS) * STEP + STEP / 2
    for one, colour in zip(found, COLOURS, strict=False):
        seen = one.pairs >= FEWEST_PAIRS
        left.fill_between(middle[seen], one.low[seen], one.high[seen], color=colour, alpha=0.13, linewidth=0)
        left.plot(middle[seen], one.share[seen], "o-", color=colour, markersize=3.5, linewidth=1.4, label=one.kind)
        ranked = np.sort(one.best)
        right.plot(ranked, np.arange(len(ranked), 0, -1) / len(ranked), color=colour, linewidth=1.6)
    left.axhline(found[0].base, color=FAINT, linewidth=1, zorder=0)
    left.text(99, found[0].base, "any paper", ha="right", va="bottom", size=8, color="#6b727a")
    left.set_title("Share of papers that the reader liked", loc="left", size=10, weight="bold", color=INK)
    left.legend(frameon=False, fontsize=9, loc="upper left", title="known of the reader", title_fontsize=9)
    right.set_title("Readers whose best score is as high", loc="left", size=10, weight="bold", color=INK)
    for axes in (left, right):
        axes.set_xlim(0, 100)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("score", size=9, color=INK)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.tick_params(labelsize=8, color=FAINT, labelcolor=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
    figure.savefig(path, metadata={"Software": None})


if __name__ == "__main__":
    main()
