"""Records of papers → papers that are each known once, with their listings and votes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import sqlalchemy as sa

from digest.frozen import changer
from digest.model import Paper, Record
from digest.sources.identity import near_duplicate, same_paper, split_key, two_ids
from digest.sources.record import fold, paper_of
from digest.sources.richer import completed
from digest.sources.sketch import bands
from digest.store import listings, papers, sketches
from digest.store.sql import among, batched, keep_others_out, put
from digest.store.tables import listing, paper, record
from digest.store.uniting import unite

_named = changer(Paper, "keys", "id")


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the records of one source."""

    new: int = 0  # papers the store did not have
    known: int = 0  # papers it had, told in the same words or no richer ones
    merged: int = 0  # papers it had under another spelling, or now more completely
    listings: int = 0  # listings that were not there before


def take(
    connection: sa.Connection,
    records: Sequence[Record],
    source: str,
    now: datetime,
    *,
    day: date | None = None,
    whole: bool = True,
    undated: bool = False,
) -> Added:
    """Store what a source tells: papers merged by identity, their listings, and votes over time.

    A record's day is its own, else `day`; one without a position stands after the one before on its day. With
    `whole` the records are all that the source lists on their days; else `listings.resize` tells its size later.
    Taking them again changes nothing. `undated` records may be older than what is stored: their votes add to what
    is known and never lower it.
    """
    ids, added = place(connection, records, now, listed=True)
    new = listings.take(
        connection, list(zip(ids, records, strict=True)), source, now, day=day, whole=whole, undated=undated
    )
    return replace(added, listings=new)


def place(
    connection: sa.Connection, records: Sequence[Record], now: datetime, *, listed: bool
) -> tuple[list[int], Added]:
    """The id of the paper that each record tells of, stored where it was not; and what became of them.

    Not `listed`: readers know these papers and no source listed them. Until one does they are no part of the
    corpus, and what it says of them then goes before what a reader's library said.
    """
    # Two who find no key at the same moment would both store the paper.
    keep_others_out(connection, paper)
    folds = [fold(one) for one in records]
    known = _by_fold(connection, folds)
    untold = {one: told for one, told in zip(folds, records, strict=True) if one not in known}
    merger = _Merger(connection, [paper_of(told) for told in untold.values()], now, listed)
    placed = dict(zip(untold, merger.run(), strict=True))
    put(connection, record, ("fold", "paper_id"), sorted(placed.items()))
    # A paper that was known may have been brought together with another just now.
    ids = [merger.now_at(known[one]) if one in known else placed[one] for one in folds]
    return ids, Added(merger.new, len(records) - merger.new - merger.merged, merger.merged)


