"""The sketches of abstracts: which stored papers may have nearly the same one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from digest.sources.sketch import bands
from digest.store.sql import among, put
from digest.store.tables import paper, sketch

# So many papers that share a band are looked at. What more have is a sentence of everybody's, and tells nothing.
CROWD = 20
_AT_ONCE = 1000  # papers


def find(connection: sa.Connection, bands: Iterable[int]) -> dict[int, list[int]]:
    """Each of these bands → the ids of papers that have it, the oldest CROWD of them."""
    found: dict[int, list[int]] = {band: [] for band in bands}
    for band, paper_id in among(connection, sketch, ("band", "paper_id"), sorted(found)):
        if len(found[band]) < CROWD:
            found[band].append(paper_id)
    return found


def add(connection: sa.Connection, rows: Iterable[tuple[int, int]]) -> None:
    """(band, paper id) each. In the order of the table, so that neighbours are written together."""
    put(connection, sketch, ("band", "paper_id"), sorted(rows))


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
        mine = sa.and_(sketch.c.paper_id == paper_id, sketch.c.band.in_(bands))
        connection.execute(sa.delete(sketch).where(mine))
