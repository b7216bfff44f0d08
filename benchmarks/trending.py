"""What trending is worth: what a list's first day tells of its last votes, and what showing it again does.

    make bench-trending DAYS=days.jsonl        (a file of JSON lines, or a folder of them)

Each line is a paper on a day: {"date": "2026-03-14", "id": "…", "upvotes": 12}; those of one day stand in the order
of the page. Compared are, all computed by `digest.ranking.trending`:

    position    votes taken away, each day counted anew: what trending was before it knew votes
    votes       votes beside their field, each day counted anew
    as shipped  the same, and a list that is shown again counts once

The truth is the votes at a paper's last listing. Days whose order follows the votes leave votes little to add.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from statistics import mean

import numpy as np
from scipy.stats import spearmanr

from benchmarks.common import setup
from digest.model import Listing
from digest.ranking import trending
from digest.ranking.trending import trends

Days = dict[date, dict[str, Listing]]
WINDOW, LETTER, DRAWS = 7, 7, 2000
WAYS = ("position", "votes", "as shipped")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("days", type=Path, help="the file, or a folder of files")
    days = _read(arguments.parse_args().days)
    print(setup())
    rows = sum(map(len, days.values()))
    print(f"{len(days)} days from {min(days)} to {max(days)}, {rows} listings of {len(_last(days))} papers")
    runs = _shown_again(days)
    if not runs:
        raise SystemExit("error: no list is shown again on a later day, so there is nothing to foresee")
    _foresee(days, runs)
    _again(days, runs)
    _window(days)


def _read(path: Path) -> Days:
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    pages: dict[date, dict[str, int]] = {}
    for file in files:
        number = 0
        try:
            for text in file.read_text("utf-8").splitlines():
                number += 1
                one = json.loads(text)
                pages.setdefault(date.fromisoformat(one["date"]), {}).setdefault(one["id"], int(one["upvotes"]))
        except OSError as error:
            raise SystemExit(f"error: {file}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"error: {file}:{number}: needs date, id and upvotes: {error!r}") from None
    if not pages:
        raise SystemExit(f"error: {path} holds no days")
    return {day: _listed(day, page) for day, page in sorted(pages.items())}


def _listed(day: date, page: dict[str, int]) -> dict[str, Listing]:
    return {key: Listing("page", day, place, len(page), page[key]) for place, key in enumerate(page, 1)}


def _last(days: Days) -> dict[str, Listing]:
    return {key: one for day in sorted(days) for key, one in days[day].items()}


def _shown_again(days: Days) -> list[list[date]]:
    """The days of each list that is shown on more than one, by the rule of `trending`."""
    order = sorted(days)
    runs: dict[int, list[date]] = {}
    for place, new in enumerate(trending.shown_again(order, [days[day].keys() for day in order])):
        runs.setdefault(new, []).append(order[place])
    return [run for run in runs.values() if len(run) > 1]


def _foresee(days: Days, runs: Sequence[Sequence[date]]) -> None:
    """The first day alone against the last: votes relative to that day's median, over all lists together."""
    print(f"\nfrom a list's first day to the votes of its last: {len(runs)} lists, papers of both days;")
    print("correlation with log(votes / that day's median); 95 % intervals over lists")
    dice = random.Random(1)
    for said, change in (
        ("as the page has it", lambda one: one),
        ("the order says nothing (places drawn)", lambda one: replace(one, position=dice.randint(1, one.size))),
        ("every second paper's votes are unknown", lambda one: replace(one, votes=_every_second(one))),
    ):
        shown = {run[0]: {key: change(one) for key, one in days[run[0]].items()} for run in runs}
        pairs: dict[str, list[np.ndarray]] = {way: [] for way in WAYS[:2]}
        for run in runs:
            first, last = shown[run[0]], days[run[-1]]
            usual = np.median([one.votes or 0 for one in last.values()]) + 1
            for way, found in pairs.items():
                told = dict(zip(first, _trends(way, [[one] for one in first.values()], run[0]), strict=True))
                found.append(
                    np.array([(told[k], np.log(((last[k].votes or 0) + 1) / usual)) for k in first if k in last])
                )
        print(f"  {said}, {sum(map(len, pairs['votes']))} papers")
        for name, correlate in (("rank", _ranked), ("linear", _linear)):
            both = [_drawn(found, correlate) for found in pairs.values()]
            told = "  ".join(
                f"{way} {values[0]:.3f} {_interval(values[1:])}" for way, values in zip(pairs, both, strict=True)
            )
            more = both[1] - both[0]
            print(f"    {name:<7} {told}  more by {more[0]:+.3f} {_interval(more[1:])}")