class _Merger:
    """The papers that one call brings, against what is stored and against each other."""

    def __init__(self, connection: sa.Connection, brought: Sequence[Paper], now: datetime, listed: bool) -> None:
        self.connection, self.brought, self.now = connection, brought, now
        self.new = self.merged = 0
        self.moved = papers.united(connection)  # the id of a paper that proved to be another → that one's
        self.waiting: dict[int, Paper] = {}  # new papers that are still to be inserted
        self.sketched: dict[str, tuple[int, ...]] = {}  # abstract → its bands, which take a while to find
        self.ids = papers.ids_by_key(connection, [key for one in brought for key in one.keys])
        self.papers: dict[int, Paper] = {}
        self._load(self.ids.values())
        self.split = {id(one): split_key(one) for one in self._in_doubt()}
        self.ids |= papers.ids_by_key(connection, self.split.values())
        strangers = [one for one in brought if not any(key in self.ids for key in one.keys)]
        self.alike = sketches.find(connection, [band for one in strangers for band in self._bands(one.abstract)])
        self._load([*self.ids.values(), *(one for found in self.alike.values() for one in found)])
        self.unlisted = _without_listing(connection, self.papers) if listed else set()
        self.free = papers.free_ids(connection, len(brought))

    def run(self) -> list[int]:
        """Store the papers; the id of each."""
        found = [self._place(one) for one in self.brought]
        self._insert()
        return [self.now_at(one) for one in found]

    def now_at(self, paper_id: int) -> int:
        while paper_id in self.moved:
            paper_id = self.moved[paper_id]
        return paper_id

    def _place(self, one: Paper) -> int:
        keys = tuple(own for key in one.keys if (own := self._own(one, key)))
        found = next((at for key in keys if (at := self._at(key)) is not None), None)
        if found is None:
            found = self._nearest(one)
        if found is None:
            return self._add(one, keys)
        # It may prove to be others as well: those that have its other keys …
        apart = self.split.get(id(one), "")
        others = {at for key in (*keys, apart) if (at := self._at(key)) is not None and not self._two(found, at)}
        is_news = one.abstract != self.papers[found].abstract
        self.merged += self._learn(found, one, keys)
        if (
            is_news
            and (nearest := self._nearest(replace(one, keys=self.papers[found].keys), but=found)) is not None
        ):
            others.add(nearest)  # … and the one whose abstract it has, now that this is told
        if others - {found}:
            self._insert()
            for other in sorted(others - {found}):
                if not self._two(found, at := self.now_at(other)):  # by now it may have an id of its own
                    found = self._unite(found, at)
        return found

    def _add(self, one: Paper, keys: tuple[str, ...]) -> int:
        number = next(self.free)
        self.papers[number] = self.waiting[number] = _named(one, keys, number)
        self.ids.update(dict.fromkeys(keys, number))
        self.new += 1
        self._sketch(number, one.abstract)
        return number

    def _at(self, key: str) -> int | None:
        found = self.ids.get(key)
        return None if found is None else self.now_at(found)

    def _own(self, one: Paper, key: str) -> str:
        """The key; but where another paper has this title, the one that the abstract gives it too, and no DOI that
        another paper's authors gave for theirs."""
        at = self._at(key)
        if at is None:
            return key
        there = self.papers[at]
        if key.startswith("title:"):
            if _surely(one, there) or same_paper(one, there):
                return key
            apart = self.split.get(id(one)) or split_key(one)
            at = self._at(apart)
            return apart if at is None or same_paper(one, self.papers[at]) else ""
        return "" if two_ids(one, there) and not _same_title(one, there) else key

    def _two(self, one: int, other: int) -> bool:
        """Must these stored papers not become one, whatever key they share?"""
        first, second = self.papers[one], self.papers[other]
        return two_ids(first, second) and not (_same_title(first, second) and same_paper(first, second))

    def _nearest(self, one: Paper, but: int = 0) -> int | None:
        """The paper with nearly the same abstract under another title."""
        near = self._bands(one.abstract)
        self._ask(near)
        there = {self.now_at(i) for band in near for i in self.alike.get(band, ())} - {but}
        alike = [(likeness, -i) for i in there if (likeness := near_duplicate(one, self.papers[i]))]
        return -max(alike)[1] if alike else None

    def _ask(self, bands: Iterable[int]) -> None:
        if unasked := [band for band in bands if band not in self.alike]:
            self.alike |= sketches.find(self.connection, unasked)
            self._load([i for band in unasked for i in self.alike[band]])

    def _sketch(self, number: int, abstract: str) -> None:
        """From now on a paper is found by this abstract; what a crowd shares finds the oldest of them."""
        bands = self._bands(abstract)
        self._ask(bands)
        for band in bands:
            if len(self.alike[band]) < sketches.CROWD and number not in self.alike[band]:
                self.alike[band].append(number)

    def _unsketch(self, number: int, abstract: str) -> None:
        for band in self._bands(abstract):
            if number in self.alike.get(band, ()):
                self.alike[band].remove(number)

    def _bands(self, abstract: str) -> tuple[int, ...]:
        found = self.sketched.get(abstract)
        if found is None:
            found = self.sketched[abstract] = bands(abstract)
        return found

    def _learn(self, found: int, one: Paper, keys: Sequence[str]) -> bool:
        """Complete a paper by what was brought; whether that was anything new."""
        before = self.papers[found]
        learned = tuple(key for key in keys if key not in self.ids)
        complete = completed(one, before) if found in self.unlisted else completed(before, one)
        self.unlisted.discard(found)
        self._replace(replace(complete, keys=before.keys + learned, id=found))
        return self.papers[found] != before or one.title != before.title

    def _replace(self, after: Paper) -> None:
        before = self.papers[after.id]
        self.papers[after.id] = after
        learned = [key for key in after.keys if key not in before.keys]
        self.ids.update(dict.fromkeys(learned, after.id))
        if after.abstract != before.abstract:
            self._unsketch(after.id, before.abstract)
            self._sketch(after.id, after.abstract)
        if after.id in self.waiting:
            self.waiting[after.id] = after
        elif after != before:
            papers.update(self.connection, after)
            papers.learn(self.connection, [(key, after.id) for key in learned])
            if after.abstract != before.abstract:
                sketches.remove(self.connection, after.id, self._bands(before.abstract))
                sketches.add(self.connection, self._sketched_by(after))

    def _unite(self, one: int, other: int) -> int:
        """Two stored papers are one from now on; the id of it."""
        if one == other:
            return one
        keep, gone = sorted((one, other))
        first, second = (gone, keep) if keep in self.unlisted and gone not in self.unlisted else (keep, gone)
        if gone not in self.unlisted:
            self.unlisted.discard(keep)
        self._unsketch(gone, self.papers[gone].abstract)
        sketches.remove(self.connection, gone, self._bands(self.papers[gone].abstract))
        unite(self.connection, keep, gone, self.now)
        both = completed(self.papers[first], self.papers[second])
        keys = self.papers[keep].keys + self.papers[gone].keys
        self.papers[keep] = replace(self.papers[keep], keys=keys)
        self._replace(replace(both, keys=keys, id=keep))
        self.moved[gone] = keep
        return keep

    def _insert(self) -> None:
        papers.insert(self.connection, self.waiting.values(), self.now)
        sketches.add(self.connection, [row for one in self.waiting.values() for row in self._sketched_by(one)])
        self.waiting = {}

    def _sketched_by(self, one: Paper) -> list[tuple[int, int]]:
        return [(band, one.id) for band in self._bands(one.abstract) if one.id in self.alike[band]]

    def _load(self, ids: Iterable[int]) -> None:
        missing = {now for one in ids if (now := self.now_at(one)) not in self.papers}
        self.papers |= {one.id: one for one in papers.by_ids(self.connection, missing)}

    def _in_doubt(self) -> Iterator[Paper]:
        """Those that another paper of the same title may keep from their own key, or kept when less was known."""
        times = Counter(key for one in self.brought for key in one.keys)
        for one in self.brought:
            there = {at for key in one.keys if (at := self._at(key)) is not None}
            if any(times[key] > 1 for key in one.keys) or not all(
                same_paper(one, self.papers[other]) for other in there
            ):
                yield one


def _surely(a: Paper, b: Paper) -> bool:
    return any(key in b.keys for key in a.keys if not key.startswith("title:"))


def _same_title(a: Paper, b: Paper) -> bool:
    return any(key.partition("~")[0] in b.keys for key in a.keys if key.startswith("title:"))


def _by_fold(connection: sa.Connection, folds: Iterable[bytes]) -> dict[bytes, int]:
    return {
        bytes(row[0]): row[1] for row in among(connection, record.name, ("fold", "paper_id"), sorted(set(folds)))
    }


def _without_listing(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    missing = set(ids)
    for some in batched(sorted(missing), 500):
        rows = connection.execute(sa.select(listing.c.paper_id).where(listing.c.paper_id.in_(some)).distinct())
        missing.difference_update(rows.scalars())
    return missing
