"""What must not leave at the moment, why, and the pace that was found good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.store.sql import dialect_insert, keep_others_out
from digest.store.tables import pace
from digest.store.tables import pause as table

EVERYTHING = "*"
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop of everything ("*"), or of letters to one provider ("provider:google.com")."""

    scope: str
    reason: str
    by: str  # "operator", "breaker", "restore"
    at: datetime
    until: datetime | None = None  # None: until somebody resumes


def pause(connection: sa.Connection, one: Pause) -> None:
    """Stop; a pause that is there for the scope is replaced, but an operator's by an operator's alone."""
    values = {"reason": one.reason, "by": one.by, "at": one.at, "until": one.until}
    statement = dialect_insert(connection, table).values(scope=one.scope, **values)
    weaker = sa.true() if one.by == OPERATOR else sa.or_(table.c.by != OPERATOR, sa.not_(_lasts(one.at)))
    connection.execute(statement.on_conflict_do_update(index_elements=["scope"], set_=values, where=weaker))


def resume(connection: sa.Connection, now: datetime, scope: str | None = None) -> int:
    """End one pause, or all; how many there were."""
    statement = sa.update(table).where(_lasts(now)).values(until=now)
    if scope is not None:
        statement = statement.where(table.c.scope == scope)
    return connection.execute(statement).rowcount


def resumed_at(connection: sa.Connection, now: datetime, scope: str = EVERYTHING) -> datetime | None:
    """When the last pause of a scope ended; what was counted before that does not count again."""
    return connection.execute(sa.select(table.c.until).where(table.c.scope == scope, table.c.until <= now)).scalar()


def in_force(connection: sa.Connection, now: datetime) -> dict[str, Pause]:
    """scope → pause, of those that have not run out."""
    rows = connection.execute(sa.select(table).where(_lasts(now)).order_by(table.c.scope))
    return {r.scope: Pause(r.scope, r.reason, r.by, r.at, r.until) for r in rows}


def _lasts(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.until.is_(None), table.c.until > now)


def load_pace(connection: sa.Connection) -> dict[str, Any]:
    """scope → what was saved of its pace."""
    return {r.scope: r.state for r in connection.execute(sa.select(pace))}


def save_pace(connection: sa.Connection, state: Mapping[str, Any]) -> None:
    """Replaces all that was saved before."""
    keep_others_out(connection, pace)  # else two who save at once may each wait for the other's rows
    connection.execute(sa.delete(pace).where(pace.c.scope.not_in(list(state))))
    for scope in sorted(state):
        statement = dialect_insert(connection, pace).values(scope=scope, state=state[scope])
        changed = {"state": statement.excluded.state}
        connection.execute(statement.on_conflict_do_update(index_elements=["scope"], set_=changed))
