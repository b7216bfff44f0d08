"""Pairs that are hard: each taken into a store in both orders, and in one list, is one paper or two."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hard_pairs import ONE, TWO, Pair

from digest.model import Record
from digest.sources.identity import paper_key
from digest.store import merging, papers
from digest.store.opening import Store

NOW, DAY = datetime(2026, 3, 14, 6, tzinfo=UTC), date(2026, 3, 14)
ORDERS = ["first, then second", "second, then first", "both in one list", "the other way round"]
SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def number(store: Store, *lists: list[Record]) -> int:
    """How many papers these lists come to; taken once more they change nothing."""
    for again in range(2):
        for place, told in enumerate(lists):
            with store.write() as connection:
                merging.take(connection, told, f"list{place}", NOW + timedelta(hours=again), day=DAY)
        with store.read() as connection:
            if not again:
                before = papers.corpus(connection)
            assert papers.corpus(connection) == before
    return len(before)


def papers_of(store: Store, pair: Pair, order: str) -> int:
    first, second = [pair.first], [pair.second]
    lists = [[first, second], [second, first], [first + second], [second + first]]
    return number(store, *lists[ORDERS.index(order)])


def test_there_are_enough_of_them_each_with_a_name() -> None:
    assert len(ONE) >= 22
    assert len(TWO) >= 22
    names = [pair.name for pair in ONE + TWO]
    assert len(set(names)) == len(names)


@SQLITE
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pair", ONE, ids=[pair.name for pair in ONE])
def test_one_paper(store: Store, pair: Pair, order: str) -> None:
    assert papers_of(store, pair, order) == 1


@SQLITE
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pair", TWO, ids=[pair.name for pair in TWO])
def test_two_papers(store: Store, pair: Pair, order: str) -> None:
    assert papers_of(store, pair, order) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("arXiv:2603.00001v1", "https://arxiv.org/abs/2603.00001v2"),
        ("10.48550/arXiv.2603.00001", "2603.00001"),
        ("math.GT/0309136v2", "https://arxiv.org/abs/math/0309136"),
        ("https://doi.org/10.1000/KITES.5", "doi:10.1000/kites.5"),
    ],
)
@SQLITE
def test_identifiers_that_are_one(store: Store, first: str, second: str) -> None:
    keys = [paper_key(text) for text in (first, second)]
    one, two = (Record(title, keys=(key or "",)) for title, key in zip(("Kites", "Winches"), keys, strict=True))
    assert number(store, [one], [two]) == 1
