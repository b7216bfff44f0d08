"""What readers say of papers: one verdict for each reader and paper."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from digest.model import Feedback
from digest.store import papers
from digest.store.sql import batched, dialect_insert, keep_papers
from digest.store.tables import feedback

_ORDER = (feedback.c.subscriber_id, feedback.c.at, feedback.c.paper_id)


def of(connection: sa.Connection, subscriber_ids: Iterable[int]) -> dict[int, tuple[Feedback, ...]]:
    """What each of these said, oldest first; who said nothing is left out."""
    found: dict[int, list[Feedback]] = {}
    for some in batched(sorted(set(subscriber_ids)), 500):
        for subscriber_id, one in _load(connection, feedback.c.subscriber_id.in_(some)):
            found.setdefault(subscriber_id, []).append(one)
    return {subscriber_id: tuple(rows) for subscriber_id, rows in found.items()}


def everyone(connection: sa.Connection) -> list[tuple[int, Feedback]]:
    """(subscriber id, verdict) of everyone, each one's oldest first."""
    return _load(connection, sa.true())


def on(connection: sa.Connection, subscriber_id: int, paper_id: int) -> Feedback | None:
    """What this subscriber said of this paper."""
    mine = sa.and_(feedback.c.subscriber_id == subscriber_id, feedback.c.paper_id == paper_id)
    return next((one for _, one in _load(connection, mine)), None)


def record(connection: sa.Connection, subscriber_id: int, rows: Iterable[Feedback]) -> int:
    """Take these verdicts; how many were new or changed.

    A verdict replaces another one on the same paper unless it is older; the same one again changes nothing and
    keeps its first time and source.
    """
    keep_papers(connection, as_they_are=True)
    same = papers.united(connection)  # who spoke may have looked before two papers proved to be one
    # A statement may touch a row only once; of two in one list the later one counts, as it would one by one.
    newest = {same.get(one.paper_id, one.paper_id): one for one in sorted(rows, key=lambda one: one.at)}
    values = [
        {"subscriber_id": subscriber_id, "paper_id": i, "kind": one.kind, "at": one.at, "source": one.source}
        for i, one in sorted(newest.items())
    ]
    if not values:
        return 0
    statement = dialect_insert(connection, feedback)
    said = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[feedback.c.subscriber_id, feedback.c.paper_id],
        set_={"kind": said.kind, "at": said.at, "source": said.source},
        where=sa.and_(feedback.c.kind != said.kind, feedback.c.at <= said.at),
    )
    return len(connection.execute(statement.returning(feedback.c.paper_id), values).all())


def remove(
    connection: sa.Connection,
    subscriber_id: int,
    paper_ids: Collection[int] | None = None,
    source: str | None = None,
) -> int:
    """Forget what this subscriber said of these papers, or all that came from this source; how many verdicts."""
    if (paper_ids is None) == (source is None):
        raise ValueError("say either the papers or the source")
    mine = sa.delete(feedback).where(feedback.c.subscriber_id == subscriber_id)
    if paper_ids is None:
        wanted = [mine.where(feedback.c.source == source)]
    else:
        wanted = [mine.where(feedback.c.paper_id.in_(some)) for some in batched(paper_ids, 500)]
    return sum(len(connection.execute(one.returning(feedback.c.paper_id)).all()) for one in wanted)


def _load(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[tuple[int, Feedback]]:
    rows = connection.execute(sa.select(feedback).where(where).order_by(*_ORDER))
    return [(r.subscriber_id, Feedback(r.paper_id, r.kind, r.at, r.source)) for r in rows]
