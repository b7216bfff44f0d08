"""Papers that proved to be one, taken out of letters that wait: no reader is sent either twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.model import LetterState as S
from digest.store import papers
from digest.store.sql import batched
from digest.store.tables import letter, pick
from digest.store.transitions import WAITING, move, tell

SPENT = "what it held proved to be papers that this reader was sent before"


def once(connection: sa.Connection, one: int, now: datetime) -> None:
    """Paper `one` is also known as others. Each reader keeps it in one letter; what is left without any is empty.

    Nothing is taken out of a letter that may have left; of those that wait the first one keeps the paper, if no
    other letter has it.
    """
    names = [one, *papers.names_of(connection, one)]
    has_it = sa.and_(pick.c.paper_id.in_(names), sa.not_(pick.c.void))
    several = sa.select(pick.c.subscriber_id).where(has_it).group_by(pick.c.subscriber_id)
    twice = connection.execute(several.having(sa.func.count() > 1)).scalars().all()
    # Locked, so that no courier takes a letter while a paper is taken out of it.
    rows = [
        row
        for some in batched(twice, 500)
        for row in connection.execute(
            sa.select(pick.c.subscriber_id, pick.c.letter_id, pick.c.place, letter.c.state, letter.c.in_doubt)
            .join(letter, letter.c.id == pick.c.letter_id)
            .where(has_it, pick.c.subscriber_id.in_(some))
            .order_by(pick.c.letter_id, pick.c.place)
            .with_for_update(of=letter)
        )
    ]
    by_reader: dict[int, list[Any]] = {}
    for row in rows:
        by_reader.setdefault(row.subscriber_id, []).append(row)
    waiting = {state.value for state in WAITING}
    touched = set()
    for found in by_reader.values():
        free = [row for row in found if row.state in waiting and not row.in_doubt]
        for row in free if len(free) < len(found) else free[1:]:
            this = sa.and_(pick.c.letter_id == row.letter_id, pick.c.place == row.place)
            connection.execute(sa.delete(pick).where(this))
            touched.add(row.letter_id)
    for some in batched(sorted(touched), 500):
        chosen = sa.select(pick.c.letter_id).where(pick.c.letter_id.in_(some), sa.not_(pick.c.also))
        left = set(connection.execute(chosen).scalars())
        spent = [i for i in some if i not in left]
        # What was only popular beside them makes no letter.
        connection.execute(sa.delete(pick).where(pick.c.letter_id.in_(spent)))
        spend(connection, spent, now)


def spend(connection: sa.Connection, ids: Iterable[int], now: datetime) -> int:
    """These waiting letters hold no paper any more; how many were."""
    number = 0
    for some in batched(ids, 500):
        moved = move(connection, "spend", [letter.c.id.in_(some)], {"note": SPENT, "next_try_at": None})
        tell(connection, moved, now, S.EMPTY, SPENT)
        number += len(moved)
    return number


def weed(connection: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """These letters wait again. Meanwhile a paper of theirs may have proved to be one of another letter's."""
    if ids and (same := papers.united(connection)):
        found: set[int] = set()
        for some in batched(ids, 500):
            picked = sa.select(pick.c.paper_id).where(pick.c.letter_id.in_(some)).distinct()
            found.update(same.get(i, i) for i in connection.execute(picked).scalars())
        for one in sorted(found.intersection(same.values())):
            once(connection, one, now)
