"""Ask the sources for papers. Each on its own: what one cannot give, the others do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta

from digest.collecting import arxiv, feed, files, huggingface
from digest.collecting.round import Collected, Failure, Round, Work
from digest.config import Config
from digest.errors import FetchStopped, StoreError
from digest.fetch import Client
from digest.patience import patient_collector
from digest.store import sources
from digest.store.opening import Store
from digest.store.rehearsal import rehearsal
from digest.store.sources import Health
from digest.turns import MOST_SECONDS

__all__ = ["Collected", "Failure", "client_of", "collect"]

_WAYS: dict[str, Callable[[Round], Iterator[Work]]] = {
    "huggingface": huggingface.works,
    "arxiv": arxiv.works,
    "feed": feed.works,
    "pages": files.pages,
    "jsonl": files.lines,
}
LONGEST_REST = timedelta(seconds=MOST_SECONDS)
_FILES = ("pages", "jsonl")

log = logging.getLogger(__name__)


def collect(
    store: Store,
    config: Config,
    now: Callable[[], datetime],
    *,
    only: Collection[str] = (),
    since: date | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    stop: threading.Event | None = None,
    client: Client | None = None,
    settle: timedelta = timedelta(),
) -> list[Collected]:
    """Ask the sources of the configuration, or `only` those of these names, and store what they list.

    A source that wants to be left alone is asked all the same where it is named in `only`. `since`: each day from
    then on, of the kinds that can be asked for one. With `dry_run` nothing is stored, and what would be is counted.
    `progress` is told of each source that is done. A file that was written to less than `settle` ago waits. What
    cannot be read is told, not raised; only the store's own trouble is (`StoreError`).
    """
    chosen = [one for one in config.sources if not only or one.name in only]
    with ExitStack() as stack:
        stack.enter_context(patient_collector())
        if client is None and any(one.kind not in _FILES for one in chosen):
            client = stack.enter_context(client_of(config, stop))
        with store.read() as connection:
            health = sources.health(connection)
        rounds: list[Round] = []
        rehearsed: list[tuple[Round, Iterator[Work]]] = []
        for source in chosen:
            round = Round(store, config, source, client, now, since=since, stop=stop, settle=settle)
            rounds.append(round)
            until = health.get(source.name, Health("")).next_try_at
            # Nobody is heeded for longer: the clock was ahead when this was said.
            if until and timedelta() < until - now() <= LONGEST_REST and source.name not in only:
                round.done.waits_until = until
            elif round.stopping:
                pass
            elif not dry_run:
                _do(round, store, _works(round))
            elif source.kind in _FILES:
                rehearsed.append((round, _works(round)))  # read within the rehearsal, as they may be large
            else:
                rehearsed.append((round, iter(list(_works(round)))))  # before it, as nobody can write meanwhile
            progress(1)
        if rehearsed:
            with rehearsal(store) as stage:
                for round, works in rehearsed:
                    round.store = stage
                    _do(round, stage, works)
    return [round.done for round in rounds]


def client_of(config: Config, stop: threading.Event | None = None) -> Client:
    """Who asks sources over the network, as the configuration says."""
    asked = config.collect
    return Client(
        asked.contact or config.letter.reply_to,
        private_addresses=asked.private_addresses,
        largest=asked.largest_mb * 1_000_000,
        seconds=asked.timeout_seconds,
        state=config.home,
        stop=stop,
    )


def _works(round: Round) -> Iterator[Work]:
    try:
        yield from _WAYS[round.source.kind](round)
    except FetchStopped:
        round.done.stopped = True
    except StoreError:
        raise
    except Exception as error:  # one source that is stranger than we thought never stops the others
        yield _strange(round, error)


def _do(round: Round, store: Store, works: Iterator[Work]) -> None:
    for work in works:
        try:
            work(store)
        except StoreError:
            raise
        except Exception as error:
            _strange(round, error)(store)


def _strange(round: Round, error: Exception) -> Work:
    log.error("%s: could not be collected", round.name, exc_info=error)
    return round.failed(f"it could not be taken: {type(error).__name__}: {error}", [round.today])
