"""`digest evaluate` on readers and papers that were invented for it."""

from __future__ import annotations

import json
import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from command import Digest
from invented_readers import TOPICS, invented, write
from tiny_model import write_model

from digest import evaluation
from digest.model import Entry, Feedback, Interest, Paper, Profile, Subscriber
from digest.ranking.evaluate import Interval, Result
from digest.sources.identity import title_key
from digest.sources.record import told
from digest.store import feedback, merging, papers, subscribers
from digest.store.opening import open_store

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(empty: Digest) -> Path:
    return write(empty.home / "library", invented())


def test_the_ranking_is_measured_beside_plain_tfidf(empty: Digest, folder: Path) -> None:
    answer = empty("evaluate", folder)
    lines = answer.out.splitlines()
    assert lines[0].startswith("24 readers, ")
    assert "liked by nobody before 2026-03-" in lines[0]
    assert [line.split()[0] for line in lines if "[" in line] == ["plain", "ours"]
    assert max(len(line) for line in lines[1:]) <= 80
    found = empty("evaluate", folder, "--json").json
    plain, ours = found["results"]
    assert found["problems"] == []
    assert found["split"]["since"][:10] in lines[0]
    assert (plain["ranker"], ours["ranker"]) == ("plain", "ours")
    assert plain["ratio"] == {"mean": 1, "low": 1, "high": 1}
    for one in (plain, ours):
        assert one["readers"] == found["measured"] == 24
        for name in ("ndcg@10", "recall@20", "recall@100", "mrr"):
            assert 0 <= one[name]["low"] <= one[name]["mean"] <= one[name]["high"] <= 1
        # By chance ten of the candidates hold a third of what a reader likes.
        assert one["ndcg@10"]["mean"] > 0.5
        assert f"{one['ndcg@10']['mean']:.3f} [{one['ndcg@10']['low']:.3f}" in answer.out


def test_many_readers_are_heard_by_each_other(empty: Digest) -> None:
    many = write(empty.home / "many", invented(readers=150, papers=300))
    results = empty("evaluate", many, "--json").json["results"]
    assert [one["ranker"] for one in results] == ["plain", "ours", "others"]
    assert results[2]["ndcg@10"]["mean"] != results[1]["ndcg@10"]["mean"]


def test_the_same_folder_in_another_order_gives_the_same(empty: Digest, folder: Path) -> None:
    def figures(where: Path) -> list[object]:
        answer = empty("evaluate", where, "--by", "likes:3", "--by", "titles:3", "--json").json
        return [
            {k: v for k, v in one.items() if k not in ("microseconds", "fitted_in")} for one in answer["results"]
        ]

    mixed = invented()
    for lines in mixed.values():
        random.Random(9).shuffle(lines)
    assert figures(write(empty.home / "mixed", mixed)) == figures(folder) == figures(folder)


def test_every_kind_of_profile_has_its_table(empty: Digest, folder: Path) -> None:
    kinds = ["library", "likes:3", "titles:3", "phrases"]
    answer = empty("evaluate", folder, "--svm", *(part for kind in kinds for part in ("--by", kind)))
    assert [line for line in answer.out.splitlines() if line.endswith(", 24 readers")] == [
        f"{kind}, 24 readers" for kind in kinds
    ]
    # A classifier needs likes to learn from.
    assert [line.split()[0] for line in answer.out.splitlines() if "[" in line].count("svm") == 2
    assert "no kind of profile" in empty("evaluate", folder, "--by", "tags:3", code=2).err


def test_without_dates_papers_are_held_out(empty: Digest) -> None:
    answer = empty("evaluate", write(empty.home / "library", invented(dates=False)))
    assert "by a hash of their keys, as no date is given for 604 likes" in answer.out
    assert "1 reader who liked none of them" in answer.out
    assert "ours" in answer.out


def test_where_every_ranking_must_look_good_that_is_said(empty: Digest) -> None:
    answer = empty("evaluate", write(empty.home / "library", invented(papers=60)))
    assert "with only 11 papers to rank, every ranking looks good" in answer.err
    assert "recall@20" in answer.out


def test_a_bad_line_is_counted_and_named_and_the_rest_is_used(empty: Digest, folder: Path) -> None:
    with (folder / "likes.jsonl").open("a") as file:
        file.write('{"reader": "r01", "paper": "p999", "at": "2026-01-01"}\n{"reader": "r01"\n')
    answer = empty("evaluate", folder, code=1)
    assert f"{folder}/likes.jsonl:605: paper: no paper has the key 'p999'" in answer.err
    assert f"{folder}/likes.jsonl:606: not JSON" in answer.err
    assert "2 lines could not be used" in answer.err
    whole = empty("evaluate", folder, "--json", code=1).json
    assert [one["line"] for one in whole["problems"]] == [605, 606]
    assert whole["measured"] == 24


def test_too_few_readers_are_told_with_what_was_found(empty: Digest) -> None:
    folder = write(empty.home / "library", invented(readers=4))
    said = empty("evaluate", folder, code=1).err
    assert f"{folder}: 4 readers can be measured, and fewer than 5 say nothing" in said
    assert "Found: 4 readers, " in said
    assert "180 papers" in said


def test_a_kind_with_too_few_readers_is_refused_and_the_others_are_measured(empty: Digest) -> None:
    made = invented()
    made["readers"] = made["readers"][:3]
    answer = empty("evaluate", write(empty.home / "library", made), "--by", "phrases", "--by", "library", code=1)
    assert "--by phrases: 3 readers with such a profile, and fewer than 5 say nothing" in answer.err
    assert "library, 24 readers" in answer.out


