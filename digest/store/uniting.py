"""Two stored papers that prove to be one: everything that hangs on the second goes over to the first, for good."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from digest.store import outbox
from digest.store.sql import batched, insert_ignore
from digest.store.tables import feedback, letter, listing, paper, paper_key, pick, record, vote

ONE_PAPER = "what it held proved to be a paper that this reader was sent before"


def unite(connection: sa.Connection, keep: int, gone: int) -> None:
    """Paper `gone` is paper `keep` from now on: keys, listings, votes, verdicts and the memory of letters follow.

    A reader who was sent both keeps both letters as they are; to them alone `gone` stays, as the same as `keep`. Of
    two letters that still wait only one keeps the paper, and none does where the other was sent.
    """
    for table in (paper_key, record):
        connection.execute(sa.update(table).where(table.c.paper_id == gone).values(paper_id=keep))
    _listings(connection, keep, gone)
    _feedback(connection, keep, gone)
    _picks(connection, keep, gone)
    connection.execute(sa.update(paper).where(paper.c.same_as == gone).values(same_as=keep))
    still = connection.execute(sa.select(pick.c.letter_id).where(pick.c.paper_id == gone).limit(1)).first()
    if still:
        connection.execute(sa.update(paper).where(paper.c.id == gone).values(same_as=keep))
    else:
        connection.execute(sa.delete(paper).where(paper.c.id == gone))


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
    votes = connection.execute(sa.select(vote).where(vote.c.paper_id == gone)).mappings().all()
    insert_ignore(connection, vote, [{**row, "paper_id": keep} for row in votes])
    connection.execute(sa.delete(vote).where(vote.c.paper_id == gone))


def _feedback(connection: sa.Connection, keep: int, gone: int) -> None:
    """Of a reader's two verdicts the newer one counts."""
    both = _by_reader(connection, sa.select(feedback).where(feedback.c.paper_id.in_([keep, gone])))
    for rows in both.values():
        newest = max(rows, key=lambda row: (row["at"], row["paper_id"] == keep))
        mine = feedback.c.subscriber_id == newest["subscriber_id"]
        connection.execute(sa.delete(feedback).where(mine, feedback.c.paper_id.in_([keep, gone])))
        connection.execute(sa.insert(feedback).values(**{**newest, "paper_id": keep}))


def _picks(connection: sa.Connection, keep: int, gone: int) -> None:
    # Locked, so that no courier takes a letter while a paper is taken out of it.
    rows = connection.execute(
        sa.select(pick.c.subscriber_id, pick.c.letter_id, pick.c.place, pick.c.paper_id, letter.c.state)
        .add_columns(letter.c.in_doubt)
        .join(letter, letter.c.id == pick.c.letter_id)
        .where(pick.c.paper_id.in_([keep, gone]), sa.not_(pick.c.void))
        .order_by(pick.c.letter_id, pick.c.place)
        .with_for_update(of=letter)
    ).all()
    by_reader: dict[int, list[sa.Row[tuple[int, int, int, int, str, bool]]]] = {}
    for row in rows:
        by_reader.setdefault(row.subscriber_id, []).append(row)
    waiting = {state.value for state in outbox.WAITING}
    twice = [found for found in by_reader.values() if len(found) > 1]
    out = []
    for found in twice:
        # The later of two that wait; nothing can be taken out of a letter that may have left.
        free = [row for row in found if row.state in waiting and not row.in_doubt]
        out += free[-1:]
    for row in out:
        this = sa.and_(pick.c.letter_id == row.letter_id, pick.c.place == row.place)
        connection.execute(sa.delete(pick).where(this))
    for some in batched({row.letter_id for row in out}, 500):
        left = sa.select(pick.c.letter_id).where(pick.c.letter_id.in_(some))
        spent = set(some) - set(connection.execute(left).scalars())
        outbox.spend(connection, sorted(spent), ONE_PAPER)
    # Where both stay, `gone` stays in its letter: memory holds `keep` already.
    other = pick.alias("other")
    has_both = sa.exists().where(
        other.c.subscriber_id == pick.c.subscriber_id, other.c.paper_id == keep, sa.not_(other.c.void)
    )
    mine = sa.and_(pick.c.paper_id == gone, sa.or_(pick.c.void, sa.not_(has_both)))
    connection.execute(sa.update(pick).where(mine).values(paper_id=keep))


def _by_reader(
    connection: sa.Connection, query: sa.Select[tuple[object, ...]]
) -> dict[int, list[Mapping[str, object]]]:
    found: dict[int, list[Mapping[str, object]]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["subscriber_id"], []).append(dict(row))
    return found