def _again(days: Days, runs: Sequence[Sequence[date]]) -> None:
    """What a list gets by being shown again: in votes, and in trending."""
    print("\na list that is shown again: × the day before, votes and mean trending of its papers")
    for step in range(1, max(map(len, runs))):
        of = [run for run in runs if len(run) > step]
        grown = []
        ratios: dict[str, list[float]] = {way: [] for way in WAYS}
        for run in of:
            before, after = days[run[step - 1]], days[run[step]]
            both = before.keys() & after.keys()
            grown.append(sum(after[k].votes or 0 for k in both) / max(sum(before[k].votes or 0 for k in both), 1))
            for way in WAYS:
                told_before, told_after = (_on(days, day, way) for day in run[step - 1 : step + 1])
                ratios[way].append(sum(told_after[k] for k in both) / sum(told_before[k] for k in both))
        told = {way: f"{way} {mean(found):.2f}" for way, found in ratios.items()}
        print(f"  day {step + 1} ({len(of)} lists): votes {mean(grown):.2f};  " + ", ".join(told.values()))
    print(f"share of such papers among the {LETTER} most trending, on the days after, beside that among candidates")
    for step in (1, 2):
        shares: dict[str, list[float]] = {way: [] for way in WAYS}
        usual = []
        for run in runs:
            day = run[-1] + timedelta(days=step)
            if day not in days:
                continue
            old = {key for one in run for key in days[one]}
            for way in WAYS:
                told_on = _on(days, day, way)
                top = sorted(told_on, key=lambda key, of=told_on: -of[key])[:LETTER]
                shares[way].append(mean(key in old for key in top))
            usual.append(mean(key in old for key in told_on))
        if usual:
            found = ", ".join(f"{way} {mean(some):.0%}" for way, some in shares.items())
            print(f"  {step} after: {found}; candidates {mean(usual):.0%}")


def _window(days: Days) -> None:
    """Over a whole window; the truth of papers that were shown again is older and so larger."""
    last = _last(days)
    print(f"\nrank correlation with the votes at the last listing; candidates of {WINDOW} days, mean over days")
    for said, half_life in (("with recency", trending.HALF_LIFE_DAYS), ("without", 1e9)):
        with _set("HALF_LIFE_DAYS", half_life):
            for which in ("all papers", "listed on one day"):
                found: dict[str, list[float]] = {way: [] for way in WAYS}
                for day in [day for day in days if day - min(days) >= timedelta(days=WINDOW - 1)]:
                    often = _candidates(days, day)
                    for way in WAYS:
                        told = _on(days, day, way)
                        keys = [key for key in told if which == "all papers" or len(often[key]) == 1]
                        pairs = np.array([(told[key], last[key].votes or 0) for key in keys])
                        found[way].append(_ranked(pairs))
                told_all = "  ".join(f"{way} {mean(some):.3f}" for way, some in found.items() if some)
                print(f"  {said + ', ' + which:<34}{told_all}")


def _candidates(days: Days, day: date) -> dict[str, list[Listing]]:
    found: dict[str, list[Listing]] = {}
    for back in reversed(range(WINDOW)):
        for key, one in days.get(day - timedelta(days=back), {}).items():
            found.setdefault(key, []).append(one)
    return found


def _on(days: Days, day: date, way: str) -> dict[str, float]:
    """The trending of each candidate of a day."""
    found = _candidates(days, day)
    return dict(zip(found, _trends(way, list(found.values()), day).tolist(), strict=True))


def _trends(way: str, listings: Sequence[Sequence[Listing]], day: date) -> np.ndarray:
    if way == "position":
        listings = [[replace(one, votes=None) for one in many] for many in listings]
    with _set("SAME_LIST", trending.SAME_LIST if way == "as shipped" else 2.0):
        return trends(listings, day)


@contextmanager
def _set(name: str, value: float) -> Iterator[None]:
    before = getattr(trending, name)
    setattr(trending, name, value)
    try:
        yield
    finally:
        setattr(trending, name, before)


def _every_second(one: Listing) -> int | None:
    return one.votes if (one.position + one.day.toordinal()) % 2 else None


def _drawn(pairs: Sequence[np.ndarray], correlate: Callable[[np.ndarray], float]) -> np.ndarray:
    """The correlation over all, and then over lists drawn again; the same draws for every way."""
    dice = np.random.default_rng(0)
    chosen = [np.arange(len(pairs)), *dice.integers(0, len(pairs), (DRAWS, len(pairs)))]
    return np.array([correlate(np.concatenate([pairs[one] for one in some])) for some in chosen])


def _ranked(pairs: np.ndarray) -> float:
    return float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)


def _linear(pairs: np.ndarray) -> float:
    return float(np.corrcoef(pairs.T)[0, 1])


def _interval(values: np.ndarray) -> str:
    low, high = np.quantile(values, (0.025, 0.975))
    return f"[{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
