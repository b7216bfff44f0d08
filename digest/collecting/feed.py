"""Any feed: what it holds now, each entry on its own day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from digest.collecting.round import REMEMBERED, Places, Round, Work, days_from, worthless
from digest.errors import FetchFailed, FetchStopped, SourceUnreadable
from digest.model import Record
from digest.sources import feed
from digest.sources.record import fold
from digest.store import sources

ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"


def works(round: Round) -> Iterator[Work]:
    url = round.source.url
    known = any(one.filled_at for one in round.known.values())
    try:
        got = round.get(url, ACCEPT, conditional=known)
        batch = None if got.unchanged else feed.parse(got.body, url, got.content_type, got.url)
    except FetchStopped:
        round.done.stopped = True
        return
    except (FetchFailed, SourceUnreadable) as error:
        yield round.failed(error, [round.today])
        return
    if batch is None:
        round.done.unchanged += 1
        answered = [day for day, one in round.known.items() if one.filled_at]
        yield round.parts_done((), days_from(max(answered, default=round.today), round.today), (url, got))
        return
    round.done.reject(batch.rejected)
    round.done.repeated += batch.repeated
    if why := worthless(batch):
        yield round.failed(f"{url}: {why}", [round.today])
        return
    places = Places()
    records = [places.place(one, day) for one, day in dated(round, batch.records, round.today)]
    yield round.part(records)
    if round.done.failures:
        return  # what was not stored must not be taken for days without news
    # It speaks of every day since its oldest entry; what it listed before may have left it again.
    oldest = max(min(places.per_day, default=round.today), round.today - REMEMBERED)
    yield round.parts_done(places.per_day, days_from(oldest, round.today), (url, got))


def dated(round: Round, records: Sequence[Record], else_day: date) -> list[tuple[Record, date]]:
    """Each with its day, never one that lies ahead. One that says none has the first on which the source listed it:
    it would else be new with every day on which it is read again."""
    folds = {place: fold(one) for place, one in enumerate(records) if one.day is None}
    with round.store.read() as connection:
        first = sources.first_listed(connection, round.name, folds.values()) if folds else {}
    days = [one.day or first.get(folds[place]) or else_day for place, one in enumerate(records)]
    return [(one, min(day, round.today)) for one, day in zip(records, days, strict=True)]