@pytest.mark.parametrize("name", ["papers.jsonl", "likes.jsonl"])
def test_a_file_that_is_not_there_is_named(empty: Digest, folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{folder}/{name}: no such file" in empty("evaluate", folder, code=3).err
    os.mkfifo(folder / name)  # would keep us waiting
    assert f"{folder}/{name}: no such file" in empty("evaluate", folder, code=3).err


def test_a_folder_that_is_not_there_is_named(empty: Digest) -> None:
    assert "nowhere: no such folder" in empty("evaluate", "nowhere", code=3).err


def test_phrases_are_not_needed(empty: Digest, folder: Path) -> None:
    (folder / "readers.jsonl").unlink()
    assert "library, 24 readers" in empty("evaluate", folder).out


# ---- the store's own readers


def fill(digest: Digest, made: dict[str, list[dict[str, Any]]]) -> None:
    """The invented readers as subscribers, who said at the time what they liked."""
    store = open_store(f"sqlite:///{digest.home}/digest.db")
    with store.write() as connection:
        listed = [
            Entry(
                Paper(one["title"], one["abstract"], keys=(f"arxiv:{one['key']}", title_key(one["abstract"]))), n, n
            )
            for n, one in enumerate(made["papers"], 1)
        ]
        merging.take(connection, [told(one) for one in listed], "page:a", START, day=START.date())
        ids = papers.ids_by_key(connection, [one.paper.keys[0] for one in listed])
        asked = {one["reader"]: Profile(tuple(map(Interest, one["phrases"]))) for one in made["readers"]}
        new = [
            Subscriber(handle=name, address=f"{name}@example.org", profile=asked[name], next_due_at=START)
            for name in asked
        ]
        subscribers.add(connection, new)
        for reader in subscribers.everyone(connection):
            said = [
                Feedback(
                    ids[f"arxiv:{one['paper']}"], "liked", datetime.fromisoformat(f"{one['at']}T08:00Z"), "cli"
                )
                for one in made["likes"]
                if one["reader"] == reader.handle
            ]
            feedback.record(connection, reader.id, said)
    store.close()


def test_without_a_folder_the_stores_own_readers_are_measured(digest: Digest, folder: Path) -> None:
    fill(digest, invented())
    answer = digest("evaluate", "--by", "library", "--by", "phrases")
    there = digest("evaluate", folder, "--by", "library", "--by", "phrases")
    # The same readers, papers and likes, and so the same split.
    assert answer.out.splitlines()[0].replace(" 08:00)", ")") == there.out.splitlines()[0]
    assert "phrases, 24 readers" in answer.out
    assert [line.split()[0] for line in answer.out.splitlines() if "[" in line] == ["plain", "ours"] * 2


def test_the_model_that_the_configuration_names_is_measured_beside_the_ranking_without(digest: Digest) -> None:
    fill(digest, invented())
    write_model(digest.home / "model", words=["[UNK]", *" ".join(TOPICS.values()).split()])
    digest.write("config.toml", '[ranking]\nsemantic = "model"\n')
    results = digest("evaluate", "--json").json["results"]
    assert [one["ranker"] for one in results] == ["plain", "ours", "semantic"]
    assert results[2]["ndcg@10"] != results[1]["ndcg@10"]


def test_a_store_without_likes_says_so(digest: Digest) -> None:
    fill(digest, invented() | {"likes": []})
    assert "Found: 24 readers and 180 papers, but no likes." in digest("evaluate", code=1).err


def test_without_a_store_the_remedy_is_told(digest: Digest) -> None:
    assert "there is no store yet" in digest("evaluate", code=4).err


# ---- the picture


def test_the_picture_is_a_png_or_an_svg(empty: Digest, folder: Path) -> None:
    for name in ("quality.png", "quality.svg"):
        assert f"wrote {name}" in empty("evaluate", folder, "--picture", name, "--by", "likes:3").err
    png = (empty.home / "quality.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.rstrip().endswith(b"IEND\xaeB`\x82")
    assert ElementTree.parse(empty.home / "quality.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_picture_shows_each_ratio_where_it_lies() -> None:
    def result(ranker: str, ratio: Interval) -> Result:
        return Result("library", ranker, {"mrr": np.ones(7)}, ratio, 1.0, 1.0)

    base = result("plain", Interval(1, 1, 1))
    one = evaluation.picture([base, result("ours", Interval(1.2, 1.1, 1.3))], "plain", "svg")
    assert one == evaluation.picture([base, result("ours", Interval(1.2, 1.1, 1.3))], "plain", "svg")
    assert one != evaluation.picture([base, result("ours", Interval(1.25, 1.1, 1.3))], "plain", "svg")
    nothing = result("ours", Interval(np.nan, np.nan, np.nan))
    assert evaluation.picture([base, nothing], "plain", "svg") == evaluation.picture([base], "plain", "svg")


def test_a_picture_of_another_form_is_refused_before_anything_is_measured(empty: Digest, folder: Path) -> None:
    answer = empty("evaluate", folder, "--picture", "quality.jpeg", code=2)
    assert ".png" in answer.err
    assert answer.out == ""


def test_a_picture_that_cannot_be_written_is_named(empty: Digest, folder: Path) -> None:
    assert "no/such/quality.png" in empty("evaluate", folder, "--picture", "no/such/quality.png", code=3).err


def test_without_the_extra_the_remedy_is_told(empty: Digest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = empty("evaluate", folder, "--picture", "quality.png", code=1)
    assert "pip install 'digest-letter[pictures]'" in answer.err
    assert answer.out == ""
    assert json.loads(empty("evaluate", folder, "--json").out)["results"]  # all else is there without it
