"""Letters are written from what the store knows, also where it learned that after the edition was opened."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from digest import config
from digest.edition import Press
from digest.model import Interest, Profile, Record, Subscriber
from digest.pool import Edition
from digest.store import letters, merging, subscribers
from digest.store.opening import open_store

DAY = date(2026, 3, 14)
NOW = datetime(2026, 3, 14, 6, tzinfo=UTC)
BEES = (
    "Honey bees choose hives by dancing. We film swarms, count who dances for which tree, and tell their choice"
    " an hour before they leave, in honey seasons and in lean ones, without disturbing a single bee."
)


def test_papers_that_prove_to_be_one_while_letters_are_written(tmp_path: Path) -> None:
    by_id = Record("Honey Hives Decide", BEES, keys=("arxiv:2603.00001",))
    with closing(open_store(f"sqlite:///{tmp_path / 'digest.db'}")) as store:

        def take(*records: Record, source: str) -> None:
            with store.write() as connection:
                merging.take(connection, records, source, NOW, day=DAY)

        class Slow(Press):
            """Meanwhile the page is saved again, and tells the abstract now."""

            def open(self, day: date) -> Edition:
                edition = super().open(day)
                take(Record("How Honey Bees Choose", BEES), source="page:again")
                return edition

        take(Record("How Honey Bees Choose"), source="page")
        take(by_id, source="arxiv")
        profile = Profile((Interest("honey hive bees"),), floor=0.0)
        with store.write() as connection:
            subscribers.add(
                connection, [Subscriber("alice", "alice@example.org", next_due_at=NOW, profile=profile)]
            )
            (reader,) = subscribers.everyone(connection)
        written = Slow(store, config.parse(b"", tmp_path)).write([(reader, DAY)], NOW)
        with store.read() as connection:
            (letter,) = letters.of_subscriber(connection, reader.id)
    assert written.ready == 1
    assert [pick.paper.title for pick in letter.picks] == ["How Honey Bees Choose"]
