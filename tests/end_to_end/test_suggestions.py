"""`digest profiles suggest`: interests that likes imply, from the store into the profile file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import PAPERS, Digest

DAY = "2025-03-14"
ICE = [
    ("Melting of Sea Ice in Summer", "Satellites watch sea ice from above. We follow how sunlight warms the Arctic "
     "ocean and find thinner floes each year than in the years before, whatever the wind."),
    ("Sea Ice and the Albedo of the Arctic", "Where sea ice is lost, dark water takes up the warmth of the sun. We "
     "measure by how much, from ships and from buoys, over ten winters."),
    ("Drift of Sea Ice under Wind", "Floes move at two percent of the speed of the wind. We show where that fails, "
     "and why currents matter more once sea ice is broken."),
]  # fmt: skip
FILE = """\
# What I read. Do not touch!
time_zone = "Europe/Berlin"   # home
interests = [
  { text = "overlapping speech", weight = 2.0 },   # the old project
  # "knitting",
]
"""


@pytest.fixture
def alice(digest: Digest) -> Digest:
    """A reader who liked three papers on one thing."""
    digest("ingest", digest.page("one", [*PAPERS, *ICE]), "--day", DAY)
    digest.profile("alice", FILE)
    digest("profiles", "apply")
    for title, _ in ICE:
        digest("like", "alice", title)
    return digest


def profile(alice: Digest) -> Path:
    return alice.home / "profiles" / "alice.toml"


def test_a_suggestion_is_a_line_to_paste_with_what_stands_behind_it(alice: Digest) -> None:
    before = profile(alice).read_bytes()
    answer = alice("profiles", "suggest", "alice")
    lines = answer.out.splitlines()
    assert lines[:2] == ["interests:", '  1  "sea ice",  # 3 of 3 likes']
    assert {line.strip() for line in lines[2:4]} <= {title for title, _ in ICE}
    assert max(map(len, lines)) <= 80
    assert "`digest profiles suggest alice --accept` adds these to profiles/alice.toml" in answer.err
    assert profile(alice).read_bytes() == before


def test_accepted_it_is_in_the_file_and_all_else_is_as_it_was(alice: Digest) -> None:
    before = profile(alice).read_text("utf-8").splitlines()
    profile(alice).chmod(0o640)
    answer = alice("profiles", "suggest", "alice", "--accept")
    assert "added 1 interest to profiles/alice.toml; `digest profiles apply` takes the file over" in answer.out
    after = profile(alice).read_text("utf-8").splitlines()
    assert [line for line in before if line not in after] == []
    assert [line.strip(" ,") for line in after if line not in before] == ['"sea ice"']
    assert profile(alice).stat().st_mode & 0o777 == 0o640
    assert os.listdir(alice.home / "profiles") == ["alice.toml"]
    # Nothing is suggested twice, not even before the file is taken over.
    assert "nothing to suggest" in alice("profiles", "suggest", "alice", "--accept").out
    assert '+ interest "sea ice"' in alice("profiles", "apply").out


def test_some_of_them(alice: Digest) -> None:
    title = ICE[0][0]
    for other, text in ((f"{title}, Again", "x"), (f"{title}, Thrice", "y")):
        page = alice.page(text, [(other, ICE[0][1] + f" This is {text}. " * 9)])
        alice("ingest", page, "--day", DAY)
    everything = alice("profiles", "suggest", "alice", "--json").json["suggestions"]
    (one,) = alice("profiles", "suggest", "alice", "--only", "1", "--json").json["suggestions"]
    assert one == everything[0]
    assert (one["key"], one["text"], one["likes"]) == ("interests", "sea ice", 3)
    for wrong in ("9", "0", "one", "1-2"):
        assert "--only" in alice("profiles", "suggest", "alice", "--accept", "--only", wrong, code=2).err
    assert '"sea ice"' not in profile(alice).read_text("utf-8")
    alice("profiles", "suggest", "alice", "--accept", "--only", "1")
    assert '"sea ice"' in profile(alice).read_text("utf-8")


def test_what_the_profile_itself_likes_counts_too(alice: Digest) -> None:
    alice("like", "alice", ICE[0][0], "--undo")
    assert alice("profiles", "suggest", "alice", "--json").json["likes"] == 2
    alice.profile("alice", f'{FILE}liked = ["{ICE[0][0].upper()}", "a paper that nobody knows"]')
    assert alice("profiles", "suggest", "alice", "--json").json["likes"] == 3
    alice("dislike", "alice", ICE[0][0])
    assert alice("profiles", "suggest", "alice", "--json").json["likes"] == 2


def test_too_few_likes_suggest_nothing_and_say_what_to_do(alice: Digest) -> None:
    for title, _ in ICE[1:]:
        alice("like", "alice", title, "--undo")
    before = profile(alice).read_bytes()
    answer = alice("profiles", "suggest", "alice", "--accept")
    assert answer.out == "alice liked 1 paper that the store knows; suggestions need 3\n"
    assert "`digest like alice PAPER`" in answer.err
    assert "`digest profiles import alice FILE`" in answer.err
    assert alice("profiles", "suggest", "alice", "--json").json == {
        "subscriber": "alice",
        "likes": 1,
        "suggestions": [],
        "accepted": False,
    }
    assert profile(alice).read_bytes() == before


def test_a_broken_file_is_named_and_left_alone(alice: Digest) -> None:
    profile(alice).write_text('address = "alice@example.org"\nhuor = 7\n', "utf-8")
    assert '"sea ice"' in alice("profiles", "suggest", "alice").out
    answer = alice("profiles", "suggest", "alice", "--accept", code=3)
    assert "profiles/alice.toml:2: huor: unknown key — did you mean `hour`?" in answer.err
    assert profile(alice).read_text("utf-8") == 'address = "alice@example.org"\nhuor = 7\n'
    profile(alice).unlink()
    assert "no such file" in alice("profiles", "suggest", "alice", "--accept", code=3).err


def test_who_is_not_known(alice: Digest) -> None:
    assert "Did you mean alice?" in alice("profiles", "suggest", "alise", code=6).err
    alice.profile("bela")
    assert "run `digest profiles apply` first" in alice("profiles", "suggest", "bela", code=6).err


def test_a_library_before_any_page_is_ingested(digest: Digest) -> None:
    digest.profile("alice")
    digest("profiles", "apply")
    refs = digest.write("refs.txt", "".join(f"{title}\n" for title, _ in ICE))
    digest("profiles", "import", "alice", refs)
    assert '"sea ice",  # 3 of 3 likes' in digest("profiles", "suggest", "alice").out
