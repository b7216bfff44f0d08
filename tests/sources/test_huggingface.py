"""The daily papers of Hugging Face, as its API tells them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from real_input import shared_folder
from source_samples import HF, hf_item

from digest.errors import SourceUnreadable
from digest.model import Batch, Link
from digest.sources import huggingface
from digest.sources.record import paper_of

DAY = date(2026, 3, 3)


def read(*items: Any) -> Batch:
    return huggingface.parse(json.dumps(items).encode(), "hf", DAY)


def test_the_address_names_the_day() -> None:
    assert huggingface.url("", DAY) == "https://huggingface.co/api/daily_papers?date=2026-03-03"
    assert huggingface.url("http://127.0.0.1:9/p?x=1", DAY) == "http://127.0.0.1:9/p?x=1&date=2026-03-03"


def test_a_paper_with_all_it_tells() -> None:
    (record,) = read(hf_item()).records
    assert (record.title, record.abstract) == ("Bees That Count", "We ask bees to count.\nThey do, up to four.")
    assert record.authors == ("Ann Li", "Bo Day"), "hidden authors stay hidden"
    assert (record.keys, record.votes, record.position) == (("arxiv:2603.00017",), 12, 1)
    assert record.day == DAY, "the day that was asked for, not one of the times in the answer"
    assert not record.html
    assert paper_of(record).links == (
        Link("abstract", "https://arxiv.org/abs/2603.00017"),
        Link("pdf", "https://arxiv.org/pdf/2603.00017"),
        Link("code", "https://github.com/bees/count"),
        Link("page", "https://bees.example.org/"),
    )


@pytest.mark.parametrize(
    ("said", "votes"),
    [
        (..., None),
        (None, None),
        (0, 0),
        (7, 7),
        ("7", 7),
        (7.0, 7),
        (-1, None),
        (True, None),
        ("many", None),
        (2**70, None),
    ],
)
def test_missing_votes_are_unknown_and_not_zero(said: object, votes: int | None) -> None:
    (record,) = read(hf_item(upvotes=said)).records
    assert record.votes == votes


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x.org", "//x.org", "https://a:b@x.org", "http://", 3, "https://["]
)
def test_a_link_that_is_none_is_dropped_and_its_paper_kept(url: object) -> None:
    (record,) = read(hf_item(projectPage=url, githubRepo=url)).records
    assert record.links == ()


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (hf_item(withdrawnAt="2026-03-05T10:00:00.000Z"), "entry 2: withdrawn on 2026-03-05"),
        (hf_item(title=...), "there is no title"),
        (hf_item(title=5), "there is no title"),
        (hf_item(title="?!"), "a title without letters or digits: '?!'"),
        (hf_item(title="x" * 2001), "a title of 2001 characters; 2000 are the most"),
        ({"paper": None, "title": "Bees"}, "entry 2 has no paper"),
        (None, "entry 2 has no paper"),
        ("Bees", "entry 2 has no paper"),
    ],
)
def test_one_bad_entry_does_not_lose_the_others(item: Any, reason: str) -> None:
    if item and isinstance(item, dict) and item.get("title") == 5:
        item["paper"]["title"] = 5
    batch = read(hf_item(id="2603.00001"), item, hf_item(id="2603.00003"))
    assert [(one.keys, one.position) for one in batch.records] == [
        (("arxiv:2603.00001",), 1),
        (("arxiv:2603.00003",), 3),
    ]
    assert [(one.line, one.reason) for one in batch.rejected] == [(2, reason)]


def test_a_name_without_end_is_cut() -> None:
    (record,) = read(hf_item(authors=["Ann " * 500, " Bo\n"])).records
    assert record.authors == (("Ann " * 50).strip(), "Bo")


def test_a_paper_that_is_there_twice_counts_once() -> None:
    batch = read(hf_item(upvotes=5), hf_item(id="2603.00017v2"), hf_item(id="2603.00018"))
    assert [(one.votes, one.position) for one in batch.records] == [(5, 1), (12, 3)]
    assert batch.repeated == 1


def test_an_empty_list_is_a_day_without_papers() -> None:
    assert huggingface.parse(b" [] ", "hf", DAY) == Batch()


def test_what_json_does_not_know_costs_one_value_only() -> None:
    said = HF.replace(b'"upvotes": 12', b'"upvotes": NaN', 1).replace(b'"upvotes": 3', b'"upvotes": ' + b"9" * 5000)
    assert [one.votes for one in huggingface.parse(said, "hf", DAY).records] == [None, None, 12]
    broken = HF.replace(b"Slow", b"Sl\xffw")
    assert [one.title for one in huggingface.parse(broken, "hf", DAY).records][1] == "Sl\ufffdw Oaks"


def test_text_that_no_store_takes_is_mended() -> None:
    (record,) = read(
        hf_item(title="Be\ud800es\0", summary="\udfff", authors=["A\0nn", {"name": "\ud800"}, 7])
    ).records
    assert (record.title, record.abstract, record.authors) == ("Bees", "", ("Ann",))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"error": "Too many\\nrequests"}', "the server says: Too many requests"),
        (b"{}", "no list of papers"),
        (b"<!doctype html><html>", "web page"),
        (b"", "empty"),
        (HF[: len(HF) // 2], "breaks off"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"a":' * 1_000_000, "nested too deeply"),
        (b"\xff\xfe[\0", "not JSON"),
    ],
)
def test_an_answer_that_is_no_list_is_never_an_empty_day(data: bytes, says: str) -> None:
    with pytest.raises(SourceUnreadable, match=says) as error:
        huggingface.parse(data, "hf", DAY)
    assert str(error.value).startswith("hf: ")
    assert error.value.exit_code == 1


@pytest.mark.shared
def test_a_real_answer() -> None:
    (path,) = shared_folder("feeds").glob("hf_daily_record*.json")
    (record,) = huggingface.parse(path.read_bytes(), "hf", DAY).records
    assert record.keys == (f"arxiv:{path.stem.rpartition('_')[2]}",)
    assert (len(record.authors), record.votes, len(paper_of(record).links)) == (5, 10, 4)
    assert "classification" in record.abstract
