"""The sketches of abstracts: which stored papers may have nearly the same one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from digest.sources.sketch import bands
from digest.store.sql import among, dialect_insert, put
from digest.store.tables import new_sketch, paper, sketch

# So many papers that share a band are looked at. What more have is a sentence of everybody's, and tells nothing.
CROWD = 20
TOGETHER = 120_000  # rows of the newest that go over at once: those of some 20,000 papers
_AT_ONCE = 1000  # papers


def find(connection: sa.Connection, bands: Iterable[int]) -> dict[int, list[int]]:
    """Each of these bands → the ids of papers that have it, the oldest CROWD of them."""
    found: dict[int, list[int]] = {band: [] for band in bands}
    asked = sorted(found)
    for table in (sketch, new_sketch):
        for band, paper_id in among(connection, table.name, ("band", "paper_id"), asked):
            if len(found[band]) < CROWD:
                found[band].append(paper_id)
    return found


def add(connection: sa.Connection, rows: Iterable[tuple[int, int]]) -> None:
    """(band, paper id) each. In the order of the table, so that neighbours are written together."""
    put(connection, new_sketch, ("band", "paper_id"), sorted(rows))
    if connection.execute(sa.select(sa.func.count()).select_from(new_sketch)).scalar_one() > TOGETHER:
        columns = (new_sketch.c.band, new_sketch.c.paper_id)
        # SQLite wants a condition before ON CONFLICT, or takes that for a join's.
        moved = sa.select(*columns).where(sa.true()).order_by(*columns)
        insert = dialect_insert(connection, sketch).from_select(["band", "paper_id"], moved)
        connection.execute(insert.on_conflict_do_nothing())
        connection.execute(sa.delete(new_sketch))


def fill(connection: sa.Connection) -> None:
    """Sketch every paper, as for a store of before there were sketches."""
    last = 0
    while rows := connection.execute(
        sa.select(paper.c.id, paper.c.abstract).where(paper.c.id > last).order_by(paper.c.id).limit(_AT_ONCE)
    ).all():
        told = [(band, paper_id) for paper_id, abstract in rows for band in bands(abstract)]
        there = {band: len(some) for band, some in find(connection, {band for band, _ in told}).items()}
        fresh = []
        for band, paper_id in told:
            there[band] += 1
            if there[band] <= CROWD:
                fresh.append((band, paper_id))
        add(connection, fresh)
        last = rows[-1].id


def remove(connection: sa.Connection, paper_id: int, bands: Collection[int]) -> None:
    """A paper is found by these bands no more."""
    if bands:
        for table in (sketch, new_sketch):
            mine = sa.and_(table.c.paper_id == paper_id, table.c.band.in_(bands))
            connection.execute(sa.delete(table).where(mine))
