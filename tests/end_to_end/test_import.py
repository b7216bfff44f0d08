"""`digest profiles import`: a reader's reference library, as a person imports it."""

from __future__ import annotations

import pytest
from command import PAPERS, Digest

BIB = """\
@article{a, title = {Bees of the Moor}, abstract = {Bees fly.}, eprint = {2603.00001}}
@article{b, title = {Wasps},
@article{c, title = {Designing Proteins That Withstand Heat}}
"""


@pytest.fixture
def alice(digest: Digest) -> Digest:
    digest("ingest", digest.page("one", PAPERS), "--day", "2025-03-14")
    digest.profile("alice")
    digest("profiles", "apply")
    return digest


def test_what_a_person_sees(alice: Digest) -> None:
    bib, ids = alice.write("refs.bib", BIB), alice.write("ids.txt", "2603.00001\n2603.00009\n")
    tried = alice("profiles", "import", "alice", bib, ids, "--dry-run", code=1)
    assert "alice: 2 papers would be newly liked; nothing was stored" in tried.out
    answer = alice("profiles", "import", "alice", bib, ids, code=1)
    rows = [line.split() for line in answer.out.splitlines()]
    assert rows[0] == ["file", "format", "entries", "new", "known", "duplicates", "without", "abstract", "rejected"]
    assert rows[1] == ["refs.bib", "BibTeX", "3", "1", "1", "0", "0", "1"]
    assert rows[2] == ["ids.txt", "list", "2", "0", "0", "1", "0", "1"]
    assert rows[3] == ["alice:", "2", "papers", "newly", "liked"]
    assert "refs.bib:2: rejected: broken from here on" in answer.err
    assert "ids.txt:2: rejected: arxiv:2603.00009 is not known here; give a title" in answer.err
    assert alice("like", "alice", "2603.00001").out == "alice likes “Bees of the Moor”, as before\n"
    assert (
        alice("profiles", "import", "alice", bib, "--remove").out
        == "forgot what alice said of 2 papers by refs.bib\n"
    )
    assert "Nothing was imported yet." in alice("profiles", "import", "alice", bib, "--remove", code=1).err


def test_for_scripts(alice: Digest) -> None:
    path = alice.write("refs.bib", BIB)
    (one,) = alice("profiles", "import", "alice", path, "--as", "saved", "--json", code=1).json
    assert (one["format"], one["new"], one["known"], one["verdicts"]) == ("BibTeX", 1, 1, 2)
    assert one["rejected"][0]["line"] == 2
    assert alice("profiles", "import", "alice", path, "--remove", "--json").json == {"refs.bib": 2}


def test_papers_of_a_library_change_no_letter_of_others(alice: Digest) -> None:
    alice.profile("bela", 'interests = ["protein design"]\nfloor = 0')
    alice("profiles", "apply")
    before = alice("preview", "bela", "--day", "2025-03-14", "--json").json
    alice("profiles", "import", "alice", alice.write("ids.txt", "Protein design by hand\nProtein soup\n"))
    assert alice("preview", "bela", "--day", "2025-03-14", "--json").json == before


def test_files_that_are_no_library(alice: Digest) -> None:
    empty, none = alice.write("empty.bib", ""), alice.write("none.bib", "@comment{nothing}")
    answer = alice("profiles", "import", "alice", empty, alice.home / "nowhere.bib", code=3)
    assert "empty.bib: the file is empty" in answer.err
    assert "nowhere.bib: no such file" in answer.err
    assert "none.bib: no entry was recognised" in alice("profiles", "import", "alice", none).err
    good = alice.write("good.bib", "@misc{a, title = {Moths}}")
    assert "alice: 1 paper newly liked" in alice("profiles", "import", "alice", empty, good, code=1).out


def test_who_is_not_in_the_store(digest: Digest) -> None:
    path = digest.write("refs.bib", BIB)
    assert "there is no store yet" in digest("profiles", "import", "alice", path, code=4).err
    digest.profile("bela")
    digest("profiles", "apply")
    digest.profile("alice")
    answer = digest("profiles", "import", "alice", path, code=6)
    assert "profiles/alice.toml is not taken over yet: run `digest profiles apply` first" in answer.err
    assert "Did you mean bela?" in digest("profiles", "import", "bella", path, code=6).err


@pytest.mark.slow
def test_more_entries_than_a_statement_of_sqlite_takes_values(alice: Digest) -> None:
    path = alice.write("large.txt", "".join(f"10.1000/{n} Study number {n} of bees\n" for n in range(33_000)))
    (one,) = alice("profiles", "import", "alice", path, "--json").json
    assert (one["entries"], one["new"], one["verdicts"]) == (33_000, 33_000, 33_000)
