"""Editions, and a record of each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from digest.store.sql import insert_ignore
from digest.store.tables import edition, run


@dataclass(frozen=True, slots=True)
class Run:
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    counts: dict[str, Any]


def open_edition(
    connection: sa.Connection,
    day: date,
    window_days: int,
    candidates: int,
    digest: str,
    now: datetime,
    gaps: Sequence[str] = (),
) -> int:
    """The id of the edition of `day` with this pool; the same pool is the same edition.

    `gaps` tells of the sources' days that could not be read.
    """
    row = {
        "day": day,
        "window_days": window_days,
        "candidates": candidates,
        "digest": digest,
        "opened_at": now,
        "gaps": list(gaps),
    }
    insert_ignore(connection, edition, [row])
    found = sa.select(edition.c.id).where(edition.c.day == day, edition.c.digest == digest)
    return int(connection.execute(found).scalar_one())


def begin_run(connection: sa.Connection, now: datetime) -> int:
    statement = sa.insert(run).values(started_at=now, outcome="running", counts={}).returning(run.c.id)
    return int(connection.execute(statement).scalar_one())


def has_run(connection: sa.Connection, run_id: int, started_at: datetime, ended: bool) -> bool:
    """Whether the store knows of this run, and of its end where it has `ended`."""
    found = connection.execute(sa.select(run.c.started_at, run.c.ended_at).where(run.c.id == run_id)).first()
    return found is not None and found.started_at == started_at and (found.ended_at is not None or not ended)


def end_run(connection: sa.Connection, run_id: int, now: datetime, outcome: str, counts: dict[str, Any]) -> None:
    connection.execute(
        sa.update(run).where(run.c.id == run_id).values(ended_at=now, outcome=outcome, counts=counts)
    )


def last_run(connection: sa.Connection) -> Run | None:
    row = connection.execute(sa.select(run).order_by(run.c.id.desc()).limit(1)).first()
    return Run(row.started_at, row.ended_at, row.outcome, row.counts) if row else None
