"""What the lines of papers, likes and readers say, and what is said of a line that cannot be used."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.library.likes import Dataset, parse
from digest.model import Paper
from digest.ranking.tasks import Like


def read(papers: str = "", likes: str = "", readers: str = "") -> Dataset:
    return parse(*(text.encode("utf-8", "surrogatepass").splitlines() for text in (papers, likes, readers)))


def complaint(papers: str = "", likes: str = "", readers: str = "") -> str:
    (problem,) = read(papers, likes, readers).problems
    return str(problem)


def test_each_line_is_a_paper_a_like_or_a_reader() -> None:
    found = read(
        '\ufeff{"key": "a", "title": "On $\\\\alpha$ waves", "abstract": "Short.", "authors": ["A"], "n": 3}\n\n'
        '{"key": 7, "title": "Seven", "abstract": null}\n',
        '{"reader": "r1", "paper": "a", "at": "2026-03-01"}\n{"reader": 2, "paper": 7}\n'
        '{"reader": "r1", "paper": "7", "at": "2026-03-02T08:30:00+02:00"}',
        '{"reader": "r1", "phrases": ["tool use", "tool use", " rivers "]}\n{"reader": "r1", "phrases": ["bees"]}',
    )
    assert found.problems == []
    assert found.papers == {
        "a": Paper("On α waves", "Short.", ("A",), keys=("a",)),
        "7": Paper("Seven", keys=("7",)),
    }
    assert found.likes == [
        Like("r1", "a", datetime(2026, 3, 1, tzinfo=UTC)),
        Like("2", "7", None),
        Like("r1", "7", datetime(2026, 3, 2, 6, 30, tzinfo=UTC)),
    ]
    assert found.phrases == {"r1": ("tool use", "rivers", "bees")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"key": "a"', "papers.jsonl:2: not JSON — write one JSON object on each line"),
        ("[" * 100_000, "papers.jsonl:2: not JSON — write one JSON object on each line"),
        ('["a"]', "papers.jsonl:2: not an object — write one JSON object on each line"),
        ('{"title": "A"}', "papers.jsonl:2: key: missing — every line here needs it"),
        ('{"key": " ", "title": "A"}', "papers.jsonl:2: key: it is empty"),
        ('{"key": "a", "title": ""}', "papers.jsonl:2: title: it is empty"),
        ('{"key": "a", "title": ["A"]}', 'papers.jsonl:2: title: not text — write it as "…"'),
        (
            '{"key": "a", "title": "A", "authors": "J"}',
            'papers.jsonl:2: authors: not a list — write it as ["…", "…"]',
        ),
        ('{"key": "first", "title": "A"}', "papers.jsonl:2: key: 'first' is on an earlier line — keep one of them"),
        ("\udcff", "papers.jsonl:2: not JSON — write one JSON object on each line"),
    ],
)
def test_a_paper_that_cannot_be_used_is_named_and_the_others_are_kept(line: str, said: str) -> None:
    papers = f'{{"key": "first", "title": "First"}}\n{line}\n{{"key": "last", "title": "Last"}}'
    assert complaint(papers) == said
    assert list(read(papers).papers) == ["first", "last"]


@pytest.mark.parametrize("at", ['"soon"', "2026", "17.5", "[1]", '""', '"1.3.2026"', '"2026"'])
def test_a_date_that_is_none_is_named(at: str) -> None:
    said = complaint('{"key": "a", "title": "A"}', f'{{"reader": "r", "paper": "a", "at": {at}}}')
    assert said == 'likes.jsonl:1: at: not a date; write it as "2026-03-01"'


def test_a_like_of_a_paper_that_is_not_there_is_named() -> None:
    said = complaint('{"key": "a", "title": "A"}', '{"reader": "r", "paper": "b"}')
    assert said == "likes.jsonl:1: paper: no paper has the key 'b' — add it, or leave out the like"


def test_an_empty_phrase_is_named_by_its_place() -> None:
    assert (
        complaint(readers='{"reader": "r", "phrases": ["bees", ""]}') == "readers.jsonl:1: phrases.1: it is empty"
    )


def test_a_file_is_named_as_the_user_would_type_it() -> None:
    (problem,) = parse([b"?"], [], [], name=lambda name: f"my/{name}").problems
    assert problem.path == "my/papers.jsonl"


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)
LINE = st.dictionaries(
    st.sampled_from(["key", "title", "abstract", "authors", "reader", "paper", "at", "phrases"]), ANY
)


@given(st.lists(st.binary() | LINE.map(json.dumps).map(str.encode), max_size=4))
def test_whatever_a_line_holds_it_is_used_or_named_once(lines: list[bytes]) -> None:
    good = b'{"key": "good one", "title": "A good one"}'
    found = parse([*lines, good], lines, lines)
    assert "good one" in found.papers
    for name in ("papers.jsonl", "likes.jsonl", "readers.jsonl"):
        named = [one.line for one in found.problems if one.path == name]
        assert len(named) == len(set(named))
        assert set(named) <= {number for number, line in enumerate([*lines, good], 1) if line.strip()}
