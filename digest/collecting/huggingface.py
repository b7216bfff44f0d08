"""Daily papers of Hugging Face: an answer for each day; the votes of past days still grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from digest.collecting.round import Round, Work, worthless
from digest.errors import FetchFailed, FetchStopped, SourceUnreadable
from digest.fetch import Fetched, Validators
from digest.model import Batch
from digest.sources import huggingface
from digest.sources.record import fold

ACCEPT = "application/json"
MOST_PAGES = 20  # of a day
GIVEN_UP = 3  # failures in a row: it is the server that fails, not its day


def works(round: Round) -> Iterator[Work]:
    """The newest day first: what readers are sent next is there even where the rest fails."""
    failures = 0
    days = round.days_to_ask()
    for number, day in enumerate(days):
        if round.stopping:
            return
        url = huggingface.url(round.source.url, day)
        known = round.known.get(day)
        try:
            batch, got = _told(round, day, conditional=bool(known and known.filled_at))
        except FetchStopped:
            round.done.stopped = True
            return
        except FetchFailed as error:
            failures += 1
            if error.next_try or failures == GIVEN_UP:
                # Those that were not asked for have failed as well, but for what is known of them.
                rest = [one for one in days[number + 1 :] if one not in round.known]
                yield round.failed(error, [day, *rest])
                return
            yield round.failed(error, [day])
            continue
        except SourceUnreadable as error:
            yield round.failed(error, [day])
            continue
        failures = 0
        if batch is None:
            round.done.unchanged += 1
            yield round.answer([], {day: known.items if known else 0}, got=(url, got))
            continue
        round.done.reject(batch.rejected)
        round.done.repeated += batch.repeated
        if why := worthless(batch):
            yield round.failed(f"{url}: {why}", [day])
            continue
        yield round.answer(batch.records, {day: len(batch.records)}, day=day, got=(url, got))
    if round.done.failures and round.done.days:
        yield round.answer([], {})  # the source answers, and only some of its days failed


def _told(round: Round, day: date, *, conditional: bool) -> tuple[Batch | None, Fetched]:
    """All that is told of a day, from all of its pages; None where it is what it was."""
    url = huggingface.url(round.source.url, day)
    got = first = round.get(url, ACCEPT, conditional=conditional)
    if got.unchanged:
        return None, got
    page = whole = huggingface.parse(got.body, url, day)
    for number in range(1, MOST_PAGES):
        if not (got.more or _held(page) >= huggingface.PAGE):
            break
        url = huggingface.url(round.source.url, day, number)
        got = round.get(url, ACCEPT, conditional=False)
        page = huggingface.parse(got.body, url, day, _held(whole))
        known = {fold(one) for one in whole.records}
        new = tuple(one for one in page.records if fold(one) not in known)
        if not new and not page.rejected:  # also of a server that knows no pages, and tells the first again
            break
        repeated = whole.repeated + page.repeated + len(page.records) - len(new)
        whole = Batch(whole.records + new, whole.rejected + page.rejected, repeated)
        # That the first page is what it was says nothing of the others.
        first = replace(first, validators=Validators())
    return whole, first


def _held(batch: Batch) -> int:
    return len(batch.records) + len(batch.rejected) + batch.repeated
