"""How much attention a paper gets, as a bounded prior from where and when it was listed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from digest.model import Listing

TOP = 0.6  # what the first place of today's page is worth; being listed again adds to it
LAST = 0.2  # the last place of a page, as a share of the first: to be listed at all is something
SHORT_PAGE = 10  # being last of three is no worse than being third of ten
HALF_LIFE_DAYS = 3.0


def trending(listings: Iterable[Listing], day: date) -> float:
    """A number from 0 to just below 1: a noisy-or over the distinct days on which a paper was listed.

        T = 1 − Π over days (1 − TOP · place · 2^(−age / HALF_LIFE_DAYS))

    `place` falls in a line from 1 at the top to LAST at the end of that day's page; of several listings on one
    day the best counts. So T grows with a better place, a later day and each further day, and never reaches 1.
    Votes that a source does not tell are unknown: they neither add nor take away. Listings after `day` are not
    looked at.
    """
    best: dict[date, float] = {}
    for one in listings:
        if one.day <= day:
            along = max(one.position - 1, 0) / max(one.size, SHORT_PAGE, one.position)
            best[one.day] = max(best.get(one.day, 0.0), 1 - (1 - LAST) * along)
    missed = 1.0
    for listed in sorted(best):
        age = (day - listed).days
        missed *= 1 - TOP * best[listed] * 2 ** (-age / HALF_LIFE_DAYS)
    return 1 - missed
