"""Short ways to say what is in a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from digest.model import Letter, LetterState, Outcome, Paper, Pick, Reason, Record, Subscriber
from digest.sources.identity import title_key
from digest.store import editions, letters, merging, outbox, papers, subscribers
from digest.store.opening import Store

NOW = datetime(2026, 3, 14, 6, 0, tzinfo=UTC)
DAY = date(2026, 3, 14)
SENT = Outcome(LetterState.SENT, "250 accepted", "mail/x")
DEFERRED = Outcome(LetterState.DEFERRED, "451 later")
FAILED = Outcome(LetterState.FAILED, "550 no such user")
UNCERTAIN = Outcome(LetterState.UNCERTAIN, "no answer")


def abstract(subject: str) -> str:
    return " ".join(f"{subject} sentence {n} tells of {subject} and {word}." for n, word in enumerate("abcdefgh"))


def paper(title: str, about: str = "", **more: object) -> Paper:
    made = Paper(title=title, abstract=about or abstract(title), raw_title=title, keys=(title_key(title),))
    return replace(made, **more)  # type: ignore[arg-type]


def entries(*many: Paper) -> list[Record]:
    return [Record(one.title, position=place, paper=one) for place, one in enumerate(many, 1)]


def add(store: Store, *many: Paper, source: str = "page:a", day: date = DAY) -> merging.Added:
    with store.write() as connection:
        return merging.take(connection, entries(*many), source, NOW, day=day)


def stored_papers(store: Store) -> list[Paper]:
    with store.read() as connection:
        return papers.corpus(connection)


def subscribe(store: Store, *handles: str, **more: object) -> list[Subscriber]:
    new = [Subscriber(handle=h, address=f"{h}@example.org", next_due_at=NOW, **more) for h in handles]  # type: ignore[arg-type]
    with store.write() as connection:
        subscribers.add(connection, new)
        found = {one.handle: one for one in subscribers.everyone(connection)}
        return [found[h] for h in handles]


def letter(reader: Subscriber, *picked: Paper, slot: date = DAY, **more: object) -> Letter:
    picks = tuple(
        Pick(
            one,
            50.0 - place,
            0.5,
            0.25,
            (Reason("phrase", "bees", ("bee",), 50.0 - place),),
            DAY,
            (None, 17)[place % 2],
        )
        for place, one in enumerate(picked)
    )
    made = Letter(
        subscriber=reader,
        slot=slot,
        picks=picks,
        state=LetterState.READY if picks else LetterState.EMPTY,
        subject="5 papers · 14 Mar",
        message_id=f"<{reader.id}.{slot}@example.org>",
        candidates=9,
        days=2,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=24),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def write(store: Store, *many: Letter) -> int:
    with store.write() as connection:
        edition = editions.open_edition(connection, DAY, 7, 9, "pool", NOW)
        return letters.write(connection, edition, many)


def claim(store: Store, lease: str = "courier", now: datetime = NOW, limit: int = 100) -> list[int]:
    with store.write() as connection:
        return outbox.claim(connection, lease, now, limit)


def record(store: Store, outcomes: dict[int, Outcome], lease: str = "courier", now: datetime = NOW) -> int:
    with store.write() as connection:
        return outbox.record(connection, lease, outcomes, now, dice=lambda: 1.0)


def of(store: Store, reader: Subscriber) -> Letter:
    with store.read() as connection:
        return letters.of_subscriber(connection, reader.id)[0]


def memory(store: Store, reader: Subscriber) -> dict[int, date]:
    with store.read() as connection:
        return letters.memory(connection, [reader.id]).get(reader.id, {})


def states(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return outbox.count_by_state(connection)


@contextmanager
def meanwhile(store: Store, act: Callable[[sa.Connection], object]) -> Iterator[None]:
    """The body runs while another transaction has done `act` and not yet committed; it commits soon after."""
    done, errors = threading.Event(), list[BaseException]()

    def other() -> None:
        try:
            with store.write() as connection:
                act(connection)
                done.set()
                threading.Event().wait(0.2)
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=other)
    thread.start()
    done.wait()
    try:
        yield
    finally:
        thread.join()
    assert not errors


ON_POSTGRESQL_ALONE = pytest.mark.parametrize(
    "store_url",
    [pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.xdist_group("postgresql")])],
    indirect=True,
)
