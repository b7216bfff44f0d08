"""Real days, lived through one after the other with letters to three readers."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from real_input import shared_folder

from benchmarks.replay import Replay, replay

pytestmark = pytest.mark.xdist_group("replay")

PROFILES = {
    "agents": 'address = "agents@example.org"\ninterests = ["language model agents", "reinforcement learning"]\n',
    "video": 'address = "video@example.org"\ninterests = ["video generation"]\nfloor = 5\npapers = 3\n',
    "anything": 'address = "anything@example.org"\n',
}


def row(day: date, number: int, votes: int = 5) -> str:
    told = {"date": str(day), "id": f"2603.{number:05}", "title": f"Study {number} of the {number}th tide"}
    return json.dumps(told | {"abstract": f"We look at tide {number}.", "upvotes": votes})


def test_days_of_ones_own(tmp_path: Path) -> None:
    friday = date(2026, 3, 13)
    days = [(friday, [1, 2]), (friday + timedelta(1), [1, 2]), (friday + timedelta(3), [3])]
    lines = [row(day, number) for day, numbers in days for number in numbers]
    (tmp_path / "days.jsonl").write_text("\n".join([*lines, "no paper", ""]), "utf-8")
    (tmp_path / "home").mkdir()
    done = replay(tmp_path / "days.jsonl", tmp_path / "home", PROFILES)
    assert (done.papers, done.listings, done.repeats) == (3, 5, [])
    assert [one.letters["anything"] for one in done.days] == [2, 0, 0, 1]
    assert (done.arrived["anything"], done.held["anything"]) == (2, 3)
    assert [one.day for one in done.quiet] == [friday + timedelta(1)]
    assert len(done.rejected) == 1


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    found = sorted(shared_folder("feeds").glob("trending-days-*.jsonl"))
    return replay(found[0], tmp_path_factory.mktemp("replay"), PROFILES)


def test_each_paper_is_known_once(real: Replay) -> None:
    assert (real.papers, real.listings, real.rejected) == (350, 456, [])
    assert len(real.days) == 46


def test_nobody_is_sent_a_paper_twice(real: Replay) -> None:
    assert real.repeats == []
    assert all(number > 0 for number in real.held.values())
    told = {name: sum(one.letters[name] for one in real.days) for name in PROFILES}
    assert real.held == told, "what the store says was sent is what arrived"


def test_days_without_anything_new_are_empty_and_say_why(real: Replay) -> None:
    assert {f"{one.day:%A}" for one in real.quiet} == {"Sunday"}
    for one in real.quiet:
        assert set(one.letters.values()) == {0}, one.day
        assert all(note.startswith("nothing new") for note in one.notes.values())
    assert any("nothing new since 2026-03-07" in one.notes["anything"] for one in real.quiet)
