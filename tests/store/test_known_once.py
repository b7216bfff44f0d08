"""Records of a few papers, told in any spelling, order and number at a time, with letters sent in between."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from given import DAY, DEFERRED, FAILED, NOW, SENT, UNCERTAIN, claim, letter, subscribe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from digest.model import Link, Paper, Record, Subscriber
from digest.store import editions, feedback, letters, merging, outbox, papers, tables
from digest.store.opening import Store

SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "ri",
    "so",
    "tu",
    "va",
    "we",
    "xi",
    "yo",
    "zu",
]
TITLES = ["On the Swarming of Bees", "Tidal Clocks in Harbours", "Reply to Comments", "Reply to Comments"]
RENAMED = ["When Bees Leave", "What Harbour Clocks Tell", "A Reply on Rust", "A Reply on Dew"]


def _abstract(base: int) -> str:
    dice = random.Random(base)
    words = ["".join(dice.choices(SYLLABLES, k=dice.randint(1, 3))) for _ in range(110)]
    return ". ".join(" ".join(words[n : n + 11]).capitalize() for n in range(0, 110, 11)) + "."


ABSTRACTS = [_abstract(base) for base in range(len(TITLES))]


@dataclass(frozen=True)
class Told:
    base: int
    record: Record


@some.composite
def told(draw: some.DrawFn, renamed: bool) -> Told:
    """One of a few papers, as some source tells of it."""
    base = draw(some.integers(0, 1 if renamed else len(TITLES) - 1))
    title = (RENAMED if renamed and draw(some.booleans()) else TITLES)[base]
    title = draw(some.sampled_from([title, title.upper(), f"\\textbf{{{title}}}", f"{title}."]))
    whole = ABSTRACTS[base]
    told_of = [whole, whole[: len(whole) * 2 // 3], whole.replace(". ", ".\n"), whole + " Code is free."]
    # Two of the papers have one title, so that theirs say nothing without an abstract.
    abstract = draw(some.sampled_from([""] * (8 if renamed else 1) * (base < 2) + told_of))
    keys = [key for key in (f"arxiv:2603.0000{base}", f"doi:10.1000/{base}") if draw(some.booleans())]
    names = draw(some.sampled_from([(), (f"Ada Lind{base}",), (f"A. Lind{base}", f"Bo Quist{base}")]))
    links = draw(some.sampled_from([(), (Link("code", f"https://example.org/{base}"),)]))
    votes = draw(some.none() | some.integers(0, 9))
    return Told(base, Record(title, abstract, names, tuple(keys), links, votes=votes))


ENDS = {"sent": SENT, "refused": FAILED, "put off": DEFERRED, "in doubt": UNCERTAIN}


class World:
    """A store, a press that respects memory, and what readers really got."""

    def __init__(self, store: Store, readers: list[Subscriber]) -> None:
        self.store, self.readers, self.slot = store, readers, DAY
        self.places = 0
        self.flying: list[int] = []  # claimed, and nothing heard yet
        with store.write() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                if table.name != "subscriber":
                    connection.execute(sa.delete(table))

    def take(self, records: list[Told]) -> list[int]:
        before = self.papers()
        self.places += 1
        with self.store.write() as connection:
            added = merging.take(connection, [one.record for one in records], f"s{self.places}", NOW, day=DAY)
            assert added.new + added.known + added.merged == len(records)
        after, same = self.papers(), self.same()
        for one in before.values():
            now = after[same.get(one.id, one.id)]
            assert set(one.keys) <= set(now.keys)
            assert len(now.authors) >= len(one.authors)
            assert {link.label for link in one.links} <= {link.label for link in now.links}
            assert now.abstract or not one.abstract
        return self.ids(records)

    def ids(self, records: list[Told]) -> list[int]:
        with self.store.write() as connection:
            found, added = merging.place(connection, [one.record for one in records], NOW, listed=True)
        assert added.new == added.merged == 0
        return found

    def papers(self) -> dict[int, Paper]:
        with self.store.read() as connection:
            return {one.id: one for one in papers.corpus(connection)}

    def same(self) -> dict[int, int]:
        with self.store.read() as connection:
            return papers.united(connection)

    def press(self, end: str) -> None:
        """A letter for each reader of all that they were not sent; what waits leaves, or not."""
        self.slot += timedelta(days=1)
        with self.store.write() as connection:
            known = letters.memory(connection, [one.id for one in self.readers])
            stored = papers.corpus(connection)
            batch = [
                letter(reader, *(one for one in stored if one.id not in known.get(reader.id, {})), slot=self.slot)
                for reader in self.readers
            ]
            edition = editions.open_edition(connection, DAY, 7, 9, "pool", NOW)
            letters.write(connection, edition, [one for one in batch if one.picks])
            if stored:
                said = [feedback.Feedback(stored[0].id, "liked", NOW, "cli")]
                feedback.record(connection, self.readers[0].id, said)
        if end == "flies":
            self.flying += claim(self.store)
        elif end != "waits":
            self.end(claim(self.store), end)

    def end(self, ids: list[int], end: str) -> None:
        with self.store.write() as connection:
            outbox.record(connection, "courier", dict.fromkeys(ids, ENDS[end]), NOW, dice=lambda: 0.0)

    def sent(self) -> list[tuple[int, int]]:
        """(reader, paper) of all that left, each as often as it did."""
        gone = tables.letter.c.state.in_(["sent", "uncertain"])
        picks = sa.select(tables.pick.c.subscriber_id, tables.pick.c.paper_id)
        with self.store.read() as connection:
            rows = connection.execute(picks.join(tables.letter).where(gone, sa.not_(tables.pick.c.void))).all()
        return [(row[0], row[1]) for row in rows]

    def check(self) -> None:
        """Nothing hangs on a paper that is another one now, and no letter that waits holds what its reader has."""
        same = self.same()
        assert not set(same) & set(same.values())
        with self.store.read() as connection:
            for table in (
                tables.paper_key,
                tables.record,
                tables.sketch,
                tables.new_sketch,
                tables.listing,
                tables.vote,
                tables.feedback,
            ):
                assert not set(connection.execute(sa.select(table.c.paper_id)).scalars()) & set(same), table.name
            for row in connection.execute(sa.select(tables.letter.c.state, tables.pick).join(tables.letter)):
                if row.state in ("ready", "deferred"):
                    one = same.get(row.paper_id, row.paper_id)
                    others = sa.select(tables.pick).where(
                        tables.pick.c.subscriber_id == row.subscriber_id, sa.not_(tables.pick.c.void)
                    )
                    names = [same.get(each.paper_id, each.paper_id) for each in connection.execute(others)]
                    assert names.count(one) == 1


def dump(store: Store) -> dict[str, list[Any]]:
    with store.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in tables.metadata.sorted_tables
        }


STEPS = some.lists(some.sampled_from(["waits", "flies", "lands", *ENDS]), max_size=6)


@pytest.mark.parametrize("renamed", [False, True])
def test_in_any_order_and_number(store: Store, renamed: bool) -> None:
    readers = subscribe(store, "alice", "bob")
    some_records = some.lists(told(renamed), min_size=4 if renamed else 1, max_size=9)

    @settings(
        max_examples=30 if store.engine.dialect.name == "sqlite" else 6,
        suppress_health_check=list(HealthCheck),
    )
    @given(some_records, some.lists(some.integers(1, 4), min_size=8, max_size=8), STEPS)
    def run(records: list[Told], sizes: list[int], ends: list[str]) -> None:
        alone = World(store, readers)
        for one in records:
            alone.take([one])
        apart = alone.ids(records)

        world, left, step = World(store, readers), list(records), list(ends)
        twice = 0
        while left:
            batch, left = left[: sizes[0]], left[sizes[0] :]
            sizes = sizes[1:] + sizes[:1]
            before, same = world.sent(), world.same()
            world.take(batch)
            after = world.same()
            # Who was sent both before it was known that they are one, was sent both.
            for reader in readers:
                mine = [after.get(one, one) for who, one in before if who == reader.id]
                were = [same.get(one, one) for who, one in before if who == reader.id]
                twice += (len(mine) - len(set(mine))) - (len(were) - len(set(were)))
            world.check()
            if step and (end := step.pop(0)) == "lands":
                world.end(world.flying, "put off")
                world.flying = []
            elif step:
                world.press(end)
            world.check()
        # What waits leaves at last.
        world.end(world.flying, "put off")
        world.end(claim(store, now=NOW + timedelta(hours=1)), "sent")
        world.check()
        ids, same = world.ids(records), world.same()
        sent = [(reader, same.get(one, one)) for reader, one in world.sent()]
        assert len(sent) - len(set(sent)) == twice

        def first(found: list[int]) -> list[int]:
            return [found.index(one) for one in found]

        assert first(ids) == first(apart), "papers do not depend on how many records came at a time"
        if not renamed:
            assert len(set(ids)) == len({one.base for one in records})
            assert twice == 0

        def again() -> None:
            with store.write() as connection:
                merging.take(connection, [one.record for one in records], "again", NOW, day=DAY)

        again()
        known = dump(store)
        again()
        assert dump(store) == known

    run()
