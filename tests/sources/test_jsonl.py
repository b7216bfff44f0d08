"""Papers as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_input import shared_folder
from source_samples import JSONL

from digest.errors import SourceUnreadable
from digest.model import Link, Record, Rejected
from digest.sources import jsonl
from digest.sources.record import paper_of

DOCS = Path(__file__).parents[2] / "docs" / "jsonl.md"


def read(*lines: Any) -> list[Record | Rejected]:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return list(jsonl.records([line + b"\n" for line in raw], "papers.jsonl"))


def one(**keys: Any) -> Record:
    (record,) = read({"title": "Bees", **keys})
    assert isinstance(record, Record), record
    return record


def why_not(line: Any) -> str:
    """Why a line is rejected, between two that are taken."""
    first, no, last = read({"title": "First"}, line, {"title": "Last"})
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert isinstance(no, Rejected)
    assert no.line == 2
    return no.reason


def test_the_sample() -> None:
    bees, oaks, no, clocks = jsonl.records(JSONL.splitlines(keepends=True), "papers.jsonl")
    assert isinstance(bees, Record)
    assert (bees.keys, bees.authors, bees.day, bees.votes) == (
        ("arxiv:2603.00017",),
        ("Ann Li",),
        date(2026, 3, 3),
        7,
    )
    assert isinstance(oaks, Record)
    assert (oaks.authors, oaks.votes, oaks.line) == (("Bo Day", "Cy Roe"), 9, 2)
    assert oaks.links == (Link("page", "https://oaks.example.org/1"),)
    assert no == Rejected(3, "it is not JSON: Expecting value, column 1")
    assert isinstance(clocks, Record)
    assert (clocks.title, clocks.keys, clocks.votes, clocks.position) == (
        "😀 Salt  Clocks",
        ("doi:10.1000/tide",),
        3,
        2,
    )


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (["Ann Li", " Bo Day ", "Ann Li", "", "7", 7, None], ("Ann Li", "Bo Day")),
        ([{"name": "Ann Li", "orcid": 1}, {"name": None}, {}, "Bo Day"], ("Ann Li", "Bo Day")),
        ("Ann Li, Bo Day", ("Ann Li", "Bo Day")),
        ("Li, Ann; Day, Bo", ("Ann Li", "Bo Day")),
        ("Ann Li; Bo Day", ("Ann Li", "Bo Day")),
        ("Li, Ann and Day, Bo", ("Ann Li", "Bo Day")),
        (["Day, Jr., Bo"], ("Day, Jr., Bo",)),
        (None, ()),
        (3, ()),
        ({"name": "Ann"}, ()),
    ],
)
def test_authors(said: object, names: tuple[str, ...]) -> None:
    assert one(authors=said).authors == names


@pytest.mark.parametrize(
    ("keys", "known", "links"),
    [
        ({"id": "2603.00017v2"}, ("arxiv:2603.00017",), ()),
        ({"arxiv": "arXiv:hep-th/9901001"}, ("arxiv:hep-th/9901001",), ()),
        ({"arxiv_id": "math.GT/0309136v1"}, ("arxiv:math/0309136",), ()),
        ({"doi": "10.1000/ABC"}, ("doi:10.1000/abc",), ()),
        ({"id": "10.48550/arXiv.2603.00017", "doi": "10.48550/arXiv.2603.00017"}, ("arxiv:2603.00017",), ()),
        ({"doi": "10.1000/ABC", "id": "2603.00017"}, ("arxiv:2603.00017", "doi:10.1000/abc"), ()),
        ({"url": "https://huggingface.co/papers/2603.00017"}, ("arxiv:2603.00017",), ()),
        ({"link": "https://doi.org/10.1000/A"}, ("doi:10.1000/a",), (Link("page", "https://doi.org/10.1000/A"),)),
        ({"page": "https://example.org/x"}, (), (Link("page", "https://example.org/x"),)),
        ({"id": "W12345", "url": "https://example.org/x"}, (), (Link("page", "https://example.org/x"),)),
        ({"id": "https://example.org/x"}, (), (Link("page", "https://example.org/x"),)),
        ({"id": 2603.00017, "url": ["x"], "doi": 3}, (), ()),
        ({"url": "javascript:x", "pdf": "file:///x"}, (), ()),
        (
            {"pdf": "https://example.org/a.pdf", "code": "https://github.com/a/b"},
            (),
            (Link("pdf", "https://example.org/a.pdf"), Link("code", "https://github.com/a/b")),
        ),
    ],
)
def test_what_names_a_paper_and_where_it_is(
    keys: dict[str, Any], known: tuple[str, ...], links: tuple[Link, ...]
) -> None:
    record = one(**keys)
    assert (record.keys, record.links) == (known, links)


@pytest.mark.parametrize("key", ["votes", "upvotes", "score", "points"])
@pytest.mark.parametrize(
    ("said", "votes"),
    [(0, 0), (12, 12), (12.0, 12), ("12", 12), (None, None), (-1, None), (1.5, None), ("x", None), (True, None),
     ([1], None), (10**30, None), (float("inf"), None)],
)  # fmt: skip
def test_votes_are_whole_or_unknown(key: str, said: object, votes: int | None) -> None:
    assert one(**{key: said}).votes == votes


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2026-03-14", date(2026, 3, 14)),
        ("2026-6-3", date(2026, 6, 3)),
        ("2026-03-14T23:59:00-08:00", date(2026, 3, 14)),
        ("Sat, 14 Mar 2026 07:00:00 GMT", date(2026, 3, 14)),
        (None, None),
        ("", None),
    ],
)
def test_days(said: object, day: date | None) -> None:
    assert one(date=said).day == one(day=said).day == day


@pytest.mark.parametrize("said", ["2026-13-40", "soon", 20260314, "14.03.2026", ["2026-03-14"]])
def test_a_day_that_is_none_is_not_guessed(said: object) -> None:
    assert "the `date` is no day" in why_not({"title": "Bees", "date": said})


def test_the_rest_of_the_keys() -> None:
    record = one(summary="They count.", categories="cs.CL, stat.ML bees", position=3, unknown={"a": 1})
    assert (record.abstract, record.categories, record.position) == ("They count.", ("cs.CL", "stat.ML"), 3)
    record = one(abstract="They count.", summary="no", categories=["cs.CL", 3, "x"], position=0, html=True)
    assert (record.abstract, record.categories, record.position, record.html) == (
        "They count.",
        ("cs.CL",),
        0,
        False,
    )
    record = one(abstract=3, categories=3, position=True)
    assert (record.abstract, record.categories, record.position) == ("", (), 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "it is not JSON: Expecting property name"),
        (b"[1]", "it is no JSON object"),
        (b'"Bees"', "it is no JSON object"),
        (b'{"title": "B\xff"}', "it is not UTF-8: byte 0xff at place 13"),
        (b"[" * 100_000, "it is nested too deeply"),
        (
            b'{"title": "Bees", "abstract": "' + b"x" * 1_000_000 + b'"}',
            "a line of 1000034 bytes; 1000000 are the most",
        ),
        ({"name": "Bees"}, "there is no `title`"),
        ({"title": 3}, "the `title` is no text"),
        ({"title": " \n"}, "there is no title"),
        ({"title": "\ud800"}, "there is no title"),
        ({"title": "—"}, "a title without letters or digits"),
        ({"title": "x" * 2001}, "a title of 2001 characters; 2000 are the most"),
    ],
)
def test_one_bad_line_does_not_lose_the_others(line: Any, reason: str) -> None:
    assert why_not(line).startswith(reason)


def test_blank_lines_a_byte_order_mark_and_other_line_ends() -> None:
    lines = [b"\xef\xbb\xbf\n", b'\xef\xbb\xbf{"title": "A1"}\r\n', b"\n", b"  \t\n", b' {"title": "B2"}']
    with_mark = list(jsonl.records(lines[1:], "x"))
    assert [(one.title, one.line) for one in with_mark if isinstance(one, Record)] == [("A1", 1), ("B2", 4)]
    assert list(jsonl.records([], "x")) == []


def test_numbers_that_json_does_not_know_are_null() -> None:
    (record,) = read(b'{"title": "Bees", "votes": NaN, "position": ' + b"9" * 5000 + b"}")
    assert isinstance(record, Record)
    assert (record.votes, record.position) == (None, 0)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'[{"title": "Bees"}]', "one JSON list"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "ZIP"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b"<html>", "XML or a web page"),
    ],
)
def test_a_file_in_another_format_is_said_once(data: bytes, says: str) -> None:
    with pytest.raises(SourceUnreadable, match=f"papers.jsonl: .*{says}"):
        list(jsonl.records([b"\n", data + b"\n", data], "papers.jsonl"))


def test_a_file_is_read_as_it_comes() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b'{"title": "Bees"}\n'

    records = jsonl.records(endless(), "pipe")
    assert [one.line for one in (next(records), next(records))] == [1, 2]


KEYS = [
    "title",
    "abstract",
    "summary",
    "authors",
    "id",
    "doi",
    "url",
    "pdf",
    "code",
    "categories",
    "date",
    "votes",
    "position",
]


@given(
    st.dictionaries(
        st.sampled_from(KEYS),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_object_gives_a_record_or_a_reason(item: dict[str, Any]) -> None:
    (said,) = read(item)
    if isinstance(said, Record):
        paper = paper_of(said)
        "".join((paper.raw_title, paper.raw_abstract, *paper.keys, *(link.url for link in paper.links))).encode()
    else:
        assert said.reason


def test_the_documents_examples_are_taken_as_they_stand() -> None:
    text = DOCS.read_text("utf-8")
    examples = [line.encode() for line in text.splitlines() if line.startswith("{")]
    assert len(examples) >= 3
    assert all(isinstance(one, Record) for one in jsonl.records(examples, "docs"))
    table = [line for line in text.splitlines() if line.startswith("| `")]
    documented = {word for line in table for word in line.split("`")[1::2]}
    assert {*KEYS, "arxiv", "arxiv_id", "link", "page", "day", "upvotes", "score", "points"} <= documented


@pytest.mark.shared
def test_real_lines() -> None:
    for path in shared_folder("feeds").glob("*.jsonl"):
        lines = path.read_bytes().splitlines()
        found = list(jsonl.records(lines, path.name))
        assert len(found) == len(lines)
        for line, record in zip(lines, found, strict=True):
            said = json.loads(line)
            assert isinstance(record, Record)
            assert record.keys == (f"arxiv:{said['id']}",)
            assert str(record.day) == said["date"]
            assert (record.title, record.abstract, record.votes) == (
                said["title"],
                said["abstract"],
                said["upvotes"],
            )
            assert record.authors == tuple(dict.fromkeys(name.strip() for name in said["authors"]))
            assert record.links == ()
