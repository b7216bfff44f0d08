"""Likes → what was known and what is the future."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from digest.model import Paper
from digest.ranking.evaluate import Known, Task, held_out
from digest.ranking.tasks import Like, from_feedback, split

START = datetime(2026, 3, 1, tzinfo=UTC)


def papers(*keys: str) -> dict[str, Paper]:
    return {key: Paper(f"About {key}", keys=(key,)) for key in keys}


def like(reader: str, paper: str, day: int | None = None) -> Like:
    return Like(reader, paper, None if day is None else START + timedelta(days=day))


def told(task: Task) -> dict[str, tuple[set[str], set[str]]]:
    """Reader → what is known to be liked, and the truth, by key."""
    key = [paper.keys[0] for paper in task.papers]
    return {
        one.name: ({key[row] for row in one.liked}, {key[row] for row in truth})
        for one, truth in zip(task.known, task.truth, strict=True)
    }


def test_the_last_fifth_of_the_likes_is_the_future() -> None:
    old = [like("a", f"p{n}", n) for n in range(4)] + [like("b", f"p{n}", n) for n in range(4)]
    new = [like("a", "q1", 10), like("b", "q2", 11)]
    task = split(papers("p0", "p1", "p2", "p3", "q1", "q2", "never"), old + new, {})
    assert told(task) == {"a": ({"p0", "p1", "p2", "p3"}, {"q1"}), "b": ({"p0", "p1", "p2", "p3"}, {"q2"})}
    assert [task.papers[row].keys[0] for row in task.candidates] == ["q1", "q2"]
    assert task.split.since == START + timedelta(days=10)
    assert (task.split.likes, task.split.readers, task.split.late) == (10, 2, 0)


def test_a_paper_that_somebody_liked_before_is_no_candidate_for_anybody() -> None:
    old = [like("a", "p0", 0), like("b", "p1", 1), like("b", "p2", 2), like("b", "p3", 3)] + [
        like("c", f"p{n}", 3) for n in range(4)
    ]
    new = [like("a", "p3", 10), like("a", "q", 11)]  # b and c had p3 before
    task = split(papers("p0", "p1", "p2", "p3", "q"), old + new, {})
    assert told(task) == {"a": ({"p0"}, {"q"})}
    assert task.split.late == 1
    assert task.split.without_truth == 2


def test_likes_of_one_moment_are_not_divided() -> None:
    likes = [like("a", f"p{n}", 0) for n in range(9)] + [like("a", "q", 5)]
    assert told(split(papers(*(f"p{n}" for n in range(9)), "q"), likes, {}))["a"][1] == {"q"}


def test_without_dates_a_fifth_of_the_papers_is_held_out() -> None:
    keys = [f"k{n}" for n in range(1000)]
    likes = [like("a", key) for key in keys[::2]] + [like("b", key) for key in keys[1::2]]
    task = split(papers(*keys), likes, {})
    assert 150 < len(task.candidates) < 250
    assert all(held_out(key) for _, truth in told(task).values() for key in truth)
    assert not any(held_out(key) for known, _ in told(task).values() for key in known)
    assert task.split.since is None
    assert task.split.undated == 1000
    more = split(papers(*keys, "another"), likes, {})
    assert told(more) == told(task)  # a paper more moves no other


@pytest.mark.parametrize(("days", "undated", "one_moment"), [((1, 2, None), 1, False), ((3, 3, 3), 0, True)])
def test_dates_that_divide_nothing_are_not_used(
    days: tuple[int | None, ...], undated: int, one_moment: bool
) -> None:
    keys = [f"k{n}" for n in range(60)]
    task = split(papers(*keys), [like("a", key, days[n % 3]) for n, key in enumerate(keys)], {})
    assert task.split.since is None
    assert task.split.undated == 20 * undated
    assert task.split.one_moment is one_moment
    assert told(task)


def test_who_is_unknown_or_has_no_future_is_left_out_and_counted() -> None:
    old = [like("a", f"p{n}", n) for n in range(9)]
    new = [like("a", "q", 20), like("new", "q", 20), like("asks", "q", 21)]
    phrases = {"asks": ("tool use",), "silent": ("rivers",), "empty": ()}
    task = split(papers(*(f"p{n}" for n in range(9)), "q"), [*old, *new], phrases)
    assert set(told(task)) == {"a", "asks"}
    assert task.known[1] == Known("asks", (), ("tool use",))
    assert (task.split.without_profile, task.split.without_truth, task.split.readers) == (1, 1, 4)


def test_a_like_told_twice_counts_from_the_first_time_on() -> None:
    old = [like("a", f"p{n}", n) for n in range(8)]
    task = split(
        papers(*(f"p{n}" for n in range(8)), "q"),
        [*old, like("a", "q", 30), like("a", "p0", 40), like("a", "q", 9)],
        {},
    )
    assert told(task) == {"a": ({f"p{n}" for n in range(7)}, {"p7", "q"})}
    assert task.split.likes == 9


def test_the_order_in_which_likes_come_does_not_matter() -> None:
    dice = random.Random(3)
    keys = [f"k{n}" for n in range(50)]
    likes = [like(f"r{dice.randrange(9)}", f"k{n // 6}", n // 6 + dice.randrange(3)) for n in range(300)]
    one = split(papers(*keys), likes, {})
    assert one.known
    for _ in range(3):
        dice.shuffle(likes)
        dice.shuffle(keys)
        assert split(papers(*keys), likes, {}) == one


def test_no_likes_and_no_papers_are_a_task_without_readers() -> None:
    assert split({}, [], {}).known == []
    assert split(papers("p"), [like("a", "p", 1), like("a", "unknown", 2)], {}).known == []


# ---- a store's feedback


def stored(*ids: int) -> list[Paper]:
    return [Paper(f"About {n}", keys=(f"arxiv:26.{n}", f"title:about{n}"), id=n) for n in ids]


def row(reader: int, paper: int, kind: str, day: int) -> tuple[int, int, str, datetime]:
    return reader, paper, kind, START + timedelta(days=day)


def liked_ids(task: Task) -> dict[str, tuple[set[int], set[int]]]:
    number = [paper.id for paper in task.papers]
    return {
        one.name: ({number[n] for n in one.liked}, {number[n] for n in truth})
        for one, truth in zip(task.known, task.truth, strict=True)
    }


def test_what_was_liked_or_saved_counts_and_what_was_disliked_does_not() -> None:
    rows = [row(1, n, "liked", n) for n in range(1, 9)]
    rows += [row(1, 20, "saved", 20), row(2, 21, "liked", 21), row(2, 3, "disliked", 3), row(1, 22, "disliked", 22)]
    task = from_feedback(stored(*range(1, 9), 20, 21, 22), rows, {2: ("rivers",)})
    assert liked_ids(task) == {"1": (set(range(1, 9)), {20}), "2": (set(), {21})}
    assert task.known[1].phrases == ("rivers",)


def test_the_last_word_on_a_paper_counts_from_the_first_good_one() -> None:
    rows = [row(1, n, "liked", n) for n in range(1, 9)]
    rows += [row(1, 1, "disliked", 30)]  # taken back
    rows += [row(1, 2, "saved", 31)]  # again, but known since day 2
    rows += [row(1, 20, "disliked", 20), row(1, 20, "liked", 21)]
    task = from_feedback(stored(*range(1, 9), 20), rows, {})
    assert liked_ids(task) == {"1": (set(range(2, 8)), {8, 20})}
    assert task.split.since == START + timedelta(days=8)


def test_feedback_on_a_paper_that_is_gone_is_left_out() -> None:
    rows = [row(1, n, "liked", n) for n in range(1, 10)] + [row(1, 99, "liked", 3)]
    assert from_feedback(stored(*range(1, 10)), rows, {}).split.likes == 9
