"""Freeze what one day's letters are chosen from: the candidates, and what the ranking learns from the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy
import scipy
import sklearn
import sqlalchemy as sa

from digest import ranking, semantic
from digest.config import Config
from digest.gaps import Gap
from digest.model import Feedback, Listing, Paper
from digest.ranking.others import Others, enough
from digest.ranking.ranker import Candidate, Ranker, in_order
from digest.ranking.space import Space
from digest.store import arrays, feedback, papers, sources
from digest.store.opening import Store

CACHE = "cache"  # the folder of what was fitted, beside config.toml
FITTED_WHOLE = 1000  # a space of so few papers is fitted on all of them, in a second


Fitted = TypeVar("Fitted", Space, Others)
GROWTH = 1.1  # beyond, it is fitted anew when the store has grown by a tenth


@dataclass(frozen=True, slots=True)
class Edition:
    """The frozen pool of one day, ready to choose from."""

    day: date
    window_days: int
    candidates: int
    days: int  # distinct days on which they were listed
    digest: str  # of the pool and what the ranking learned: the same digest gives the same letters
    newest: date | None  # the last listing on or before the day
    stored: int  # papers in the store
    ranker: Ranker
    fresh: date | None  # the last day on which one of the candidates became one
    arrived: datetime | None  # when the newest of them came into the store
    quiet: tuple[date, ...]  # days since of which sources said that they have nothing new, if all who can say do
    gaps: tuple[Gap, ...]  # days in the window that a source could not be read for


class Pool:
    """Opens editions. Fitting the space is the costly part, so it is kept: in memory, and in files as arrays."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config = store, config
        self._embed = semantic.embedder(config)
        self._folder = config.path(CACHE)
        self._open: dict[date, Edition] = {}
        self._spaces: dict[str, Space] = {}

    def open(self, day: date) -> Edition:
        """Freeze the candidates of `day`: what was listed in the window that ends with it."""
        window = self._config.edition.window_days
        with self._store.read() as connection:
            around = papers.pool(connection, day, 2 * window)
            corpus = papers.corpus(connection)
            first = papers.first_listed(connection)
            newest = papers.newest_listing(connection, until=day)
            arrived = papers.last_arrival(connection, day, window)
            names = [one.name for one in self._config.sources]
            told = sources.days(connection, names, day - timedelta(days=window - 1), day)
            said = feedback.everyone(connection)
        listings = [one for one in around if one[1].day > day - timedelta(days=window)]
        chosen = fitted(first)
        base = in_order([paper for paper in corpus if paper.id in chosen])
        model = self._embed.name if self._embed else ""
        shape = _digest(_code(), model, *((paper.keys, paper.title, paper.abstract) for paper in base))
        # The likes of today count from tomorrow on, so that not every click makes a day's letters anew.
        likes = _likes(said, base, before=day)
        heard = _digest(shape, *sorted(map(sorted, likes.values()))) if enough(likes) else ""
        half_life = self._config.edition.half_life_days
        digest = _digest(day, window, half_life, shape, heard, *corpus, *listings)
        entered = _entered(around, timedelta(days=window))
        fresh = max((entered[one] for one, _ in listings), default=None)
        gaps = tuple(Gap(one.source, one.day, one.detail) for one in told if one.state == sources.FAILED)
        stands_on: dict[str, Any] = {
            "fresh": fresh,
            "arrived": arrived,
            "quiet": _quiet(fresh, [row.day for _, row in listings], told) if fresh else (),
            "gaps": gaps,
        }
        if day in self._open and self._open[day].digest == digest:
            known = replace(self._open[day], **stands_on)
            if known != self._open[day]:
                self._open[day] = known
            return self._open[day]
        by_id = {paper.id: paper for paper in corpus}
        listed: dict[int, list[Listing]] = {}
        for paper_id, listing in listings:
            listed.setdefault(paper_id, []).append(listing)
        space = self._space(shape, base)
        ranker = Ranker(
            base,
            [Candidate(by_id[one], tuple(rows)) for one, rows in listed.items()],
            day,
            space=space,
            others=self._others(heard, likes, space) if heard else None,
            half_life_days=half_life,
        )
        ranker.acquaint(corpus)
        opened = Edition(
            day=day,
            window_days=window,
            candidates=len(listed),
            days=len({listing.day for _, listing in listings}),
            digest=digest,
            newest=newest,
            stored=len(corpus),
            ranker=ranker,
            **stands_on,
        )
        # Time zones make two or three days current at once; older ones are not asked for again.
        self._open = {d: e for d, e in self._open.items() if abs(d - day) <= timedelta(days=2)} | {day: opened}
        return opened

    def heard(
        self, connection: sa.Connection, edition: Edition, ids: Sequence[int]
    ) -> dict[int, tuple[Feedback, ...]]:
        """What these subscribers said of papers; the ranker is made to know the papers."""
        said = feedback.of(connection, ids)
        unknown = {one.paper_id for rows in said.values() for one in rows} - edition.ranker.known
        edition.ranker.acquaint(papers.by_ids(connection, unknown), public=False)
        return said

    def _space(self, name: str, corpus: Sequence[Paper]) -> Space:
        if name not in self._spaces:
            kept = arrays.load(self._folder, "space", name)
            found = _restored(kept, lambda one: Space.from_arrays(one, self._embed))
            if found is None:
                found = Space(corpus, self._embed)
                if len(corpus) > FITTED_WHOLE:
                    arrays.save(self._folder, "space", name, found.to_arrays())
            self._spaces = {name: found}
        return self._spaces[name]

    def _others(self, name: str, likes: Mapping[int, Sequence[int]], space: Space) -> Others | None:
        found = _restored(arrays.load(self._folder, "others", name), Others.from_arrays)
        if found is None:
            found = Others.learn(likes, space.corpus)
            if found is not None:
                arrays.save(self._folder, "others", name, found.to_arrays())
        return found


