"""An edition is opened with what was fitted before, and it does not matter whether that is still there."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from invented_readers import COMMON, TOPICS

from digest import config
from digest.model import Entry, Feedback, Interest, Paper, Profile, Subscriber
from digest.pool import CACHE, FITTED_WHOLE, Pool
from digest.ranking.others import FEWEST_READERS
from digest.ranking.ranker import Reader
from digest.sources.identity import title_key
from digest.sources.record import told
from digest.store import feedback, merging, subscribers
from digest.store.opening import Store, open_store

DAY = date(2026, 3, 14)
NOW = datetime(2026, 3, 14, 6, tzinfo=UTC)
READER = Reader(Profile((Interest("honey hive"),), floor=0.0), {})


def listed(store: Store, first: int, number: int, day: date) -> None:
    entries = []
    for n in range(first, first + number):
        dice = random.Random(n)
        words = TOPICS[list(TOPICS)[n % len(TOPICS)]].split()
        text = " ".join([*dice.choices(words, k=8), *dice.choices(COMMON.split(), k=8)])
        title = f"{dice.choice(words)} {dice.choice(words)} {n}"
        entries.append(Entry(Paper(title, text, keys=(title_key(title),)), n - first + 1, n))
    with store.write() as connection:
        merging.take(connection, [told(one) for one in entries], f"page:{first}", NOW, day=day)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with more papers than are fitted in passing."""
    home = tmp_path_factory.mktemp("large")
    with closing(open_store(f"sqlite:///{home / 'digest.db'}", create=True)) as store:
        listed(store, 1, FITTED_WHOLE, DAY - timedelta(days=10))
        listed(store, FITTED_WHOLE + 1, 150, DAY)
    return home


def opened(home: Path) -> tuple[Pool, Store]:
    store = open_store(f"sqlite:///{home / 'digest.db'}", create=False)
    return Pool(store, config.parse(b"", home)), store


def chosen(home: Path, reader: Reader = READER) -> list[tuple[int, float]]:
    pool, store = opened(home)
    with closing(store):
        (picks,) = pool.open(DAY).ranker.choose([reader])
    return [(pick.paper.id, pick.score) for pick in picks]


def test_a_fitted_space_is_kept_and_used_again(large: Path) -> None:
    first = chosen(large)
    assert len(first) == READER.profile.papers
    (kept,) = (large / CACHE).glob("space-*.npz")
    written = kept.stat().st_ino
    assert chosen(large) == first
    (again,) = (large / CACHE).glob("space-*.npz")
    assert again.stat().st_ino == written


@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_a_spoilt_file_is_made_anew(large: Path, content: bytes) -> None:
    first = chosen(large)
    (kept,) = (large / CACHE).glob("space-*.npz")
    kept.write_bytes(content)
    assert chosen(large) == first
    assert kept.stat().st_size > 1000


def test_a_cache_that_cannot_be_written_stops_nobody(large: Path, tmp_path: Path) -> None:
    first = chosen(large)
    home = tmp_path / "home"
    home.mkdir()
    (home / "digest.db").write_bytes((large / "digest.db").read_bytes())
    (home / CACHE).write_text("a file in the way")
    assert chosen(home) == first


def test_a_small_store_leaves_no_files(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{tmp_path / 'digest.db'}", create=True)) as store:
        listed(store, 1, 60, DAY)
    assert chosen(tmp_path)
    assert not (tmp_path / CACHE).exists()


def test_readers_are_heard_once_there_are_enough(large: Path) -> None:
    one = Reader(Profile(floor=0.0, papers=50, trending=0.0), {}, (Feedback(6, "liked", NOW, "cli"),))
    alone = chosen(large, one)
    pool, store = opened(large)
    with closing(store):
        with store.write() as connection:
            handles = [f"reader{n}" for n in range(FEWEST_READERS)]
            subscribers.add(
                connection,
                [Subscriber(handle=one, address=f"{one}@example.org", next_due_at=NOW) for one in handles],
            )
            for number, who in enumerate(subscribers.everyone(connection)):
                dice = random.Random(number)
                # Whoever likes papers of the first field likes those of the second.
                mine = [n for n in range(1, 200) if n % 6 in ((0, 1), (2, 3), (4, 5))[number % 3]]
                rows = [Feedback(n, "liked", NOW - timedelta(days=1), "cli") for n in dice.sample(mine, 12)]
                feedback.record(connection, who.id, rows)
        before = pool.open(DAY)
        assert pool.open(DAY) is before
    assert chosen(large, one) != alone
    assert len(list((large / CACHE).glob("others-*.npz"))) == 1
