"""Two records that later prove to be one paper are one for good: listings, verdicts, memory and letters follow."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from given import (
    DAY,
    DEFERRED,
    FAILED,
    NOW,
    SENT,
    abstract,
    add,
    claim,
    letter,
    memory,
    of,
    paper,
    record,
    states,
    stored_papers,
    subscribe,
    write,
)

from digest.model import Feedback, LetterState, Link, Paper, Record, Subscriber
from digest.store import feedback, letters, listings, merging, outbox, papers, sketches
from digest.store.opening import Store
from digest.store.tables import new_sketch
from digest.store.tables import paper as paper_table

NEXT = DAY + timedelta(days=1)
TOLD = (
    "Tides turn twice a day because the moon pulls at the oceans, and the sun adds to it or takes away from it. We"
    " measure both with a thousand cheap buoys along one coast, show how the shelf bends what they do, and tell the"
    " height of the water an hour ahead within a hand's breadth, in storms as well, which no table has done so far."
)


def page(title: str = "Tidal Drift", about: str = "") -> Paper:
    """As a saved page tells of it: a title, no identifiers."""
    return paper(title, about or " ", abstract=about)


def from_arxiv(title: str = "Buoys Foretell the Tide", about: str = TOLD) -> Paper:
    return paper(title, about, keys=("arxiv:2603.00001", f"title:{title.replace(' ', '').lower()}"))


def two(store: Store) -> tuple[int, int]:
    """A page's paper and arXiv's, which nothing shows to be one yet."""
    add(store, page())
    add(store, from_arxiv(), source="arxiv")
    first, second = stored_papers(store)
    return first.id, second.id


def prove(store: Store, source: str = "page:proof") -> merging.Added:
    """The page again, and now it tells the abstract."""
    return add(store, page(about=TOLD), source=source, day=NEXT)


def test_listings_votes_and_keys_follow(store: Store) -> None:
    add(store, page())
    known = from_arxiv()
    with store.write() as connection:
        merging.take(connection, [Record(known.title, paper=known, votes=7)], "hf", NOW, day=DAY)
        later = NOW + timedelta(hours=5)
        merging.take(connection, [Record(known.title, paper=known, votes=19)], "hf", later, day=DAY)
    assert len(stored_papers(store)) == 2
    assert prove(store).merged == 1
    (one,) = stored_papers(store)
    assert set(one.keys) == {"title:tidaldrift", "arxiv:2603.00001", "title:buoysforetellthetide"}
    with store.read() as connection:
        pool = papers.pool(connection, NEXT, 7)
        assert {(i, row.source, row.votes) for i, row in pool} == {
            (one.id, "page:a", None),
            (one.id, "hf", 19),
            (one.id, "page:proof", None),
        }
        assert [(c.source, c.votes) for c in listings.votes(connection, one.id)] == [("hf", 7), ("hf", 19)]
    for again in (page(), from_arxiv(), page(about=TOLD)):
        assert add(store, again, source="page:later").known == 1
    assert len(stored_papers(store)) == 1


def test_a_key_of_each_brings_two_together(store: Store) -> None:
    add(store, paper("Bees", keys=("arxiv:2603.00001", "title:bees")))
    add(store, paper("Waxen Cells", keys=("doi:10.1000/5", "title:waxencells")), source="page:b")
    both = paper(
        "Bees", keys=("arxiv:2603.00001", "doi:10.1000/5", "title:bees"), links=(Link("page", "https://x.org"),)
    )
    add(store, both, source="page:c")
    (one,) = stored_papers(store)
    assert one.title == "Bees"
    assert one.links == (Link("page", "https://x.org"),)


def test_a_doi_that_two_papers_of_arxiv_name_leaves_them_two(store: Store) -> None:
    add(store, paper("Bees, Part I", keys=("arxiv:2603.00001", "doi:10.1000/5", "title:beesparti")))
    add(
        store,
        paper("Bees, Part II", keys=("arxiv:2603.00002", "doi:10.1000/5", "title:beespartii")),
        source="page:b",
    )
    assert len(stored_papers(store)) == 2


@pytest.mark.parametrize("sent", [0, 1])
def test_who_was_sent_either_is_never_sent_the_other(store: Store, sent: int) -> None:
    (reader,) = subscribe(store, "alice")
    both = two(store)
    write(store, letter(reader, stored_papers(store)[sent]))
    record(store, dict.fromkeys(claim(store), SENT))
    prove(store)
    (one,) = stored_papers(store)
    assert memory(store, reader) == {one.id: DAY}
    assert of(store, reader).picks[0].paper.id == one.id
    assert one.id in both


def test_who_was_sent_both_keeps_both_letters_as_they_are(store: Store) -> None:
    (reader,) = subscribe(store, "alice")
    two(store)
    first, second = stored_papers(store)
    write(store, letter(reader, first))
    write(store, letter(reader, second, slot=NEXT))
    record(store, dict.fromkeys(claim(store), SENT))
    prove(store)
    (one,) = stored_papers(store)
    with store.read() as connection:
        shown = [made.picks[0].paper.title for made in letters.of_subscriber(connection, reader.id)]
        same = connection.execute(sa.select(paper_table.c.same_as)).scalars().all()
    assert shown == ["Buoys Foretell the Tide", "Tidal Drift"]
    assert sorted(same, key=str) == [one.id, None]
    assert one.id in memory(store, reader)


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_letter_that_waits_loses_what_the_reader_was_sent_by_another_name(store: Store, waiting: int) -> None:
    (reader,) = subscribe(store, "alice")
    two(store)
    add(store, paper("Moths"), source="page:m")
    found = {one.title: one for one in stored_papers(store)}
    pair = [found["Tidal Drift"], found["Buoys Foretell the Tide"]]
    write(store, letter(reader, pair[1 - waiting]))
    record(store, dict.fromkeys(claim(store), SENT))
    write(store, letter(reader, pair[waiting], found["Moths"], slot=NEXT))
    prove(store)
    assert [pick.paper.title for pick in of(store, reader).picks] == ["Moths"]
    assert of(store, reader).state is LetterState.READY


def test_a_letter_that_held_nothing_else_is_empty_and_says_why(store: Store) -> None:
    (reader,) = subscribe(store, "alice")
    two(store)
    first, second = stored_papers(store)
    write(store, letter(reader, first))
    record(store, dict.fromkeys(claim(store), SENT))
    write(store, letter(reader, second, slot=NEXT))
    prove(store)
    assert states(store) == {"sent": 1, "empty": 1}
    assert "sent before" in of(store, reader).note


def test_what_was_only_popular_beside_it_makes_no_letter(store: Store) -> None:
    one, _ = two(store)
    add(store, paper("Waves"), source="page:w")
    reader = subscribe(store, "alice")[0]
    first, second, waves = stored_papers(store)
    write(store, letter(reader, first))
    record(store, dict.fromkeys(claim(store), SENT))
    beside = letter(reader, waves).picks
    write(store, letter(reader, second, slot=NEXT, also=beside))
    prove(store)
    assert of(store, reader).state is LetterState.EMPTY
    assert of(store, reader).also == ()
    assert set(memory(store, reader)) == {one}, "the waves were never sent"


def test_one_letter_with_both_keeps_one(store: Store) -> None:
    (reader,) = subscribe(store, "alice")
    two(store)
    write(store, letter(reader, *stored_papers(store)))
    prove(store)
    assert [pick.paper.title for pick in of(store, reader).picks] == ["Tidal Drift"]


def test_of_two_verdicts_the_newer_one_counts(store: Store) -> None:
    def say(reader: Subscriber, **said: tuple[int, int]) -> None:
        rows = [Feedback(i, kind, NOW + timedelta(hours=h), "cli") for kind, (i, h) in said.items()]  # type: ignore[arg-type]
        with store.write() as connection:
            feedback.record(connection, reader.id, rows)

    alice, bob, carol = subscribe(store, "alice", "bob", "carol")
    first, second = two(store)
    say(alice, liked=(first, 1), disliked=(second, 2))
    say(bob, liked=(first, 2), disliked=(second, 1))
    say(carol, saved=(second, 1))
    prove(store)
    (one,) = stored_papers(store)
    with store.read() as connection:
        said = feedback.of(connection, [alice.id, bob.id, carol.id])
    kinds = [[(row.kind, row.paper_id) for row in said[reader.id]] for reader in (alice, bob, carol)]
    assert kinds == [[("disliked", one.id)], [("liked", one.id)], [("saved", one.id)]]


def test_papers_that_come_together_in_one_list(store: Store) -> None:
    """The second entry of a list proves that the first is what a stored paper is."""
    add(store, from_arxiv())
    add(store, page(), page("Tidal Drift", TOLD), paper("Moths"), source="page:b")
    assert sorted(one.title for one in stored_papers(store)) == ["Buoys Foretell the Tide", "Moths"]
    with store.read() as connection:
        assert len(papers.pool(connection, DAY, 7)) == 3


def sent_and_on_its_way(store: Store) -> tuple[Subscriber, int]:
    """A reader who was sent one of two papers, while a courier holds the letter with the other, and its id."""
    (reader,) = subscribe(store, "alice")
    two(store)
    first, second = stored_papers(store)
    write(store, letter(reader, first))
    record(store, dict.fromkeys(claim(store), SENT))
    write(store, letter(reader, second, slot=NEXT))
    (flying,) = claim(store)
    prove(store)
    assert of(store, reader).state is LetterState.SENDING, "nothing is taken out of what may be leaving"
    return reader, flying


def test_a_letter_that_comes_back_does_not_bring_what_was_sent_meanwhile(store: Store) -> None:
    reader, flying = sent_and_on_its_way(store)
    record(store, {flying: DEFERRED})
    assert of(store, reader).state is LetterState.EMPTY
    with store.read() as connection:
        steps = [one.state for one in outbox.histories(connection, [flying])[flying]]
    assert steps == [LetterState.DEFERRED, LetterState.EMPTY]
    with store.write() as connection:
        letters.reopen(connection, [flying])
    assert states(store) == {"sent": 1}, "its slot can be written anew"


def test_a_letter_that_is_given_back_does_not_either(store: Store) -> None:
    reader, flying = sent_and_on_its_way(store)
    with store.write() as connection:
        assert outbox.give_back(connection, "courier", [flying], "the relay is down", NOW) == 1
    assert of(store, reader).state is LetterState.EMPTY


@pytest.mark.parametrize("fails", [0, 1])
def test_of_two_letters_on_their_way_the_one_that_fails_is_forgotten_and_the_other_is_not(
    store: Store, fails: int
) -> None:
    (reader,) = subscribe(store, "alice")
    two(store)
    write(store, letter(reader, stored_papers(store)[0]))
    write(store, letter(reader, stored_papers(store)[1], slot=NEXT))
    flying = claim(store)
    prove(store)
    record(store, {flying[fails]: FAILED, flying[1 - fails]: SENT})
    (one,) = stored_papers(store)
    assert memory(store, reader) == {one.id: [NEXT, DAY][fails]}


def test_what_was_chosen_before_two_papers_proved_to_be_one_is_chosen_again(store: Store) -> None:
    (reader,) = subscribe(store, "alice")
    two(store)
    _, second = stored_papers(store)
    prove(store)
    with pytest.raises(letters.PapersUnited):
        write(store, letter(reader, second))
    assert states(store) == {}
    with store.write() as connection:
        feedback.record(connection, reader.id, [Feedback(second.id, "liked", NOW, "cli")])
        (said,) = feedback.of(connection, [reader.id])[reader.id]
    assert said.paper_id == stored_papers(store)[0].id


def test_a_later_version_shows_that_two_are_one(store: Store) -> None:
    """Known by its id under another title and abstract; the new ones are those of a page's paper."""
    add(store, from_arxiv(about=abstract("gauges")))
    add(store, page(about=TOLD), source="page:b")
    assert len(stored_papers(store)) == 2
    add(store, from_arxiv("Buoys, Tides and a Shelf", TOLD), source="arxiv:replaced")
    assert len(stored_papers(store)) == 1


