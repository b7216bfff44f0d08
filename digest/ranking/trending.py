"""How much attention each paper gets, as a bounded prior from where, when and with how many votes it was listed.

docs/trending.md has the formula with an example, why it is so, and what it is worth.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Sequence
from datetime import date
from itertools import groupby
from math import fsum

import numpy as np

from digest.model import Listing, Standing

TOP = 0.6  # what the first place of today's page is worth; being listed again adds to it
LAST = 0.2  # the last place of a page, as a share of the first: to be listed at all is something
SHORT_PAGE = 10  # being last of three is no worse than being third of ten
HALF_LIFE_DAYS = 3.0
FEWEST = 3  # of fewer known votes there is no field, and of fewer papers in common no list that is shown again
FIELD_HALF = 3  # so many known votes are believed by one half ...
VOTES_HALF = 30  # ... as is a field with so many votes in all
AT_REST = 5  # votes added to both sides of a ratio: 2 to 0 says little, 200 to 20 much
STEEP = 2.0  # the power of that ratio: a place by votes then weighs as much, beside recency, as one by position
MOST_VOTES = 10**12  # more tell nothing, and are exact as they are
SAME_LIST = 1 / 3  # of what two lists hold together: half of each, where they are equally long


def standings(listings: Sequence[Sequence[Listing]], day: date) -> list[Standing]:
    """How much attention each paper gets, and what says so. Listings after `day` are not looked at.

        T = 1 − Π over days (1 − TOP · strength · 2^(−age / HALF_LIFE_DAYS))

    `listings` are those of every paper of the pool, as votes say something only beside those of the same source and
    day. `strength` is LAST to 1. Of several listings on one day the strongest counts; a list that is shown again
    counts for the day on which it came. So T lies from 0 to just below 1, and each paper gets the same whatever the
    order of papers and listings.
    """
    lists: defaultdict[tuple[date, str], dict[int, Listing]] = defaultdict(dict)
    for paper, many in enumerate(listings):
        for one in many:
            if one.day <= day:
                field = lists[one.day, one.source]
                field[paper] = max(one, field.get(paper, one), key=_most_said)
    keys = sorted(lists)
    fields = [lists[key] for key in keys]
    came: list[dict[int, date]] = [{} for _ in listings]  # a paper's new lists → when it came to each
    best: list[dict[date, tuple[float, int]]] = [{} for _ in listings]
    votes = [sorted(one.votes for one in field.values() if one.votes is not None) for field in fields]
    sure = [_sure(some) for some in votes]
    for place, new in enumerate(shown_again([key[0] for key in keys], fields)):
        field = fields[place]
        for paper, strength in zip(field, _strengths(list(field.values()), sure[place]), strict=True):
            on = came[paper].setdefault(new, keys[place][0])
            best[paper][on] = max(best[paper].get(on, (0.0, 0)), (strength, place))
    found = []
    for paper, days in enumerate(best):
        missed, most, said = 1.0, 0.0, None
        for on in sorted(days):
            strength, place = days[on]
            part = TOP * strength * 2 ** (-(day - on).days / HALF_LIFE_DAYS)
            missed *= 1 - part
            if said is None or part >= most:
                most, said = part, (strength, place)
        if said is None:
            found.append(Standing(0.0))
            continue
        strength, place = said
        one, of = fields[place][paper], votes[place] if sure[place] else []
        rank = 1 + len(of) - bisect_right(of, one.votes) if of and one.votes is not None else None
        found.append(Standing(1 - missed, one, strength, sure[place], rank, len(of), len(days)))
    return found


def trends(listings: Sequence[Sequence[Listing]], day: date) -> np.ndarray:
    """The numbers of `standings` alone, (papers,)."""
    return np.array([one.trending for one in standings(listings, day)], dtype=np.float64)


def _most_said(one: Listing) -> tuple[int, int, int]:
    """Should one list hold a paper twice, the better of the two counts."""
    return -1 if one.votes is None else one.votes, -one.position, -one.size


def _sure(votes: Sequence[int]) -> float:
    """How far the votes of a field are believed, 0–1: few, or of few papers, say little."""
    total = sum(min(one, MOST_VOTES) for one in votes)
    if len(votes) < FEWEST:
        return 0.0
    return len(votes) / (len(votes) + FIELD_HALF) * total / (total + VOTES_HALF)


def _strengths(field: Sequence[Listing], sure: float) -> list[float]:
    """How each paper stands in one list, LAST to 1: by votes as far as these are believed, else by position."""
    position = np.array([one.position for one in field], dtype=np.float64)
    size = np.array([one.size for one in field], dtype=np.float64)
    height = 1 - np.maximum(position - 1, 0) / np.maximum(np.maximum(size, position), SHORT_PAGE)
    if sure:
        known = np.array([one.votes is not None for one in field])
        votes = np.array([min(one.votes, MOST_VOTES) for one in field if one.votes is not None], dtype=np.float64)
        ordered = np.sort(votes)
        rank = (np.searchsorted(ordered, votes, "left") + np.searchsorted(ordered, votes, "right")) / 2 / len(votes)
        beside = ((votes + AT_REST) / (np.median(votes) + AT_REST)) ** STEEP
        beside = beside / (1 + beside)
        by_votes = (rank + beside) / 2
        # Votes that are not known are not zero: the paper is as usual there, and its position says the rest.
        likely = np.clip((fsum(by_votes) / len(votes) + height) / 2, by_votes.min(), by_votes.max())
        likely[known] = by_votes
        height = sure * likely + (1 - sure) * height
    strengths: list[float] = (LAST + (1 - LAST) * height).tolist()
    return strengths


def shown_again(days: Sequence[date], lists: Sequence[Collection[Hashable]]) -> list[int]:
    """For each list of papers the new list that it shows again, from a day before, by its index; or its own.

    The lists come in the order of their `days`. They are held against new ones and not against each other, so that
    one that changes a little every day becomes new when more than half of it has changed.
    """
    found: list[int] = []
    holding: defaultdict[Hashable, list[int]] = defaultdict(list)  # paper → new lists of days before with it
    for _, one_day in groupby(range(len(lists)), key=lambda place: days[place]):
        new = []
        for place in one_day:
            shared = Counter(one for paper in lists[place] for one in holding[paper])
            alike = {one: n / (len(lists[place]) + len(lists[one]) - n) for one, n in shared.items() if n >= FEWEST}
            nearest = min(alike, key=lambda one: (-alike[one], one), default=place)
            if alike.get(nearest, 0.0) < SAME_LIST:
                nearest = place
                new.append(place)
            found.append(nearest)
        for place in new:
            for paper in lists[place]:
                holding[paper].append(place)
    return found
