"""Papers are known once, completed and never blanked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from given import DAY, NOW, abstract, add, entries, meanwhile, paper, stored_papers

from digest.model import Link, Paper
from digest.store import merging, papers
from digest.store.opening import Store


def test_taking_a_page_again_changes_nothing(store: Store) -> None:
    page = [paper("Bees"), paper("Wasps"), paper("Ants")]
    first = add(store, *page)
    assert (first.new, first.known, first.merged, first.listings) == (3, 0, 0, 3)
    before = stored_papers(store)
    again = add(store, *page)
    assert (again.new, again.known, again.merged, again.listings) == (0, 3, 0, 0)
    assert stored_papers(store) == before
    with store.read() as connection:
        assert papers.count(connection) == (3, 3)


def test_one_paper_on_two_pages_is_one_paper_with_two_listings(store: Store) -> None:
    add(store, paper("Bees"), paper("Wasps"))
    second = add(store, paper("Wasps"), paper("Moths"), source="page:b", day=DAY - timedelta(days=1))
    assert (second.new, second.known) == (1, 1)
    with store.read() as connection:
        pool = papers.pool(connection, DAY, 7)
        wasps = next(one for one in papers.corpus(connection) if one.title == "Wasps")
        listed = [(row.day, row.position, row.size, row.votes) for i, row in pool if i == wasps.id]
        assert listed == [(DAY - timedelta(days=1), 1, 2, None), (DAY, 2, 2, None)]
        assert papers.newest_listing(connection) == DAY
        assert papers.newest_listing(connection, until=DAY - timedelta(days=1)) == DAY - timedelta(days=1)
        assert papers.newest_listing(connection, until=DAY - timedelta(days=9)) is None


def test_another_spelling_is_merged(store: Store) -> None:
    add(store, paper("Ferry-∞: Carrying Facts", abstract("facts")))
    added = add(store, paper("Ferry-infty: Carrying Facts", abstract("facts")), source="page:b")
    assert (added.new, added.merged) == (0, 1)
    assert [one.title for one in stored_papers(store)] == ["Ferry-∞: Carrying Facts"]


def test_one_title_over_two_abstracts_is_two_papers_also_the_next_time(store: Store) -> None:
    bees = paper(
        "Reply to Comments", "Honey is stored in combs by workers who dance to tell where flowers bloom today."
    )
    tides = paper(
        "Reply to Comments", "Water rises twice between noon and midnight since moon and sun pull at oceans."
    )
    add(store, bees)
    assert add(store, tides, source="page:b").new == 1
    for again in (bees, tides):
        assert add(store, again, source="page:c").known == 1
    assert len(stored_papers(store)) == 2


def test_a_field_is_filled_and_never_blanked(store: Store) -> None:
    bare = paper("Bees", keys=("title:bees",))
    rich = paper(
        "Bees",
        keys=("arxiv:2603.00001", "title:bees"),
        authors=("Ada Ant",),
        links=(Link("pdf", "https://x.org/a"),),
    )
    add(store, paper("Bees", keys=("title:bees",), abstract="", raw_abstract=""))
    assert add(store, rich, source="page:b").merged == 1
    assert add(store, bare, source="page:c").known == 1
    (one,) = stored_papers(store)
    assert one.authors == ("Ada Ant",)
    assert one.links == (Link("pdf", "https://x.org/a"),)
    assert one.abstract == rich.abstract


def test_links_are_joined_and_none_is_doubled(store: Store) -> None:
    code, pdf = Link("code", "https://github.com/a/b"), Link("pdf", "https://x.org/a")
    for number, links in enumerate([(code,), (pdf, code), (pdf,)]):
        add(store, paper("Bees", links=links), source=f"page:{number}")
    (one,) = stored_papers(store)
    assert one.links == (code, pdf)


def test_votes_become_known_and_more_and_never_fewer(store: Store) -> None:
    for votes, expected in ((None, None), (0, 0), (12, 12), (7, 12), (None, 12)):
        with store.write() as connection:
            one, other = entries(paper("Bees"), paper("Wasps"))
            merging.take(connection, [replace(one, votes=votes), other], "page:a", NOW, day=DAY, undated=True)
        with store.read() as connection:
            assert [found.votes for _, found in papers.pool(connection, DAY, 1)] == [expected, None]


def test_a_key_that_is_learned_later_is_known_from_then_on(store: Store) -> None:
    add(store, paper("Bees"))
    named = paper("Bees", keys=("arxiv:2603.00001", "title:bees"))
    assert add(store, named, source="page:b").merged == 1
    assert add(store, named, source="page:c").known == 1
    renamed = paper("Honey makers", keys=("arxiv:2603.00001", "title:honeymakers"))
    assert add(store, renamed, source="page:d").merged == 1
    assert add(store, paper("Honey makers", "Another abstract."), source="page:e").new == 0
    (one,) = stored_papers(store)
    assert (one.title, set(one.keys)) == ("Bees", {"arxiv:2603.00001", "title:bees", "title:honeymakers"})


def test_a_key_that_is_learned_on_the_same_page(store: Store) -> None:
    named = paper("Bees", keys=("arxiv:2603.00001", "title:bees"))
    assert add(store, paper("Bees"), named).new == 1
    assert add(store, paper("Honey", keys=("arxiv:2603.00001",)), source="page:b").new == 0


def test_two_who_take_one_page_at_once_store_each_paper_once(store: Store) -> None:
    page = entries(paper("Bees"), paper("Wasps"))
    with meanwhile(store, lambda connection: merging.take(connection, page, "page:a", NOW, day=DAY)):
        added = add(store, paper("Wasps"), paper("Bees"), paper("Ants"), source="page:b")
    assert (added.new, added.known) == (1, 2)
    assert sorted((one.title, len(one.keys)) for one in stored_papers(store)) == [
        ("Ants", 1),
        ("Bees", 1),
        ("Wasps", 1),
    ]


@pytest.mark.parametrize("strange", ["\x00", "\ud800"])
def test_what_no_database_can_hold_is_replaced(store: Store, strange: str) -> None:
    added = add(store, paper("Bees", f"Bees{strange} and honey", authors=(f"Ada{strange}",)), paper("Wasps"))
    assert added.new == 2
    assert stored_papers(store)[0].abstract == "Bees\ufffd and honey"


def test_within_one_page_too(store: Store) -> None:
    added = add(store, paper("Bees"), paper("Bees"), paper("Wasps"))
    assert (added.new, added.known, added.listings) == (2, 1, 2)


def test_the_window_ends_with_its_day_and_holds_so_many(store: Store) -> None:
    for age in range(-1, 9):
        add(store, paper(f"Of {age} days"), source=f"page:{age}", day=DAY - timedelta(days=age))
    with store.read() as connection:
        ages = sorted((DAY - row.day).days for _, row in papers.pool(connection, DAY, 7))
    assert ages == [0, 1, 2, 3, 4, 5, 6]


def test_unicode_and_quotes_come_back_as_they_went_in(store: Store) -> None:
    title = "L'hôpital's “Rule” — <b>β</b> 漢字 🐝 100 %"
    add(store, paper(title, authors=("Žofie Ångström",)))
    (one,) = stored_papers(store)
    assert (one.title, one.authors) == (title, ("Žofie Ångström",))


def test_many_at_once(store: Store) -> None:
    many = [paper(f"Paper number {n}", f"{n} " * 20) for n in range(1200)]
    assert add(store, *many).new == 1200
    assert add(store, *many).known == 1200
    assert len(entries(*many)) == len(stored_papers(store))


def unlisted(store: Store, *many: Paper) -> tuple[list[int], merging.Added]:
    with store.write() as connection:
        return merging.place(connection, entries(*many), NOW, listed=False)


def test_what_no_source_listed_is_no_part_of_the_corpus(store: Store) -> None:
    add(store, paper("Bees"))
    ids, added = unlisted(store, paper("Wasps"), paper("Bees"), paper("wasps"))
    assert (added.new, added.known, added.merged, added.listings) == (1, 1, 1, 0)
    assert ids[0] == ids[2] != ids[1]
    assert [one.title for one in stored_papers(store)] == ["Bees"]
    with store.read() as connection:
        assert [one.title for one in papers.by_ids(connection, ids)] == ["Bees", "Wasps"]
        assert [paper_id for paper_id, _ in papers.pool(connection, DAY, 7)] == [ids[1]]
    assert unlisted(store, paper("Wasps"))[0] == ids[:1]


def test_a_source_says_better_what_a_library_said_first(store: Store) -> None:
    mine = paper("WASPS!", "Read this one on the train.", authors=("A. Ant",), categories=("cs.CL",))
    (i,), _ = unlisted(store, mine)
    assert add(store, paper("Wasps", "Wasps build nests of paper.")).merged == 1
    (one,) = stored_papers(store)
    assert (one.id, one.title, one.abstract) == (i, "Wasps", "Wasps build nests of paper.")
    assert (one.authors, one.categories) == (("A. Ant",), ("cs.CL",))
    add(store, paper("Wasps.", "", abstract="Another page cuts it off."), source="page:b")
    assert stored_papers(store) == [one]


def test_a_library_fills_what_a_source_left_blank_and_changes_nothing_else(store: Store) -> None:
    add(store, paper("Wasps", abstract="", raw_abstract=""))
    (i,), _ = unlisted(store, paper("wasps", "Wasps build nests.", categories=("q-bio.PE", "cs.CL")))
    (one,) = stored_papers(store)
    assert (one.id, one.title, one.abstract) == (i, "Wasps", "Wasps build nests.")
    assert one.categories == ("q-bio.PE", "cs.CL")
