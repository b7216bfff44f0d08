"""Papers, their keys and their listings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from digest.model import Entry, Link, Listing, Paper
from digest.sources.identity import same_paper, split_key
from digest.store.sql import batched, insert_ignore, keep_others_out
from digest.store.tables import feedback, listing, paper, paper_key


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the entries of one source on one day."""

    new: int = 0  # papers the store did not have
    known: int = 0  # papers it had, spelled the same
    merged: int = 0  # papers it had under another spelling, or now more completely
    listings: int = 0  # listings that were not there before


def add(
    connection: sa.Connection, entries: Sequence[Entry], source: str, day: date, size: int, now: datetime
) -> Added:
    """Store the entries of one source on one day, merged by key. Adding them again changes nothing, but that votes
    become known, or more: the same page may be saved once without them and once with."""
    ids, added = _merge(connection, [entry.paper for entry in entries], now, listed=True)
    placed: dict[int, Entry] = {}
    for found, entry in zip(ids, entries, strict=True):
        placed.setdefault(found, entry)
    rows = [
        {"paper_id": i, "source": source, "day": day, "position": e.position, "size": size, "votes": e.votes}
        for i, e in placed.items()
    ]
    listings = insert_ignore(connection, listing, rows)
    if counted := [{"one": row["paper_id"], "most": row["votes"]} for row in rows if row["votes"] is not None]:
        most = sa.bindparam("most", type_=sa.Integer)
        connection.execute(
            sa.update(listing)
            .where(listing.c.paper_id == sa.bindparam("one"), listing.c.source == source, listing.c.day == day)
            .where(sa.or_(listing.c.votes.is_(None), listing.c.votes < most))
            .values(votes=most),
            counted,
        )
    return replace(added, listings=listings)


def add_unlisted(connection: sa.Connection, papers: Sequence[Paper], now: datetime) -> tuple[list[int], Added]:
    """Store papers that readers know and no source listed, merged by key as `add` does: the id of each, in their
    order, and what became of them. Until a source lists them they are no part of the corpus."""
    return _merge(connection, papers, now, listed=False)


def _merge(
    connection: sa.Connection, papers: Sequence[Paper], now: datetime, *, listed: bool
) -> tuple[list[int], Added]:
    # Two who find no key at the same moment would both store the paper.
    keep_others_out(connection, paper)
    known_ids = ids_by_key(connection, [key for p in papers for key in p.keys])
    stored = {p.id: p for p in by_ids(connection, set(known_ids.values()))}
    split = ids_by_key(connection, map(split_key, _in_doubt(papers, known_ids, stored)))
    stored |= {p.id: p for p in by_ids(connection, set(split.values()) - stored.keys())}
    known_ids |= split
    # What a source says of a paper goes before what a reader's library says of it.
    unlisted = _without_listing(connection, stored) if listed else set()
    fresh: list[Paper] = []  # a new paper has the id -1 - its index here until it is inserted
    placed: list[int] = []
    new = known = merged = 0
    for one in papers:
        keys = one.keys
        found = _first(known_ids, keys)
        if found is not None and not _is_same(one, stored[found], keys):
            # Another paper has this very title, so this one is known by its abstract as well.
            keys = tuple(split_key(one) if key.startswith("title:") else key for key in keys)
            found = _first(known_ids, keys)
        if found is None:
            found = -1 - len(fresh)
            fresh.append(replace(one, keys=keys))
            stored[found] = fresh[-1]
            new += 1
        else:
            before = stored[found]
            learned = tuple(key for key in keys if key not in known_ids)
            complete = _completed(one, before) if found in unlisted else _completed(before, one)
            after = replace(complete, keys=before.keys + learned, id=before.id)
            unlisted.discard(found)
            if after != before:
                stored[found] = after
                if found < 0:
                    fresh[-1 - found] = after
                else:
                    _update(connection, after)
                    _insert_keys(connection, found, learned)
            if after != before or one.title != before.title:
                merged += 1
            else:
                known += 1
        known_ids.update({key: found for key in keys if key not in known_ids})
        placed.append(found)
    ids = _insert(connection, fresh, now)
    return [ids[-1 - found] if found < 0 else found for found in placed], Added(new, known, merged)


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


def count(connection: sa.Connection) -> tuple[int, int]:
    """(papers, listings)"""
    papers = connection.execute(sa.select(sa.func.count()).select_from(paper)).scalar_one()
    return papers, connection.execute(sa.select(sa.func.count()).select_from(listing)).scalar_one()


def _first(known_ids: Mapping[str, int], keys: Iterable[str]) -> int | None:
    return next((known_ids[key] for key in keys if key in known_ids), None)


def _in_doubt(papers: Sequence[Paper], known_ids: Mapping[str, int], stored: Mapping[int, Paper]) -> list[Paper]:
    """Those that another paper of the same title may keep from their own key; to fold an abstract takes long."""
    times = Counter(key for one in papers for key in one.keys)
    return [
        one
        for one in papers
        if any(times[key] > 1 for key in one.keys)
        or ((found := _first(known_ids, one.keys)) is not None and not _is_same(one, stored[found], one.keys))
    ]


def _is_same(a: Paper, b: Paper, keys: Sequence[str]) -> bool:
    sure = {key for key in keys if not key.startswith("title:")}
    return bool(sure & set(b.keys)) or same_paper(a, b)


def _completed(before: Paper, after: Paper) -> Paper:
    """`before` with its blank fields filled, and its links joined, from `after`; nothing is ever blanked."""
    fields = ("authors", "abstract", "raw_abstract", "categories")
    known = {link.url for link in before.links}
    links = (*before.links, *(link for link in after.links if link.url not in known))
    return replace(before, links=links, **{f: getattr(before, f) or getattr(after, f) for f in fields})


def _without_listing(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    missing = set(ids)
    for some in batched(sorted(missing), 500):
        rows = connection.execute(sa.select(listing.c.paper_id).where(listing.c.paper_id.in_(some)).distinct())
        missing.difference_update(rows.scalars())
    return missing


def ids_by_key(connection: sa.Connection, keys: Iterable[str]) -> dict[str, int]:
    """The ids of the papers that these keys name; a key that names none is left out."""
    out: dict[str, int] = {}
    for some in batched(sorted(set(keys)), 500):
        rows = connection.execute(sa.select(paper_key.c.key, paper_key.c.paper_id).where(paper_key.c.key.in_(some)))
        out.update({r.key: r.paper_id for r in rows})
    return out


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
        "links": [asdict(link) for link in one.links],
        "raw_title": one.raw_title,
        "raw_abstract": one.raw_abstract,
        "categories": list(one.categories),
    }


def _update(connection: sa.Connection, one: Paper) -> None:
    connection.execute(sa.update(paper).where(paper.c.id == one.id).values(**_values(one)))


def _insert(connection: sa.Connection, fresh: Sequence[Paper], now: datetime) -> list[int]:
    if not fresh:
        return []
    statement = sa.insert(paper).returning(paper.c.id, sort_by_parameter_order=True)
    rows = connection.execute(statement, [_values(p) | {"added_at": now} for p in fresh])
    ids = [row.id for row in rows]
    keys = [{"key": key, "paper_id": i} for i, p in zip(ids, fresh, strict=True) for key in p.keys]
    insert_ignore(connection, paper_key, keys)
    return ids


def _insert_keys(connection: sa.Connection, paper_id: int, keys: Sequence[str]) -> None:
    """Ways to recognise a stored paper that were not known before."""
    insert_ignore(connection, paper_key, [{"key": key, "paper_id": paper_id} for key in keys])
