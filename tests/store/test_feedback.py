"""What readers say of papers: the newest verdict counts, once for each reader and paper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from given import NOW, add, meanwhile, paper, stored_papers, subscribe

from digest.model import Feedback, FeedbackKind
from digest.store import feedback
from digest.store.opening import Store

LATER = NOW + timedelta(days=1)


def said(paper_id: int, kind: FeedbackKind = "liked", at: datetime = NOW, source: str = "cli") -> Feedback:
    return Feedback(paper_id, kind, at, source)


def record(store: Store, subscriber_id: int, *rows: Feedback) -> int:
    with store.write() as connection:
        return feedback.record(connection, subscriber_id, rows)


def of(store: Store, subscriber_id: int) -> tuple[Feedback, ...]:
    with store.read() as connection:
        return feedback.of(connection, [subscriber_id]).get(subscriber_id, ())


@pytest.fixture
def alice(store: Store) -> int:
    return subscribe(store, "alice")[0].id


@pytest.fixture
def papers(store: Store) -> Sequence[int]:
    add(store, *(paper(title) for title in ("Bees", "Wasps", "Ants")))
    return [one.id for one in stored_papers(store)]


def test_what_was_said_comes_back_oldest_first(store: Store, alice: int, papers: Sequence[int]) -> None:
    rows = [said(papers[2], "saved"), said(papers[0], "disliked", LATER, "import:refs.bib"), said(papers[1])]
    assert record(store, alice, *rows) == 3
    assert of(store, alice) == (said(papers[1]), said(papers[2], "saved"), rows[1])


def test_the_newest_verdict_replaces_the_older(store: Store, alice: int, papers: Sequence[int]) -> None:
    record(store, alice, said(papers[0]))
    assert record(store, alice, said(papers[0], "disliked", LATER, "web")) == 1
    assert of(store, alice) == (said(papers[0], "disliked", LATER, "web"),)


def test_a_verdict_that_is_older_than_the_stored_one_changes_nothing(
    store: Store, alice: int, papers: Sequence[int]
) -> None:
    record(store, alice, said(papers[0], "disliked", LATER))
    assert record(store, alice, said(papers[0], "liked", NOW, "import:refs.bib")) == 0
    assert of(store, alice) == (said(papers[0], "disliked", LATER),)


def test_the_same_verdict_again_keeps_its_first_time(store: Store, alice: int, papers: Sequence[int]) -> None:
    record(store, alice, said(papers[0]))
    assert record(store, alice, said(papers[0], at=LATER, source="web"), said(papers[1])) == 1
    assert of(store, alice) == (said(papers[0]), said(papers[1]))


def test_of_two_in_one_list_the_later_one_counts(store: Store, alice: int, papers: Sequence[int]) -> None:
    assert record(store, alice, said(papers[0], "disliked", LATER), said(papers[0], "liked", NOW)) == 1
    assert of(store, alice) == (said(papers[0], "disliked", LATER),)


def test_each_reader_has_a_verdict_of_their_own(store: Store, papers: Sequence[int]) -> None:
    alice, bela, cleo = (one.id for one in subscribe(store, "alice", "bela", "cleo"))
    record(store, alice, said(papers[0]))
    record(store, bela, said(papers[0], "disliked"), said(papers[1], "saved"))
    with store.read() as connection:
        found = feedback.of(connection, [cleo, bela, alice, *range(10_000, 12_000)])
        assert found == {
            alice: (said(papers[0]),),
            bela: (said(papers[0], "disliked"), said(papers[1], "saved")),
        }
        assert feedback.on(connection, bela, papers[0]) == said(papers[0], "disliked")
        assert feedback.on(connection, alice, papers[1]) is None
        assert feedback.everyone(connection) == [(who, one) for who, rows in sorted(found.items()) for one in rows]


def test_what_was_said_can_be_taken_back(store: Store, papers: Sequence[int]) -> None:
    alice, bela = (one.id for one in subscribe(store, "alice", "bela"))
    for who in (alice, bela):
        record(store, who, *(said(i, source="import:refs.bib") for i in papers[:2]), said(papers[2]))
    with store.write() as connection:
        assert feedback.remove(connection, alice, paper_ids=[papers[2], 99_999]) == 1
        assert feedback.remove(connection, bela, source="import:refs.bib") == 2
        assert feedback.remove(connection, bela, source="import:refs.bib") == 0
    assert [one.paper_id for one in of(store, alice)] == list(papers[:2])
    assert [one.paper_id for one in of(store, bela)] == [papers[2]]


def test_two_who_say_the_same_at_once_say_it_once(store: Store, alice: int, papers: Sequence[int]) -> None:
    with meanwhile(store, lambda connection: feedback.record(connection, alice, [said(papers[0])])):
        assert record(store, alice, said(papers[0]), said(papers[1], "saved")) == 1
    assert len(of(store, alice)) == 2


def test_many_at_once(store: Store, alice: int) -> None:
    add(store, *(paper(f"Paper number {n}", f"{n} " * 20) for n in range(2500)))
    rows = [said(one.id) for one in stored_papers(store)]
    assert record(store, alice, *rows) == 2500
    assert record(store, alice, *rows) == 0
    with store.write() as connection:
        assert feedback.remove(connection, alice, [one.paper_id for one in rows]) == 2500