def test_a_chain_of_proofs_in_one_list(store: Store) -> None:
    keys = ["arxiv:2603.00001", "doi:10.1000/1", "title:ants", "title:bees", "title:wasps"]
    for number, key in enumerate(keys):
        add(store, paper(f"Paper {number}", abstract(f"subject {number}"), keys=(key,)), source=f"page:{number}")
    proofs = [paper("Any", abstract(f"subject {n + 1}"), keys=(keys[n], keys[n + 1])) for n in (3, 0, 2, 1)]
    add(store, *proofs, source="page:proofs")
    (one,) = stored_papers(store)
    assert set(keys) <= set(one.keys)
    assert len(set(unite_all(store, proofs))) == 1


def unite_all(store: Store, told: list[Paper]) -> list[int]:
    with store.write() as connection:
        return merging.place(connection, [Record(one.title, paper=one) for one in told], NOW, listed=True)[0]


@pytest.mark.parametrize("together", [True, False])
def test_a_crowd_that_shares_an_abstract_is_looked_at_up_to_its_end_and_no_further(
    store: Store, together: bool
) -> None:
    crowd = [paper(f"Kites {n}", TOLD, keys=(f"arxiv:2603.{n:05}", f"title:kites{n}")) for n in range(30)]
    for some in [crowd] if together else [[one] for one in crowd]:
        add(store, *some)
    with store.read() as connection:
        found = connection.execute(sa.select(new_sketch.c.band, sa.func.count()).group_by(new_sketch.c.band)).all()
    assert {row[1] for row in found} == {sketches.CROWD}
    assert len(stored_papers(store)) == 30


def test_of_votes_that_were_counted_at_one_moment_the_higher_stay(store: Store) -> None:
    known = from_arxiv()
    with store.write() as connection:
        for one, votes in ((page(), 3), (known, 19)):
            merging.take(connection, [Record(one.title, paper=one, votes=votes)], "hf", NOW, day=DAY)
    prove(store)
    (one,) = stored_papers(store)
    with store.read() as connection:
        assert [count.votes for count in listings.votes(connection, one.id)] == [19]
        assert papers.count(connection)[0] == 1


def test_papers_are_found_alike_when_their_sketches_have_gone_over_to_the_large_table(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketches, "TOGETHER", 5)
    add(store, paper("Buoys Foretell the Tide", TOLD))
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(new_sketch)).scalar_one() == 0
    assert add(store, paper("Buoys Foretell Tides", TOLD), source="page:b").new == 0
