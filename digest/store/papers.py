"""Papers, their keys and their listings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from digest.model import Link, Listing, Paper
from digest.store.sql import among, batched, dialect_insert
from digest.store.tables import feedback, listing, paper, paper_key

_UNITED = paper.c.same_as > 0


def by_ids(connection: sa.Connection, ids: Iterable[int]) -> list[Paper]:
    """The papers with these ids, in the order of the ids, each with its keys."""
    out: list[Paper] = []
    for some in batched(sorted(set(ids)), 500):
        out += _load(connection, paper.c.id.in_(some))
    return out


def titles(connection: sa.Connection, subscriber_id: int) -> list[tuple[int, str]]:
    """(id, title) of every paper that this subscriber may know of: a source listed it, or they spoke of it. What
    only stands in another reader's library is nobody else's to see."""
    listed = sa.exists().where(listing.c.paper_id == paper.c.id)
    own = sa.exists().where(feedback.c.paper_id == paper.c.id, feedback.c.subscriber_id == subscriber_id)
    rows = connection.execute(sa.select(paper.c.id, paper.c.title).where(sa.or_(listed, own)).order_by(paper.c.id))
    return [(r.id, r.title) for r in rows]


def corpus(connection: sa.Connection) -> list[Paper]:
    """Every paper that a source listed, in the order of the ids, each with its keys.

    What only stands in a reader's library is left out: it must not shape what is usual for all readers.
    """
    return _load(connection, sa.exists().where(listing.c.paper_id == paper.c.id))


def first_listed(connection: sa.Connection) -> dict[int, date]:
    """Paper id → the day on which a source listed it first."""
    rows = connection.execute(
        sa.select(listing.c.paper_id, sa.func.min(listing.c.day)).group_by(listing.c.paper_id)
    )
    return {row[0]: row[1] for row in rows}


def pool(connection: sa.Connection, day: date, window_days: int) -> list[tuple[int, Listing]]:
    """(paper id, listing) of every listing in the `window_days` days that end with `day`."""
    rows = connection.execute(
        sa.select(listing)
        .where(listing.c.day > day - timedelta(days=window_days), listing.c.day <= day)
        .order_by(listing.c.paper_id, listing.c.day, listing.c.source)
    )
    return [(r.paper_id, Listing(r.source, r.day, r.position, r.size, r.votes)) for r in rows]


def newest_listing(connection: sa.Connection, until: date | None = None) -> date | None:
    """The last day on which anything was listed (up to `until`)."""
    where = sa.true() if until is None else listing.c.day <= until
    return connection.execute(sa.select(sa.func.max(listing.c.day)).where(where)).scalar()


def last_arrival(connection: sa.Connection, day: date, window_days: int) -> datetime | None:
    """When the newest of the papers in `pool` came into the store."""
    listed = sa.exists().where(
        listing.c.paper_id == paper.c.id,
        listing.c.day > day - timedelta(days=window_days),
        listing.c.day <= day,
    )
    return connection.execute(sa.select(sa.func.max(paper.c.added_at)).where(listed)).scalar()


def united(connection: sa.Connection) -> dict[int, int]:
    """The id of each paper that proved to be another → that one's."""
    # Said so, SQLite goes by the index.
    return {r.id: r.same_as for r in connection.execute(sa.select(paper.c.id, paper.c.same_as).where(_UNITED))}


def names_of(connection: sa.Connection, paper_id: int) -> list[int]:
    """The ids by which this paper was known, too, before it proved to be one."""
    found = sa.select(paper.c.id).where(paper.c.same_as == paper_id).order_by(paper.c.id)
    return list(connection.execute(found).scalars())


def count(connection: sa.Connection) -> tuple[int, int]:
    """(papers, listings)"""
    alone = sa.select(sa.func.count()).select_from(paper).where(paper.c.same_as.is_(None))
    papers = connection.execute(alone).scalar_one()
    return papers, connection.execute(sa.select(sa.func.count()).select_from(listing)).scalar_one()


def ids_by_key(connection: sa.Connection, keys: Iterable[str]) -> dict[str, int]:
    """The ids of the papers that these keys name; a key that names none is left out."""
    # Half a surrogate pair is in no key that is stored, and no driver takes one.
    asked = {key if key.isascii() else key.encode("utf-8", "replace").decode() for key in keys}
    return dict(among(connection, "paper_key", ("key", "paper_id"), sorted(asked)))


def _load(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Paper]:
    rows = connection.execute(sa.select(paper).where(where).order_by(paper.c.id)).all()
    keys: dict[int, list[str]] = {}
    found = connection.execute(
        sa.select(paper_key.c.paper_id, paper_key.c.key)
        .join(paper, paper.c.id == paper_key.c.paper_id)
        .where(where)
        .order_by(paper_key.c.key)
    )
    for row in found:
        keys.setdefault(row.paper_id, []).append(row.key)
    return [
        Paper(
            id=r.id,
            title=r.title,
            abstract=r.abstract,
            authors=tuple(r.authors),
            links=tuple(Link(**one) for one in r.links),
            raw_title=r.raw_title,
            raw_abstract=r.raw_abstract,
            keys=tuple(keys.get(r.id, ())),
            categories=tuple(r.categories),
        )
        for r in rows
    ]


def _values(one: Paper) -> dict[str, object]:
    return {
        "title": one.title,
        "abstract": one.abstract,
        "authors": list(one.authors),
        "links": [{"label": link.label, "url": link.url} for link in one.links],
        "raw_title": one.raw_title,
        "raw_abstract": one.raw_abstract,
        "categories": list(one.categories),
    }


def update(connection: sa.Connection, one: Paper) -> None:
    """Store what is known of a paper now; its keys are not looked at."""
    connection.execute(sa.update(paper).where(paper.c.id == one.id).values(**_values(one)))


def free_ids(connection: sa.Connection, number: int) -> Iterator[int]:
    """Ids for new papers; asked for under the lock that `insert` needs."""
    if connection.dialect.name == "postgresql":
        sequence = sa.func.nextval(sa.func.pg_get_serial_sequence("paper", "id"))
        yield from connection.execute(sa.select(sequence).select_from(sa.func.generate_series(1, number))).scalars()
    else:
        last = connection.execute(sa.select(sa.func.max(paper.c.id))).scalar() or 0
        yield from range(last + 1, last + 1 + number)


def insert(connection: sa.Connection, fresh: Collection[Paper], now: datetime) -> None:
    """Store new papers, with ids from `free_ids`, and their keys."""
    if fresh:
        connection.execute(sa.insert(paper), [_values(p) | {"id": p.id, "added_at": now} for p in fresh])
        learn(connection, [(key, p.id) for p in fresh for key in p.keys])


def learn(connection: sa.Connection, keys: Iterable[tuple[str, int]]) -> None:
    """(key, paper id) each: ways to recognise stored papers that were not known before."""
    rows = [{"key": key, "paper_id": paper_id} for key, paper_id in sorted(keys)]
    if rows:
        connection.execute(dialect_insert(connection, paper_key).on_conflict_do_nothing(), rows)
