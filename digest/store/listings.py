"""What sources list: papers on days, in an order, with votes over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from digest.model import Record
from digest.store.sql import batched, dialect_insert
from digest.store.tables import listing, vote


@dataclass(frozen=True, slots=True)
class Count:
    """Votes that a listing had at a time."""

    source: str
    day: date  # of the listing
    at: datetime
    votes: int


def take(
    connection: sa.Connection,
    told: Sequence[tuple[int, Record]],
    source: str,
    now: datetime,
    *,
    day: date | None = None,
    whole: bool = True,
    undated: bool = False,
) -> int:
    """Store (paper id, record) each as a listing of the source; how many were not there before.

    A listing that is there takes the new place, size and votes; votes that are not told leave the last ones.
    `whole` and `undated` as in `merging.take`. Raises ValueError for a record without a day where `day` is None.
    """
    found: dict[date, dict[int, dict[str, object]]] = {}
    for paper_id, one in told:
        on = one.day or day
        if on is None:
            raise ValueError("a listing needs a day")
        there = found.setdefault(on, {})
        if paper_id not in there:  # a source that names a paper twice means its first place
            position = one.position or len(there) + 1
            row = {"paper_id": paper_id, "source": source, "day": on, "position": position, "votes": one.votes}
            there[paper_id] = row
    new, counted = [], []
    for on, rows in found.items():
        size = max(len(rows), *(int(str(row["position"])) for row in rows.values())) if whole else 0
        before = _there(connection, source, on, rows)
        for paper_id, row in rows.items():
            was = before.get(paper_id)
            if undated and was is not None and was.votes is not None:
                row["votes"] = max(was.votes, row["votes"] or 0)
            if was is None:
                new.append(row | {"size": size or row["position"]})
            if row["votes"] is not None and (was is None or was.votes != row["votes"]):
                counted.append(
                    {"paper_id": paper_id, "source": source, "day": on, "at": now, "votes": row["votes"]}
                )
            if was is not None:
                _update(connection, was, row, size)
    for table, fresh in ((vote, counted), (listing, new)):
        if fresh:
            connection.execute(dialect_insert(connection, table).on_conflict_do_nothing(), fresh)
    return len(new)


def resize(connection: sa.Connection, source: str, days: Iterable[date]) -> None:
    """The size of the lists of these days, once all of them is stored."""
    for on in days:
        mine = sa.and_(listing.c.source == source, listing.c.day == on)
        counted = sa.select(sa.func.coalesce(sa.func.max(listing.c.position), 0), sa.func.count()).where(mine)
        size = max(connection.execute(counted).one())
        connection.execute(sa.update(listing).where(mine, listing.c.size != size).values(size=size))


def forget(connection: sa.Connection, source: str, day: date) -> int:
    """Take away what `source` listed on `day`; how many listings that were. Papers and letters stay."""
    connection.execute(sa.delete(vote).where(vote.c.source == source, vote.c.day == day))
    gone = sa.delete(listing).where(listing.c.source == source, listing.c.day == day)
    return connection.execute(gone).rowcount


def votes(connection: sa.Connection, paper_id: int) -> list[Count]:
    """A paper's votes over time, by source, day and time."""
    rows = connection.execute(
        sa.select(vote.c.source, vote.c.day, vote.c.at, vote.c.votes)
        .where(vote.c.paper_id == paper_id)
        .order_by(vote.c.source, vote.c.day, vote.c.at)
    )
    return [Count(*row) for row in rows]


def _there(
    connection: sa.Connection, source: str, day: date, ids: Iterable[int]
) -> dict[int, sa.Row[tuple[object, ...]]]:
    found = {}
    for some in batched(sorted(ids), 500):
        mine = sa.and_(listing.c.source == source, listing.c.day == day, listing.c.paper_id.in_(some))
        found.update({row.paper_id: row for row in connection.execute(sa.select(listing).where(mine))})
    return found


def _update(connection: sa.Connection, was: sa.Row[tuple[object, ...]], row: dict[str, object], size: int) -> None:
    after = (row["position"], size or was.size, was.votes if row["votes"] is None else row["votes"])
    if after != (was.position, was.size, was.votes):
        mine = (listing.c.paper_id == was.paper_id, listing.c.source == was.source, listing.c.day == was.day)
        values = dict(zip(("position", "size", "votes"), after, strict=True))
        connection.execute(sa.update(listing).where(*mine).values(values))
