"""What readers say of papers: `digest like`, `dislike`, `save`, and taking it back."""

from __future__ import annotations

import pytest
from command import PAPERS, Digest

DAY = "2025-03-14"
TOOLS, PROTEINS, WEATHER, SPEECH, GRAPHS = (title for title, _ in PAPERS)


@pytest.fixture
def alice(digest: Digest) -> Digest:
    """Five papers, and a reader who was sent three of them."""
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice", "trending = 1\nfloor = 0\npapers = 3")
    digest("profiles", "apply")
    digest("run", "--day", DAY)
    return digest


def test_a_reader_says_what_they_think_and_takes_it_back(alice: Digest) -> None:
    assert alice("like", "alice", TOOLS).out == f"alice likes “{TOOLS}”\n"
    assert alice("like", "alice@example.org", TOOLS).out == f"alice likes “{TOOLS}”, as before\n"
    assert alice("save", "alice", TOOLS).out == f"alice saved “{TOOLS}” (before: liked)\n"
    assert "is not liked by alice, it is saved; nothing was changed" in alice("like", "alice", TOOLS, "--undo").out
    assert alice("save", "alice", TOOLS, "--undo").out == f"alice no longer saves “{TOOLS}”\n"
    assert "is not saved by alice; nothing was changed" in alice("save", "alice", TOOLS, "--undo").out
    said = alice("dislike", "alice", TOOLS, "--json").json
    assert (said["before"], said["after"], said["changed"]) == (None, "disliked", True)


@pytest.mark.parametrize(
    "text", [TOOLS.upper(), "calling for HELP", "Who spoke transcribing meetings with overlapping speech?"]
)
def test_a_title_however_written_or_a_part_of_it(alice: Digest, text: str) -> None:
    assert alice("like", "alice", text, "--json").json["title"] in (TOOLS, SPEECH)


def test_a_paper_of_the_last_letter_by_its_place(alice: Digest) -> None:
    text = " ".join(alice("preview", "alice", "--day", DAY, "--text").out.split())
    sent = sorted((title for title, _ in PAPERS if title in text), key=text.index)
    assert len(sent) == 3
    assert alice("like", "alice", "#3", "--json").json["title"] == sent[2]
    assert alice("like", "alice", "1", "--json").json["title"] == sent[0]
    assert "The last letter of alice, of 2025-03-14, had 3 papers." in alice("like", "alice", "#4", code=1).err
    assert "#0: no such paper" in alice("like", "alice", "#0", code=1).err


def test_who_was_sent_nothing_has_no_last_letter(alice: Digest) -> None:
    alice.profile("bela")
    alice("profiles", "apply")
    assert "No letter was sent to bela yet" in alice("like", "bela", "#1", code=1).err


def test_an_unknown_paper_names_the_nearest(alice: Digest) -> None:
    answer = alice("like", "alice", "mesage pasing on graphs", code=1)
    assert "no such paper. The nearest:" in answer.err
    assert f"“{GRAPHS}”" in answer.err
    assert WEATHER not in answer.err
    assert "No stored title is like it" in alice("like", "alice", "xyzzy", code=1).err
    assert "try its title" in alice("like", "alice", "arxiv:2502.12345v2", code=1).err
    assert "Give a title" in alice("like", "alice", " ", code=1).err


def test_a_part_of_several_titles_names_at_most_five(alice: Digest) -> None:
    many = [(f"Soil and Rain, Part {n}", f"{word} rain falls on soil. " * 20) for n, word in enumerate("abcdefgh")]
    alice("ingest", alice.page("two", many), "--day", DAY)
    answer = alice("like", "alice", "soil and", code=1)
    assert "part of 8 titles" in answer.err
    assert answer.err.count("“Soil and Rain, Part") == 5
    assert "and 3 more" in answer.err
    alice("ingest", alice.page("three", [("Soil and", "Another paper altogether, on worms. " * 9)]), "--day", DAY)
    assert alice("like", "alice", "soil AND", "--json").json["title"] == "Soil and"


def test_two_papers_of_one_title_are_told_apart_by_their_keys(alice: Digest) -> None:
    honey = "Honey is stored in combs by workers who dance to tell where flowers bloom today. " * 3
    tides = "Water rises twice between noon and midnight since moon and sun pull at oceans. " * 3
    alice("ingest", alice.page("two", [("Reply to Comments", honey)]), "--day", DAY)
    alice("ingest", alice.page("three", [("Reply to Comments", tides)]), "--day", DAY)
    answer = alice("like", "alice", "reply to comments", code=1)
    keys = [part.partition(")")[0] for part in answer.err.split("(")[1:]]
    told = [alice("like", "alice", key, "--json").json["keys"] for key in keys]
    assert told == [[key] for key in keys]
    assert len(set(keys)) == 2


def test_who_is_not_known_and_what_is_not_there(digest: Digest) -> None:
    assert "there is no store yet" in digest("like", "alice", TOOLS, code=4).err
    digest.profile("alice")
    digest("profiles", "apply")
    assert "Did you mean alice?" in digest("like", "alise", TOOLS, code=6).err


def test_what_a_reader_said_changes_the_next_letter(alice: Digest) -> None:
    alice.profile("bela", "papers = 2\nfloor = 1")
    alice("profiles", "apply")
    before = alice("preview", "bela", "--day", DAY, "--text").out
    assert "Because you" not in before
    alice("like", "bela", SPEECH)
    explained = alice("preview", "bela", "--day", DAY, "--explain", "--json").json["candidates"]
    assert {one["why"] for one in explained if one["title"] == SPEECH} == {"you liked it already"}
    alice("dislike", "bela", SPEECH)
    explained = alice("preview", "bela", "--day", DAY, "--explain", "--json").json["candidates"]
    assert {one["why"] for one in explained if one["title"] == SPEECH} == {"you disliked it"}


def test_an_imported_library_chooses_the_letter(alice: Digest) -> None:
    alice.profile("bela", "papers = 1\nfloor = 1\ntrending = 0")
    alice("profiles", "apply")
    refs = alice.home / "refs.bib"
    refs.write_text(
        "@article{a, title={Enzymes that fold at high temperature}, abstract={We design proteins and measure how "
        "enzymes keep their shape when heated.}}"
    )
    alice("profiles", "import", "bela", refs)
    letter = " ".join(alice("preview", "bela", "--day", DAY, "--text").out.split())
    assert PROTEINS in letter
    assert "Because you liked “Enzymes that fold at high temperature”" in letter
