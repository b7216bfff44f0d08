"""Daily papers of Hugging Face: an answer for each day; the votes of past days still grow."""

from __future__ import annotations

from collections.abc import Iterator

from digest.collecting.round import Round, Work, worthless
from digest.errors import FetchFailed, FetchStopped, SourceUnreadable
from digest.sources import huggingface

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
            got = round.get(url, "application/json", conditional=bool(known and known.filled_at))
            batch = None if got.unchanged else huggingface.parse(got.body, url, day)
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
