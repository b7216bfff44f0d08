"""Two stored papers that prove to be one: everything that hangs on the second goes over to the first, for good."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.store import weeding
from digest.store.sql import dialect_insert, insert_ignore, keep_papers
from digest.store.tables import feedback, listing, paper, paper_key, pick, record, vote


def unite(connection: sa.Connection, keep: int, gone: int, now: datetime) -> None:
    """Paper `gone` is paper `keep` from now on: keys, listings, votes, verdicts and the memory of letters follow.

    A reader who was sent both keeps both letters as they are. Of two letters that still wait only one keeps the
    paper, and none does where the other was sent. `gone` stays as the same as `keep`, for those who chose from what
    was stored before; nothing lists it.
    """
    keep_papers(connection, as_they_are=False)
    for table in (paper_key, record):
        connection.execute(sa.update(table).where(table.c.paper_id == gone).values(paper_id=keep))
    _listings(connection, keep, gone)
    _feedback(connection, keep, gone)
    connection.execute(
        sa.update(paper).where(sa.or_(paper.c.id == gone, paper.c.same_as == gone)).values(same_as=keep)
    )
    weeding.once(connection, keep, now)
    _picks(connection, keep)


def _listings(connection: sa.Connection, keep: int, gone: int) -> None:
    """Of two listings by one source on one day the better place and the higher count stay."""
    for row in connection.execute(sa.select(listing).where(listing.c.paper_id == gone)).mappings().all():
        here = {"paper_id": keep, "source": row["source"], "day": row["day"]}
        if insert_ignore(connection, listing, [{**row, "paper_id": keep}]):
            continue
        mine = sa.and_(*(listing.c[name] == value for name, value in here.items()))
        there = connection.execute(sa.select(listing).where(mine)).mappings().one()
        counts = [one["votes"] for one in (row, there) if one["votes"] is not None]
        better = {"position": min(row["position"], there["position"]), "votes": max(counts, default=None)}
        connection.execute(sa.update(listing).where(mine).values(better))
    connection.execute(sa.delete(listing).where(listing.c.paper_id == gone))
    counted = connection.execute(sa.select(vote).where(vote.c.paper_id == gone)).mappings().all()
    if counted:
        statement = dialect_insert(connection, vote)
        higher = statement.on_conflict_do_update(
            index_elements=list(vote.primary_key.columns),
            set_={"votes": statement.excluded.votes},
            where=vote.c.votes < statement.excluded.votes,
        )
        connection.execute(higher, [{**row, "paper_id": keep} for row in counted])
        connection.execute(sa.delete(vote).where(vote.c.paper_id == gone))


def _feedback(connection: sa.Connection, keep: int, gone: int) -> None:
    """Of a reader's two verdicts the newer one counts."""
    both: dict[int, list[Mapping[str, object]]] = {}
    for row in connection.execute(sa.select(feedback).where(feedback.c.paper_id.in_([keep, gone]))).mappings():
        both.setdefault(row["subscriber_id"], []).append(dict(row))
    for rows in both.values():
        newest = max(rows, key=lambda row: (row["at"], row["paper_id"] == keep))
        mine = feedback.c.subscriber_id == newest["subscriber_id"]
        connection.execute(sa.delete(feedback).where(mine, feedback.c.paper_id.in_([keep, gone])))
        connection.execute(sa.insert(feedback).values(**{**newest, "paper_id": keep}))


def _picks(connection: sa.Connection, keep: int) -> None:
    """Letters name `keep`, but where a reader has several: the others go on naming what it was known as."""
    others = sa.select(paper.c.id).where(paper.c.same_as == keep)
    connection.execute(sa.update(pick).where(pick.c.paper_id.in_(others), pick.c.void).values(paper_id=keep))
    rows = connection.execute(
        sa.select(pick.c.letter_id, pick.c.place, pick.c.subscriber_id, pick.c.paper_id)
        .where(sa.or_(pick.c.paper_id == keep, pick.c.paper_id.in_(others)), sa.not_(pick.c.void))
        .order_by(pick.c.paper_id != keep, pick.c.letter_id, pick.c.place)
    ).all()
    first: dict[int, Any] = {}
    for row in rows:
        first.setdefault(row.subscriber_id, row)
    for row in first.values():
        if row.paper_id != keep:
            mine = sa.and_(pick.c.letter_id == row.letter_id, pick.c.place == row.place)
            connection.execute(sa.update(pick).where(mine).values(paper_id=keep))