def fitted(first_listed: Mapping[int, date]) -> set[int]:
    """The papers, of those listed first on these days, that the space is fitted on.

    All of them, up to FITTED_WHOLE; beyond, all of the days up to the last one by which the store had grown by
    GROWTH since it was last fitted. So it hangs on the papers and their days alone, not on when anybody looked.
    """
    if len(first_listed) <= FITTED_WHOLE:
        return set(first_listed)
    days: dict[date, set[int]] = {}
    for paper_id, day in first_listed.items():
        days.setdefault(day, set()).add(paper_id)
    chosen: set[int] = set()
    waiting: set[int] = set()
    for day in sorted(days):
        waiting |= days[day]
        if len(chosen) + len(waiting) >= max(FITTED_WHOLE, GROWTH * len(chosen)):
            chosen |= waiting
            waiting = set()
    return chosen


def _entered(listings: Sequence[tuple[int, Listing]], window: timedelta) -> dict[int, date]:
    """Paper id → the day on which it last became a candidate, from listings by paper and day: one that is listed
    again while it is a candidate stays one, and one that had not been listed for a window is as good as new."""
    found: dict[int, date] = {}
    last: dict[int, date] = {}
    for paper_id, one in listings:
        if paper_id not in last or one.day - last[paper_id] > window:
            found[paper_id] = one.day
        last[paper_id] = one.day
    return found


def _quiet(fresh: date, listed: Sequence[date], told: Sequence[sources.Day]) -> tuple[date, ...]:
    """The days after `fresh` that sources spoke of; none if one could not be read for such a day, as nobody knows
    what it has. One that could be read on no day of the window is not waited for."""
    spoken = [one for one in told if one.state != sources.FAILED]
    alive = {one.source for one in spoken}
    if any(one.state == sources.FAILED and one.day > fresh and one.source in alive for one in told):
        return ()
    return tuple(sorted({on for on in [*listed, *(one.day for one in spoken)] if on > fresh}))


def _likes(said: Sequence[tuple[int, Feedback]], corpus: Sequence[Paper], *, before: date) -> dict[int, list[int]]:
    """Reader → the rows of the corpus that they liked before a day."""
    row_of = {paper.id: row for row, paper in enumerate(corpus)}
    found: dict[int, list[int]] = {}
    for reader, one in said:
        if one.kind != "disliked" and one.paper_id in row_of and one.at.date() < before:
            found.setdefault(reader, []).append(row_of[one.paper_id])
    return found


def _restored(
    found: dict[str, numpy.ndarray] | None, made: Callable[[Mapping[str, numpy.ndarray]], Fitted]
) -> Fitted | None:
    try:
        return None if found is None else made(found)
    except (KeyError, ValueError, IndexError, TypeError):
        return None


def _digest(*parts: object) -> str:
    fold = sha256()
    for part in parts:
        fold.update(repr(part).encode("utf-8", "replace") + b"\n")
    return fold.hexdigest()[:32]


@lru_cache(maxsize=1)
def _code() -> str:
    """What else a fitted space hangs on: the code that fits it, and the libraries."""
    sources = sorted(Path(ranking.__path__[0]).glob("*.py"))
    versions = (numpy.__version__, scipy.__version__, sklearn.__version__)
    return _digest(versions, *(path.read_bytes() for path in sources))
