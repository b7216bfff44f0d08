"""A failed fetch is never an empty day, and a day on which nothing is new makes no letter of leftovers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from digest import config, libraries, profile_folder, roster, verdicts
from digest.edition import Press
from digest.model import Interest, Letter, LetterState, Profile, Record, Subscriber
from digest.run import run
from digest.store import letters, merging, sources, subscribers
from digest.store.opening import Store

FRIDAY = date(2026, 3, 13)
SATURDAY, SUNDAY, MONDAY = (FRIDAY + timedelta(days=days) for days in (1, 2, 3))
SOURCES = b'[[sources]]\nname = "hf"\nkind = "huggingface"\n'
TITLES = [f"{word} of the Sea" for word in ("Waves", "Tides", "Foam", "Salt", "Depth")]


def at(day: date, hour: int = 7) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def lists(store: Store, day: date, titles: Sequence[str], hour: int = 5, source: str = "hf") -> None:
    with store.write() as connection:
        merging.take(connection, [Record(title) for title in titles], source, at(day, hour), day=day)
        sources.succeeded(connection, source, {day: len(titles)}, at(day, hour))


@pytest.fixture
def press(store: Store, tmp_path: Path) -> Press:
    with store.write() as connection:
        two = Profile(papers=2)  # no interests: whatever trends, two of it
        subscribers.add(connection, [Subscriber("alice", "alice@example.org", profile=two, next_due_at=at(FRIDAY))])
    return Press(store, config.parse(SOURCES, tmp_path))


def letter(press: Press, day: date, hour: int = 7) -> Letter:
    with press.store.read() as connection:
        reader = subscribers.find(connection, "alice")
        assert reader
    run(press, [(reader, day)], lambda: at(day, hour))
    with press.store.read() as connection:
        return letters.of_subscriber(connection, reader.id)[0]


def test_a_list_that_only_repeats_makes_no_letter_and_says_so(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    assert len(letter(press, FRIDAY).picks) == 2
    lists(store, SATURDAY, TITLES)
    quiet = letter(press, SATURDAY)
    assert quiet.state is LetterState.EMPTY
    assert quiet.note == (
        "nothing new since 2026-03-13: no paper was listed on 2026-03-14 that had not been listed before"
    )
    lists(store, SUNDAY, [])
    assert "from 2026-03-14 to 2026-03-15" in letter(press, SUNDAY).note
    lists(store, MONDAY, ["Whales of the Sea"])
    assert letter(press, MONDAY).picks[0].paper.title == "Whales of the Sea"


def test_what_nobody_has_said_is_not_taken_for_nothing(store: Store, press: Press) -> None:
    """Pages that are saved once a week go a long way."""
    lists(store, FRIDAY, TITLES)
    sent = {pick.paper.title for day in (FRIDAY, SATURDAY, SUNDAY) for pick in letter(press, day).picks}
    assert sent == set(TITLES)


def test_who_had_no_letter_yet_gets_one_on_a_quiet_day(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    lists(store, SATURDAY, TITLES)
    assert len(letter(press, SATURDAY).picks) == 2


def test_what_came_after_the_letter_of_its_day_is_news_the_next(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES[:2])
    assert len(letter(press, FRIDAY).picks) == 2
    lists(store, FRIDAY, TITLES, hour=20)
    lists(store, SATURDAY, TITLES)
    assert len(letter(press, SATURDAY).picks) == 2


def test_a_letter_that_never_arrived_does_not_count(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    with press.store.read() as connection:
        reader = subscribers.find(connection, "alice")
        assert reader
    press.write([(reader, FRIDAY)], at(FRIDAY))  # nobody delivers it, and the next takes its place
    lists(store, SATURDAY, TITLES)
    assert len(letter(press, SATURDAY).picks) == 2


def test_the_explanation_agrees_with_the_empty_letter(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    letter(press, FRIDAY)
    lists(store, SATURDAY, TITLES)
    letter(press, SATURDAY)
    with press.store.read() as connection:
        reader = subscribers.find(connection, "alice")
        assert reader
    verdicts = press.explain(reader, SATURDAY)
    assert not any(one.included for one in verdicts)
    assert any("nothing new since 2026-03-13" in one.why for one in verdicts)


def test_letters_go_out_with_what_is_there_and_the_operator_is_told(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    with store.write() as connection:
        sources.failed(connection, "hf", [SATURDAY], "the server said 503", at(SATURDAY, 5))
        sources.failed(connection, "gone", [SATURDAY], "no longer configured", at(SATURDAY, 5))
        reader = subscribers.find(connection, "alice")
        assert reader
    ran = run(press, [(reader, SATURDAY)], lambda: at(SATURDAY))
    assert ran.delivered.alerts == [
        "hf: 2026-03-14 could not be read: the server said 503; the letters stand on what is there"
    ]
    with store.read() as connection:
        assert len(letters.of_subscriber(connection, reader.id)[0].picks) == 2
    lists(store, SATURDAY, ["Whales of the Sea"], hour=9)
    assert run(press, [], lambda: at(SATURDAY, 10)).delivered.alerts == []
    assert press.open(SATURDAY).gaps == ()


def test_a_source_that_fails_for_days_is_told_of_once(store: Store, press: Press, tmp_path: Path) -> None:
    press = Press(store, config.parse(SOURCES + b'[[sources]]\nname = "a"\nkind = "huggingface"\n', tmp_path))
    with store.write() as connection:
        for day, why in ((SATURDAY, "404"), (FRIDAY, "503")):
            sources.failed(connection, "hf", [day], f"the server said {why}", at(SUNDAY, 5))
        sources.failed(connection, "a", [SUNDAY], "no answer", at(SUNDAY, 5))
    assert run(press, [(alice(press), SUNDAY)], lambda: at(SUNDAY)).delivered.alerts == [
        "hf: 2 days from 2026-03-13 to 2026-03-14 could not be read, the last: the server said 404;"
        " the letters stand on what is there",
        "a: 2026-03-15 could not be read: no answer; the letters stand on what is there",
    ]


def test_an_empty_letter_says_what_could_not_be_read(store: Store, press: Press) -> None:
    with store.write() as connection:
        sources.failed(connection, "hf", [FRIDAY], "the server said 503", at(FRIDAY, 5))
    assert letter(press, FRIDAY).note.endswith("; hf: 2026-03-13 could not be read: the server said 503")


def test_a_day_that_was_read_once_stays_read(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    with store.write() as connection:
        sources.failed(connection, "hf", [FRIDAY], "the server said 503", at(FRIDAY, 9))
        (day,) = sources.days(connection, ["hf"], FRIDAY, FRIDAY)
    assert (day.state, day.items, day.detail) == ("filled", 5, "the server said 503")
    assert press.open(FRIDAY).gaps == ()


def alice(press: Press) -> Subscriber:
    with press.store.read() as connection:
        found = subscribers.find(connection, "alice")
    assert found
    return found


def test_who_wants_something_else_since_may_have_what_was_passed_over(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    letter(press, FRIDAY)
    lists(store, SATURDAY, TITLES)
    salt = Profile(interests=(Interest("salt of the sea"),), papers=2)
    changed = profile_folder.Reading((replace(alice(press), profile=salt),))
    (draft,) = changed.subscribers
    assert press.preview(alice(press), SATURDAY, at(SATURDAY)).state is LetterState.EMPTY
    assert press.preview(draft, SATURDAY, at(SATURDAY)).state is LetterState.READY
    assert any(one.included for one in press.explain(draft, SATURDAY))
    roster.apply(store, changed, at(FRIDAY, 20))
    assert press.preview(alice(press), SATURDAY, at(SATURDAY)).state is LetterState.READY
    assert letter(press, SATURDAY).state is LetterState.SENT
    roster.apply(store, changed, at(SATURDAY, 20))  # which changes nothing
    lists(store, SUNDAY, TITLES)
    assert letter(press, SUNDAY).state is LetterState.EMPTY


def test_who_liked_a_paper_since_may_have_more_like_it(store: Store, press: Press) -> None:
    titles = [*TITLES, "Waves of the Lakes"]
    lists(store, FRIDAY, titles)
    first = letter(press, FRIDAY).picks[0].paper
    lists(store, SATURDAY, titles)
    verdicts.say(store, alice(press), first.title, "disliked", at(FRIDAY, 19))
    assert press.preview(alice(press), SATURDAY, at(SATURDAY)).state is LetterState.EMPTY
    verdicts.say(store, alice(press), first.title, "liked", at(FRIDAY, 20))
    assert press.preview(alice(press), SATURDAY, at(SATURDAY)).state is LetterState.READY


def test_a_library_that_is_imported_since_is_a_wish(store: Store, press: Press, tmp_path: Path) -> None:
    lists(store, FRIDAY, TITLES)
    letter(press, FRIDAY)
    lists(store, SATURDAY, TITLES)
    (tmp_path / "old.bib").write_text("@article{a, title={Salt of the Lakes}, year={2001}}\n", "utf-8")
    libraries.take(store, alice(press), [tmp_path / "old.bib"], "liked", at(FRIDAY, 20), dry_run=True)
    assert press.preview(alice(press), SATURDAY, at(SATURDAY)).state is LetterState.EMPTY
    libraries.take(store, alice(press), [tmp_path / "old.bib"], "liked", at(FRIDAY, 20))
    assert press.preview(alice(press), SATURDAY, at(SATURDAY)).state is LetterState.READY


def test_where_one_source_repeats_and_another_fails_nobody_knows_that_nothing_is_new(
    store: Store, press: Press, tmp_path: Path
) -> None:
    press = Press(store, config.parse(SOURCES + b'[[sources]]\nname = "other"\nkind = "huggingface"\n', tmp_path))
    lists(store, FRIDAY, TITLES)
    assert len(letter(press, FRIDAY).picks) == 2
    lists(store, SATURDAY, TITLES)
    with store.write() as connection:
        sources.failed(connection, "other", [SATURDAY], "the server said 503", at(SATURDAY, 5))
    # It never answered, so its word is not waited for.
    assert press.preview(alice(press), SATURDAY, at(SATURDAY)).state is LetterState.EMPTY
    with store.write() as connection:
        sources.succeeded(connection, "other", {FRIDAY: 0}, at(FRIDAY, 5))
    assert len(letter(press, SATURDAY).picks) == 2


def test_a_paper_that_comes_back_after_long_is_new_again(store: Store, press: Press) -> None:
    old = FRIDAY - timedelta(days=20)
    lists(store, old, ["Herrings of the Sea"])
    lists(store, FRIDAY, TITLES)
    letter(press, FRIDAY)
    lists(store, SATURDAY, ["Herrings of the Sea", *TITLES])
    assert "Herrings of the Sea" in {pick.paper.title for pick in letter(press, SATURDAY).picks}
    lists(store, SUNDAY, ["Herrings of the Sea"])
    assert letter(press, SUNDAY).state is LetterState.EMPTY


def test_a_letter_for_a_past_day_says_nothing_of_the_days_after(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES[:2])
    letter(press, FRIDAY)
    lists(store, FRIDAY, TITLES, hour=20)
    thursday = FRIDAY - timedelta(days=1)
    run(press, [(alice(press), thursday)], lambda: at(FRIDAY, 23))  # by hand, and late
    lists(store, SATURDAY, TITLES)
    assert len(letter(press, SATURDAY).picks) == 2


def test_a_letter_that_went_out_is_explained_as_it_was_chosen(store: Store, press: Press) -> None:
    lists(store, FRIDAY, TITLES)
    letter(press, FRIDAY)
    assert len(letter(press, SATURDAY).picks) == 2
    lists(store, SATURDAY, TITLES, hour=9)  # only then it is known that nothing is new
    assert sum(one.included for one in press.explain(alice(press), SATURDAY)) == 2
