"""arXiv: the feed of the last announcement, or the query API, which also fills days that were missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial

from digest import clock
from digest.collecting.round import Places, Round, Work, days_from, worthless
from digest.errors import FetchFailed, FetchStopped, SourceUnreadable
from digest.sources import arxiv
from digest.store import sources
from digest.store.opening import Store
from digest.store.sql import batched
from digest.text import count

PAGE = 200  # papers in one answer of the API
STRETCH = 7  # days that are asked for at once
MOST = 10_000  # papers that are asked for at once; the API answers slower and slower
MADE_UP_FOR = timedelta(days=14)  # announcements that were missed longer ago stay missed
ACCEPT = "application/atom+xml, application/xml;q=0.9, */*;q=0.5"


def works(round: Round) -> Iterator[Work]:
    if round.source.via == "api":
        for first, last in _stretches(round.days_to_ask()):
            if round.done.failures or round.stopping:
                return
            wanted = days_from(first, last)
            yield from _submitted(round, round.source.url, first, last, wanted, lambda day: day)
    else:
        yield from _announced(round)


def _announced(round: Round) -> Iterator[Work]:
    """The feed of the last announcement, and through the API what is missing before it."""
    url = arxiv.feed_url(round.source.categories, round.source.url)
    # A failure at a weekend misses no announcement.
    today = [round.today] if _weekday(round.today) else []
    answered = [day for day, one in round.known.items() if one.filled_at]
    try:
        got = round.get(url, ACCEPT, conditional=bool(answered))
        found = None if got.unchanged else arxiv.parse_feed(got.body, url, round.source.announced)
    except FetchStopped:
        round.done.stopped = True
        return
    except (FetchFailed, SourceUnreadable) as error:
        yield round.failed(error, today)
        return
    if found is None:
        round.done.unchanged += 1
        last = max(answered)
        items = {last: round.known[last].items}
        yield round.answer([], items, got=(url, got))
    else:
        batch, last = found.batch, found.day or round.today
        items = {last: len(batch.records)}
        round.done.reject(batch.rejected)
        round.done.repeated += batch.repeated
        if why := worthless(batch):
            yield round.failed(f"{url}: {why}", [last])
            return
        yield round.answer(batch.records, items, day=last, got=(url, got))
    yield _nothing_after(round, last)
    missed = _missed(round, last)
    if missed and not round.stopping:
        round.done.notes.append(
            f"{_days(missed)}: asked of arXiv's API, by the day of submission, as the feed tells only of {last}"
        )
        for some in batched(sorted(missed, reverse=True), STRETCH):
            if round.done.failures or round.stopping:
                return
            # Most papers are announced on the weekday after they were submitted.
            first = min(some) - timedelta(days=3)
            yield from _submitted(round, "", first, max(some), set(some), partial(clock.next_slot, "weekdays"))


def _nothing_after(round: Round, last: date) -> Work:
    later = [day for day in round.known if day > last]

    def work(store: Store) -> None:
        with store.write() as connection:
            sources.nothing_yet(connection, round.name, later)

    return work


def _missed(round: Round, last: date) -> set[date]:
    """The announcements before the last one that this source was not there for."""
    known = [day for day, one in round.known.items() if day < last]
    first = round.since or (max(min(known), last - MADE_UP_FOR) if known else last)
    there = {day for day in known if round.known[day].filled_at and not round.since}
    return {day for day in days_from(first, last - timedelta(days=1)) if _weekday(day)} - there


def _submitted(
    round: Round, base: str, first: date, last: date, wanted: set[date], day_of: Callable[[date], date]
) -> Iterator[Work]:
    """What was submitted from `first` to `last`, page by page, listed on `day_of` the day of its submission where
    that is `wanted`."""
    places, got, total = Places(), 0, 1
    reached = first
    while got < min(total, MOST) and not round.stopping:
        url = arxiv.api_url(round.source.categories, first, last, got, PAGE, base)
        try:
            found = arxiv.parse_api(round.get(url, ACCEPT, conditional=False).body, url)
        except FetchStopped:
            round.done.stopped = True
            return
        except (FetchFailed, SourceUnreadable) as error:
            yield round.failed(error, wanted)
            return
        batch = found.batch
        held = len(batch.records) + len(batch.rejected) + batch.repeated
        total = found.total or got + held + (held == PAGE)
        if not held:
            if got < total:
                detail = f"{url}: the API told of {count(total, 'paper')} and gave none after {got}"
                yield round.failed(detail, wanted)
                return
            break
        got += held
        round.done.reject(batch.rejected)
        round.done.repeated += batch.repeated
        submitted = [(one, one.day) for one in batch.records if one.day]
        reached = max(day for _, day in submitted) if submitted else reached
        listed = [(one, day_of(day)) for one, day in submitted]
        yield round.part([places.place(one, day) for one, day in listed if day in wanted])
        if round.done.failures:
            return  # what was not stored must not be taken for empty days
    if round.stopping:
        return
    # The oldest come first, so what is not whole are the days from the last one on.
    cut = {day for day in wanted if total > MOST and day >= day_of(reached)}
    yield round.parts_done(places.per_day.keys() - cut, wanted - cut, None)
    if cut:
        detail = f"the API has {total:,} papers since {first}, and at most {MOST:,} are asked for at once"
        yield round.failed(detail, cut)


def _weekday(day: date) -> bool:
    return clock.is_slot("weekdays", day)


def _days(days: set[date]) -> str:
    first, last = min(days), max(days)
    return f"{first}" if first == last else f"{first} to {last}"


def _stretches(days: list[date]) -> list[tuple[date, date]]:
    """Days, the newest first → the first and last of each row of at most STRETCH days without a gap."""
    found: list[tuple[date, date]] = []
    for day in days:
        whole = found and (found[-1][1] - day).days >= STRETCH
        if found and not whole and found[-1][0] - day == timedelta(days=1):
            found[-1] = (day, found[-1][1])
        else:
            found.append((day, day))
    return found
